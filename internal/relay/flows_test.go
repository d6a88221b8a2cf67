package relay

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/turn/v5"

	"github.com/peal-rtc/peal/internal/reach"
)

// open is a relayed address of a user, which is not read.
func open(t *testing.T, p *ports, username string) *relayed {
	t.Helper()
	conn, _, err := p.AllocatePacketConn(turn.AllocateListenerConfig{Network: "udp4", UserID: username})
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*relayed)
}

// everywhere makes relayed addresses on all addresses of this machine, which are
// announced as another, as behind a NAT.
func everywhere(t *testing.T) *ports {
	t.Helper()
	cfg := Config{Logger: slog.New(slog.DiscardHandler), AllowPeers: reach.Local()}
	cfg.complete()
	p := newPorts(&cfg, netip.IPv4Unspecified(), netip.MustParseAddr("192.0.2.7"))
	t.Cleanup(func() { _ = p.close() })
	return p
}

const aliceName, bobName = "1800000000:tag_.call.account_of_alice.phone", "1800000000:tag_.call.account_of__bob_.phone"

// A channel is found by its number and by its peer, in each form of an address,
// until it ends.
func TestBound(t *testing.T) {
	r := open(t, everywhere(t), aliceName)
	now := time.Now()
	one, two := netip.MustParseAddrPort("8.8.8.8:1"), netip.MustParseAddrPort("8.8.8.8:2")
	mapped := netip.AddrPortFrom(netip.AddrFrom16(one.Addr().As16()), one.Port())
	r.admits(one.Addr())
	r.bound(0x4000, mapped)
	r.bound(0x4001, two)
	for _, peer := range []netip.AddrPort{one, mapped} {
		if channel, pass := r.receives(peer, 100, now); !pass || channel != 0x4000 {
			t.Errorf("%s: got %#x, %t", peer, channel, pass)
		}
	}
	if peer, pass, ok := r.forwards(0x4000, 100, now); !ok || !pass || peer != one {
		t.Errorf("got %s, %t, %t", peer, pass, ok)
	}
	r.unbound(0x4000, mapped)
	channel, pass := r.receives(one, 100, now)
	_, _, ok := r.forwards(0x4000, 100, now)
	if channel != 0 || !pass || ok {
		t.Errorf("an ended channel: %#x, %t, %t", channel, pass, ok)
	}
	// Without its permission nothing is left of an address but its channels.
	r.dismisses(one.Addr())
	if _, pass := r.receives(one, 100, now); pass {
		t.Error("heard without a permission")
	}
	if channel, pass := r.receives(two, 100, now); !pass || channel != 0x4001 {
		t.Errorf("the other channel: %#x, %t", channel, pass)
	}
	r.unbound(0x4001, two)
	if len(r.flows)+len(r.channels)+len(r.permitted) != 0 {
		t.Errorf("left: %v, %v, %v", r.flows, r.channels, r.permitted)
	}
}

// Ports that the client sends to are few: the one that it has not sent to for the
// longest time goes, those with a channel stay.
func TestFlowsMost(t *testing.T) {
	r := open(t, everywhere(t), aliceName)
	now := time.Now()
	peer := func(port int) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr("8.8.8.8"), uint16(port)) }
	r.admits(peer(1).Addr())
	r.bound(0x4000, peer(1))
	for port := 2; port < 1000; port++ {
		now = now.Add(time.Millisecond)
		if reach, _ := r.sendsTo(peer(port), 10, now); !reach {
			t.Fatal("not reached")
		}
		r.sendsTo(peer(2), 10, now.Add(time.Microsecond))
	}
	if len(r.flows) != flowsMost || r.flows[peer(1)] == nil || r.flows[peer(2)] == nil || r.flows[peer(999)] == nil {
		t.Errorf("%d flows, want %d with the channel, the one in use and the newest", len(r.flows), flowsMost)
	}
	for n := range uint16(flowsMost + 10) {
		r.bound(0x4001+n, peer(2000+int(n)))
	}
	if len(r.flows) != flowsMost || len(r.channels) != flowsMost {
		t.Errorf("%d flows and %d channels, want %d", len(r.flows), len(r.channels), flowsMost)
	}
}

