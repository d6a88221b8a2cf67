package server

import (
	"net/netip"
	"testing"

	"github.com/peal-rtc/peal/internal/reach"
)

// What listens on a network must not be a way for the network to the loopback of the
// developer's machine, where programs trust every connection.
func TestDevPeers(t *testing.T) {
	for _, test := range []struct {
		addr, turn, tls string
		exposed         bool
	}{
		{"127.0.0.1:7325", "127.0.0.1:3478", "", false},
		{"localhost:7325", "127.0.0.1:3478", "", false},
		{"[::1]:7325", "[::1]:3478", "[::1]:5349", false},
		{"127.0.0.1:7325", "off", "", false},
		{"0.0.0.0:7325", "0.0.0.0:3478", "", true},
		{"0.0.0.0:7325", "127.0.0.1:3478", "", true},
		{":7325", "127.0.0.1:3478", "", true},
		{"[::]:7325", "127.0.0.1:3478", "", true},
		{"[::ffff:0.0.0.0]:7325", "127.0.0.1:3478", "", true},
		{"192.168.1.5:7325", "127.0.0.1:3478", "", true},
		{"box.lan:7325", "127.0.0.1:3478", "", true},
		{"127.0.0.1:7325", "192.168.1.5:3478", "", true},
		{"127.0.0.1:7325", ":3478", "", true},
		{"127.0.0.1:7325", "127.0.0.1:3478", ":5349", true},
	} {
		c := settings(t)
		c.Addr, c.TURN.Addr, c.TURN.TLSAddr = test.addr, test.turn, test.tls
		policy := reach.Policy{Allow: devPeers(&c)}
		for peer, want := range map[string]bool{
			"127.0.0.1": !test.exposed, "127.0.0.53": !test.exposed, "::1": !test.exposed,
			"::ffff:127.0.0.1": !test.exposed, "64:ff9b::7f00:1": !test.exposed,
			"0.0.0.0": false, "::": false,
			"192.168.1.7": true, "10.1.2.3": true, "fd00::7": true, "8.8.8.8": true,
		} {
			if got := policy.Allows(netip.MustParseAddr(peer)); got != want {
				t.Errorf("%s, %s, %s: peer %s is allowed: %v, want %v", test.addr, test.turn, test.tls, peer, got, want)
			}
		}
	}
}
