//go:build unix

package control

import "syscall"

// private has the socket be its owner's from its beginning. Linux takes the mode of the socket
// before it has a name; other systems refuse that, and have it right after.
func private(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) })
}
