package relay_test

import (
	"slices"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/relay"
)

// passed is what a relay has counted by UDP.
func passed(r *relay.Relay, d relay.Direction) relay.Traffic {
	all := r.Numbers().Traffic
	i := slices.IndexFunc(all, func(t relay.Traffic) bool { return t.Transport == relay.UDP && t.Direction == d })
	return all[i]
}

// What is relayed counts once in its direction, and goes on to count when the relayed
// address is closed.
func TestNumbers(t *testing.T) {
	r := start(t, nil)
	alice := as(t, r, "call.alice")
	relayed, direct := alice.allocate(), listen(t)
	send(t, relayed, direct.LocalAddr(), "there")
	expect(t, direct, relayed.LocalAddr(), "there")
	send(t, direct, relayed.LocalAddr(), "and back")
	expect(t, relayed, direct.LocalAddr(), "and back")
	if n := r.Numbers(); n.Allocations != 1 || n.AllocationsMost != 5000 || len(n.Traffic) != 6 {
		t.Errorf("got %+v", n)
	}
	check := func() {
		t.Helper()
		want := relay.Traffic{Transport: relay.UDP, Direction: relay.FromClient, Packets: 1, Bytes: 5}
		if got := passed(r, relay.FromClient); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		want = relay.Traffic{Transport: relay.UDP, Direction: relay.ToClient, Packets: 1, Bytes: 8}
		if got := passed(r, relay.ToClient); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	check()
	if err := relayed.Close(); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if r.Numbers().Allocations == 0 {
			break
		}
		<-time.After(10 * time.Millisecond)
	}
	if n := r.Numbers(); n.Allocations != 0 {
		t.Errorf("%d relayed addresses are left", n.Allocations)
	}
	check()
}
