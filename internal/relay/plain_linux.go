package relay

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// plain is a TCP connection whose calls of the system the scheduler does not learn of:
// see many. One goroutine reads, one at a time writes.
type plain struct {
	raw  syscall.RawConn
	in   transfer
	out  transfer
	take func(fd uintptr) bool // The methods, made once.
	give func(fd uintptr) bool
}

// transfer is one call and its result.
type transfer struct {
	p   []byte
	n   int
	err syscall.Errno
}

// newPlain gives nil for what is no TCP connection.
func newPlain(conn net.Conn) *plain {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	c := &plain{raw: raw}
	c.take, c.give = c.tryRead, c.tryWrite
	return c
}

// read waits for bytes, until the connection's deadline.
func (c *plain) read(p []byte) (int, error) {
	c.in = transfer{p: p}
	if err := c.raw.Read(c.take); err != nil {
		return 0, err
	}
	switch {
	case c.in.err != 0:
		return 0, os.NewSyscallError("read", c.in.err)
	case c.in.n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return c.in.n, nil
}

// write writes as much as the connection takes without waiting.
func (c *plain) write(p []byte) (int, error) {
	c.out = transfer{p: p}
	err := c.raw.Write(c.give)
	if err == nil && c.out.err != 0 {
		err = os.NewSyscallError("write", c.out.err)
	}
	return c.out.n, err
}

func (c *plain) tryRead(fd uintptr) bool {
	c.in.call(unix.SYS_READ, fd)
	if c.in.err == unix.EAGAIN {
		c.in.err = 0
		return false
	}
	return true
}

func (c *plain) tryWrite(fd uintptr) bool {
	c.out.call(unix.SYS_WRITE, fd)
	if c.out.err == unix.EAGAIN {
		c.out.err = 0
	}
	return true
}

func (t *transfer) call(number, fd uintptr) {
	for {
		n, _, err := unix.RawSyscall(number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(t.p))), uintptr(len(t.p)))
		if err == unix.EINTR {
			continue
		}
		if t.n, t.err = int(n), err; err != 0 {
			t.n = 0
		}
		return
	}
}
