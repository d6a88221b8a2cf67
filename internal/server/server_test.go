package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

func asCloseError(err error, end *websocket.CloseError) bool { return errors.As(err, end) }

// TestDefaults holds the defaults in the texts of the flags to those of the protocol.
func TestDefaults(t *testing.T) {
	c := settings(t)
	if diff := cmp.Diff(protocol.DefaultLimits(), limits(&c)); diff != "" {
		t.Errorf("limits: %s", diff)
	}
	if diff := cmp.Diff(call.DefaultTiming(), timing(&c.Timing)); diff != "" {
		t.Errorf("timing: %s", diff)
	}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
}

// TestCall is the whole way, over both stores.
func TestCall(t *testing.T) {
	for name, kept := range map[string]func(*Config){"memory": inMemory, "sqlite": func(*Config) {}} {
		t.Run(name, func(t *testing.T) {
			b := start(t, kept)
			alice, bob := b.login("alice", "a"), b.login("bob", "b")
			u := alice.invite(callID, "bob").GetCall()
			if u.GetCall().GetState() != pealv1.CallState_CALL_STATE_RINGING {
				t.Fatalf("invited: %v", u)
			}
			if len(u.IceServers) != 2 || u.IceServers[1].Username == "" || !strings.HasPrefix(u.IceServers[1].Urls[0], "turn:127.0.0.1:") {
				t.Errorf("ICE servers are %v", u.IceServers)
			}
			if u := bob.event().GetCall(); u.GetOffer() != describe("offer") || u.GetCall().GetRole() != pealv1.Role_ROLE_CALLEE {
				t.Fatalf("rings: %v", u)
			}
			bob.ask("accept", map[string]any{"callId": callID, "answer": describe("answer"), "generation": 1})
			if u := alice.event().GetCall(); u.GetAnswer() != describe("answer") {
				t.Fatalf("accepted: %v", u)
			}
			bob.ask("hangup", map[string]any{"callId": callID})
			if c := alice.event().GetCall().GetCall(); c.GetReason() != pealv1.Reason_REASON_COMPLETED || c.GetRecord() == nil {
				t.Fatalf("ended: %v", c)
			}
			wantNoSecrets(t, b.log.String(), "127.0.0.1:0")
		})
	}
}

