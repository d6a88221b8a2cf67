//go:build !linux

package relay

import "net"

// listenUDP opens the relay's UDP socket. Elsewhere than on Linux several do not
// share the load.
func listenUDP(network, address string) ([]*datagrams, error) {
	d, err := newDatagrams(net.ListenPacket(network, address))
	if err != nil {
		return nil, err
	}
	return []*datagrams{d}, nil
}
