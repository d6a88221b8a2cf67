package relay_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/peal-rtc/peal/internal/relay"
)

// hostile are addresses that no client may reach through a relay that faces
// the internet.
var hostile = []string{
	"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255",
	"127.0.0.1", "127.255.0.1", "168.63.129.16", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255",
	"192.0.0.1", "192.0.0.192", "192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.168.0.1", "192.168.255.255",
	"192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
	"240.0.0.1", "255.255.255.255",
	"::", "::1", "::2", "::127.0.0.1", "::10.0.0.1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
	"::ffff:0:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::127.0.0.1", "64:ff9b:1::1", "64:ff9b:1::8.8.8.8",
	"100::1", "100:0:0:1::1", "2001::1", "2001:0:808:808::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1",
	"2002:0a00:0001::1", "2002:7f00:0001::1", "2002:a9fe:a9fe::1", "2620:4f:8000::1", "3fff::1", "5f00::1",
	"fc00::1", "fd00:ec2::254", "fdff::1", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "ff02::1", "ff0e::1",
}

var good = []string{
	"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "126.255.255.255", "128.0.0.1",
	"169.253.255.255", "172.15.255.255", "172.32.0.1", "192.167.255.255", "192.169.0.1", "198.17.255.255", "198.20.0.1", "223.255.255.255",
	"::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:0808:0808::1", "2001:200::1", "2001:4860:4860::8888", "2606:4700::1111", "2a00:1450::1",
}

func TestPeers(t *testing.T) {
	var policy relay.PeerPolicy
	for _, a := range hostile {
		if policy.Allows(netip.MustParseAddr(a)) {
			t.Errorf("%s may be reached", a)
		}
	}
	for _, a := range good {
		if !policy.Allows(netip.MustParseAddr(a)) {
			t.Errorf("%s may not be reached", a)
		}
	}
	if policy.Allows(netip.Addr{}) {
		t.Error("no address may be reached")
	}
}

func TestAllowedPeers(t *testing.T) {
	allow, err := relay.ParsePrefixes([]string{"10.1.0.0/16", "192.168.7.9", "fd00:1::/32"})
	if err != nil {
		t.Fatal(err)
	}
	policy := relay.PeerPolicy{Allow: allow}
	for a, want := range map[string]bool{
		"10.1.2.3": true, "10.2.0.1": false, "192.168.7.9": true, "192.168.7.8": false, "fd00:1::5": true, "fd00:2::5": false,
		"::ffff:10.1.2.3": true, "64:ff9b::10.1.2.3": true, "2002:0a01:0203::": true, "::ffff:10.2.0.1": false, "127.0.0.1": false,
	} {
		if got := policy.Allows(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: got %v, want %v", a, got, want)
		}
	}
	for _, a := range []string{"127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "fd00::1"} {
		if !(relay.PeerPolicy{Allow: relay.LocalPrefixes()}).Allows(netip.MustParseAddr(a)) {
			t.Errorf("for trying out, %s must be reached", a)
		}
	}
}

func TestBadPrefixes(t *testing.T) {
	for text, says := range map[string]string{
		"10.0.0.0/33": "want CIDR",
		"private":     "want CIDR",
		"":            "want CIDR",
		"10.0.0.1/8":  "did you mean 10.0.0.0/8",
	} {
		if _, err := relay.ParsePrefixes([]string{text}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, want %q", text, err, says)
		}
	}
}

// Every way to write an IPv4 address inside an IPv6 one is judged as that.
func FuzzAllows(f *testing.F) {
	f.Add(uint32(0x7f000001))
	f.Add(uint32(0x08080808))
	f.Fuzz(func(t *testing.T, n uint32) {
		v4 := [4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
		var policy relay.PeerPolicy
		want := policy.Allows(netip.AddrFrom4(v4))
		forms := map[string][16]byte{
			"mapped": {10: 0xff, 11: 0xff},
			"nat64":  {1: 0x64, 2: 0xff, 3: 0x9b},
		}
		for name, form := range forms {
			copy(form[12:], v4[:])
			if got := policy.Allows(netip.AddrFrom16(form)); got != want {
				t.Errorf("%s as %s: got %v, want %v", netip.AddrFrom4(v4), name, got, want)
			}
		}
		sixToFour := [16]byte{0x20, 0x02, v4[0], v4[1], v4[2], v4[3]}
		if got := policy.Allows(netip.AddrFrom16(sixToFour)); got != want {
			t.Errorf("%s as 6to4: got %v, want %v", netip.AddrFrom4(v4), got, want)
		}
	})
}
