package ws

import (
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// eventsAtOnce is how many connections are asked for at once.
	eventsAtOnce = 128
	// turnBytes is how much one connection is read at once before the others have their
	// turn. What is left of a message that has begun may come with it.
	turnBytes = 4 << 10
	// mostBytes is how much that is at most.
	mostBytes = 64 << 10
)

// Poller serves connections on one goroutine: that which calls Wait. It waits by an
// epoll of its own, whose descriptor is registered with the poller of Go's runtime, so
// waiting takes no thread. A connection that waits has no goroutine, stack or buffer.
//
// Wait, Flush and Came are for that goroutine alone, and so is what has no guard; Wake is
// for any. Wake and Close of a nil Poller do nothing.
type Poller struct {
	handler Handler
	file    *os.File // Of the epoll.
	raw     syscall.RawConn
	fd      int
	look    func(uintptr) bool // The method, made once.
	events  [eventsAtOnce]unix.EpollEvent
	found   int
	came    time.Time
	in      [mostBytes]byte
	// conns are found by their descriptor.
	conns []*polled
	// work is used again for what Flush takes from touched.
	work []*polled

	mu sync.Mutex // Guards what follows.
	// touched are the connections that have something to do.
	touched []*polled
	// asleep says that Wait waits, woken that it is not to, and kicked that the last wait
	// was ended by a deadline, which is still set.
	asleep, woken, kicked, closed bool
	// alarm is when timer wakes; zero where it is not set.
	alarm time.Time
	timer *time.Timer
}

// past is a time that has gone by.
var past = time.Unix(1, 0)

// NewPoller makes a Poller that tells h of its connections.
func NewPoller(h Handler) (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make epoll: %w", err)
	}
	// The runtime registers what does not block.
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("make epoll: %w", err)
	}
	p := &Poller{handler: h, fd: fd, file: os.NewFile(uintptr(fd), "epoll")}
	p.look = p.poll
	if p.raw, err = p.file.SyscallConn(); err == nil {
		err = p.file.SetReadDeadline(time.Time{})
	}
	if err != nil {
		_ = p.file.Close()
		return nil, fmt.Errorf("register epoll: %w", err)
	}
	p.timer = time.AfterFunc(time.Hour, p.ring)
	p.timer.Stop()
	return p, nil
}

// Close closes the Poller, whose connections have ended. Wait must not be called after.
func (p *Poller) Close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed, p.touched = true, nil
	p.timer.Stop()
	_ = p.file.Close()
}

// Wait waits until there is something to do, by a connection or by Wake, but not longer
// than until that time, where it is not zero. It does what is to be done.
func (p *Poller) Wait(until time.Time) {
	p.Flush()
	p.found = 0
	if p.sleep(until) {
		_ = p.raw.Read(p.look) // It fails where it was roused.
		p.mu.Lock()
		p.asleep = false
		p.mu.Unlock()
	} else {
		p.poll(0)
	}
	p.came = time.Now()
	for i := range p.found {
		p.ready(&p.events[i])
		p.Flush()
	}
}

// Came is when what is being done now was found.
func (p *Poller) Came() time.Time { return p.came }

// sleep says whether to wait. An alarm that comes too early is left as it is: the wait
// ends for nothing then, and that is less than setting it for each frame.
func (p *Poller) sleep(until time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.woken || len(p.touched) > 0 {
		p.woken = false
		return false
	}
	if p.kicked {
		p.kicked = false
		_ = p.file.SetReadDeadline(time.Time{}) // It is of a file that has them.
	}
	if !until.IsZero() && (p.alarm.IsZero() || until.Before(p.alarm)) {
		p.alarm = until
		p.timer.Reset(time.Until(until))
	}
	p.asleep = true
	return true
}

// ring is the alarm.
func (p *Poller) ring() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alarm, p.woken = time.Time{}, true
	p.rouse()
}

// Wake has Wait return.
func (p *Poller) Wake() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.woken = true
	p.rouse()
}

// rouse ends the wait. The caller holds mu.
func (p *Poller) rouse() {
	if p.asleep && !p.closed {
		p.asleep, p.kicked = false, true
		// It ends by a time that has gone by: no call of the system, and no timer.
		_ = p.file.SetReadDeadline(past)
	}
}

// touch notes that a connection has something to do.
func (p *Poller) touch(c *polled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.touched || p.closed {
		return
	}
	c.touched = true
	p.touched = append(p.touched, c)
	p.rouse()
}

// Flush does what connections have to do: it writes what waits, and ends those that are
// to end.
func (p *Poller) Flush() {
	for p.takeTouched() {
		for i, c := range p.work {
			p.work[i] = nil
			c.attend()
		}
	}
}

func (p *Poller) takeTouched() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.work, p.touched = p.touched, p.work[:0]
	for _, c := range p.work {
		c.touched = false
	}
	return len(p.work) > 0
}

// poll asks which connections are ready, without waiting. It is false when none is.
func (p *Poller) poll(uintptr) bool {
	for {
		n, _, err := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), eventsAtOnce, 0, 0, 0)
		if err == unix.EINTR {
			continue
		}
		p.found = 0
		if err == 0 {
			p.found = int(n)
		}
		return p.found > 0 || err != 0
	}
}

// ready serves a connection that is ready. What was found of one that has ended
// meanwhile is of no use, though another may have its descriptor.
func (p *Poller) ready(e *unix.EpollEvent) {
	if int(e.Fd) >= len(p.conns) {
		return
	}
	if c := p.conns[e.Fd]; c != nil && int32(c.id) == e.Pad {
		c.ready(e.Events)
	}
}

// adopt takes a plain connection over: the socket by a descriptor of its own, since the
// runtime's poller knows the one that is given.
func (p *Poller) adopt(c *Conn, socket net.Conn) bool {
	plain, ok := socket.(*net.TCPConn)
	if p == nil || !ok {
		return false
	}
	raw, err := plain.SyscallConn()
	if err != nil {
		return false
	}
	fd := -1
	if failed := raw.Control(func(given uintptr) {
		fd, err = unix.FcntlInt(given, unix.F_DUPFD_CLOEXEC, 0)
	}); failed != nil || err != nil {
		return false
	}
	// The system would let megabytes wait for a client that does not read, and the limit of
	// what waits would count from there on.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, c.endpoint.cfg.Limits.QueueBytes)
	// The runtime lets go of the one that is given; the socket stays open.
	_ = plain.Close()
	c.handler = p.handler
	c.via = &polled{Conn: c, poller: p, fd: fd}
	return true
}

// enter registers a connection.
func (p *Poller) enter(c *polled) error {
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, c.fd, c.event(unix.EPOLLIN)); err != nil {
		return fmt.Errorf("register socket: %w", err)
	}
	for len(p.conns) <= c.fd {
		p.conns = append(p.conns, nil)
	}
	p.conns[c.fd] = c
	return nil
}

// leave takes a connection off. Its descriptor is still open.
func (p *Poller) leave(c *polled) {
	_ = unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, c.fd, nil) // Closing would do, but for copies of it.
	if c.fd < len(p.conns) && p.conns[c.fd] == c {
		p.conns[c.fd] = nil
	}
}
