package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peal-rtc/peal/internal/doorstep"
	"github.com/peal-rtc/peal/internal/reach"
)

const (
	// handshakeTime is for TLS.
	handshakeTime = 10 * time.Second
	// streamWrite is for writing writeMost bytes or one packet: who reads more slowly
	// loses the connection, as media that are late are of no use.
	streamWrite = 5 * time.Second
	// writeMost is how many bytes of packets that came at the same moment are written
	// at a time: a record of TLS holds as many.
	writeMost = 16 << 10
	// streamsMost bounds the TCP connections of one listener.
	streamsMost = 10_000
)

// streams is a listener for clients over TCP or TLS. The library gets only those
// connections that are through their handshake; what has no allocation for a
// while is closed, and with the relay all of them. Each address has few connections
// without an allocation.
type streams struct {
	net.Listener
	tls *tls.Config // nil for plain TCP.
	log *slog.Logger
	// silent is how long a connection may be there without an allocation.
	silent time.Duration
	// doorstep counts those without an allocation, of all listeners of the relay.
	doorstep *doorstep.Doorstep
	proxies  []netip.Prefix
	now      func() time.Time

	ready   chan net.Conn
	quit    chan struct{}
	workers sync.WaitGroup

	mu     sync.Mutex // Guards what follows.
	open   map[string]*stream
	closed bool
}

func newStreams(l net.Listener, secure *tls.Config, cfg *Config, d *doorstep.Doorstep) *streams {
	s := &streams{
		Listener: l, tls: secure, log: cfg.Logger, silent: cfg.SilentTime, doorstep: d, proxies: cfg.TrustedProxies, now: cfg.Now,
		ready: make(chan net.Conn), quit: make(chan struct{}), open: make(map[string]*stream),
	}
	s.workers.Go(s.accept)
	return s
}

// Accept implements net.Listener for the library.
func (s *streams) Accept() (net.Conn, error) {
	select {
	case c := <-s.ready:
		return c, nil
	case <-s.quit:
		return nil, net.ErrClosed
	}
}

// Close closes the listener and all of its connections.
func (s *streams) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	open := s.open
	s.open = make(map[string]*stream)
	s.mu.Unlock()
	close(s.quit)
	err := s.Listener.Close()
	for _, c := range open {
		_ = c.Conn.Close() // The client may have done it already.
	}
	s.workers.Wait()
	return err
}

func (s *streams) accept() {
	for {
		conn, err := s.Listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// Too many files are open, most likely: others may be closed meanwhile.
			s.log.Warn("relay cannot accept a connection", "error", err)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-s.quit:
				return
			}
		default:
			c := &stream{Conn: conn, streams: s, addr: doorstep.Of(addrPortOf(conn.RemoteAddr()).Addr())}
			if !s.add(c) {
				_ = conn.Close()
				continue
			}
			s.workers.Go(func() { s.admit(c) })
		}
	}
}

func (s *streams) add(c *stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.open) >= streamsMost || !s.enter(c) {
		return false
	}
	s.open[c.RemoteAddr().String()] = c
	return true
}

// enter needs the lock. It gives a connection without an allocation its place, if there
// is one.
func (s *streams) enter(c *stream) bool {
	if c.waits || reach.Within(c.addr, s.proxies) {
		return true
	}
	c.waits = s.doorstep.Enter(c.addr)
	return c.waits
}

// leave needs the lock. It gives the place up.
func (s *streams) leave(c *stream) {
	if c.waits {
		c.waits = false
		s.doorstep.Leave(c.addr)
	}
}

// admit hands a connection to the library once it may speak.
func (s *streams) admit(c *stream) {
	// What the client does until it has an allocation does not put this off.
	if err := c.Conn.SetReadDeadline(time.Now().Add(s.silent)); err != nil {
		_ = c.Close()
		return
	}
	if s.tls != nil {
		secured := tls.Server(c.Conn, s.tls)
		ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
		err := secured.HandshakeContext(ctx)
		cancel()
		if err != nil {
			_ = c.Close()
			return
		}
		c.secured = secured
	} else {
		c.plain = newPlain(c.Conn)
	}
	select {
	case s.ready <- c:
	case <-s.quit:
		_ = c.Close()
	}
}

// allocated notes that the client at an address has a relayed address now, or with nil
// has none any more, and then needs a place as at the beginning.
func (s *streams) allocated(client net.Addr, has *relayed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.open[client.String()]
	switch {
	case c == nil:
		return
	case has != nil:
		has.stream = c
		c.relayed.Store(has)
		s.leave(c)
	case !s.enter(c):
		_ = c.Conn.Close() // The library reads it and closes the stream.
		return
	}
	var until time.Time
	if has == nil {
		until = time.Now().Add(s.silent)
	}
	_ = c.Conn.SetReadDeadline(until) // Where it is closed there is nothing to wait for.
}

// stream is one connection of a client. What it sends on its channels and by Send
// indications goes to the peers from here (frames.go); the library gets the rest, in its
// order.
type stream struct {
	net.Conn
	secured *tls.Conn // nil for plain TCP.
	plain   *plain    // nil for TLS, and elsewhere than on Linux.
	streams *streams
	addr    netip.Addr // By which it is counted.
	waits   bool       // It has a place on the doorstep. The lock of streams guards it.
	relayed atomic.Pointer[relayed]
	frames  frames

	writing sync.Mutex // Held while a message is written.
}

// read waits for what comes.
func (c *stream) read(p []byte) (int, error) {
	switch {
	case c.secured != nil:
		return c.secured.Read(p)
	case c.plain != nil:
		return c.plain.read(p)
	default:
		return c.Conn.Read(p)
	}
}

// deliver writes what is collected in a batch of peers' datagrams. What cannot be
// written is lost, and the connection is closed.
func (c *stream) deliver(b *batch) {
	for done := 0; done < len(b.out); {
		var p []byte
		p, done = b.joined(done, writeMost)
		if _, err := c.Write(p); err != nil {
			break
		}
	}
	b.out = b.out[:0]
}

// Write writes messages.
func (c *stream) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	n, err := 0, error(nil)
	if c.plain != nil {
		n, err = c.plain.write(p)
	}
	if err == nil && n < len(p) {
		var rest int
		rest, err = c.writeSlowly(p[n:])
		n += rest
	}
	if err != nil {
		_ = c.Conn.Close() // Half a packet may have gone out: nothing after it makes sense.
	}
	return n, err
}

// writeSlowly needs the lock. It waits for the client to read, up to streamWrite.
func (c *stream) writeSlowly(p []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
		return 0, err
	}
	if c.secured != nil {
		return c.secured.Write(p)
	}
	n, err := c.Conn.Write(p)
	if err == nil {
		err = c.Conn.SetWriteDeadline(time.Time{}) // The next one does not wait at first.
	}
	return n, err
}

func (c *stream) Close() error {
	s := c.streams
	s.mu.Lock()
	if name := c.RemoteAddr().String(); s.open[name] == c {
		delete(s.open, name)
	}
	s.leave(c)
	s.mu.Unlock()
	return c.Conn.Close()
}
