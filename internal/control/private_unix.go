//go:build unix

package control

import "syscall"

// private gives the socket the mode 0600 before it has a name. Systems other than Linux refuse that:
// Listen sets their mode right after.
func private(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) })
}
