package relay_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/pion/stun/v4"

	"github.com/peal-rtc/peal/internal/relay"
)

func TestAllocationsPerUser(t *testing.T) {
	r := start(t, nil)
	var held []net.PacketConn
	for range relay.AllocationsPerUser {
		held = append(held, as(t, r, "call.greedy").allocate())
	}
	_, err := as(t, r, "call.greedy").Allocate()
	refused(t, "one more than the quota", err, stun.CodeAllocQuotaReached)
	as(t, r, "call.modest").allocate()
	as(t, r, "another.greedy").allocate()
	if err := held[0].Close(); err != nil {
		t.Fatal(err)
	}
	as(t, r, "call.greedy").allocate()
}

// TestPortsUsedUp: a client hears of it at once, and nothing else breaks.
func TestPortsUsedUp(t *testing.T) {
	other := netip.MustParseAddrPort(listen(t).LocalAddr().String()).Port()
	r := start(t, func(c *relay.Config) { c.MinPort, c.MaxPort = other, other })
	c := as(t, r, "u")
	_, err := c.Allocate()
	refused(t, "a port that is taken", err, stun.CodeInsufficientCapacity)
	if _, err := c.SendBindingRequest(); err != nil {
		t.Error(err)
	}
}
