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
// What comes from a peer with a channel or a permission goes to the client from here,
// many datagrams at a time; the library gets the rest.
type relayed struct {
	reader
	port   uint16
	holder login
	party  string // Of the holder.
	ports  *ports
	once   sync.Once
	err    error
	via    *datagrams // The client's socket, nil over TCP.
	stream *stream    // The client's connection, nil over UDP. Set before reading begins.
	// transport is the client's.
	transport Transport
	client    netip.AddrPort // Where via has it. Set before reading begins.

	mu        sync.Mutex // Guards what follows.
	in, out   bucket
	permitted map[netip.Addr]*permission
	// unknown is set once the library has a channel that is not in channels. From then on
	// it alone knows which peers have none.
	unknown  bool
	flows    map[netip.AddrPort]*flow
	channels map[uint16]netip.AddrPort // The library's channels, until it ends them.
	traffic  traffic
	counted  bool // The traffic is part of that of ports, and counts no further.
}

func newRelayed(p *ports, s *socket, port uint16, holder login, via *datagrams) *relayed {
	return &relayed{
		reader: reader{socket: s, clock: p.now}, port: port, holder: holder, party: holder.user.party(), ports: p, via: via,
		permitted: make(map[netip.Addr]*permission), flows: make(map[netip.AddrPort]*flow), channels: make(map[uint16]netip.AddrPort),
	}
}

// ReadFrom gives the library what does not go to the client from here, as much of it as
// may pass.
func (r *relayed) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		for packet, ok := r.batch.next(); ok; packet, ok = r.batch.next() {
			channel, pass := r.receives(packet.addr, len(packet.data), r.now)
			if !pass {
				continue
			}
			message, ok := r.message(channel, packet.addr)
			if !ok {
				r.flush()
				return copy(p, packet.data), net.UDPAddrFromAddrPort(packet.addr), nil
			}
			r.batch.collect(message, r.client)
		}
		r.flush()
		if err := r.refill(); err != nil {
			return 0, nil, err
		}
	}
}

// message is the datagram that the batch gave last, as it goes to the client: on its
// channel, or without one as a Data indication. ok is false where the library has to say.
func (r *relayed) message(channel uint16, from netip.AddrPort) (p []byte, ok bool) {
	switch {
	case r.via == nil && r.stream == nil:
		return nil, false
	case channel == 0 && !r.indicates(from):
		return nil, false
	case channel == 0:
		return r.batch.indicated(), true
	case r.stream != nil:
		return pad(r.batch.framed(channel)), true
	default:
		return r.batch.framed(channel), true
	}
}

// flush sends to the client what is collected.
func (r *relayed) flush() {
	switch {
	case r.batch == nil:
	case r.via != nil:
		r.via.send(r.batch)
	case r.stream != nil:
		r.stream.deliver(r.batch)
	}
}

// takes judges what the client sends: ok is false where it is for the library, pass is
// false where its data are lost.
func (r *relayed) takes(p []byte, now time.Time) (onward packet, pass, ok bool) {
	if channel, data, framed := unframed(p); framed {
		peer, pass, ok := r.forwards(channel, len(data), now)
		return packet{data, peer}, pass, ok
	}
	if peer, data, sent := indicated(p); sent {
		pass, ok := r.sendsIndicated(peer, len(data), now)
		return packet{data, peer}, pass, ok
	}
	return packet{}, false, false
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
		if r.stream != nil {
			r.stream.relayed.CompareAndSwap(r, nil)
		}
		p := r.ports
		r.mu.Lock() // Before that of ports, as everywhere.
		defer r.mu.Unlock()
		p.mu.Lock()
		defer p.mu.Unlock()
		r.counted = true
		p.traffic[r.transport].add(&r.traffic)
		delete(p.open, r.port)
		p.noteEmpty()
		p.quota.remove(r.holder.user)
	})
	return r.err
}
