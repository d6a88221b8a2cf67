package relay

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

var errPeer = errors.New("the peer may not be reached")

// relayed is the socket behind one relayed address. What reads it closes it,
// and so may the one that closes the relay: once counts.
//
// What comes from a peer with a channel goes to the client from here, many datagrams
// at a time; the library gets the rest, and all that is for clients over TCP.
type relayed struct {
	reader
	port   uint16
	holder login
	party  string // Of the holder.
	ports  *ports
	once   sync.Once
	err    error
	via    *datagrams // The client's socket, nil over TCP.
	// transport is the client's.
	transport Transport
	client    netip.AddrPort // Where via has it. Set before reading begins.

	mu      sync.Mutex // Guards what follows.
	in, out bucket
	// permitted has the addresses with a permission, each with what the ports there share
	// that are no flows.
	permitted map[netip.Addr]*bucket
	flows     map[netip.AddrPort]*flow
	channels  map[uint16]netip.AddrPort // The library's channels, until it ends them.
	traffic   traffic
	counted   bool // The traffic is part of that of ports, and counts no further.
}

func newRelayed(p *ports, s *socket, port uint16, holder login, via *datagrams) *relayed {
	return &relayed{
		reader: reader{socket: s, clock: p.now}, port: port, holder: holder, party: holder.user.party(), ports: p, via: via,
		permitted: make(map[netip.Addr]*bucket), flows: make(map[netip.AddrPort]*flow), channels: make(map[uint16]netip.AddrPort),
	}
}

// ReadFrom gives the library what peers without a channel send, as much of it as
// may pass.
func (r *relayed) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		for packet, ok := r.batch.next(); ok; packet, ok = r.batch.next() {
			channel, pass := r.receives(packet.addr, len(packet.data), r.now)
			if !pass {
				continue
			}
			if r.via == nil || channel == 0 {
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
	switch reach, pass := r.sendsTo(addr.AddrPort(), len(p), r.clock()); {
	case !reach:
		return 0, errPeer
	case !pass:
		return len(p), nil
	}
	return r.socket.WriteTo(p, to)
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
		r.mu.Lock() // Before that of ports, as everywhere.
		defer r.mu.Unlock()
		p.mu.Lock()
		defer p.mu.Unlock()
		r.counted = true
		p.traffic[r.transport].add(&r.traffic)
		delete(p.open, r.port)
		p.quota.remove(r.holder.user)
	})
	return r.err
}
