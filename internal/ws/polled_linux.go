package ws

import (
	"bytes"
	"errors"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// polled is the transport of a connection by a Poller. What has no guard belongs to the
// Poller's goroutine.
type polled struct {
	*Conn
	poller *Poller
	fd     int
	// started says that the Handler may be called, opened that it was called.
	started atomic.Bool
	opened  bool
	early   []byte
	// severed says that it is to end without a word.
	severed atomic.Bool
	// how is what reading ended by, once the client has closed or is not understood.
	how *closing
	// draining says that what comes goes nowhere, until the client closes.
	draining, gone bool

	// touched is guarded by Poller.mu.
	touched bool

	// These are guarded by Conn.mu. out is what the socket has not taken yet; last is
	// true where it ends by the close frame, and said when all of that is written.
	out        *bytes.Buffer
	last, said bool
	// events are those that are waited for.
	events uint32
	// stuck cuts the connection when the client takes too long to read out.
	stuck *time.Timer
	// hurried says that expiry was brought forward.
	hurried bool
}

// start implements transport.
func (c *polled) start(early []byte) {
	c.early = early
	c.started.Store(true)
	c.poller.touch(c)
}

// abandon implements transport.
func (c *polled) abandon() { _ = unix.Close(c.fd) }

// wake implements transport.
func (c *polled) wake() { c.poller.touch(c) }

// drain implements transport.
func (c *polled) drain() { c.flush() }

// cut implements transport.
func (c *polled) cut() {
	c.severed.Store(true)
	c.poller.touch(c)
}

// attend does what there is to do.
func (c *polled) attend() {
	if c.gone || !c.started.Load() {
		return
	}
	if !c.opened {
		c.open()
	}
	c.mu.Lock()
	c.flush()
	said := c.said
	c.mu.Unlock()
	switch {
	case c.severed.Load():
		c.finish()
	case said:
		c.closed()
	}
}

// open begins to serve.
func (c *polled) open() {
	c.opened = true
	c.events = unix.EPOLLIN
	if c.poller.enter(c) != nil {
		c.severed.Store(true)
	}
	c.handler.Opened(c.Conn)
	early := c.early
	c.early = nil
	if err := c.take(early); err != nil {
		c.stop(err)
	}
}

// ready serves what the Poller has found.
func (c *polled) ready(events uint32) {
	if c.gone {
		return
	}
	if events&unix.EPOLLOUT != 0 {
		c.poller.touch(c)
	}
	if events&^unix.EPOLLOUT == 0 {
		return
	}
	if c.how != nil && !c.draining {
		c.finish() // The client is gone before it has read all.
		return
	}
	c.read()
}

// read takes what has come, and leaves the rest for the next turn.
func (c *polled) read() {
	size := min(max(c.part.left(), turnBytes), mostBytes)
	in := c.poller.in[:size]
	n, err := receive(c.fd, in)
	switch {
	case err == unix.EAGAIN:
	case err != 0 || n == 0:
		c.finish()
	case c.draining:
	default:
		if err := c.take(in[:n]); err != nil {
			c.stop(err)
		}
	}
}

// stop ends reading, by what it failed by. A close frame is answered, after what waits.
func (c *polled) stop(err error) {
	if !errors.As(err, &c.how) {
		c.finish()
		return
	}
	c.Close(c.how.status, c.how.reason)
	c.mu.Lock()
	c.await(c.events &^ unix.EPOLLIN)
	c.mu.Unlock()
	c.poller.touch(c)
}

// closed goes on after the close frame was written. The client is to agree, but not to
// take long for it, also where it is in the middle of a message that has no end.
func (c *polled) closed() {
	switch {
	case c.how == nil:
		c.hasten()
	case !c.how.broken:
		c.finish()
	case !c.draining:
		c.draining = true
		// What was not read would take what was written with it.
		_ = unix.Shutdown(c.fd, unix.SHUT_WR)
		c.hasten()
		c.mu.Lock()
		c.await(unix.EPOLLIN)
		c.mu.Unlock()
	}
}

// hasten gives the client a while from now on, unless less is left.
func (c *polled) hasten() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.hurried {
		c.hurried = true
		patience := c.endpoint.cfg.Limits.Write
		c.expiry.Reset(min(patience, 2*patience-time.Since(c.closing.began)))
	}
}

// finish ends the connection.
func (c *polled) finish() {
	if c.gone {
		return
	}
	c.gone = true
	c.poller.leave(c)
	c.mu.Lock()
	c.over = true
	c.settle()
	if c.expiry != nil {
		c.expiry.Stop()
	}
	_ = unix.Close(c.fd)
	c.mu.Unlock()
	c.forget()
	c.ended(c.how)
}

// flush writes what waits, as far as the socket takes it. The caller holds mu.
func (c *polled) flush() {
	for !c.over && !c.said {
		if c.out == nil {
			out := takeBuffer()
			c.last = c.fill(out)
			if out.Len() == 0 {
				giveBuffer(out)
				c.await(c.events &^ unix.EPOLLOUT)
				return
			}
			c.out = out
		}
		for c.out.Len() > 0 {
			n, err := send(c.fd, c.out.Bytes())
			if err == unix.EAGAIN {
				c.block()
				return
			}
			if err != 0 {
				c.settle()
				c.said = true // Nothing can be said any more.
				c.cut()
				return
			}
			c.out.Next(n)
		}
		c.settle()
		c.said = c.last
	}
	if c.said {
		c.await(c.events &^ unix.EPOLLOUT)
	}
}

// block waits for a client that does not read. The caller holds mu.
func (c *polled) block() {
	c.await(c.events | unix.EPOLLOUT)
	if c.stuck == nil {
		c.stuck = time.AfterFunc(c.endpoint.cfg.Limits.Write, c.cut)
	}
}

// settle gives up what is being written. The caller holds mu.
func (c *polled) settle() {
	if c.out != nil {
		giveBuffer(c.out)
		c.out = nil
	}
	if c.stuck != nil {
		c.stuck.Stop()
		c.stuck = nil
	}
}

// await changes what is waited for. The caller holds mu.
func (c *polled) await(events uint32) {
	if c.events == events || c.over {
		return
	}
	c.events = events
	if unix.EpollCtl(c.poller.fd, unix.EPOLL_CTL_MOD, c.fd, c.event(events)) != nil {
		c.cut()
	}
}

// event is how the Poller finds the connection.
func (c *polled) event(events uint32) *unix.EpollEvent {
	return &unix.EpollEvent{Events: events, Fd: int32(c.fd), Pad: int32(c.id)}
}

// send and receive are raw: neither blocks, so the runtime need not hear of them, and
// its monitor does not wake up for them.
func send(fd int, p []byte) (int, unix.Errno) {
	return transfer(unix.SYS_SENDTO, fd, p, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
}

func receive(fd int, p []byte) (int, unix.Errno) {
	return transfer(unix.SYS_RECVFROM, fd, p, unix.MSG_DONTWAIT)
}

func transfer(call uintptr, fd int, p []byte, flags uintptr) (int, unix.Errno) {
	for {
		n, _, err := unix.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0)
		if err != unix.EINTR {
			return int(n), err
		}
	}
}
