package webhook_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/peal-rtc/peal/internal/delivery"
	"github.com/peal-rtc/peal/internal/webhook"
)

// local reaches the receivers of the tests.
func local() webhook.Reach { return webhook.Reach{Allow: ranges("127.0.0.0/8", "::1/128")} }

func TestSend(t *testing.T) {
	secret := webhook.NewSecret()
	got := make(chan error, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = secret.Verify(r.Header, body, time.Now())
		}
		if kind := r.Header.Get("Content-Type"); r.Method != http.MethodPost || kind != "application/json" || string(body) != "{}" || r.URL.RawQuery != "key=value" {
			err = fmt.Errorf("%s of %q as %s to %s", r.Method, body, kind, r.URL)
		}
		got <- err
		w.WriteHeader(http.StatusAccepted)
	}))
	defer s.Close()
	m := &webhook.Message{URL: s.URL + "/hooks?key=value", Secrets: []webhook.Secret{webhook.NewSecret(), secret}, ID: "evt_1", Body: []byte("{}")}
	attempt := webhook.NewSender(local(), nil, time.Now).Send(t.Context(), m)
	if err := <-got; err != nil || attempt.Result != delivery.Delivered || attempt.Status != http.StatusAccepted {
		t.Errorf("%v; %+v", err, attempt)
	}
	if !attempt.Clock || attempt.Ahead != 0 {
		t.Errorf("the clock of the same machine: %+v", attempt)
	}
}

func TestAnswers(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a redirect is followed")
	}))
	defer elsewhere.Close()
	soon := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for name, test := range map[string]struct {
		answer func(w http.ResponseWriter)
		want   delivery.Result
		pause  time.Duration
		within time.Duration // How far the pause may be from that.
		ahead  time.Duration
	}{
		"no content":      {answer: func(w http.ResponseWriter) { w.WriteHeader(204) }, want: delivery.Delivered},
		"a long answer":   {answer: func(w http.ResponseWriter) { _, _ = io.Copy(w, strings.NewReader(strings.Repeat("x", 10<<20))) }, want: delivery.Delivered},
		"long headers":    {answer: func(w http.ResponseWriter) { w.Header().Set("X-Long", strings.Repeat("x", 1<<20)) }, want: delivery.Connect},
		"redirect":        {answer: func(w http.ResponseWriter) { w.Header().Set("Location", elsewhere.URL); w.WriteHeader(302) }, want: delivery.Redirect},
		"kept redirect":   {answer: func(w http.ResponseWriter) { w.Header().Set("Location", elsewhere.URL); w.WriteHeader(308) }, want: delivery.Redirect},
		"not modified":    {answer: func(w http.ResponseWriter) { w.WriteHeader(304) }, want: delivery.Redirect},
		"gone":            {answer: func(w http.ResponseWriter) { w.WriteHeader(410) }, want: delivery.Gone},
		"refused":         {answer: func(w http.ResponseWriter) { w.WriteHeader(401) }, want: delivery.Status},
		"broken":          {answer: func(w http.ResponseWriter) { w.WriteHeader(500) }, want: delivery.Status},
		"cut off":         {answer: func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, want: delivery.Connect},
		"too many":        {answer: func(w http.ResponseWriter) { w.Header().Set("Retry-After", "120"); w.WriteHeader(429) }, want: delivery.Status, pause: 2 * time.Minute},
		"a day":           {answer: func(w http.ResponseWriter) { w.Header().Set("Retry-After", "86400"); w.WriteHeader(503) }, want: delivery.Status, pause: time.Hour},
		"a date":          {answer: func(w http.ResponseWriter) { w.Header().Set("Retry-After", soon(2*time.Minute)); w.WriteHeader(503) }, want: delivery.Status, pause: 2 * time.Minute, within: 5 * time.Second},
		"a date long ago": {answer: func(w http.ResponseWriter) { w.Header().Set("Retry-After", soon(-time.Hour)); w.WriteHeader(503) }, want: delivery.Status},
		"negative":        {answer: func(w http.ResponseWriter) { w.Header().Set("Retry-After", "-5"); w.WriteHeader(503) }, want: delivery.Status},
		"later, by words": {answer: func(w http.ResponseWriter) { w.Header().Set("Retry-After", "later"); w.WriteHeader(503) }, want: delivery.Status},
		"fast clock":      {answer: func(w http.ResponseWriter) { w.Header().Set("Date", soon(10*time.Minute)) }, want: delivery.Delivered, ahead: 10 * time.Minute},
		"slow clock":      {answer: func(w http.ResponseWriter) { w.Header().Set("Date", soon(-10*time.Minute)) }, want: delivery.Delivered, ahead: -10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { test.answer(w) }))
			s.Start()
			defer s.Close()
			got := send(t, webhook.NewSender(local(), nil, time.Now), s.URL)
			if got.Result != test.want || (got.RetryAfter-test.pause).Abs() > test.within || (got.Ahead-test.ahead).Abs() > 5*time.Second {
				t.Errorf("got %+v", got)
			}
			if failed := got.Result != delivery.Delivered; failed != (got.Detail != "") || strings.Contains(got.Detail, s.URL) {
				t.Errorf("detail %q", got.Detail)
			}
		})
	}
}

// TestDetail: what an endpoint answers may hold the secret of its URL, or be long. A redirect that
// cannot be read is one, and the detail of an answer that is none has an end.
func TestDetail(t *testing.T) {
	const path = "/path-with-a-secret"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://[::1"+r.URL.Path)
		w.WriteHeader(http.StatusFound)
	}))
	defer s.Close()
	got := send(t, webhook.NewSender(local(), nil, time.Now), s.URL+path)
	if got.Result != delivery.Redirect || strings.Contains(got.Detail, path) {
		t.Errorf("redirected, got %+v", got)
	}
	for name, status := range map[string]string{"ASCII": strings.Repeat("x", 8000), "longer characters": strings.Repeat("界", 2000)} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 "+status+"\r\n\r\n")
			_ = conn.Close()
		}))
		got := send(t, webhook.NewSender(local(), nil, time.Now), s.URL)
		s.Close()
		if n := len(got.Detail); got.Result != delivery.Connect || n == 0 || n > 200 || !utf8.ValidString(got.Detail) {
			t.Errorf("%s: %d bytes, %+v", name, n, got)
		}
	}
}

// TestNoAnswer: a try ends by its limit, or when it is abandoned.
func TestNoAnswer(t *testing.T) {
	came, over := make(chan struct{}, 2), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		came <- struct{}{}
		<-over
	}))
	defer s.Close()
	defer close(over)
	sender := webhook.NewSender(local(), nil, time.Now)
	sender.Limit(100 * time.Millisecond)
	if got := send(t, sender, s.URL); got.Result != delivery.Timeout {
		t.Errorf("got %+v", got)
	}
	<-came
	sender.Limit(time.Minute)
	ctx, abandon := context.WithCancel(t.Context())
	go func() { <-came; abandon() }()
	m := &webhook.Message{URL: s.URL, Secrets: []webhook.Secret{webhook.NewSecret()}, ID: "evt_1", Body: []byte("{}")}
	if got := sender.Send(ctx, m); got.Result != delivery.Abandoned {
		t.Errorf("got %+v", got)
	}
}

// TestUntrusted: a certificate that nobody vouches for is refused.
func TestUntrusted(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was reached") }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	if got := send(t, webhook.NewSender(local(), nil, time.Now), s.URL); got.Result != delivery.Connect || !strings.Contains(got.Detail, "certificate") {
		t.Errorf("got %+v", got)
	}
}