// TestRefused goes through what a client may do wrong. Each gets its error, and no other client
// notices.
func TestRefused(t *testing.T) {
	b := start(t, inMemory)
	witness := b.login("carol", "c")
	hello := func(token string) map[string]any {
		return map[string]any{"token": token, "deviceId": "d", "fresh": true}
	}

	refusedHello := func(token string, code protocol.Code, says string) func(*testing.T) {
		return func(t *testing.T) {
			c := b.dial()
			wantError(t, c.ask("hello", hello(token)).GetError(), code, says)
			c.wantClosed(protocol.CloseFinal, code)
		}
	}
	now := time.Now()
	t.Run("bad token", refusedHello("open sesame", protocol.BadToken, "not a JWT"))
	t.Run("another key", refusedHello(sign(t, strings.Repeat("x", 32), "main", "alice", time.Minute, now), protocol.BadToken, "signature"))
	t.Run("unknown key", refusedHello(sign(t, secret, "other", "alice", time.Minute, now), protocol.BadToken, "kid"))
	t.Run("expired token", refusedHello(sign(t, secret, "main", "alice", time.Minute, now.Add(-time.Hour)), protocol.TokenExpired, ""))
	t.Run("account of another form", refusedHello(sign(t, secret, "main", " alice", time.Minute, now), protocol.BadToken, "account"))
	t.Run("name that is too long", refusedHello(shownAs("alice", strings.Repeat("n", auth.NameBytes+1), ""), protocol.BadToken, "its claim name has 65 bytes, at most 64: shorten"))
	t.Run("picture by http", refusedHello(shownAs("alice", "", "http://example.com/a.png"), protocol.BadToken, "its claim avatar is not an https URL: give"))
	t.Run("another command first", func(t *testing.T) {
		c := b.dial()
		wantError(t, c.invite(callID, "bob").GetError(), protocol.HelloRequired, "")
	})
	t.Run("oversized message", func(t *testing.T) {
		c := b.login("alice", "d")
		c.write(`{"id":9,"ping":{},"x":"` + strings.Repeat("x", 1<<17) + `"}`)
		bye := c.event().GetGoodbye()
		wantError(t, bye.GetError(), protocol.MessageTooLarge, "")
		if bye.Reconnect {
			t.Error("told to come again with it")
		}
		c.wantClosed(protocol.CloseFinal, protocol.MessageTooLarge)
	})

	c := b.login("alice", "d")
	t.Run("malformed", func(t *testing.T) {
		for _, text := range []string{"{", "", "null", "[]", `"hello"`, `{"id":1,"ping":{}} {}`} {
			c.write(text)
			wantError(t, c.event().GetError(), protocol.BadRequest, "")
		}
	})
	t.Run("binary", func(t *testing.T) {
		if err := c.socket.Write(c.ctx, websocket.MessageBinary, []byte(`{"id":1,"ping":{}}`)); err != nil {
			t.Fatal(err)
		}
		wantError(t, c.event().GetError(), protocol.BadRequest, "binary")
	})
	t.Run("no id", func(t *testing.T) {
		c.write(`{"ping":{}}`)
		wantError(t, c.event().GetError(), protocol.BadRequest, "id")
	})
	t.Run("unknown command", func(t *testing.T) {
		wantError(t, c.ask("dance", map[string]any{}).GetError(), protocol.UnknownCommand, "dance")
	})
	t.Run("unknown field", func(t *testing.T) {
		f := c.ask("hangup", map[string]any{"callId": callID, "loudly": true})
		wantError(t, f.GetError(), protocol.BadRequest, "loudly")
	})
	t.Run("call to oneself", func(t *testing.T) {
		wantError(t, c.invite(callID, "alice").GetError(), protocol.SelfCall, "")
	})
	t.Run("unknown call", func(t *testing.T) {
		f := c.ask("hangup", map[string]any{"callId": numbered(99)})
		wantError(t, f.GetError(), protocol.NoSuchCall, "")
	})
	t.Run("call of others", func(t *testing.T) {
		dave := b.login("dave", "d")
		dave.invite(numbered(98), "erin")
		f := c.ask("hangup", map[string]any{"callId": numbered(98)})
		wantError(t, f.GetError(), protocol.NoSuchCall, "")
		if f.GetCall() != nil {
			t.Errorf("an outsider is shown %v", f.GetCall())
		}
	})
	c.works()
	witness.works()
}

func TestNoHello(t *testing.T) {
	b := start(t, inMemory, func(cfg *Config) { cfg.Settings.Limits.Hello = 50 * time.Millisecond })
	c := b.dial()
	wantError(t, c.event().GetGoodbye().GetError(), protocol.HelloTimeout, "")
	c.wantClosed(protocol.CloseRetry, protocol.HelloTimeout)
}

func TestShutdown(t *testing.T) {
	b := start(t, inMemory)
	alice := b.login("alice", "a")
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.stop()
	}()
	bye := alice.event().GetGoodbye()
	wantError(t, bye.GetError(), protocol.ShuttingDown, "")
	if !bye.GetReconnect() {
		t.Error("not told to connect again")
	}
	// The client has not left yet, so the server still answers.
	if w, text := b.get(http.MethodGet, "/readyz", nil); w.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, `"stopping"`) {
		t.Errorf("is ready while it stops: %d, %s", w.StatusCode, text)
	}
	if w, _ := b.get(http.MethodGet, "/healthz", nil); w.StatusCode != http.StatusOK {
		t.Errorf("does not live while it stops: %d", w.StatusCode)
	}
	alice.wantClosed(protocol.CloseRetry, protocol.ShuttingDown)
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("does not stop")
	}
	if strings.Contains(b.log.String(), "cut off") {
		t.Errorf("waited for clients that were gone:\n%s", b.log)
	}
}

