package relay

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// receiveBuffer is how many bytes the system keeps for all clients of a socket while
// the relay waits for its turn: some hundred packets. It may give less.
const receiveBuffer = 1 << 20

// datagrams is a socket for clients over UDP. What they send on their channels and by
// Send indications goes to the peers from here, many datagrams at a time; the library
// gets the rest, in its order.
type datagrams struct {
	reader
	onward []onward // What goes to peers next. The goroutine that reads has it.

	mu sync.Mutex // Guards what follows.
	// clients has the relayed address of each client of this socket.
	clients map[netip.AddrPort]*relayed
}

// onward is a packet for a peer, and the relayed address that it is sent from.
type onward struct {
	from *relayed
	packet
}

// newDatagrams takes what listening gave.
func newDatagrams(conn net.PacketConn, err error) (*datagrams, error) {
	if err != nil {
		return nil, err
	}
	s, err := newSocket(conn.(*net.UDPConn))
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	_ = s.SetReadBuffer(receiveBuffer) // It works with any.
	return &datagrams{reader: reader{socket: s, clock: time.Now}, clients: make(map[netip.AddrPort]*relayed)}, nil
}

// ReadFrom gives the library what is not data for a peer.
func (d *datagrams) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		for packet, ok := d.batch.next(); ok; packet, ok = d.batch.next() {
			if !d.passes(packet) {
				d.flush()
				return copy(p, packet.data), net.UDPAddrFromAddrPort(packet.addr), nil
			}
		}
		d.flush()
		if err := d.refill(); err != nil {
			return 0, nil, err
		}
	}
}

// passes is whether a packet is data for a peer, who is judged here each time. Data above
// the rate are lost.
func (d *datagrams) passes(p packet) bool {
	d.mu.Lock()
	from := d.clients[p.addr]
	d.mu.Unlock()
	if from == nil {
		return false
	}
	to, pass, ok := from.takes(p.data, d.now)
	if pass && ok {
		d.onward = append(d.onward, onward{from, to})
	}
	return ok
}

// flush sends what is to go to peers, together what goes from one address.
func (d *datagrams) flush() {
	for i := range d.onward {
		from := d.onward[i].from
		if from == nil {
			continue // Gone with one before.
		}
		for j := i; j < len(d.onward); j++ {
			if d.onward[j].from == from {
				d.batch.collect(d.onward[j].data, d.onward[j].addr)
				d.onward[j].from = nil
			}
		}
		from.send(d.batch)
	}
	d.onward = d.onward[:0]
}

// allocated notes whose relayed address is a client's.
func (d *datagrams) allocated(client netip.AddrPort, r *relayed) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r.client = client
	d.clients[client] = r
}

// released forgets a relayed address.
func (d *datagrams) released(r *relayed) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.clients[r.client] == r {
		delete(d.clients, r.client)
	}
}
