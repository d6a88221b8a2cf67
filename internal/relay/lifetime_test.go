package relay_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"github.com/peal-rtc/peal/internal/relay"
)

// shifted is a clock of tests that goes on by hand.
type shifted struct{ by atomic.Int64 }

func (s *shifted) now() time.Time { return time.Now().Add(time.Duration(s.by.Load())) }

func (s *shifted) pass(d time.Duration) { s.by.Add(int64(d)) }

// holds waits until the relay has so many relayed addresses: the library deletes them.
func holds(t *testing.T, r *relay.Relay, want int) {
	t.Helper()
	for deadline := time.Now().Add(patience); r.Allocations() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d relayed addresses, want %d", r.Allocations(), want)
		}
	}
}

// After a call its relayed addresses go, with their ports and their part of the limits,
// and the client learns of it. Those of a live call stay.
func TestNoAllocationOutlivesItsCall(t *testing.T) {
	var clock shifted
	live := map[string]bool{"ends": true, "goes-on": true}
	var asked []string
	r := start(t, func(c *relay.Config) {
		c.MaxAllocations, c.Now = 48, clock.now
		c.Live = func(_ context.Context, calls []string) (map[string]bool, error) {
			asked = calls
			return live, nil
		}
	})
	mallory := login(t, r, r.User("ends", "mallory", "first"))
	relayed := mallory.allocate()
	held := 1 + len(greedy(t, r, "ends", "mallory", 40))
	alice := login(t, r, r.User("goes-on", "alice", "phone"))
	kept := alice.allocate()
	r.EndOld(t.Context())
	if len(asked) != 2 {
		t.Errorf("asked about %v", asked)
	}
	delete(live, "ends")
	for range 3 {
		r.EndOld(t.Context())
		clock.pass(relay.AfterCall/3 - time.Second)
	}
	r.EndOld(t.Context())
	if r.Allocations() != held+1 || mallory.ask(stun.MethodRefresh) != 0 {
		t.Fatalf("%d relayed addresses just after the call, want %d", r.Allocations(), held+1)
	}
	clock.pass(time.Minute)
	r.EndOld(t.Context())
	holds(t, r, 1)
	if got := mallory.ask(stun.MethodRefresh); got != stun.CodeUnauthorized {
		t.Errorf("a refresh after the end: got %d", got)
	}
	_, err := login(t, r, r.User("ends", "mallory", "another")).Allocate()
	refused(t, "allocating for a call that has ended", err, stun.CodeUnauthorized)
	listenOn(t, relayed.LocalAddr().String()) // The port is free.
	login(t, r, r.User("goes-on", "mallory", "first")).allocate()
	direct := listen(t)
	send(t, kept, direct.LocalAddr(), "still there")
	expect(t, direct, kept.LocalAddr(), "still there")
	if got := alice.ask(stun.MethodRefresh); got != 0 {
		t.Errorf("a refresh in a live call: got %d", got)
	}
}

// An error about live calls closes nothing, however often it comes.
func TestErrorOfLiveClosesNothing(t *testing.T) {
	var clock shifted
	var log journal
	var failing atomic.Bool
	r := start(t, func(c *relay.Config) {
		c.Now, c.Logger = clock.now, logTo(&log)
		c.Live = func(context.Context, []string) (map[string]bool, error) {
			if failing.Load() {
				return nil, errors.New("the store is away")
			}
			return map[string]bool{}, nil
		}
	})
	c := as(t, r, "call.alice")
	c.allocate()
	r.EndOld(t.Context())
	failing.Store(true)
	for range 10 {
		clock.pass(time.Minute)
		r.EndOld(t.Context())
	}
	if r.Allocations() != 1 || c.ask(stun.MethodRefresh) != 0 {
		t.Error("an error closed it")
	}
	if !strings.Contains(log.String(), "the store is away") {
		t.Errorf("no word of it in\n%s", log.String())
	}
	failing.Store(false)
	r.EndOld(t.Context())
	holds(t, r, 0)
}

// What belongs to no call ends some minutes after its credential.
func TestNoCallEndsWithTheCredential(t *testing.T) {
	var clock shifted
	r := start(t, func(c *relay.Config) { c.Now, c.CredentialTTL = clock.now, time.Minute })
	c := login(t, r, r.User("", "alice", "ice0"))
	c.allocate()
	clock.pass(time.Minute + relay.AfterCall - 5*time.Second)
	r.EndOld(t.Context())
	if r.Allocations() != 1 || c.ask(stun.MethodRefresh) != 0 {
		t.Fatal("closed before its time")
	}
	clock.pass(10 * time.Second)
	if got := c.ask(stun.MethodRefresh); got != stun.CodeUnauthorized {
		t.Errorf("a refresh after its time: got %d", got)
	}
	r.EndOld(t.Context())
	holds(t, r, 0)
}

// A client without an allocation gets an error: the library alone would be silent.
func TestRefreshOfNothing(t *testing.T) {
	r := start(t, nil)
	c := as(t, r, "call.alice")
	c.release(c.allocate())
	if got := c.ask(stun.MethodRefresh); got != stun.CodeUnauthorized {
		t.Errorf("got %d", got)
	}
}

// A port that is given back by the end of a call keeps the channels of its next owner.
func TestEndKeepsWhatComesNext(t *testing.T) {
	var clock shifted
	port := netip.MustParseAddrPort(listen(t).LocalAddr().String()).Port()
	if port == 65535 {
		port--
	}
	live := map[string]bool{"next": true}
	r := start(t, func(c *relay.Config) {
		c.Now, c.MinPort, c.MaxPort = clock.now, port, port+1 // One of both is taken.
		c.Live = func(context.Context, []string) (map[string]bool, error) { return live, nil }
	})
	first, _, _ := channelled(t, r, "ends.alice")
	direct := listen(t)
	first.bind(0x4000, direct.LocalAddr())
	r.EndOld(t.Context())
	clock.pass(relay.AfterCall)
	r.EndOld(t.Context())
	holds(t, r, 0)
	second, own, relayed := channelled(t, r, "next.bob")
	second.bind(0x4000, direct.LocalAddr())
	own.send(t, 0x4000, []byte("there"))
	expect(t, direct, relayed.LocalAddr(), "there")
}
