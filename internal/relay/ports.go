package relay

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"

	"github.com/pion/turn/v5"
)

// errNoTCP refuses relaying over TCP (RFC 6062): calls have no use for it, and
// it would let clients connect to other services from here.
var errNoTCP = errors.New("relaying over TCP is not offered")

// ports makes relayed addresses. With a range it tries every port once, from a
// random one on, so that only a range that is used up fails.
type ports struct {
	host, announce netip.Addr
	low, high      uint16
}

// Validate implements turn.RelayAddressGenerator.
func (p *ports) Validate() error { return nil }

// AllocatePacketConn implements turn.RelayAddressGenerator.
func (p *ports) AllocatePacketConn(c turn.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	if c.RequestedPort != 0 {
		return nil, nil, errors.New("clients do not choose ports")
	}
	size := int(p.high) - int(p.low) + 1
	first := rand.IntN(size)
	for i := range size {
		port := p.low
		if p.low != 0 {
			port += uint16((first + i) % size)
		}
		conn, err := net.ListenPacket(c.Network, netip.AddrPortFrom(p.host, port).String())
		if err != nil {
			continue
		}
		bound, err := netip.ParseAddrPort(conn.LocalAddr().String())
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("read a relayed address: %w", err), conn.Close())
		}
		return conn, net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.announce, bound.Port())), nil
	}
	return nil, nil, fmt.Errorf("no free port from %d to %d for a relayed address", p.low, p.high)
}

// AllocateListener implements turn.RelayAddressGenerator.
func (p *ports) AllocateListener(turn.AllocateListenerConfig) (net.Listener, net.Addr, error) {
	return nil, nil, errNoTCP
}

// AllocateConn implements turn.RelayAddressGenerator.
func (p *ports) AllocateConn(turn.AllocateConnConfig) (net.Conn, error) {
	return nil, errNoTCP
}
