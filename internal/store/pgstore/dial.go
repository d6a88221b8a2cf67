package pgstore

import (
	"context"
	"errors"
	"net"
	"time"
)

// errUncancelled is what the driver gets where it wants to cancel.
var errUncancelled = errors.New("a statement that nobody waits for is not cancelled")

// uncancelled is the network of the addresses at which the driver would ask the database to cancel
// a statement.
const uncancelled = "uncancelled"

// dial connects to the database, and never to cancel a statement. The driver sends such a request
// whenever it gives a statement up at a deadline. A commit that waits for a standby then ends
// without it: PostgreSQL shows the change, nodes read it and tell people, and a failover forgets
// it. Without the request the change shows once the standby has it.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	if network == uncancelled {
		return nil, errUncancelled
	}
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 2 * time.Second, Interval: time.Second, Count: 3}}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return connection{conn}, nil
}

// connection has an address that dial knows: the driver takes it from there when it cancels.
type connection struct{ net.Conn }

// RemoteAddr implements net.Conn.
func (c connection) RemoteAddr() net.Addr { return remote{c.Conn.RemoteAddr()} }

type remote struct{ net.Addr }

// Network implements net.Addr.
func (remote) Network() string { return uncancelled }
