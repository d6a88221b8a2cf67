//go:build !linux

package relay

import "net"

// listenUDP opens the relay's UDP socket. Elsewhere than on Linux several do not
// share the load.
func listenUDP(network, address string) ([]net.PacketConn, error) {
	conn, err := net.ListenPacket(network, address)
	if err != nil {
		return nil, err
	}
	return []net.PacketConn{conn}, nil
}
