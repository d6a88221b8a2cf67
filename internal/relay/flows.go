package relay

import (
	"net/netip"
	"time"

	"github.com/peal-rtc/peal/internal/reach"
)

const (
	// PeersPerAllocation is how many addresses one relayed address may speak with.
	PeersPerAllocation = 16
	// flowsMost bounds the addresses with a port that have a rate of their own: some
	// ports at each address, as candidates have.
	flowsMost = 4 * PeersPerAllocation
	// verdictTime is how long the judgement of a peer holds.
	verdictTime = time.Second
)

// The rates of a relayed address. What is more is lost, as on any line that is too thin.
var (
	// clientRate is what a client may send, to all of its peers: 8 Mbit/s. The burst
	// lets the packets of one picture through.
	clientRate = rateOf(1_000_000, 256<<10)
	// peerRate is what one peer may send to a client.
	peerRate = rateOf(1_000_000, 256<<10)
	// peersRate is what all peers together may. It is twice the rate of one, so that a
	// peer that floods leaves as much to another as that may send.
	peersRate = rateOf(2_000_000, 512<<10)
	// strangerRate is for the ports at an address with a permission that the client
	// never sent to, all ports together: enough for checks of ICE, which the client
	// answers, and too little to crowd out anybody.
	strangerRate = rateOf(62_500, 64<<10)
)

// packetLeast is how many bytes a packet costs at least: small ones are work, too.
const packetLeast = 64

// rate is of bytes a second, with a burst.
type rate struct{ each, burst time.Duration }

func rateOf(bytesPerSecond, burst int) rate {
	each := time.Second / time.Duration(bytesPerSecond)
	return rate{each, each * time.Duration(burst)}
}

// bucket holds packets to a rate. It is the time until which the rate is used up, less
// the burst. The zero value is full. The lock of its owner guards it.
type bucket struct{ used time.Time }

// has reports whether a packet may pass, take has it pass.
func (b *bucket) has(now time.Time, r rate, bytes int) bool {
	return !b.used.Add(r.cost(bytes)).After(now.Add(r.burst))
}

func (b *bucket) take(now time.Time, r rate, bytes int) {
	if b.used.Before(now) {
		b.used = now
	}
	b.used = b.used.Add(r.cost(bytes))
}

func (r rate) cost(bytes int) time.Duration { return r.each * time.Duration(max(bytes, packetLeast)) }

// flow is a peer's address with its port that the client has bound a channel to, or
// sent to.
type flow struct {
	in      bucket
	channel uint16    // 0 for none.
	sent    time.Time // When the client last sent there.
	// reached and heard are the last judgement of the peer, which holds until then.
	reached, heard bool
	until          time.Time
}

// permission is that of an address, to send to the client and be sent to.
type permission struct {
	// strangers is what the ports there share that are no flows.
	strangers bucket
	// granted is when the library has the permission, not only the intention.
	granted bool
}

// admits says whether it may speak with one more address, or with one again.
func (r *relayed) admits(peer netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.admit(peer) != nil
}

// admit needs the lock. It gives the permission of an address; nil where there are too many.
func (r *relayed) admit(peer netip.Addr) *permission {
	p := r.permitted[peer]
	if p == nil && len(r.permitted) < PeersPerAllocation {
		p = &permission{}
		r.permitted[peer] = p
	}
	return p
}

// granted notes that the library has a permission. One that expired while the client
// renewed it was dismissed.
func (r *relayed) granted(peer netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.admit(peer); p != nil {
		p.granted = true
	}
}

// indicates reports whether what a peer without a channel sends goes to the client as an
// indication: its address has a permission.
func (r *relayed) indicates(from netip.AddrPort) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.permitted[reach.Canonical(from.Addr())]
	return p != nil && p.granted && !r.unknown
}

// dismisses forgets an address whose permission is over, and its ports but those with
// a channel.
func (r *relayed) dismisses(peer netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.permitted, peer)
	for addr, f := range r.flows {
		if f.channel == 0 && reach.Canonical(addr.Addr()) == peer {
			delete(r.flows, addr)
		}
	}
}

// bound notes a channel.
func (r *relayed) bound(channel uint16, peer netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	peer = bare(peer)
	f := r.flowTo(peer)
	if f == nil {
		r.unknown = true // The library has it, and it shares the rate of strangers.
		return
	}
	f.channel = channel
	r.channels[channel] = peer
}

