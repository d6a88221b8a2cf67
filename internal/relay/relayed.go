package relay

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// PeersPerAllocation is how many addresses one relayed address may speak with.
	PeersPerAllocation = 16
	// allocationRate is how many bytes a second it carries, each way: 8 Mbit/s.
	// What is more is lost, as on any line that is too thin.
	allocationRate = 1_000_000
	// allocationBurst lets the packets of one picture through.
	allocationBurst = 256 << 10
)

var errPeer = errors.New("the peer may not be reached")

// relayed is the socket behind one relayed address. What reads it closes it,
// and so may whoever closes the relay: once counts.
//
// What comes from a peer with a channel goes to the client from here, many datagrams
// at a time; the library gets the rest, and all that is for clients over TCP.
type relayed struct {
	reader
	port    uint16
	holder  login
	ports   *ports
	in, out *rate.Limiter
	once    sync.Once
	err     error
	via     *datagrams     // The client's socket, nil over TCP.
	client  netip.AddrPort // Where via has it. Set before reading begins.

	mu    sync.Mutex // Guards what follows.
	peers map[netip.Addr]bool
	// channels and numbers are the library's channels, until it ends them.
	channels map[uint16]netip.AddrPort
	numbers  map[netip.AddrPort]uint16
	// good is a peer that was judged lately: it holds until then.
	good      netip.AddrPort
	goodUntil time.Time
}

// goodTime is how long a judgement holds.
const goodTime = time.Second

func newRelayed(p *ports, s *socket, port uint16, holder login, via *datagrams) *relayed {
	return &relayed{
		reader: reader{socket: s}, port: port, holder: holder, ports: p, via: via,
		in: rate.NewLimiter(allocationRate, allocationBurst), out: rate.NewLimiter(allocationRate, allocationBurst),
		peers: make(map[netip.Addr]bool), channels: make(map[uint16]netip.AddrPort), numbers: make(map[netip.AddrPort]uint16),
	}
}

// admits says whether it may speak with one more address, or with one again.
func (r *relayed) admits(peer netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.peers[peer] && len(r.peers) >= PeersPerAllocation {
		return false
	}
	r.peers[peer] = true
	return true
}

// dismisses forgets an address whose permission is over.
func (r *relayed) dismisses(peer netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.peers, peer)
}

// bound notes a channel.
func (r *relayed) bound(channel uint16, peer netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.channels[channel], r.numbers[bare(peer)] = bare(peer), channel
}

// unbound forgets a channel.
func (r *relayed) unbound(channel uint16, peer netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.channels, channel)
	delete(r.numbers, bare(peer))
}

// peerOf is the peer that a channel is bound to.
func (r *relayed) peerOf(channel uint16) (netip.AddrPort, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	peer, ok := r.channels[channel]
	return peer, ok
}

// channelOf is the channel that is bound to a peer.
func (r *relayed) channelOf(peer netip.AddrPort) (uint16, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	channel, ok := r.numbers[bare(peer)]
	return channel, ok
}

// bare is the form of a peer's address under which its channel is found.
func bare(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// ReadFrom gives the library what peers without a channel send, as much of it as
// may pass.
func (r *relayed) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		for packet, ok := r.batch.next(); ok; packet, ok = r.batch.next() {
			if !r.in.AllowN(r.now, len(packet.data)) {
				continue
			}
			channel, bound := r.channelOf(packet.addr)
			if r.via == nil || !bound {
				r.flush()
				return copy(p, packet.data), net.UDPAddrFromAddrPort(packet.addr), nil
			}
			r.batch.collect(r.batch.framed(channel), r.client)
		}
		r.flush()
		if err := r.refill(); err != nil {
			return 0, nil, err
		}
	}
}

// flush sends to the client what is collected.
func (r *relayed) flush() {
	if r.via != nil && r.batch != nil {
		r.via.send(r.batch)
	}
}

// WriteTo sends to a peer, which is judged by its address and port each time: a
// permission names an address alone.
func (r *relayed) WriteTo(p []byte, to net.Addr) (int, error) {
	addr, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, errPeer
	}
	peer, now := addr.AddrPort(), time.Now()
	if !r.reaches(peer, now) {
		return 0, errPeer
	}
	if !r.out.AllowN(now, len(p)) {
		return len(p), nil
	}
	return r.socket.WriteTo(p, to)
}

func (r *relayed) reaches(peer netip.AddrPort, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if peer == r.good && now.Before(r.goodUntil) {
		return true
	}
	if !r.ports.reaches(peer) {
		return false
	}
	r.good, r.goodUntil = peer, now.Add(goodTime)
	return true
}

// end has the library delete the allocation, which closes it: reading fails. Closing
// alone would free the port while the library still ends what belonged to it, and
// another allocation may have that port by then.
func (r *relayed) end() { _ = r.SetReadDeadline(time.Unix(1, 0)) }

// Close releases the port. Only then may it be tried again.
func (r *relayed) Close() error {
	r.once.Do(func() {
		r.err = r.UDPConn.Close()
		if r.via != nil {
			r.via.released(r)
		}
		p := r.ports
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.open, r.port)
		p.quota.remove(r.holder.user)
	})
	return r.err
}
