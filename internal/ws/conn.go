package ws

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

const (
	// batchBytes is from how much on no further frame goes into the same write.
	batchBytes = 16 << 10
	// keptBytes is how large a buffer may be that is used again.
	keptBytes = 64 << 10
	// lull is from how long between two frames on a connection is a quiet one.
	lull = 20 * time.Millisecond
)

// Conn is one connection. Its methods may be called from any goroutine.
type Conn struct {
	id       uint64
	endpoint *Endpoint
	encoding protocol.Encoding
	stream   net.Conn
	// in reads from the stream; see readAhead.
	in *bufio.Reader
	// addr has a place on the doorstep, while waits.
	addr  netip.Addr
	waits atomic.Bool
	// writer is the goroutine that writes, while there is something to write.
	writer sync.WaitGroup

	mu      sync.Mutex // Guards what follows.
	waiting [][]byte
	bytes   int
	closing *closing
	// pong is what the client's latest ping said, until that is answered.
	pong []byte
	// pings counts those that were asked for. The last is due until it is
	// written, and pending until it is answered.
	pings        uint32
	due, pending bool
	// writing says that there is a writer, over that none may be begun any more.
	writing, over bool
	// expiry cuts the connection once it has been closing for too long.
	expiry *time.Timer
}

// closing is by which status and reason to close: what a read that comes to it
// fails by. The status is 0 where the client gave none.
type closing struct {
	status int
	reason string
	// broken says that what follows cannot be read as frames.
	broken bool
}

func (c *closing) Error() string { return c.reason }

// ID tells the connections of an Endpoint apart: from 1 up, never used again.
func (c *Conn) ID() uint64 { return c.id }

// Reason is why the server closed the connection; empty where the client did, where it
// broke, and while it lasts.
func (c *Conn) Reason() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing == nil {
		return ""
	}
	return c.closing.reason
}