// TestRestart: what was is still so after a restart, and goes on.
func TestRestart(t *testing.T) {
	b := start(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(callID, "bob")
	bob.event()
	bob.ask("accept", map[string]any{"callId": callID, "answer": describe("answer"), "generation": 1})
	alice.leave()
	bob.leave()
	b.stop()
	b.run()

	again := b.dial()
	f := again.ask("hello", map[string]any{"token": b.token("alice"), "deviceId": "a"})
	calls := f.GetWelcome().GetCalls()
	if len(calls) != 1 || calls[0].GetCall().GetState() != pealv1.CallState_CALL_STATE_CONNECTING || calls[0].Answer != describe("answer") {
		t.Fatalf("after the restart: %v", f)
	}
	ended := again.ask("hangup", map[string]any{"callId": callID}).GetCall().GetCall()
	if ended.GetReason() != pealv1.Reason_REASON_COMPLETED {
		t.Errorf("hung up: %v", ended)
	}
}

// TestCommitUnknown: the store says that a commit failed although it was made.
// What the client receives is what the store holds.
func TestCommitUnknown(t *testing.T) {
	var spoil atomic.Bool
	b := start(t, func(cfg *Config) {
		cfg.Store = store.NewFaulty(store.NewMemory(time.Now), func([]store.Change) store.Fault {
			if spoil.CompareAndSwap(true, false) {
				return store.Hide
			}
			return store.NoFault
		}, nil)
	})
	alice := b.login("alice", "a")
	spoil.Store(true)
	u := alice.invite(callID, "bob").GetCall()
	if u.GetCall().GetState() != pealv1.CallState_CALL_STATE_RINGING {
		t.Errorf("invited: %v", u)
	}
	if !strings.Contains(b.log.String(), "cannot commit") {
		t.Errorf("the log does not tell of it:\n%s", b.log)
	}
}

// TestManyCalls has commits wait together, so that they are grouped.
func TestManyCalls(t *testing.T) {
	b := start(t)
	const pairs = 20
	var callers []*client
	for n := range pairs {
		callers = append(callers, b.login(fmt.Sprint("caller-", n), "d"))
	}
	for n, c := range callers {
		c.write(fmt.Sprintf(`{"id":7,"invite":{"callId":%q,"callee":"callee-%d","type":"CALL_TYPE_AUDIO","offer":%q}}`, numbered(n), n, describe("offer")))
	}
	for n, c := range callers {
		f := c.event()
		if got := f.GetCall().GetCall(); f.ReplyTo != 7 || got.GetCallId() != numbered(n) || got.GetState() != pealv1.CallState_CALL_STATE_RINGING {
			t.Errorf("caller %d got %v", n, f)
		}
	}
}

func TestInUse(t *testing.T) {
	b := start(t)
	for name, spoil := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"data":    {func(*Config) {}, "in use by another peal process"},
		"address": {func(c *Config) { c.Settings.Data, c.Settings.Addr = t.TempDir(), b.Addr().String() }, "is in use"},
		"relay": {func(c *Config) {
			c.Settings.Data, c.Settings.TURN.Addr, c.Dev = t.TempDir(), b.TURNAddr().String(), false
		}, "--turn-addr"},
	} {
		cfg := b.cfg
		spoil.change(&cfg)
		if s, err := Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), spoil.says) {
			t.Errorf("%s in use: %v, %v", name, s, err)
		}
	}
}

func TestRelayTakesAnotherPort(t *testing.T) {
	b := start(t, inMemory)
	other := start(t, inMemory, func(c *Config) { c.Settings.TURN.Addr = b.TURNAddr().String() })
	if got := other.TURNAddr(); !got.IsValid() || got == b.TURNAddr() {
		t.Errorf("listens on %v beside %v", got, b.TURNAddr())
	}
	none := start(t, inMemory, func(c *Config) { c.Settings.TURN.Addr = "off" })
	if got := none.TURNAddr(); got.IsValid() {
		t.Errorf("listens on %v though it is off", got)
	}
}

func (b *bench) get(method, path string, header map[string]string) (*http.Response, string) {
	b.t.Helper()
	return b.request(method, path, "", header)
}

// request sends a body, and reads the answer whole.
func (b *bench) request(method, path, body string, header map[string]string) (*http.Response, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.url(path), strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	for key, value := range header {
		r.Header.Set(key, value)
	}
	w, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = w.Body.Close() }()
	text, err := io.ReadAll(w.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return w, string(text)
}

