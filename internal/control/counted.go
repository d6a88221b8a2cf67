package control

import (
	"net"
	"sync"
)

// counted is a connection that frees its place when it is closed.
type counted struct {
	net.Conn
	once sync.Once
	done func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	defer c.once.Do(c.done)
	return c.Conn.Close()
}
