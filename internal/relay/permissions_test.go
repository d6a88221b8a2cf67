package relay

import (
	"net/netip"
	"testing"
	"time"
)

// Indications pass by the library where that has the permission, and nowhere else: the
// intention to give one is none, nor is one that is over.
func TestGranted(t *testing.T) {
	now := time.Now()
	r := open(t, everywhere(t), aliceName)
	peer, other := netip.MustParseAddrPort("8.8.8.8:1"), netip.MustParseAddrPort("8.8.4.4:1")
	want := func(what string, at netip.AddrPort, want bool) {
		t.Helper()
		if pass, ok := r.sendsIndicated(at, 100, now); ok != want || pass != want {
			t.Errorf("%s, to the peer: %t, %t", what, pass, ok)
		}
		if got := r.indicates(at); got != want {
			t.Errorf("%s, to the client: %t", what, got)
		}
	}
	want("without anything", peer, false)
	r.admits(peer.Addr())
	want("with the intention", peer, false)
	r.granted(peer.Addr())
	want("with the permission", peer, true)
	want("another port", netip.AddrPortFrom(peer.Addr(), 2), true)
	want("another address", other, false)
	r.dismisses(peer.Addr())
	want("after its end", peer, false)
	r.admits(peer.Addr())
	want("with the intention again", peer, false)
	r.bound(0x4000, other)
	want("with a channel alone", other, false)
}

// A client with as many peers as it may have is granted no more.
func TestGrantedMost(t *testing.T) {
	r := open(t, everywhere(t), aliceName)
	addr := netip.MustParseAddr("8.8.8.1")
	for range 2 * PeersPerAllocation {
		r.granted(addr)
		addr = addr.Next()
	}
	if len(r.permitted) != PeersPerAllocation || r.indicates(netip.AddrPortFrom(addr.Prev(), 1)) {
		t.Errorf("%d permissions", len(r.permitted))
	}
}

// An address of the other family is the library's business, also one that is the same as
// a permitted one to the relay.
func TestGrantedFamily(t *testing.T) {
	r := open(t, everywhere(t), aliceName)
	peer := netip.MustParseAddr("8.8.8.8")
	r.granted(peer)
	for _, text := range []string{"::ffff:8.8.8.8", "64:ff9b::808:808", "2001:4860:4860::8888"} {
		if pass, ok := r.sendsIndicated(netip.AddrPortFrom(netip.MustParseAddr(text), 1), 100, time.Now()); pass || ok {
			t.Errorf("%s: %t, %t", text, pass, ok)
		}
	}
}

// A permission is for an address. Each packet is judged all the same: by its rate, and by
// what is at its port.
func TestGrantedIsJudged(t *testing.T) {
	p := everywhere(t)
	p.policy.Allow = nil
	alice, bob := open(t, p, aliceName), open(t, p, "1800000000:tag_.other.account_of__bob_.phone")
	now, announced := time.Now(), p.machine.announced
	alice.granted(announced)
	for _, port := range []uint16{bob.port, 1} {
		if pass, ok := alice.sendsIndicated(netip.AddrPortFrom(announced, port), 100, now); pass || !ok {
			t.Errorf("port %d: %t, %t", port, pass, ok)
		}
	}
	peer, passed := netip.MustParseAddrPort("8.8.8.8:1"), 0
	alice.granted(peer.Addr())
	for range 10_000 {
		if pass, ok := alice.sendsIndicated(peer, 1000, now); pass {
			passed += 1000
		} else if !ok {
			t.Fatal("left to the library")
		}
	}
	if burst := 256 << 10; passed > burst || passed < burst/2 {
		t.Errorf("%d bytes at once", passed)
	}
}

// Once the library has channels that are not known here, it alone says who has none.
func TestUnknownChannels(t *testing.T) {
	r := open(t, everywhere(t), aliceName)
	addr := netip.MustParseAddr("8.8.8.8")
	r.granted(addr)
	for n := range uint16(flowsMost) {
		r.bound(0x4000+n, netip.AddrPortFrom(addr, 1000+n))
	}
	stranger := netip.AddrPortFrom(addr, 1)
	if !r.indicates(stranger) {
		t.Error("all channels are known")
	}
	r.bound(0x5000, stranger)
	if r.indicates(stranger) {
		t.Error("what is for a channel went out as an indication")
	}
}
