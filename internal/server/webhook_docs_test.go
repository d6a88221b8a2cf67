package server

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/webhook"
)

// fencedBlock is a block of a page: its language, what a test does with it, and its text.
var fencedBlock = regexp.MustCompile("(?ms)^```(\\w+)(?: (\\w+))?\n(.*?)^```$")

// webhookPage are the blocks of the page in a language that are for a use.
func webhookPage(t *testing.T, file, use string) (blocks [][]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "build", file))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range fencedBlock.FindAllStringSubmatch(string(text), -1) {
		if block[2] == use {
			blocks = append(blocks, []string{block[1], block[3]})
		}
	}
	if len(blocks) == 0 {
		t.Fatalf("%s has nothing for %s", file, use)
	}
	return blocks
}

// TestWebhookPages: both languages have the same programs and commands.
func TestWebhookPages(t *testing.T) {
	for _, use := range []string{"verify", "event", "server", "listen", ""} {
		if diff := cmp.Diff(webhookPage(t, "webhooks.md", use), webhookPage(t, "webhooks.zh-CN.md", use)); diff != "" {
			t.Errorf("%q differs: %s", use, diff)
		}
	}
}

// TestWebhookExample: the event of the page is one that the document allows.
func TestWebhookExample(t *testing.T) {
	k := start(t, withAPI).backend()
	k.allow("api.json#/components/schemas/Event", webhookPage(t, "webhooks.md", "event")[0][1])
}

// receive runs a receiver of the page, and gives its address and what it prints.
func receive(t *testing.T, language, text, secret string) (url string, out *logBuffer) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), map[string]string{"js": "main.mjs", "python": "main.py", "php": "hooks.php", "go": "main.go"}[language])
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := map[string][]string{"js": {"node", path}, "python": {"python3", path}, "php": {"php", "-S", addr, path}, "go": {path + ".exe"}}[language]
	if language == "go" {
		if said, err := exec.CommandContext(t.Context(), "go", "build", "-o", run[0], path).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
	}
	out = &logBuffer{}
	program := exec.CommandContext(t.Context(), run[0], run[1:]...)
	program.Env = append(os.Environ(), "PORT="+port, "PEAL_WEBHOOK_SECRET="+secret)
	program.Stdout, program.Stderr = out, out
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = program.Process.Kill()
		_ = program.Wait()
	})
	eventually(t, language+" listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return "http://" + addr + "/", out
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); <-time.After(20 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// TestWebhookReceivers runs the receivers of the page: each takes the events of a real call, also
// while its secret changes, and refuses what is signed otherwise, too old, or changed.
func TestWebhookReceivers(t *testing.T) {
	for _, block := range webhookPage(t, "webhooks.md", "verify") {
		t.Run(block[0], func(t *testing.T) {
			secret := webhook.NewSecret()
			url, out := receive(t, block[0], block[1], secret.Text())
			b := start(t, withAPI)
			k := b.backend()
			k.hook("PUT", "crm", "", `{"url":"`+url+`"}`, http.StatusCreated)
			if got := k.hook("POST", "crm", "/test", "", http.StatusOK); got["status"] != 401.0 {
				t.Errorf("signed by another secret: %v", got)
			}
			k.hook("POST", "crm", "/rotate", `{"secret":"`+secret.Text()+`"}`, http.StatusOK)
			if got := k.hook("POST", "crm", "/test", "", http.StatusOK); got["delivered"] != true || got["status"] != 204.0 {
				t.Errorf("signed by two secrets: %v", got)
			}
			b.login("alice", "a").invite(numbered(1), "bob")
			k.ask("POST", "/api/v1/calls/{id}/end", "/api/v1/calls/"+numbered(1)+"/end", goodKey+apiSecret)
			eventually(t, "the receiver prints the record", func() bool {
				text := out.String()
				return strings.Contains(text, "call.ended evt_") && strings.Contains(text, numbered(1)) && strings.Contains(text, "durationSeconds")
			})
			refuses(t, url, secret)
		})
	}
}

// refuses sends requests that a receiver must not take, beside one that it must.
func refuses(t *testing.T, url string, secret webhook.Secret) {
	t.Helper()
	now := time.Now()
	body := `{"type":"webhook.test","id":"evt_test_1","data":{}}`
	for name, test := range map[string]struct {
		at     time.Time
		sent   string
		change func(http.Header)
		status int
	}{
		"good":               {now, body, func(http.Header) {}, 204},
		"almost too old":     {now.Add(-290 * time.Second), body, func(http.Header) {}, 204},
		"too old":            {now.Add(-310 * time.Second), body, func(http.Header) {}, 401},
		"from the future":    {now.Add(310 * time.Second), body, func(http.Header) {}, 401},
		"another body":       {now, strings.Replace(body, "evt_test_1", "evt_test_2", 1), func(http.Header) {}, 401},
		"another id":         {now, body, func(h http.Header) { h.Set(webhook.IDHeader, "evt_2") }, 401},
		"no id":              {now, body, func(h http.Header) { h.Del(webhook.IDHeader) }, 401},
		"another time":       {now, body, func(h http.Header) { h.Set(webhook.TimestampHeader, fmt.Sprint(now.Unix()-1)) }, 401},
		"no time":            {now, body, func(h http.Header) { h.Del(webhook.TimestampHeader) }, 401},
		"a time in words":    {now, body, func(h http.Header) { h.Set(webhook.TimestampHeader, "now") }, 401},
		"no signature":       {now, body, func(h http.Header) { h.Del(webhook.SignatureHeader) }, 401},
		"an empty signature": {now, body, func(h http.Header) { h.Set(webhook.SignatureHeader, "v1,") }, 401},
		"another scheme": {now, body, func(h http.Header) {
			h.Set(webhook.SignatureHeader, strings.Replace(h.Get(webhook.SignatureHeader), "v1,", "v2,", 1))
		}, 401},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(test.sent))
		if err != nil {
			t.Fatal(err)
		}
		r.Close = true
		webhook.Sign(r.Header, []webhook.Secret{secret}, "evt_test_1", test.at, []byte(body))
		test.change(r.Header)
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = w.Body.Close()
		if w.StatusCode != test.status {
			t.Errorf("%s: %d, want %d", name, w.StatusCode, test.status)
		}
	}
}
