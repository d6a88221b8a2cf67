//go:build !linux

package ws

import (
	"errors"
	"net"
	"time"
)

// Poller is of Linux: see there. Elsewhere there is none.
type Poller struct{}

// NewPoller fails by errors.ErrUnsupported.
func NewPoller(Handler) (*Poller, error) { return nil, errors.ErrUnsupported }

// Wait is of Linux.
func (*Poller) Wait(time.Time) {}

// Flush is of Linux.
func (*Poller) Flush() {}

// Wake is of Linux.
func (*Poller) Wake() {}

// Came is of Linux.
func (*Poller) Came() time.Time { return time.Time{} }

// Close is of Linux.
func (*Poller) Close() {}

func (*Poller) adopt(*Conn, net.Conn) bool { return false }