// Whichever of this machine's addresses names it, a relayed address is reached and
// heard in its own call alone.
func TestPartiesByAnyAddress(t *testing.T) {
	p := everywhere(t)
	alice, bob := open(t, p, aliceName), open(t, p, bobName)
	mallory := open(t, p, "1800000000:tag_.other.account_of_mal__.phone")
	own := []netip.Addr{p.announced, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.9.9.9"), netip.MustParseAddr("::ffff:127.0.0.1")}
	p.machine.has(p.announced) // It lists them.
	for addr := range p.machine.own {
		if addr.Is4() {
			own = append(own, addr)
		}
	}
	for _, addr := range own {
		now := time.Now()
		if !p.mayReach(addr) {
			continue // Public, and nobody's business.
		}
		alice.admits(reach.Canonical(addr))
		for other, want := range map[*relayed]bool{bob: true, mallory: false} {
			at := netip.AddrPortFrom(addr, other.port)
			if reach, _ := alice.sendsTo(at, 100, now); reach != want {
				t.Errorf("%s of %s: reached %t", at, other.party, reach)
			}
			alice.dismisses(reach.Canonical(addr)) // It is a stranger now.
			alice.admits(reach.Canonical(addr))
			if _, pass := alice.receives(at, 100, now); pass != want {
				t.Errorf("%s of %s: heard %t", at, other.party, pass)
			}
		}
		if _, pass := alice.receives(netip.AddrPortFrom(addr, mallory.port), 100, now); pass {
			t.Error("heard")
		}
		alice.dismisses(reach.Canonical(addr))
	}
	if p.reaches(alice.party, netip.AddrPortFrom(p.announced, 1)) {
		t.Error("what else is at the announced address is reached")
	}
}

// A judgement of a relayed address does not outlive it: another call may have its port
// next.
func TestVerdictsExpire(t *testing.T) {
	p := everywhere(t)
	alice, bob := open(t, p, aliceName), open(t, p, bobName)
	now := time.Now()
	at := netip.AddrPortFrom(p.announced, bob.port)
	alice.admits(p.announced)
	if reach, _ := alice.sendsTo(at, 100, now); !reach {
		t.Fatal("not reached in the same call")
	}
	if err := bob.Close(); err != nil {
		t.Fatal(err)
	}
	if reach, _ := alice.sendsTo(at, 100, now.Add(verdictTime)); reach {
		t.Error("reached after its end")
	}
}

func TestBucket(t *testing.T) {
	now := time.Now()
	r := rateOf(1000, 2000)
	var b bucket
	passed := func(at time.Time) (n int) {
		for b.has(at, r, 100) {
			b.take(at, r, 100)
			n++
		}
		return n
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 20}, {0, 0}, {99 * time.Millisecond, 0}, {100 * time.Millisecond, 1}, {time.Second, 9}, {time.Hour, 20}} {
		if got := passed(now.Add(step.after)); got != step.want {
			t.Errorf("after %s: %d packets, want %d", step.after, got, step.want)
		}
	}
	if got := r.cost(0); got != r.cost(packetLeast) {
		t.Errorf("an empty packet costs %s", got)
	}
}

// What is above a rate, or of a peer without a permission, counts as dropped. A relayed
// address that is closed counts nothing more.
func TestDropped(t *testing.T) {
	p := everywhere(t)
	r := open(t, p, aliceName)
	now, peer := time.Now(), netip.MustParseAddrPort("8.8.8.8:1")
	dropped := func() (from, to uint64) {
		for _, one := range (&Relay{ports: p}).Numbers().Traffic {
			if one.Direction == FromClient {
				from += one.Dropped
			} else {
				to += one.Dropped
			}
		}
		return from, to
	}
	r.receives(peer, 100, now)
	r.admits(peer.Addr())
	r.bound(0x4000, peer)
	for range 10_000 {
		r.forwards(0x4000, 1000, now)
	}
	from, to := dropped()
	if from < 9_000 || to != 1 {
		t.Errorf("dropped %d from the client, %d to it", from, to)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r.forwards(0x4000, 1000, now)
	if again, _ := dropped(); again != from {
		t.Errorf("dropped %d of a closed one, then %d", from, again)
	}
}
