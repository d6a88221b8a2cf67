package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/webhook"
)

const hookBody = `{"type":"call.ended","id":"evt_7","data":{"call":{"callId":"` + callID +
	`","rev":3,"state":"ended","reason":"completed","parties":[{"account":"alice"},{"account":"bob\u001b[31m"}]}}}`

// listening starts a receiver, and gives its address, what it shows, and what ends it.
func listening(t *testing.T, secrets []webhook.Secret, asJSON bool) (url string, shown func() (string, string)) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var out, notes bytes.Buffer
	h := &hookReceiver{std: streams{nil, &out, &notes}, secrets: secrets, json: asJSON}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.serve(ctx, l) }()
	return "http://" + l.Addr().String(), func() (string, string) {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		return out.String(), notes.String()
	}
}

// hook sends one event and returns the status.
func hook(t *testing.T, method, url string, by webhook.Secret, at time.Time) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(hookBody))
	if err != nil {
		t.Fatal(err)
	}
	webhook.Sign(r.Header, []webhook.Secret{by}, "evt_7", at, []byte(hookBody))
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = got.Body.Close()
	return got.StatusCode
}

func TestHookListen(t *testing.T) {
	secret, former := webhook.NewSecret(), webhook.NewSecret()
	url, shown := listening(t, []webhook.Secret{secret, former}, false)
	for _, test := range []struct {
		method string
		by     webhook.Secret
		at     time.Time
		want   int
	}{
		{http.MethodPost, secret, time.Now(), http.StatusNoContent},
		{http.MethodPost, former, time.Now(), http.StatusNoContent},
		{http.MethodPost, webhook.NewSecret(), time.Now(), http.StatusUnauthorized},
		{http.MethodPost, secret, time.Now().Add(-time.Hour), http.StatusUnauthorized},
		{http.MethodGet, secret, time.Now(), http.StatusMethodNotAllowed},
	} {
		if got := hook(t, test.method, url, test.by, test.at); got != test.want {
			t.Errorf("%+v: %d", test, got)
		}
	}
	out, notes := shown()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 || strings.Contains(lines[0], "(again)") || !strings.Contains(lines[1], "(again)") {
		t.Errorf("shows %q", out)
	}
	for _, want := range []string{"call.ended", "evt_7", callID, "rev 3", `"alice"`, "completed"} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("no %s in %q", want, lines[0])
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Errorf("a sender steers the terminal: %q", out)
	}
	if !strings.Contains(notes, "Listening for webhooks at "+url) || strings.Count(notes, "refused: ") != 2 || strings.Contains(notes, "not checked") {
		t.Errorf("notes %q", notes)
	}
}

// A test is about no call.
func TestHookListenTest(t *testing.T) {
	var out bytes.Buffer
	h := &hookReceiver{std: streams{nil, &out, &out}, seen: make(map[string]bool)}
	h.show("evt_test_1", []byte(`{"type":"webhook.test","id":"evt_test_1","data":{"webhook":"crm"}}`))
	if got := out.String(); !strings.HasSuffix(got, "  webhook.test        evt_test_1\n") {
		t.Errorf("shows %q", got)
	}
}

func TestHookListenUnchecked(t *testing.T) {
	url, shown := listening(t, nil, true)
	if got := hook(t, http.MethodPost, url, webhook.NewSecret(), time.Now()); got != http.StatusNoContent {
		t.Errorf("status %d", got)
	}
	out, notes := shown()
	if out != hookBody+"\n" || !strings.Contains(notes, "Signatures are not checked") {
		t.Errorf("%q, %q", out, notes)
	}
}

func TestHookRepeats(t *testing.T) {
	h := &hookReceiver{seen: make(map[string]bool)}
	for i := range hookMemory + 1 {
		if h.repeated(webhook.EventID(int64(i))) {
			t.Fatalf("event %d came once", i)
		}
	}
	if h.repeated(webhook.EventID(0)) || !h.repeated(webhook.EventID(hookMemory)) || len(h.seen) != hookMemory || len(h.ids) != hookMemory {
		t.Errorf("%d seen, %d ids", len(h.seen), len(h.ids))
	}
}
