package server

import (
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// changing are the parts of a line that no test knows before.
var changing = regexp.MustCompile(`^time=\S+ level=INFO |(?:_ms=)\d+`)

// lines gives the lines of the log with these messages, without times.
func (l *logBuffer) lines(messages ...string) (all []string) {
	for line := range strings.SplitSeq(l.String(), "\n") {
		for _, message := range messages {
			if strings.Contains(line, "level=INFO msg="+message+" ") || strings.Contains(line, `level=INFO msg="`+message+`" `) {
				line = strings.TrimPrefix(changing.ReplaceAllStringFunc(line, func(found string) string {
					if strings.HasPrefix(found, "_ms=") {
						return "_ms=N"
					}
					return ""
				}), "msg=")
				all = append(all, line)
			}
		}
	}
	return all
}

// says waits for a text.
func (l *logBuffer) says(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !strings.Contains(l.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log does not say %q:\n%s", text, l)
		}
	}
}

var lifeMessages = []string{
	"login", "logout", "login refused", "call rings", "call answered", "call connected", "call ended", "media flows",
}

// wantNoSecrets scans a log, at whatever level, for what must never be in one.
func wantNoSecrets(t *testing.T, log string, more ...string) {
	t.Helper()
	always := []string{secret, "eyJ", "v=0", "a=mid", "candidate:", " typ ", plantedToken, plantedSDP, plantedAddress, plantedAttachment}
	for _, found := range append(always, more...) {
		if strings.Contains(log, found) {
			t.Errorf("the log holds %q:\n%s", found, log)
		}
	}
}

// TestLifeInTheLog: each transition in the life of a login and of a call has one line, and
// no line holds a secret, a description, an address or how a person is shown.
func TestLifeInTheLog(t *testing.T) {
	for _, setting := range []string{"plain", "hashed"} {
		t.Run(setting, func(t *testing.T) {
			var log logBuffer
			b := start(t, inMemory, func(c *Config) {
				c.Settings.Log.Accounts = setting
				c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			})
			const picture = "https://example.com/alice.png"
			alice, bob, carol := b.loginAs("alice", "a", "Alice Example", picture), b.login("bob", "b"), b.login("carol", "c")
			alice.ask("invite", map[string]any{
				"callId": numbered(1), "callee": "bob", "type": "CALL_TYPE_VIDEO", "offer": describe(plantedSDP), "attachment": plantedAttachment,
			})
			bob.event()
			carol.invite(numbered(2), "bob")
			bob.event()
			bob.ask("accept", map[string]any{"callId": numbered(1), "answer": describe("answer"), "generation": 1})
			alice.event()
			up := map[string]any{"callId": numbered(1), "generation": 1, "up": true, "path": "MEDIA_PATH_HOST"}
			alice.ask("media", up)
			delete(up, "path")
			bob.ask("media", up)
			up["path"] = "MEDIA_PATH_RELAY_PEER"
			bob.ask("media", up)
			bob.ask("media", up)
			bob.ask("hangup", map[string]any{"callId": numbered(1)})
			carol.invite(numbered(3), "dave")
			carol.ask("cancel", map[string]any{"callId": numbered(3)})
			stranger := b.dial()
			stranger.ask("hello", map[string]any{"token": plantedToken, "deviceId": "x", "fresh": true})
			stranger.wantClosed(protocol.CloseFinal, protocol.BadToken)
			log.says(t, "login refused")
			bob.ask("logout", map[string]any{})
			bob.wantClosed(protocol.CloseFinal, protocol.LoggedOut)
			log.says(t, "logged_out")
			_ = carol.socket.CloseNow()
			log.says(t, "disconnected")
			alice.leave()
			b.stop()

			names := map[string]string{"alice": "alice", "bob": "bob", "carol": "carol", "dave": "dave"}
			if setting == "hashed" {
				// As docs/run/operations.md has it: openssl dgst -sha256 -hmac SECRET, the first 16 digits.
				names = map[string]string{"alice": "ec0ff044e838ac6f", "bob": "bfcdec56a51c7700", "carol": "4bc5a439f0ef390a", "dave": "0b04ba0a8291b4e8"}
				wantNoSecrets(t, log.String(), "alice", "bob", "carol", "dave")
			}
			wantNoSecrets(t, log.String(), "Alice Example", picture)
			of := func(account string) string { return names[account] }
			call1 := "call=" + numbered(1) + " caller=" + of("alice") + " callee=" + of("bob")
			call2 := "call=" + numbered(2) + " caller=" + of("carol") + " callee=" + of("bob")
			call3 := "call=" + numbered(3) + " caller=" + of("carol") + " callee=" + of("dave")
			want := []string{
				"login account=" + of("alice") + " device=a",
				"login account=" + of("bob") + " device=b",
				"login account=" + of("carol") + " device=c",
				`"call rings" ` + call1 + " type=video",
				`"call ended" ` + call2 + " reason=busy by=" + of("bob") + " lasted_ms=N connected_ms=N",
				`"call answered" ` + call1 + " device=b rang_ms=N",
				`"call connected" ` + call1 + " caller_path=host callee_path=unknown after_ms=N",
				`"media flows" call=` + numbered(1) + " account=" + of("bob") + " device=b path=relay-peer",
				`"call ended" ` + call1 + " reason=completed by=" + of("bob") + " lasted_ms=N connected_ms=N",
				`"call rings" ` + call3 + " type=video",
				`"call ended" ` + call3 + " reason=cancelled by=" + of("carol") + " lasted_ms=N connected_ms=N",
				`"login refused" account="" device="" reason=bad_token error="the token is not valid here; get a new one from your backend: token invalid: it is not a JWT: a JWT has three parts with dots between"`,
				"logout account=" + of("bob") + " device=b reason=logged_out lasted_ms=N",
				"logout account=" + of("carol") + " device=c reason=disconnected lasted_ms=N",
				"logout account=" + of("alice") + " device=a reason=shutting_down lasted_ms=N",
			}
			got := log.lines(lifeMessages...)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the log (-want +got):\n%s", diff)
			}
			for _, message := range []string{"server started", "server stopping", "server stopped"} {
				if strings.Count(log.String(), `msg="`+message+`"`) != 1 {
					t.Errorf("the log does not say %q once", message)
				}
			}
		})
	}
}

// Refused logins, which others can cause at will, have a line a second.
func TestRefusedLoginsAreSampled(t *testing.T) {
	b := start(t, inMemory)
	for range 20 {
		c := b.dial()
		c.ask("hello", map[string]any{"token": "open sesame", "deviceId": "x"})
		c.wantClosed(protocol.CloseFinal, protocol.BadToken)
	}
	b.log.says(t, "left_out=")
	if n := strings.Count(b.log.String(), "login refused"); n > 5 {
		t.Errorf("%d lines about 20 refused logins", n)
	}
}

// Where the level is off nothing is made ready for a line.
func TestJournalCostsNothingWhereItIsOff(t *testing.T) {
	j := journal{log: slog.New(newSampler(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn}))), key: []byte(secret)}
	c := &call.Call{ID: "c", State: call.Ringing, Legs: []call.Leg{{Account: "alice"}, {Account: "bob"}}}
	now := time.Now()
	frame := &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Welcome{Welcome: &pealv1.Welcome{}}}
	on := &connection{}
	if n := testing.AllocsPerRun(100, func() {
		j.moved(node.Moved{Call: c}, now)
		j.flows(node.Flows{Call: "c"})
		j.sent(on, frame, now)
		j.closed(on, false, now)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