// post sends a body, in a request that the changes spoil.
func (b *bench) post(path, body string, changes ...func(*http.Request)) (*http.Response, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url(path), strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, change := range changes {
		change(r)
	}
	w, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = w.Body.Close() }()
	text, err := io.ReadAll(w.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return w, string(text)
}

func TestHTTP(t *testing.T) {
	b := start(t, inMemory)
	b.login("alice", "a") // From here on it is ready.
	tests := []struct {
		method, path string
		status       int
		headers      map[string]string
	}{
		{http.MethodGet, "/healthz", http.StatusOK, map[string]string{"Cache-Control": "no-store"}},
		{http.MethodGet, "/readyz", http.StatusOK, map[string]string{"Cache-Control": "no-store"}},
		{http.MethodGet, "/", http.StatusOK, map[string]string{
			"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff",
			"Access-Control-Allow-Origin": "",
		}},
		{http.MethodHead, "/", http.StatusOK, nil},
		{http.MethodPost, "/", http.StatusMethodNotAllowed, map[string]string{"Allow": "GET, HEAD"}},
		{http.MethodGet, "/nothing", http.StatusNotFound, nil},
		{http.MethodGet, "/../server.go", http.StatusNotFound, nil},
		{http.MethodGet, "/sdk/nothing.js", http.StatusNotFound, map[string]string{"Access-Control-Allow-Origin": "*"}},
		{http.MethodOptions, "/dev/token", http.StatusNoContent, map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "Authorization, Content-Type",
		}},
		{http.MethodGet, "/ws", http.StatusUpgradeRequired, map[string]string{"Content-Type": "application/json"}},
	}
	for _, test := range tests {
		w, _ := b.get(test.method, test.path, nil)
		if w.StatusCode != test.status {
			t.Errorf("%s %s: got %d, want %d", test.method, test.path, w.StatusCode, test.status)
		}
		for key, want := range test.headers {
			if got := w.Header.Get(key); got != want {
				t.Errorf("%s %s: %s is %q, want %q", test.method, test.path, key, got, want)
			}
		}
	}
	w, _ := b.get(http.MethodGet, "/", nil)
	if again, body := b.get(http.MethodGet, "/", map[string]string{"If-None-Match": w.Header.Get("ETag")}); again.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("asked again: %d", again.StatusCode)
	}
}