// unbound forgets a channel.
func (r *relayed) unbound(channel uint16, peer netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	peer = bare(peer)
	delete(r.channels, channel)
	if f := r.flows[peer]; f != nil {
		f.channel = 0
		if r.permitted[reach.Canonical(peer.Addr())] == nil {
			delete(r.flows, peer)
		}
	}
}

// flowTo needs the lock. It gives the flow to a bare address, where need be in place of
// the one without a channel that the client has not sent to for the longest time; nil
// when all have a channel.
func (r *relayed) flowTo(peer netip.AddrPort) *flow {
	if f := r.flows[peer]; f != nil {
		return f
	}
	if len(r.flows) >= flowsMost {
		var oldest netip.AddrPort
		for addr, f := range r.flows {
			if f.channel == 0 && (!oldest.IsValid() || f.sent.Before(r.flows[oldest].sent)) {
				oldest = addr
			}
		}
		if !oldest.IsValid() {
			return nil
		}
		delete(r.flows, oldest)
	}
	f := &flow{}
	r.flows[peer] = f
	return f
}

// bare is the form of a peer's address under which its flow is found.
func bare(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// forwards judges data that the client sends on a channel: ok is false where the
// library has to, pass is false where they are lost.
func (r *relayed) forwards(channel uint16, bytes int, now time.Time) (peer netip.AddrPort, pass, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if peer, ok = r.channels[channel]; !ok {
		return peer, false, false
	}
	f := r.flows[peer]
	if r.judge(f, peer, now); !f.reached {
		return peer, false, false
	}
	f.sent = now
	return peer, r.count(FromClient, bytes, r.sends(now, bytes)), true
}

// sends needs the lock. It holds the client to its rate.
func (r *relayed) sends(now time.Time, bytes int) bool {
	if !r.out.has(now, clientRate, bytes) {
		return false
	}
	r.out.take(now, clientRate, bytes)
	return true
}

// sendsTo judges what the library sends for the client: to reach is false for a peer
// that may not be reached, pass for what is above the rate.
func (r *relayed) sendsTo(peer netip.AddrPort, bytes int, now time.Time) (reach, pass bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sendTo(peer, bytes, now)
}

// sendsIndicated judges data that the client sends by an indication: ok is false where
// the library has to, pass is false where they are lost.
func (r *relayed) sendsIndicated(peer netip.AddrPort, bytes int, now time.Time) (pass, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.permitted[reach.Canonical(peer.Addr())]
	if p == nil || !p.granted || peer.Addr().Is4() != r.ports.host.Is4() {
		return false, false
	}
	_, pass = r.sendTo(peer, bytes, now)
	return pass, true
}

// sendTo needs the lock.
func (r *relayed) sendTo(peer netip.AddrPort, bytes int, now time.Time) (reach, pass bool) {
	peer = bare(peer)
	f := r.flowTo(peer)
	if f == nil {
		f = &flow{}
	}
	if r.judge(f, peer, now); !f.reached {
		return false, false
	}
	f.sent = now
	return true, r.count(FromClient, bytes, r.sends(now, bytes))
}

// receives judges a packet of a peer. The channel is 0 where it has none. What comes
// from an address without a permission costs no other peer anything.
func (r *relayed) receives(from netip.AddrPort, bytes int, now time.Time) (channel uint16, pass bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	from = bare(from)
	f := r.flows[from]
	if f == nil {
		p := r.permitted[reach.Canonical(from.Addr())]
		if p == nil || !p.strangers.has(now, strangerRate, bytes) || !r.ports.hears(r.party, from) {
			return 0, r.count(ToClient, bytes, false)
		}
		p.strangers.take(now, strangerRate, bytes)
		return 0, r.count(ToClient, bytes, true)
	}
	if r.judge(f, from, now); !f.heard || !f.in.has(now, peerRate, bytes) || !r.in.has(now, peersRate, bytes) {
		return 0, r.count(ToClient, bytes, false)
	}
	f.in.take(now, peerRate, bytes)
	r.in.take(now, peersRate, bytes)
	return f.channel, r.count(ToClient, bytes, true)
}

// judge needs the lock. It brings the judgement of a peer up to date.
func (r *relayed) judge(f *flow, peer netip.AddrPort, now time.Time) {
	if now.Before(f.until) {
		return
	}
	f.reached, f.heard = r.ports.reaches(r.party, peer), r.ports.hears(r.party, peer)
	f.until = now.Add(verdictTime)
}
