package ws

import (
	"bytes"
	"encoding/binary"
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
	// keptMessages is how long a queue may be that is kept while nothing waits.
	keptMessages = 2
)

// transport moves the bytes of a connection: a stream by goroutines, a polled by
// those of a Poller.
type transport interface {
	// start begins to serve; early is what the client sent with its request.
	start(early []byte)
	// abandon closes the socket of a connection that is not started.
	abandon()
	// wake has someone write what waits. The caller holds Conn.mu.
	wake()
	// drain writes what the socket takes at once. The caller holds Conn.mu.
	drain()
	// cut closes the socket without a word; the connection ends soon after.
	cut()
}

// Conn is one connection. Its methods may be called from any goroutine.
type Conn struct {
	id       uint64
	endpoint *Endpoint
	handler  Handler
	encoding protocol.Encoding
	via      transport
	// addr has a place on the doorstep, while waits.
	addr  netip.Addr
	waits atomic.Bool
	// part belongs to the reader; nil between two messages. So does telling: the Handler is running
	// on something that was read.
	part    *part
	telling bool

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
	// over says that nothing is written any more.
	over bool
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
	// began is when the connection began to close by this.
	began time.Time
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
// so slowly that the queue is full receives an error in place of what waits, and is closed.
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
	if c.closing != nil || c.over {
		return
	}
	c.waiting = append(c.waiting, message)
	c.bytes += len(message)
	if c.full() {
		c.via.drain()
	}
	if c.full() {
		c.waiting, c.bytes = nil, 0
		c.endpoint.counts.slow.Add(1)
		c.goodbye(protocol.SlowConsumer)
	}
	c.via.wake()
}

// full says whether more waits than may. A message that waits for no other is
// written, however large it is. The caller holds mu.
func (c *Conn) full() bool {
	l := &c.endpoint.cfg.Limits
	return len(c.waiting) > l.QueueMessages || c.bytes > l.QueueBytes && len(c.waiting) > 1
}

// Ping asks whether the client is there; Handler.Ponged tells that it is. A
// ping that still waits for its answer is not joined by a second one.
func (c *Conn) Ping() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.pending {
		c.pings++
		c.due, c.pending = true, true
		c.via.wake()
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
	c.closing, how.began = how, time.Now()
	if !c.over {
		c.expiry = time.AfterFunc(2*c.endpoint.cfg.Limits.Write, c.Cut)
		c.via.wake()
	}
}

// goodbye queues the last event and closes. The caller holds mu.
func (c *Conn) goodbye(code protocol.Code) {
	f, status := code.Goodbye()
	if message, err := c.encoding.Encode(f); err == nil {
		c.waiting = append(c.waiting, message)
	}
	c.close(&closing{status: status, reason: string(code)})
}

// Cut ends the connection without a word.
func (c *Conn) Cut() { c.via.cut() }

// greeted gives up the place on the doorstep.
func (c *Conn) greeted() {
	if c.waits.CompareAndSwap(true, false) {
		c.endpoint.doorstep.Leave(c.addr)
	}
}

// ended tells of the end of a connection whose socket is closed. how is what reading
// ended by, where that was said.
func (c *Conn) ended(how *closing) {
	// The server itself never closes by that status.
	c.handler.Closed(c, how != nil && how.status == int(ws.StatusGoingAway))
	c.greeted()
	c.endpoint.remove(c)
}

// fill takes what to write next: nothing where nothing waits. last says that nothing
// may follow. The caller holds mu.
func (c *Conn) fill(out *bytes.Buffer) (last bool) {
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
	for messages < len(c.waiting) && out.Len() < batchBytes {
		message := c.waiting[messages]
		c.waiting[messages] = nil
		put(out, c.kind(), message)
		messages, bytes = messages+1, bytes+len(message)
	}
	c.bytes -= bytes
	c.endpoint.counts.sent(messages, bytes)
	switch {
	case messages < len(c.waiting):
		c.waiting = c.waiting[messages:]
		return false
	case cap(c.waiting) <= keptMessages:
		c.waiting = c.waiting[:0]
	default:
		c.waiting = nil
	}
	if c.closing == nil {
		return false
	}
	put(out, ws.OpClose, c.closing.payload())
	return true
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

// put adds a frame, without a mask.
func put(out *bytes.Buffer, kind ws.OpCode, payload []byte) {
	out.Grow(ws.MaxHeaderSize + len(payload))
	head := append(out.AvailableBuffer(), 0x80|byte(kind))
	switch n := len(payload); {
	case n < 126:
		head = append(head, byte(n))
	case n < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 126), uint16(n))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 127), uint64(n))
	}
	out.Write(head)
	out.Write(payload)
}

// buffers are for frames that are being written. A connection that waits has none.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func takeBuffer() *bytes.Buffer { return buffers.Get().(*bytes.Buffer) }

func giveBuffer(b *bytes.Buffer) {
	if b.Cap() <= keptBytes {
		b.Reset()
		buffers.Put(b)
	}
}
