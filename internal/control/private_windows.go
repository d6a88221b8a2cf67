package control

import "syscall"

// private leaves the socket to the rights of the data folder.
func private(_, _ string, _ syscall.RawConn) error { return nil }
