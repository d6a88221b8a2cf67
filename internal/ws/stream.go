package ws

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// readAhead is how much a connection reads before it knows what comes: a header
	// and all of a control frame, which has 125 bytes at most.
	readAhead = 144
	// lull is from how long between two reads on a connection is a quiet one.
	lull = 20 * time.Millisecond
)

// stream is the transport of one connection by goroutines of its own: one that reads,
// and another one while there is something to write.
type stream struct {
	*Conn
	socket net.Conn
	// in belongs to the goroutine that reads.
	in [readAhead]byte
	// writer is the goroutine that writes, while there is something to write; writing
	// says so, guarded by Conn.mu.
	writer  sync.WaitGroup
	writing bool
}

// start implements transport.
func (s *stream) start(early []byte) {
	go func() {
		s.handler.Opened(s.Conn)
		if err := s.take(early); err != nil {
			s.end(err)
			return
		}
		s.serve(time.Time{}) // It is quiet after its hello.
	}()
}

// abandon implements transport.
func (s *stream) abandon() { s.cut() }

// cut implements transport. TLS would say a last word, and wait for a client that does
// not read.
func (s *stream) cut() {
	if t, ok := s.socket.(*tls.Conn); ok {
		_ = t.NetConn().Close()
		return
	}
	_ = s.socket.Close()
}

// serve lives on with the connection; something came last at that time. Where it
// is quiet another goroutine takes over: decoding makes a stack grow, and that
// does not become as small again.
func (s *stream) serve(last time.Time) {
	for {
		if err := s.receive(); err != nil {
			s.end(err)
			return
		}
		now := time.Now()
		if now.Sub(last) > lull {
			go s.serve(now)
			return
		}
		last = now
	}
}

// receive reads what comes next. While it waits for a message it holds no buffer but
// that of a header.
func (s *stream) receive() error {
	in := s.part.room(s.in[:])
	n, err := s.socket.Read(in)
	if bad := s.take(in[:n]); bad != nil {
		return bad
	}
	return err
}

// end ends the connection for what a read failed by.
func (s *stream) end(err error) {
	var how *closing
	if errors.As(err, &how) {
		s.Close(how.status, how.reason)
	} else {
		s.cut()
	}
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	s.writer.Wait()
	if how != nil && how.broken {
		// What was not read would take what was written with it.
		if half, ok := s.socket.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
		_, _ = io.Copy(io.Discard, s.socket)
	}
	s.mu.Lock()
	if s.expiry != nil {
		s.expiry.Stop()
	}
	s.mu.Unlock()
	_ = s.socket.Close()
	s.forget()
	s.ended(how)
}

// wake implements transport.
func (s *stream) wake() {
	if !s.writing && !s.over {
		s.writing = true
		s.writer.Go(s.write)
	}
}

// drain implements transport: the writer is at it.
func (*stream) drain() {}

// write writes until nothing waits, and closes in the end.
func (s *stream) write() {
	patience := s.endpoint.cfg.Limits.Write
	out := takeBuffer()
	defer giveBuffer(out)
	for {
		s.mu.Lock()
		last := s.fill(out)
		s.writing = last || out.Len() > 0
		s.mu.Unlock()
		if out.Len() == 0 {
			return
		}
		// A deadline that cannot be set is one of a socket that cannot be written to.
		_ = s.socket.SetWriteDeadline(time.Now().Add(patience))
		if _, err := out.WriteTo(s.socket); err != nil {
			s.cut()
			return
		}
		// TLS may have to say something while this is at rest.
		_ = s.socket.SetWriteDeadline(time.Time{})
		if last {
			// The client is to agree, but not to take long for it, also where it is in
			// the middle of a message that has no end.
			_ = s.socket.SetReadDeadline(time.Now().Add(patience))
			return
		}
	}
}
