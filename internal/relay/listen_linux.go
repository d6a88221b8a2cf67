package relay

import (
	"context"
	"errors"
	"net"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// socketsMost bounds how many sockets share the relay's UDP port: the kernel
// spreads the clients over them, and each has a reader of its own.
const socketsMost = 8

// listenUDP opens the relay's UDP sockets, all on the same port. That nobody
// else has the port is known: the relay holds it for TCP.
func listenUDP(network, address string) ([]*datagrams, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		})
		return errors.Join(err, failed)
	}}
	var all []*datagrams
	for range min(runtime.GOMAXPROCS(0), socketsMost) {
		d, err := newDatagrams(config.ListenPacket(context.Background(), network, address))
		if err != nil {
			for _, open := range all {
				err = errors.Join(err, open.Close())
			}
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}
