package doorstep

import (
	"net/netip"
	"testing"
)

func TestPlaces(t *testing.T) {
	d := New(2)
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	enter := func(addr netip.Addr, want bool) {
		t.Helper()
		if got := d.Enter(addr); got != want {
			t.Errorf("%s: got %t, want %t", addr, got, want)
		}
	}
	enter(one, true)
	enter(one, true)
	enter(one, false)
	enter(two, true)
	d.Leave(one)
	enter(one, true)
	enter(one, false)
	d.Leave(one)
	d.Leave(one)
	d.Leave(two)
	if got := d.Addrs(); got != 0 {
		t.Errorf("%d addresses are left", got)
	}
}

func TestOf(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "fe80::1%eth0": "fe80::",
	} {
		if got := Of(netip.MustParseAddr(text)); got.String() != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
