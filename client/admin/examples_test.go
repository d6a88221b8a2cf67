package admin_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// backends are the examples in other languages.
var backends = map[string][]string{"node": {"node", "backend.mjs"}, "python": {"python3", "backend.py"}}

// backend is a run of one of them, not started yet.
func backend(t *testing.T, ctx context.Context, command []string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(ctx, command[0], append(command[1:], args...)...)
	c.Dir = filepath.Join("..", "..", "examples", "backend")
	c.Env = append(os.Environ(), append(env, "PYTHONDONTWRITEBYTECODE=1")...)
	return c
}

// TestExamplesCall lists live calls and ends one, in each language, on a real server.
func TestExamplesCall(t *testing.T) {
	b := start(t)
	env := []string{"PEAL=" + b.URL(), "PEAL_KEY=peal_sk_crm_" + secret}
	for name, command := range backends {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			run := func(good bool, args ...string) string {
				out, err := backend(t, ctx, command, env, args...).CombinedOutput()
				if (err == nil) != good {
					t.Fatalf("%v: %v\n%s", args, err, out)
				}
				return string(out)
			}
			id := b.ring("alice-"+name, "bob-"+name)
			if got, want := run(true, "calls"), fmt.Sprintf("%s ringing alice-%s bob-%s\n", id, name, name); got != want {
				t.Errorf("live are %q, want %q", got, want)
			}
			if got, want := run(true, "end", id), id+" server 0\n"; got != want {
				t.Errorf("it ended with %q, want %q", got, want)
			}
			if got := run(true, "calls"); got != "" {
				t.Errorf("live are %q after the end", got)
			}
			if got := run(false, "end", aCall); !strings.Contains(got, "no_such_call") || !strings.Contains(got, "/api/v1/records") {
				t.Errorf("a call that does not exist: %s", got)
			}
			if got := run(false); !strings.Contains(got, "calls, end CALL, webhook URL, receive PORT") {
				t.Errorf("without a command: %s", got)
			}
		})
	}
}

// TestExamplesRepeat: they send a request again that was refused for now, and no other, and go
// over pages.
func TestExamplesRepeat(t *testing.T) {
	for name, command := range backends {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				if q.Method == http.MethodPost {
					asked.Add(1)
					http.Error(w, `{"code":"no_such_call"}`, http.StatusNotFound)
					return
				}
				switch asked.Add(1) {
				case 1, 3:
					w.Header().Set("Retry-After", "0")
					http.Error(w, busy, http.StatusTooManyRequests)
				case 2:
					fmt.Fprint(w, `{"calls":[{"callId":"1","state":"ringing","parties":[]}],"next":"a&b=c"}`)
				default:
					fmt.Fprintf(w, `{"calls":[{"callId":%q,"state":"ended","parties":[]}]}`, q.URL.Query().Get("cursor"))
				}
			}))
			defer server.Close()
			env := []string{"PEAL=" + server.URL, "PEAL_KEY=x"}
			out, err := backend(t, t.Context(), command, env, "calls").CombinedOutput()
			if got := strings.ReplaceAll(string(out), " \n", "\n"); err != nil || got != "1 ringing\na&b=c ended\n" {
				t.Errorf("got %q, %v", got, err)
			}
			asked.Store(0)
			if out, err := backend(t, t.Context(), command, env, "end", "7").CombinedOutput(); err == nil || asked.Load() != 1 {
				t.Errorf("refused for good, it asks %d times: %v %s", asked.Load(), err, out)
			}
		})
	}
}

// webhookSecret is that of the vector of Standard Webhooks.
const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// forged are deliveries that no server has signed.
var forged = map[string]func(http.Header){
	"unsigned":         func(h http.Header) { h.Del("Webhook-Signature") },
	"without a header": func(h http.Header) { clear(h) },
	"forged":           func(h http.Header) { h.Set("Webhook-Signature", "v1,"+strings.Repeat("A", 43)+"=") },
	"cut":              func(h http.Header) { h.Set("Webhook-Signature", "v1,") },
	"no time":          func(h http.Header) { h.Set("Webhook-Timestamp", "soon") },
	"of another event": func(h http.Header) { h.Set("Webhook-Id", "evt_4") },
	"of another scheme": func(h http.Header) {
		h.Set("Webhook-Signature", strings.ReplaceAll(h.Get("Webhook-Signature"), "v1,", "v2,"))
	},
}

