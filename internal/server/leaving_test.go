package server

import (
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// What a client closes by decides how long the other side waits: a page that goes away
// closes by 1001, and comes back soon or not at all.
func TestLeaving(t *testing.T) {
	closes := func(status websocket.StatusCode) func(*client) {
		return func(c *client) { _ = c.socket.Close(status, "") }
	}
	for name, test := range map[string]struct {
		end    func(*client)
		leaves bool
	}{
		"1001":    {closes(websocket.StatusGoingAway), true},
		"1000":    {closes(websocket.StatusNormalClosure), false},
		"3000":    {closes(3000), false},
		"nothing": {func(c *client) { _ = c.socket.CloseNow() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			// The grace that is not meant is one that the test would notice.
			short, long := time.Millisecond, time.Hour
			if !test.leaves {
				long = time.Second
			}
			b := start(t, inMemory, func(c *Config) {
				c.Settings.Timing.LeavingGrace, c.Settings.Timing.Grace = short, long
			})
			alice, bob := b.login("alice", "a"), b.login("bob", "b")
			alice.invite(callID, "bob")
			bob.event()
			bob.ask("accept", map[string]any{"callId": callID, "answer": describe("answer"), "generation": 1})
			alice.event()
			began := time.Now()
			test.end(bob)
			c := alice.event().GetCall().GetCall()
			for c.GetState() != pealv1.CallState_CALL_STATE_ENDED {
				c = alice.event().GetCall().GetCall()
			}
			if c.GetReason() != pealv1.Reason_REASON_LOST || c.GetActor() != "bob" {
				t.Errorf("it ended %v by %s", c.GetReason(), c.GetActor())
			}
			if d := time.Since(began); !test.leaves && d < long {
				t.Errorf("it ended after %s, want %s", d, long)
			}
		})
	}
}
