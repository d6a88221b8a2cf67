package control

import "syscall"

// private does nothing: the rights of the data folder protect the socket.
func private(_, _ string, _ syscall.RawConn) error { return nil }
