package reach_test

import (
	"net/netip"
	"testing"

	"github.com/peal-rtc/peal/internal/reach"
	"github.com/peal-rtc/peal/internal/reach/reachtest"
)

func TestSpecial(t *testing.T) {
	var policy reach.Policy
	for _, a := range reachtest.Hostile {
		if policy.Allows(netip.MustParseAddr(a)) {
			t.Errorf("%s may be reached", a)
		}
	}
	for _, a := range reachtest.Public {
		if !policy.Allows(netip.MustParseAddr(a)) {
			t.Errorf("%s may not be reached", a)
		}
	}
	if policy.Allows(netip.Addr{}) {
		t.Error("no address may be reached")
	}
}

func TestAllowed(t *testing.T) {
	allow := func(texts ...string) reach.Policy {
		var policy reach.Policy
		for _, text := range texts {
			policy.Allow = append(policy.Allow, netip.MustParsePrefix(text))
		}
		return policy
	}
	office := allow("10.1.0.0/16", "192.168.7.9/32", "fd00:1::/32")
	everywhere := allow("::/0")
	translator := allow("64:ff9b:1::/48")
	local := reach.Policy{Allow: reach.Local()}
	for _, c := range []struct {
		policy reach.Policy
		peer   string
		want   bool
	}{
		{office, "10.1.2.3", true},
		{office, "10.2.0.1", false},
		{office, "192.168.7.9", true},
		{office, "192.168.7.8", false},
		{office, "fd00:1::5", true},
		{office, "fd00:2::5", false},
		{office, "127.0.0.1", false},
		{office, "8.8.8.8", true},
		// Other ways to write an address are that address.
		{office, "::ffff:10.1.2.3", true},
		{office, "::ffff:10.2.0.1", false},
		{office, "64:ff9b::10.1.2.3", true},
		// A tunnel to an allowed address is not that address.
		{office, "2002:a01:203::", false},
		{office, "::10.1.2.3", false},
		// Allowing a range allows no IPv4 address inside.
		{everywhere, "fd00::1", true},
		{everywhere, "::1", true},
		{everywhere, "2002:808:808::1", true},
		{everywhere, "2002:7f00:1::1", false},
		{everywhere, "::ffff:127.0.0.1", false},
		{everywhere, "::127.0.0.1", false},
		{everywhere, "64:ff9b:1:7f00:0:100::", false},
		{everywhere, "64:ff9b:1:808:8:800::", true},
		{everywhere, "2001:0:808:808::f7f7:f7f7", true},
		{everywhere, "2001:0:808:808::80ff:fffe", false},
		{everywhere, "2001:0:a00:1::f7f7:f7f7", false},
		{everywhere, "fd00::5efe:10.0.0.1", false},
		{translator, "64:ff9b:1::8.8.8.8", true},
		{translator, "64:ff9b:1::10.0.0.1", false},
		{local, "127.0.0.1", true},
		{local, "::1", true},
		{local, "10.0.0.1", true},
		{local, "172.20.0.1", true},
		{local, "192.168.1.1", true},
		{local, "169.254.3.4", true},
		{local, "fd00::1", true},
		{local, "fe80::1%eth0", true},
		{local, "224.0.0.1", false},
		{local, "0.0.0.0", false},
	} {
		if got := c.policy.Allows(netip.MustParseAddr(c.peer)); got != c.want {
			t.Errorf("%s with %v: got %v, want %v", c.peer, c.policy.Allow, got, c.want)
		}
	}
}

// FuzzAllows puts an IPv4 address into every form that holds one. Those that
// are it are judged as it; the others are never reached by default, and as it
// once their own range is allowed.
func FuzzAllows(f *testing.F) {
	for _, a := range []uint32{0x7f000001, 0x08080808, 0xa9fea9fe, 0, 0xffffffff, 0x0a000000, 0x01000000, 0xcb007101} {
		f.Add(a)
	}
	all := reach.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("::/0")}}
	f.Fuzz(func(t *testing.T, n uint32) {
		var public reach.Policy
		b := [4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
		plain := netip.AddrFrom4(b)
		want := public.Allows(plain)
		for name, form := range map[string][16]byte{
			"mapped": {10: 0xff, 11: 0xff, 12: b[0], b[1], b[2], b[3]},
			"NAT64":  {1: 0x64, 2: 0xff, 3: 0x9b, 12: b[0], b[1], b[2], b[3]},
			"ISATAP": {0: 0x2a, 10: 0x5e, 11: 0xfe, 12: b[0], b[1], b[2], b[3]},
		} {
			if got := public.Allows(netip.AddrFrom16(form)); got != want {
				t.Errorf("%s as %s: got %v, want %v", plain, name, got, want)
			}
		}
		for name, form := range map[string][16]byte{
			"compatible":     {12: b[0], b[1], b[2], b[3]},
			"translated":     {8: 0xff, 9: 0xff, 12: b[0], b[1], b[2], b[3]},
			"local NAT64":    {1: 0x64, 2: 0xff, 3: 0x9b, 5: 1, 12: b[0], b[1], b[2], b[3]},
			"NAT64 of a /48": {1: 0x64, 2: 0xff, 3: 0x9b, 5: 1, 6: b[0], b[1], 9: b[2], b[3]},
			"6to4":           {0: 0x20, 1: 0x02, 2: b[0], b[1], b[2], b[3]},
			"Teredo server":  {0: 0x20, 1: 0x01, 4: b[0], b[1], b[2], b[3], 12: 0xf7, 0xf7, 0xf7, 0xf7},
			"Teredo client":  {0: 0x20, 1: 0x01, 4: 8, 8, 8, 8, 12: ^b[0], ^b[1], ^b[2], ^b[3]},
		} {
			addr := netip.AddrFrom16(form)
			if public.Allows(addr) {
				t.Errorf("%s as %s (%s) may be reached", plain, name, addr)
			}
			if addr.IsUnspecified() || addr.IsLoopback() { // They have a meaning of their own.
				continue
			}
			if got := all.Allows(addr); got != want {
				t.Errorf("%s as %s (%s), which is allowed: got %v, want %v", plain, name, addr, got, want)
			}
		}
	})
}