// deliver sends an event as the server does, or changed, and gives the status.
func deliver(t *testing.T, url, id, body string, at time.Time, changes ...func(http.Header)) int {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(webhookSecret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Webhook-Id", id)
	q.Header.Set("Webhook-Timestamp", fmt.Sprint(at.Unix()))
	q.Header.Set("Webhook-Signature", "v1,AAAA v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	for _, change := range changes {
		change(q.Header)
	}
	w, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(q)
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Body.Close()
	return w.StatusCode
}

// TestExamplesReceive: they take events that are signed now, each once, and no others.
func TestExamplesReceive(t *testing.T) {
	const event = `{"type":"call.ended","id":"evt_%d","timestamp":"2026-11-30T12:05:04Z","data":{"call":{"callId":"c%[1]d"},"record":{"reason":"completed"}}}`
	for name, command := range backends {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			receiver := receive(t, ctx, command, webhookSecret, "0")
			url := receiver.url
			now := time.Now()
			one, two := fmt.Sprintf(event, 1), fmt.Sprintf(event, 2)
			for i, x := range []struct {
				id, body string
				at       time.Time
				want     int
			}{
				{"evt_1", one, now, 204},
				{"evt_1", one, now.Add(-4 * time.Minute), 204},
				{"evt_2", two, now.Add(-310 * time.Second), 401},
				{"evt_2", two, now.Add(310 * time.Second), 401},
				{"evt_2", two, now, 204},
			} {
				if got := deliver(t, url, x.id, x.body, x.at); got != x.want {
					t.Errorf("delivery %d: %d, want %d", i, got, x.want)
				}
			}
			for kind, change := range forged {
				if got := deliver(t, url, "evt_3", one, now, change); got != http.StatusUnauthorized {
					t.Errorf("%s: %d", kind, got)
				}
			}
			receiver.says(t, "evt_1 call.ended c1 completed\nevt_2 call.ended c2 completed\n")
		})
	}
}

// TestExamplesWebhook makes a webhook as each example does, and has it receive what a real server
// delivers.
func TestExamplesWebhook(t *testing.T) {
	for name, command := range backends {
		t.Run(name, func(t *testing.T) {
			b := start(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			free, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			url := "http://" + free.Addr().String()
			_, port, _ := strings.Cut(free.Addr().String(), ":")
			env := []string{"PEAL=" + b.URL(), "PEAL_KEY=peal_sk_crm_" + secret}
			made, err := backend(t, ctx, command, env, "webhook", url).CombinedOutput()
			if err := errors.Join(err, free.Close()); err != nil {
				t.Fatalf("%v\n%s", err, made)
			}
			if again, err := backend(t, ctx, command, env, "webhook", url).CombinedOutput(); err != nil || !strings.Contains(string(again), "not shown again") {
				t.Errorf("a second time: %v %s", err, again)
			}
			receiver := receive(t, ctx, command, strings.TrimSpace(string(made)), port)
			said, err := b.api.TestWebhook(ctx, "example")
			if err != nil || !said.Delivered {
				t.Errorf("a test: %+v, %v", said, err)
			}
			id := b.ring("alice", "bob")
			if _, err := b.api.EndCall(ctx, id); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{" webhook.test  \n", " call.created " + id + " \n", " call.ended " + id + " server\n"} {
				if line, err := receiver.lines.ReadString('\n'); err != nil || !strings.HasSuffix(line, want) {
					t.Errorf("it says %q, %v, want %q", line, err, want)
				}
			}
			receiver.says(t, "")
		})
	}
}

// receiver is an example that receives webhooks.
type receiver struct {
	command *exec.Cmd
	url     string
	lines   *bufio.Reader
	errors  bytes.Buffer
}

// receive starts one at a port.
func receive(t *testing.T, ctx context.Context, command []string, secret, port string) *receiver {
	t.Helper()
	r := &receiver{command: backend(t, ctx, command, []string{"PEAL_WEBHOOK_SECRET=" + secret}, "receive", port)}
	r.command.Stderr = &r.errors
	out, err := r.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.command.Start(); err != nil {
		t.Fatal(err)
	}
	r.lines = bufio.NewReader(out)
	line, err := r.lines.ReadString('\n')
	_, url, found := strings.Cut(strings.TrimSpace(line), "listening on ")
	if err != nil || !found {
		t.Fatalf("it begins with %q, %v %s", line, err, &r.errors)
	}
	r.url = url
	return r
}

// says stops it, and holds what it has said.
func (r *receiver) says(t *testing.T, want string) {
	t.Helper()
	if err := r.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r.lines)
	_ = r.command.Wait() // The test stopped it, so its exit code is no failure.
	if err != nil || string(rest) != want {
		t.Errorf("it says %q, want %q: %v", rest, want, err)
	}
	if r.errors.Len() > 0 {
		t.Errorf("it complains: %s", &r.errors)
	}
}
