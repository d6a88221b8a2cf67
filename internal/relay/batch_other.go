//go:build !linux

package relay

import "net"

// socket is a UDP socket. Elsewhere than on Linux datagrams go one by one.
type socket struct{ *net.UDPConn }

func newSocket(conn *net.UDPConn) (*socket, error) { return &socket{conn}, nil }

// receive waits for a datagram.
func (s *socket) receive() (*batch, error) {
	b := newBatch()
	n, from, err := s.ReadFromUDPAddrPort(b.room(0)[headroom:])
	if err != nil {
		b.release()
		return nil, err
	}
	b.received(0, n, from)
	return b, nil
}

// send sends what is collected in a batch, in its order. What the network does not
// take is lost.
func (s *socket) send(b *batch) {
	for _, p := range b.out {
		_, _ = s.WriteToUDPAddrPort(p.data, p.addr)
	}
	b.out = b.out[:0]
}

// calls is nothing here.
type calls struct{}

func (b *batch) prepare() {}
