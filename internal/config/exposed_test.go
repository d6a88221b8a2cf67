package config

import (
	"strings"
	"testing"
)

// Everyone who reaches a peal dev may relay, so the loopback is for those on it.
func TestCheckDev(t *testing.T) {
	for _, test := range []struct {
		addr, turn string
		peers      []string
		says       string // Empty where it stays valid.
	}{
		{"127.0.0.1:7325", "127.0.0.1:3478", []string{"127.0.0.0/8", "::1"}, ""},
		{"localhost:7325", "off", []string{"127.0.0.0/8"}, ""},
		{"0.0.0.0:7325", "127.0.0.1:3478", nil, ""},
		{"0.0.0.0:7325", "127.0.0.1:3478", []string{"192.168.0.0/16", "fd00::/8"}, ""},
		{"0.0.0.0:7325", "127.0.0.1:3478", []string{"10.0.0.0/8", "127.0.0.1"}, "turn-allow-peer has 127.0.0.1/32, and"},
		{"0.0.0.0:7325", "127.0.0.1:3478", []string{"0.0.0.0/0", "::/0"}, "turn-allow-peer has 0.0.0.0/0, ::/0, and"},
		{"127.0.0.1:7325", "0.0.0.0:3478", []string{"::1"}, "listen on 127.0.0.1 by addr and turn-addr"},
		{"127.0.0.1:7325", "192.168.1.5:3478", []string{"0.0.0.0"}, "turn-allow-peer has 0.0.0.0/32"},
		{"127.0.0.1:7325", "127.0.0.1:3478", []string{"all"}, "give a CIDR"},
		{"nowhere", "127.0.0.1:3478", []string{"::1"}, "turn-allow-peer"},
	} {
		c := valid()
		c.Addr, c.TURN.Addr, c.TURN.AllowPeer = test.addr, test.turn, test.peers
		err := c.CheckDev()
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s, %s, %v: got %v, want %q", test.addr, test.turn, test.peers, err, test.says)
		}
	}
}
