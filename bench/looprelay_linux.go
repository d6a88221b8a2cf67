package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/url"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// The floor for a server with an event loop: the same relay, by one goroutine over an
// epoll. Its calls of the system are raw, so Go's monitor does not wake for them. It
// serves clients of ours alone: what does not fit in a socket ends the connection.

// loopRelay passes frames between the two sides of each pair.
type loopRelay struct {
	epoll *os.File // Known to the poller of Go's runtime, so waiting takes no thread.
	fd    int
	conns chan *loopConn // That have come.
	byFD  map[int32]*loopConn
	in    [1 << 16]byte
}

// loopConn is one side of a pair.
type loopConn struct {
	fd   int
	peer *loopConn // Nil until it comes.
	rest []byte    // The beginning of a frame.
	out  []byte    // What is to be written at the end of the turn.
}

func serveLoopRelay(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: bench loop-relay HOST:PORT")
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	r := &loopRelay{epoll: os.NewFile(uintptr(fd), "epoll"), fd: fd, conns: make(chan *loopConn, 64), byFD: make(map[int32]*loopConn)}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", args[0])
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _, _ = listener.Close(), r.epoll.Close() })
	defer stop()
	go r.accept(listener)
	return r.serve(ctx)
}

// accept upgrades connections, one at a time, and has the loop serve them.
func (r *loopRelay) accept(listener net.Listener) {
	pairs := make(map[string]*loopConn)
	for {
		conn, err := listener.Accept()
		if err != nil {
			return // The relay ends.
		}
		var pair string
		upgrader := ws.Upgrader{OnRequest: func(uri []byte) error {
			u, err := url.ParseRequestURI(string(uri))
			if err == nil {
				pair = u.Query().Get("pair")
			}
			return err
		}}
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := upgrader.Upgrade(conn); err != nil || pair == "" {
			_ = conn.Close()
			continue
		}
		c := &loopConn{}
		if c.fd, err = detach(conn.(*net.TCPConn)); err != nil {
			continue
		}
		if c.peer = pairs[pair]; c.peer == nil {
			pairs[pair] = c
		}
		r.conns <- c
		// It wakes the loop where the socket has nothing to read, since it can be written.
		if unix.EpollCtl(r.fd, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT, Fd: int32(c.fd)}) != nil {
			return
		}
	}
}

// detach takes a socket from the poller of Go's runtime.
func detach(conn *net.TCPConn) (fd int, err error) {
	defer func() { _ = conn.Close() }()
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	failed := raw.Control(func(given uintptr) { fd, err = unix.FcntlInt(given, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(failed, err)
}

// serve is the loop.
func (r *loopRelay) serve(ctx context.Context) error {
	raw, err := r.epoll.SyscallConn()
	if err != nil {
		return err
	}
	var (
		events [64]unix.EpollEvent
		found  int
	)
	look := func(uintptr) bool {
		n, _, err := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(r.fd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
		if found = int(n); err != 0 {
			found = 0
		}
		return found > 0
	}
	for {
		if err := raw.Read(look); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		for _, e := range events[:found] {
			r.ready(&e)
		}
	}
}

// ready serves one socket that is ready.
func (r *loopRelay) ready(e *unix.EpollEvent) {
	c := r.byFD[e.Fd]
	if c == nil {
		c = r.enter(e.Fd)
	}
	if e.Events&^unix.EPOLLOUT != 0 && !r.read(c) {
		delete(r.byFD, e.Fd)
		_ = unix.Close(c.fd)
	}
}

// enter takes those that have come, and returns one of them.
func (r *loopRelay) enter(fd int32) *loopConn {
	for {
		c := <-r.conns
		r.byFD[int32(c.fd)] = c
		if c.peer != nil {
			c.peer.peer = c
		}
		_ = unix.EpollCtl(r.fd, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.fd)})
		if int32(c.fd) == fd {
			return c
		}
	}
}

// read serves the frames that have come. It is false where the connection is to end.
func (r *loopRelay) read(c *loopConn) bool {
	n, err := transfer(unix.SYS_RECVFROM, c.fd, r.in[:])
	if err != 0 || n == 0 {
		return err == unix.EAGAIN
	}
	data := r.in[:n]
	if len(c.rest) > 0 {
		c.rest = append(c.rest, data...)
		data = c.rest
	}
	for {
		message, size, ok := frameIn(data)
		if !ok {
			return false
		}
		if size == 0 {
			break
		}
		data = data[size:]
		if !c.pass(message) {
			return false
		}
	}
	c.rest = append(c.rest[:0], data...)
	return c.flush() && (c.peer == nil || c.peer.flush())
}

// frameIn finds the first frame of what has come. The size is 0 where the frame is not
// complete; it is not ok where the frame is not for this relay.
func frameIn(data []byte) (message []byte, size int, ok bool) {
	in := bytes.NewReader(data)
	h, err := ws.ReadHeader(in)
	if err != nil {
		return nil, 0, true
	}
	if h.OpCode != ws.OpBinary || h.Length == 0 || h.Length > 1<<20 {
		return nil, 0, false
	}
	begin := len(data) - in.Len()
	if in.Len() < int(h.Length) {
		return nil, 0, true
	}
	message = data[begin : begin+int(h.Length)]
	ws.Cipher(message, h.Mask, 0)
	return message, begin + int(h.Length), true
}

// pass notes the frames that a message asks for.
func (c *loopConn) pass(message []byte) bool {
	for i := range int(message[0]) {
		o, to := message[1+outBytes*i:], c
		if o[0] == 1 {
			to = c.peer
		}
		if to == nil {
			return false
		}
		size := binary.BigEndian.Uint16(o[1:])
		to.out = appendFrame(to.out, filler[:size])
	}
	return true
}

// appendFrame appends a binary frame of a server.
func appendFrame(out, payload []byte) []byte {
	out = append(out, 0x80|byte(ws.OpBinary))
	if len(payload) < 126 {
		out = append(out, byte(len(payload)))
	} else {
		out = binary.BigEndian.AppendUint16(append(out, 126), uint16(len(payload)))
	}
	return append(out, payload...)
}

// flush writes what is to be written.
func (c *loopConn) flush() bool {
	if len(c.out) == 0 {
		return true
	}
	n, err := transfer(unix.SYS_SENDTO, c.fd, c.out)
	whole := n == len(c.out) && err == 0
	c.out = c.out[:0]
	return whole
}

func transfer(call uintptr, fd int, p []byte) (int, syscall.Errno) {
	n, _, err := unix.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return int(n), err
}
