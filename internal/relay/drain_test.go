package relay_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"github.com/peal-rtc/peal/internal/relay"
)

// isEmpty waits for the end of the last relayed address.
func isEmpty(t *testing.T, empty <-chan struct{}) {
	t.Helper()
	select {
	case <-empty:
	case <-time.After(patience):
		t.Fatal("the relay does not become empty")
	}
}

// What a relay holds goes on while it drains: data, channels, permissions and refreshes. New relayed
// addresses are refused as by a relay without capacity, which is about the server and not about the
// user. The end of the last one ends the drain.
func TestDrain(t *testing.T) {
	r := start(t, nil)
	alice, direct := as(t, r, "call.alice"), listen(t)
	relayed := alice.allocate()
	bob, own, channelled := channelled(t, r, "call.bob")
	left, empty := r.Drain()
	if left != 2 {
		t.Fatalf("%d relayed addresses are left, want 2", left)
	}
	_, err := as(t, r, "call.carol").Allocate()
	refused(t, "an allocation", err, stun.CodeInsufficientCapacity)
	_, err = as(t, r, "call.alice").Allocate()
	refused(t, "one more of alice", err, stun.CodeInsufficientCapacity)
	if got := (relay.Refusals{}); r.Refusals() != got {
		t.Errorf("counts %+v: no limit was reached", r.Refusals())
	}

	if err := alice.CreatePermission(direct.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	send(t, relayed, direct.LocalAddr(), "there")
	expect(t, direct, relayed.LocalAddr(), "there")
	send(t, direct, relayed.LocalAddr(), "back")
	expect(t, relayed, direct.LocalAddr(), "back")
	bob.bind(0x4000, direct.LocalAddr())
	own.send(t, 0x4000, []byte("on a channel"))
	expect(t, direct, channelled.LocalAddr(), "on a channel")
	if got := alice.ask(stun.MethodRefresh); got != 0 {
		t.Errorf("a refresh: got %d", got)
	}

	alice.release(relayed)
	holds(t, r, 1)
	select {
	case <-empty:
		t.Fatal("it is empty with one relayed address left")
	default:
	}
	bob.release(channelled)
	isEmpty(t, empty)
	if left, empty = r.Drain(); left != 0 || r.Left() != 0 {
		t.Errorf("%d relayed addresses are left", left)
	}
	isEmpty(t, empty)
}

// A relay without relayed addresses is empty at once, and gives none.
func TestDrainOfNothing(t *testing.T) {
	r := start(t, nil)
	left, empty := r.Drain()
	if left != 0 {
		t.Errorf("%d relayed addresses are left", left)
	}
	isEmpty(t, empty)
	_, err := as(t, r, "call.alice").Allocate()
	refused(t, "an allocation", err, stun.CodeInsufficientCapacity)
	if _, err := as(t, r, "call.alice").SendBindingRequest(); err != nil {
		t.Errorf("STUN: %v", err)
	}
}

// The library looks for an even port before it asks for the address of a user: that is refused too.
func TestDrainRefusesEvenPorts(t *testing.T) {
	r := start(t, nil)
	c := as(t, r, "call.alice")
	c.release(c.allocate())
	r.Drain()
	even := stun.RawAttribute{Type: stun.AttrEvenPort, Value: []byte{0x80}}
	transport := stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}
	if got := c.ask(stun.MethodAllocate, transport, even); got != stun.CodeInsufficientCapacity {
		t.Errorf("got %d", got)
	}
	if r.Allocations() != 0 {
		t.Errorf("%d relayed addresses", r.Allocations())
	}
}

// A device at its limit hears that the server gives no more, and not that it holds too many: after
// 486 it would wait in place of using another server.
func TestDrainBeforeTheQuota(t *testing.T) {
	r := start(t, nil)
	for range relay.AllocationsPerUser {
		as(t, r, "call.alice").allocate()
	}
	r.Drain()
	_, err := as(t, r, "call.alice").Allocate()
	refused(t, "one above the limit", err, stun.CodeInsufficientCapacity)
	if got := (relay.Refusals{}); r.Refusals() != got {
		t.Errorf("counts %+v", r.Refusals())
	}
}

// Nobody is asked about calls once Drain has returned: the store is closed then. A question that is
// under way is broken off, and not complained of. What belongs to a call lives on as long as it is refreshed.
func TestDrainAsksNobody(t *testing.T) {
	var (
		clock  shifted
		log    journal
		closed atomic.Bool
	)
	asking := make(chan struct{}, 1)
	r := start(t, func(c *relay.Config) {
		c.Now, c.Logger = clock.now, logTo(&log)
		c.Live = func(ctx context.Context, _ []string) (map[string]bool, error) {
			if closed.Load() {
				t.Error("asks a store that is closed")
			}
			asking <- struct{}{}
			<-ctx.Done()
			if closed.Load() {
				t.Error("Drain does not wait for a question")
			}
			return nil, errors.New("broken off")
		}
	})
	alice := as(t, r, "call.alice")
	alice.allocate()
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		r.EndOld(t.Context())
	}()
	<-asking
	left, empty := r.Drain()
	closed.Store(true)
	<-asked
	for range 5 {
		r.EndOld(t.Context())
		clock.pass(time.Minute)
	}
	if left != 1 || r.Allocations() != 1 || alice.ask(stun.MethodRefresh) != 0 {
		t.Error("the relayed address is gone")
	}
	if strings.Contains(log.String(), "broken off") {
		t.Errorf("the log says\n%s", log.String())
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	isEmpty(t, empty)
}