// What a page of a stranger gets from a peal dev that the developer's browser reaches:
// nothing that acts for an account. Tokens are refused, and all else needs one.
func TestDevStrangers(t *testing.T) {
	b := start(t, inMemory, func(c *Config) { c.Settings.Access.Origins = []string{"https://app.test:3000"} })
	b.login("alice", "a") // From here on it is ready.
	ask := func(host, origin, path string) (int, string) {
		w, body := b.post(path, `{"account":"alice"}`, func(r *http.Request) {
			r.Header.Set("Origin", origin)
			if host != "" {
				r.Host = host
			}
		})
		return w.StatusCode, body
	}
	for _, origin := range []string{"http://localhost:8000", b.url(""), "https://app.test:3000"} {
		if status, body := ask("", origin, "/dev/token"); status != http.StatusOK {
			t.Errorf("%s: %d %s", origin, status, body)
		}
	}
	for _, stranger := range []struct{ host, origin string }{
		{"", "https://evil.example"}, {"", "null"}, {"evil.example", "http://evil.example"},
	} {
		if status, body := ask(stranger.host, stranger.origin, "/dev/token"); status != http.StatusForbidden || !strings.Contains(body, "--origins") {
			t.Errorf("%v: %d %s", stranger, status, body)
		}
		if status, body := ask(stranger.host, stranger.origin, "/v1/ice-servers"); status != http.StatusUnauthorized {
			t.Errorf("%v: ICE servers: %d %s", stranger, status, body)
		}
		socket, _, err := websocket.Dial(t.Context(), b.url(protocol.Path), &websocket.DialOptions{
			HTTPClient: b.http, Subprotocols: []string{protocol.Subprotocol},
			Host: stranger.host, HTTPHeader: http.Header{"Origin": {stranger.origin}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := socket.Write(t.Context(), websocket.MessageText, []byte(`{"id":1,"hello":{"token":"guess","deviceId":"d"}}`)); err != nil {
			t.Fatal(err)
		}
		if _, text, err := socket.Read(t.Context()); err != nil || !strings.Contains(string(text), "bad_token") {
			t.Errorf("%v: %s, %v", stranger, text, err)
		}
		_ = socket.CloseNow()
	}
}

// A token for another service that has the same secret gets nobody in, and the error names
// what the server expects.
func TestAudience(t *testing.T) {
	b := start(t, inMemory, func(c *Config) { c.Settings.Auth.Audience = "peal-prod" })
	c := b.dial()
	wantError(t, c.ask("hello", map[string]any{"token": b.token("alice"), "deviceId": "d", "fresh": true}).GetError(), protocol.BadToken, `expects "peal-prod"`)
	c.wantClosed(protocol.CloseFinal, protocol.BadToken)
	// The server's own tokens are for itself.
	w, body := b.post("/dev/token", `{"account":"alice"}`)
	var given struct{ Token string }
	if err := json.Unmarshal([]byte(body), &given); err != nil || w.StatusCode != http.StatusOK {
		t.Fatalf("%d %s, %v", w.StatusCode, body, err)
	}
	c = b.dial()
	if f := c.ask("hello", map[string]any{"token": given.Token, "deviceId": "d", "fresh": true}); f.GetWelcome() == nil {
		t.Errorf("got %v", f)
	}
}

func TestNoDevTokensInProduction(t *testing.T) {
	b := start(t, inMemory, func(c *Config) { c.Dev = false })
	if w, _ := b.get(http.MethodPost, "/dev/token", nil); w.StatusCode == http.StatusOK || w.StatusCode == http.StatusBadRequest {
		t.Errorf("got %d", w.StatusCode)
	}
}

func TestSubprotocol(t *testing.T) {
	b := start(t, inMemory)
	for _, offered := range [][]string{nil, {"chat"}, {"peal.v9.json"}} {
		_, w, err := websocket.Dial(t.Context(), b.url(protocol.Path), &websocket.DialOptions{HTTPClient: b.http, Subprotocols: offered})
		if err == nil || w.StatusCode != http.StatusBadRequest {
			t.Fatalf("%v: %v", offered, err)
		}
		body, err := io.ReadAll(w.Body)
		if err != nil || !strings.Contains(string(body), protocol.Subprotocol) {
			t.Errorf("%v: %s, %v", offered, body, err)
		}
	}
}

func TestClock(t *testing.T) {
	b := start(t, inMemory)
	s := &aheadStore{Store: b.store, by: time.Hour}
	c := newClock()
	if _, err := c.measure(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	if ahead := time.Until(c.now()); ahead < 59*time.Minute || ahead > 61*time.Minute {
		t.Errorf("is ahead by %s, want an hour", ahead)
	}
}

// A connection whose token is over is closed so that its client comes back with a
// fresh one; with a live call it stays, and begins nothing new.
func TestExpiredToken(t *testing.T) {
	b := start(t, func(c *Config) { c.Settings.Limits.TokenGrace = 0 })
	short := func(account, device string) *client {
		t.Helper()
		c := b.dial()
		f := c.ask("hello", map[string]any{"token": sign(t, secret, "main", account, 4*time.Second, time.Now()), "deviceId": device, "fresh": true})
		if f.GetWelcome() == nil {
			t.Fatalf("hello: %v", f)
		}
		return c
	}
	// Alice's token does not outlive that of the idle connection: they end by whole seconds.
	alice, idle, bob := short("alice", "a"), short("carol", "c"), b.login("bob", "b")
	alice.invite(callID, "bob")
	bob.event()
	bob.ask("accept", map[string]any{"callId": callID, "answer": describe("answer"), "generation": 1})
	idle.wantClosed(protocol.CloseRetry, protocol.TokenExpired)
	wantError(t, alice.ask("listRecords", map[string]any{}).GetError(), protocol.TokenExpired, "")
	wantError(t, alice.invite(numbered(7), "dave").GetError(), protocol.TokenExpired, "")
	if f := alice.ask("restart", map[string]any{"callId": callID, "fromGeneration": 1}); f.Error != nil {
		t.Errorf("in a live call a restart is answered %v", f)
	}
	bob.ask("hangup", map[string]any{"callId": callID})
	alice.wantClosed(protocol.CloseRetry, protocol.TokenExpired)
}
