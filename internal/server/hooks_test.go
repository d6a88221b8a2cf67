package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/delivery"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/webhook"
)

// hook makes an endpoint whose secrets are these, the newest first.
func (b *bench) hook(id, url string, secrets ...webhook.Secret) {
	b.t.Helper()
	_, err := b.outbox().PutEndpoint(b.t.Context(), id, func(e *store.Endpoint) error {
		e.URL = url
		for _, secret := range slices.Backward(secrets) {
			e.Rotate(secret.Text(), time.Now(), time.Hour)
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// received is what the receiver of npm's standardwebhooks says of one request.
type received struct {
	Port            int    `json:"port"`
	Verified        bool   `json:"verified"`
	VerifiedByOther bool   `json:"verifiedByOther"`
	ID              string `json:"id"`
	Event           struct {
		Type      string         `json:"type"`
		ID        string         `json:"id"`
		Timestamp time.Time      `json:"timestamp"`
		Data      map[string]any `json:"data"`
	} `json:"event"`
}

// standardReceiver runs that receiver with a secret of the endpoint, and one that is not.
func standardReceiver(t *testing.T, secret, other webhook.Secret) <-chan received {
	t.Helper()
	script, err := os.ReadFile(filepath.Join("testdata", "receiver.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", "--input-type=module", "--eval", string(script), secret.Text(), other.Text())
	node.Dir, node.Stderr = filepath.Join("..", "..", "web"), os.Stderr
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan received, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			var r received
			if err := json.Unmarshal(scanner.Bytes(), &r); err != nil {
				t.Errorf("%s: %v", scanner.Text(), err)
			}
			lines <- r
		}
	}()
	t.Cleanup(func() {
		_ = node.Process.Kill() // It runs until then.
		<-done
		_ = node.Wait()
	})
	return lines
}

// next waits for what a receiver says.
func next(t *testing.T, lines <-chan received) received {
	t.Helper()
	select {
	case r := <-lines:
		return r
	case <-time.After(patience):
		t.Fatal("the receiver says nothing")
		return received{}
	}
}

// TestWebhooks: npm's standardwebhooks verifies the events of a real call by either of two
// secrets, in their order, and the last one has the record that the server API has.
func TestWebhooks(t *testing.T) {
	for name, change := range map[string]func(*Config){"in memory": withAPI, "SQLite": func(cfg *Config) { withAPI(cfg); cfg.Store = nil }} {
		t.Run(name, func(t *testing.T) {
			b := start(t, change)
			secrets := []webhook.Secret{webhook.NewSecret(), webhook.NewSecret()}
			lines := standardReceiver(t, secrets[1], webhook.NewSecret())
			b.hook("crm", fmt.Sprintf("http://127.0.0.1:%d/hooks", next(t, lines).Port), secrets...)
			alice, bob := b.login("alice", "a"), b.login("bob", "b")
			alice.invite(numbered(1), "bob")
			bob.event()
			bob.ask("ringing", map[string]any{"callId": numbered(1)})
			bob.ask("reject", map[string]any{"callId": numbered(1)})
			var last received
			ids := make(map[string]bool)
			for i, kind := range []string{"call.created", "call.ringing", "call.ended"} {
				last = next(t, lines)
				call := last.Event.Data["call"].(map[string]any)
				if !last.Verified || last.VerifiedByOther || last.ID != last.Event.ID || last.Event.Timestamp.IsZero() {
					t.Errorf("%+v", last)
				}
				if last.Event.Type != kind || call["callId"] != numbered(1) || call["rev"] != float64(i+1) || call["record"] != nil {
					t.Errorf("want %s, got %+v", kind, last.Event)
				}
				ids[last.ID] = true
			}
			if len(ids) != 3 {
				t.Errorf("ids %v", ids)
			}
			_, _, body := b.backend().ask(http.MethodGet, "/api/v1/records", "/api/v1/records?account=alice", goodKey+apiSecret)
			if diff := cmp.Diff(body["records"].([]any)[0], last.Event.Data["record"]); diff != "" {
				t.Errorf("the records of the API and of the event differ (-API +event):\n%s", diff)
			}
			text := b.log.String()
			for _, secret := range secrets {
				if strings.Contains(text, secret.Text()) {
					t.Error("the log holds a secret")
				}
			}
		})
	}
}

// TestHangingEndpoint: calls go on, and the server stops, while an endpoint never answers.
func TestHangingEndpoint(t *testing.T) {
	b := start(t, func(cfg *Config) {
		withAPI(cfg)
		l := &cfg.Settings.Limits
		l.InvitesPerMin, l.PairPerMin, l.RingsPerMin = 1000, 1000, 1000
	})
	over := make(chan struct{})
	var tries atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		tries.Add(1)
		<-over
	}))
	defer s.Close()
	defer close(over)
	b.hook("crm", s.URL, webhook.NewSecret())
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	const calls = 25
	for n := range calls {
		if f := alice.invite(numbered(n), "bob"); f.GetError() != nil {
			t.Fatalf("call %d: %v", n, f)
		}
		bob.event()
		if f := alice.ask("cancel", map[string]any{"callId": numbered(n)}); f.GetError() != nil {
			t.Fatalf("call %d: %v", n, f)
		}
		bob.event()
	}
	queues, err := b.outbox().Queues(t.Context())
	if err != nil || len(queues) != 1 || queues[0].Queued != 2*calls {
		t.Errorf("what waits: %+v, %v", queues, err)
	}
	b.stop()
	if n := tries.Load(); n > delivery.PerEndpoint {
		t.Errorf("%d tries at once", n)
	}
}

// TestHookReach: under peal dev webhooks reach the programs of this machine, and no network
// beside. Else they reach what --webhook-allow says.
func TestHookReach(t *testing.T) {
	for _, test := range []struct {
		dev   bool
		allow string
		url   string
		good  bool
	}{
		{true, "", "http://127.0.0.1:9000", true},
		{true, "", "http://localhost:9000", true},
		{true, "", "http://[::1]:9000", true},
		{true, "", "https://10.0.0.1", false},
		{true, "10.0.0.0/8", "https://10.0.0.1", true},
		{true, "", "https://169.254.169.254", false},
		{false, "", "https://127.0.0.1:9000", false},
		{false, "", "http://example.com", false},
		{false, "10.0.0.0/8", "http://10.0.0.1", true},
		{false, "10.0.0.0/8", "http://127.0.0.1:9000", false},
		{false, "", "https://example.com", true},
	} {
		c := &config.Hooks{}
		if test.allow != "" {
			c.Allow = []string{test.allow}
		}
		within, err := hookReach(c, test.dev)
		if err != nil {
			t.Fatal(err)
		}
		if err := within.Check(test.url); (err == nil) != test.good {
			t.Errorf("%+v: %v", test, err)
		}
	}
}
