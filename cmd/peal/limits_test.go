package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// raw is a client that says what it likes to a real server.
type raw struct {
	t      *testing.T
	socket *websocket.Conn
	id     int
}

// said is what of a frame these tests look at.
type said struct {
	ReplyTo int             `json:"replyTo"`
	Welcome json.RawMessage `json:"welcome"`
	Error   struct {
		Code         string `json:"code"`
		RetryAfterMs int    `json:"retryAfterMs"`
	} `json:"error"`
	Call struct {
		Call  struct{ CallID, State, Reason string } `json:"call"`
		Offer string                                 `json:"offer"`
		// ICEServers are those of the call.
		ICEServers []turnServer `json:"iceServers"`
	} `json:"call"`
	Candidates struct {
		Candidates []json.RawMessage `json:"candidates"`
	} `json:"candidates"`
}

func connect(t *testing.T, url string) *raw {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	socket, _, err := websocket.Dial(ctx, url+"/ws", &websocket.DialOptions{Subprotocols: []string{"peal.v1.json"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.CloseNow() })
	return &raw{t: t, socket: socket}
}

func (r *raw) read() said {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	_, text, err := r.socket.Read(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	var s said
	if err := json.Unmarshal(text, &s); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// ask sends a command and gives its answer; events in between are passed over.
func (r *raw) ask(name string, command map[string]any) said {
	r.t.Helper()
	r.id++
	text, err := json.Marshal(map[string]any{"id": r.id, name: command})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	if err := r.socket.Write(ctx, websocket.MessageText, text); err != nil {
		r.t.Fatal(err)
	}
	for {
		if s := r.read(); s.ReplyTo == r.id {
			return s
		}
	}
}

func (r *raw) invite(n int, callee string) said {
	r.t.Helper()
	return r.ask("invite", map[string]any{
		"callId": fmt.Sprintf("01900000-0000-7000-8000-%012x", n), "callee": callee, "type": "CALL_TYPE_AUDIO",
		"offer": "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nt=0 0\r\nc=IN IP4 192.0.2.7\r\na=ice-lite\r\na=mid:0\r\n",
	})
}

func token(t *testing.T, account string, ttl time.Duration, more ...string) string {
	t.Helper()
	code, out, complaint := peal(append([]string{"token", "--account", account, "--ttl", ttl.String()}, more...)...)
	if code != 0 {
		t.Fatal(complaint)
	}
	return strings.TrimSpace(out)
}

// What one person may do to others holds in the program that is shipped, with its
// defaults.
func TestServeHoldsItsLimits(t *testing.T) {
	t.Setenv("PEAL_SECRET", secret)
	p := serving(t, "http", "--limits-token-grace", "1s")
	login := func(account, device string, ttl time.Duration) (*raw, said) {
		r := connect(t, p.url)
		return r, r.ask("hello", map[string]any{"token": token(t, account, ttl), "deviceId": device, "fresh": true})
	}
	must := func(r *raw, s said) *raw {
		t.Helper()
		if s.Welcome == nil {
			t.Fatalf("not welcome: %+v", s.Error)
		}
		return r
	}
	short := must(login("dave", "d", 3*time.Second))
	mallory, bob := must(login("mallory", "m", time.Hour)), must(login("bob", "b", time.Hour))
	laptop := must(login("bob", "b2", time.Hour))

	t.Run("descriptions are rebuilt", func(t *testing.T) {
		if s := mallory.invite(1, "bob"); s.Error.Code != "" {
			t.Fatalf("invited: %+v", s.Error)
		}
		if got := bob.read().Call.Offer; !strings.Contains(got, "a=mid:0") || strings.Contains(got, "ice-lite") || strings.Contains(got, "192.0.2") {
			t.Errorf("the callee gets %q", got)
		}
	})
	t.Run("candidates of other generations", func(t *testing.T) {
		refused := 0
		for i := range 20 {
			s := mallory.ask("candidates", map[string]any{
				"callId": "01900000-0000-7000-8000-000000000001", "generation": 1 + i%2,
				"candidates": []any{map[string]any{"candidate": fmt.Sprintf("candidate:1 1 udp %d 192.0.2.7 9 typ host", i+1)}},
			})
			if s.Error.Code == "stale_generation" {
				refused++
			}
		}
		if refused != 10 {
			t.Errorf("%d of 10 batches of another generation are refused", refused)
		}
	})
	t.Run("who is rung may call", func(t *testing.T) {
		if s := laptop.invite(2, "carol"); s.Call.Call.State != "CALL_STATE_RINGING" {
			t.Errorf("answered %+v", s)
		}
		for {
			if s := mallory.read(); s.Call.Call.Reason != "" {
				if s.Call.Call.Reason != "REASON_REJECTED" {
					t.Errorf("the one who rang hears %s", s.Call.Call.Reason)
				}
				break
			}
		}
	})
	t.Run("hellos of an account", func(t *testing.T) {
		for i := range 200 {
			r, s := login("greedy", fmt.Sprint("d", i%3), time.Hour)
			_ = r.socket.CloseNow()
			if s.Error.Code == "rate_limited" {
				if i < 60 || s.Error.RetryAfterMs == 0 {
					t.Errorf("hello %d is answered %+v", i, s.Error)
				}
				return
			}
		}
		t.Error("200 hellos of one account are welcomed")
	})
	t.Run("rings of a callee", func(t *testing.T) {
		for n := range 40 {
			r := must(login(fmt.Sprint("caller-", n), "d", time.Hour))
			s := r.invite(100+n, "victim")
			r.ask("cancel", map[string]any{"callId": fmt.Sprintf("01900000-0000-7000-8000-%012x", 100+n)})
			_ = r.socket.CloseNow()
			if s.Error.Code == "rate_limited" {
				if n < 20 {
					t.Errorf("call %d is refused already", n)
				}
				return
			}
		}
		t.Error("40 callers ring one person within a minute")
	})
	t.Run("an expired token", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for {
			if _, _, err := short.socket.Read(ctx); err != nil {
				if websocket.CloseStatus(err) != 4000 || !strings.Contains(err.Error(), "token_expired") {
					t.Errorf("the connection ends by %v", err)
				}
				break
			}
		}
	})
	if t.Failed() {
		t.Logf("log of the server:\n%s", p.log)
	}
	if code := p.end(os.Interrupt); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
