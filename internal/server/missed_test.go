package server

import (
	"slices"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// TestMissed: what a full inbox has no room for makes the node look for what it missed, once there
// is room, and not all the time.
func TestMissed(t *testing.T) {
	n, err := node.New(node.Config{
		Incarnation: "me", Limits: protocol.DefaultLimits(), Timing: call.DefaultTiming(),
		Verify:  func(string, time.Time) (auth.Identity, error) { return auth.Identity{}, auth.ErrInvalid },
		Servers: func(call.ID, call.Device, time.Time) []*pealv1.IceServer { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	l := &loop{node: n, clock: newClock(), inbox: make(chan arrival, 1), reads: newReads()}
	defer l.reads.close()
	l.step(node.Beaten{Alive: []string{"me", "other"}})
	l.step(node.Beaten{Alive: []string{"me", "other"}})
	looks := func() int {
		l.reads.mu.Lock()
		waiting := l.reads.waiting
		l.reads.waiting = nil
		l.reads.mu.Unlock()
		for _, r := range waiting {
			if look, ok := r.(node.ListChanged); ok {
				l.step(node.ListedChanged{Ticket: look.Ticket})
			}
		}
		return len(slices.DeleteFunc(waiting, func(r node.Request) bool { _, ok := r.(node.ListChanged); return !ok }))
	}
	overflow := func() {
		for range 3 {
			l.hear(bus.Message{Account: "alice", LoggedOut: true})
		}
	}
	overflow()
	if looks() > 0 {
		t.Error("a look while the inbox is full")
	}
	l.arrive(<-l.inbox)
	if got := looks(); got != 1 {
		t.Errorf("%d looks once there is room, want 1", got)
	}
	overflow()
	l.arrive(<-l.inbox)
	if looks() > 0 {
		t.Error("another look at once")
	}
	l.told = l.told.Add(-missedEvery)
	l.arrive(arrival{in: node.Woke{}})
	if got := looks(); got != 1 {
		t.Errorf("%d looks after a while, want 1", got)
	}
}