// Send queues a frame, which must not be changed any more. A client that reads
// so slowly that the queue is full is told so in place of what waits, and closed.
func (c *Conn) Send(f *pealv1.ServerFrame) {
	if f.GetWelcome() != nil {
		c.greeted()
	}
	message, err := c.encoding.Encode(f)
	if err != nil {
		c.endpoint.cfg.Logger.Error("cannot encode a frame", "error", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing != nil {
		return
	}
	// One that waits for no other is written, however large it is.
	l, first := &c.endpoint.cfg.Limits, len(c.waiting) == 0
	c.waiting = append(c.waiting, message)
	c.bytes += len(message)
	if len(c.waiting) > l.QueueMessages || c.bytes > l.QueueBytes && !first {
		c.waiting, c.bytes = nil, 0
		c.endpoint.counts.slow.Add(1)
		c.goodbye(protocol.SlowConsumer)
	}
	c.wake()
}

// Ping asks whether the client is there; Handler.Ponged tells that it is. A
// ping that still waits for its answer is not joined by a second one.
func (c *Conn) Ping() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.pending {
		c.pings++
		c.due, c.pending = true, true
		c.wake()
	}
}

// Close closes the connection after what was sent before. Only the first one counts.
func (c *Conn) Close(status int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing == nil {
		c.close(&closing{status: status, reason: reason})
	}
}

// close begins the end, which takes no longer than a client may take to read
// twice. The caller holds mu.
func (c *Conn) close(how *closing) {
	c.closing = how
	c.expiry = time.AfterFunc(2*c.endpoint.cfg.Limits.Write, c.Cut)
	c.wake()
}

// goodbye queues the last event and closes. The caller holds mu.
func (c *Conn) goodbye(code protocol.Code) {
	f, status := code.Goodbye()
	if message, err := c.encoding.Encode(f); err == nil {
		c.waiting = append(c.waiting, message)
	}
	c.close(&closing{status: status, reason: string(code)})
}

// Cut ends the connection without a word. TLS would say a last one, and wait for
// a client that does not read.
func (c *Conn) Cut() {
	if t, ok := c.stream.(*tls.Conn); ok {
		_ = t.NetConn().Close()
		return
	}
	_ = c.stream.Close()
}

// greeted gives up the place on the doorstep.
func (c *Conn) greeted() {
	if c.waits.CompareAndSwap(true, false) {
		c.endpoint.doorstep.Leave(c.addr)
	}
}

// serve lives on with the connection; something came last at that time. Where it
// is quiet another goroutine takes over: decoding makes a stack grow, and that
// does not become as small again.
func (c *Conn) serve(last time.Time) {
	for {
		if err := c.receive(); err != nil {
			c.end(err)
			return
		}
		now := time.Now()
		if now.Sub(last) > lull {
			go c.serve(now)
			return
		}
		last = now
	}
}

// end ends the connection for what a read failed by.
func (c *Conn) end(err error) {
	var how *closing
	if errors.As(err, &how) {
		c.Close(how.status, how.reason)
	} else {
		c.Cut()
	}
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	c.writer.Wait()
	if how != nil && how.broken {
		// What was not read would take what was written with it.
		if s, ok := c.stream.(interface{ CloseWrite() error }); ok {
			_ = s.CloseWrite()
		}
		_, _ = io.Copy(io.Discard, c.in)
	}
	c.mu.Lock()
	if c.expiry != nil {
		c.expiry.Stop()
	}
	c.mu.Unlock()
	_ = c.stream.Close()
	// The server itself never closes by that status.
	c.endpoint.cfg.Handler.Closed(c, how != nil && how.status == int(ws.StatusGoingAway))
	c.greeted()
	c.endpoint.remove(c)
}

// wake has somebody write. The caller holds mu.
func (c *Conn) wake() {
	if !c.writing && !c.over {
		c.writing = true
		c.writer.Go(c.write)
	}
}

// write writes until nothing waits, and closes in the end.
func (c *Conn) write() {
	patience := c.endpoint.cfg.Limits.Write
	out := takeBuffer()
	defer giveBuffer(out)
	for {
		last := c.fill(out)
		if out.Len() == 0 {
			return
		}
		// A deadline that cannot be set is one of a socket that cannot be written to.
		_ = c.stream.SetWriteDeadline(time.Now().Add(patience))
		if _, err := out.WriteTo(c.stream); err != nil {
			c.Cut()
			return
		}
		// TLS may have to say something while this is at rest.
		_ = c.stream.SetWriteDeadline(time.Time{})
		if last {
			// The client is to agree, but not to take long for it, also where it is in
			// the middle of a message that has no end.
			_ = c.stream.SetReadDeadline(time.Now().Add(patience))
			return
		}
	}
}

// fill takes what to write next. Nothing is the end of this writer, until there is
// something again; last says that nothing may follow.
func (c *Conn) fill(out *bytes.Buffer) (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out.Reset()
	if c.pong != nil {
		put(out, ws.OpPong, c.pong)
		c.pong = nil
	}
	if c.due {
		put(out, ws.OpPing, binary.BigEndian.AppendUint32(nil, c.pings))
		c.due = false
	}
	messages, bytes := 0, 0
	for len(c.waiting) > 0 && out.Len() < batchBytes {
		message := c.waiting[0]
		c.waiting = c.waiting[1:]
		c.bytes -= len(message)
		put(out, c.kind(), message)
		messages, bytes = messages+1, bytes+len(message)
	}
	c.endpoint.counts.sent(messages, bytes)
	if len(c.waiting) == 0 {
		c.waiting = nil // With what is behind it.
		if c.closing != nil {
			put(out, ws.OpClose, c.closing.payload())
			return true
		}
	}
	c.writing = out.Len() > 0
	return false
}

func (c *closing) payload() []byte {
	if c.status == 0 {
		return nil
	}
	return ws.NewCloseFrameBody(ws.StatusCode(c.status), c.reason)
}

// kind is the kind of message that the connection speaks in.
func (c *Conn) kind() ws.OpCode {
	if c.encoding == protocol.Binary {
		return ws.OpBinary
	}
	return ws.OpText
}

// put adds a frame. A buffer never fails.
func put(out *bytes.Buffer, kind ws.OpCode, payload []byte) {
	_ = ws.WriteHeader(out, ws.Header{Fin: true, OpCode: kind, Length: int64(len(payload))})
	out.Write(payload)
}

// buffers are for messages that are being read and frames that are being
// written. A connection that waits has none.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func takeBuffer() *bytes.Buffer { return buffers.Get().(*bytes.Buffer) }

func giveBuffer(b *bytes.Buffer) {
	if b.Cap() <= keptBytes {
		b.Reset()
		buffers.Put(b)
	}
}
