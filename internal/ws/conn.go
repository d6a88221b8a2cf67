package ws

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// closing is by which status and reason to close.
type closing struct {
	status int
	reason string
}

// keptBytes is how large a buffer an idle connection keeps.
const keptBytes = 4 << 10

// Conn is one connection. Its methods may be called from any goroutine.
type Conn struct {
	id       uint64
	socket   *websocket.Conn
	encoding protocol.Encoding
	// stream is what the socket is made of.
	stream net.Conn
	cfg    *Config
	// greeted gives up the place on the doorstep.
	greeted func()
	// cut ends it without a word. ctx is done from then on.
	ctx     context.Context
	cut     context.CancelFunc
	pinging atomic.Bool
	work    sync.WaitGroup

	mu      sync.Mutex // Guards what follows.
	waiting [][]byte
	bytes   int
	closing *closing
	// over says that no goroutine may be begun any more.
	over bool
	// news wakes the writer.
	news chan struct{}
}

func newConn(
	id uint64, socket *websocket.Conn, encoding protocol.Encoding, stream net.Conn, cfg *Config, greeted func(),
) *Conn {
	c := &Conn{
		id: id, socket: socket, encoding: encoding, stream: stream, cfg: cfg, greeted: greeted,
		news: make(chan struct{}, 1),
	}
	// Not the request's context: that one ends with the upgrade.
	c.ctx, c.cut = context.WithCancel(context.Background())
	return c
}

// ID tells the connections of an Endpoint apart: from 1 up, never used again.
func (c *Conn) ID() uint64 { return c.id }

// Send queues a frame, which must not be changed any more. A client that reads
// so slowly that the queue is full is told so in place of what waits, and closed.
func (c *Conn) Send(f *pealv1.ServerFrame) {
	if f.GetWelcome() != nil {
		c.greeted()
	}
	message, err := c.encoding.Encode(f)
	if err != nil {
		c.cfg.Logger.Error("cannot encode a frame", "error", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing != nil {
		return
	}
	c.waiting = append(c.waiting, message)
	c.bytes += len(message)
	if len(c.waiting) > c.cfg.Limits.QueueMessages || c.bytes > c.cfg.Limits.QueueBytes {
		c.waiting, c.bytes = nil, 0
		c.goodbye(protocol.SlowConsumer)
	}
	c.wake()
}

// Ping asks whether the client is there; Handler.Ponged tells that it is. A
// ping that still waits for its answer is not joined by a second one.
func (c *Conn) Ping() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || !c.pinging.CompareAndSwap(false, true) {
		return
	}
	c.work.Go(func() {
		defer c.pinging.Store(false)
		if c.socket.Ping(c.ctx) == nil {
			c.cfg.Handler.Ponged(c)
		}
	})
}

// Close closes the connection after what was sent before. Only the first one counts.
func (c *Conn) Close(status int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing == nil {
		c.closing = &closing{status, reason}
		c.wake()
	}
}

// goodbye queues the last event and closes. The caller holds mu.
func (c *Conn) goodbye(code protocol.Code) {
	f, status := code.Goodbye()
	if message, err := c.encoding.Encode(f); err == nil {
		c.waiting = append(c.waiting, message)
	}
	c.closing = &closing{status, string(code)}
}

// wake tells the writer that there is something to do. The caller holds mu.
func (c *Conn) wake() {
	select {
	case c.news <- struct{}{}:
	default: // It has been told already.
	}
}

// serve lives through the connection.
func (c *Conn) serve() {
	c.cfg.Handler.Opened(c)
	c.work.Go(c.write)
	c.read()
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	c.work.Wait()
	c.cfg.Handler.Closed(c)
}

// read hands over what comes until the connection ends.
func (c *Conn) read() {
	var (
		message bytes.Buffer
		limit   = c.cfg.Limits.MessageBytes
	)
	for {
		kind, body, err := c.socket.Reader(c.ctx)
		if err == nil {
			if message.Reset(); message.Cap() > keptBytes {
				message = bytes.Buffer{}
			}
			_, err = message.ReadFrom(io.LimitReader(body, int64(limit)+1))
		}
		if err != nil {
			c.cut()
			return
		}
		switch {
		case message.Len() > limit:
			// What follows of it is not read, so no other command can be.
			c.mu.Lock()
			if c.closing == nil {
				c.goodbye(protocol.MessageTooLarge)
				c.wake()
			}
			c.mu.Unlock()
			return
		case kind != c.kind():
			c.cfg.Handler.Received(c, &pealv1.ClientFrame{}, c.encoding.WrongKind())
		default:
			f, bad := c.encoding.Decode(message.Bytes(), &c.cfg.Limits)
			c.cfg.Handler.Received(c, f, bad)
		}
	}
}

// write writes what is queued, and closes the socket in the end.
func (c *Conn) write() {
	defer c.cut()
	for {
		select {
		case <-c.ctx.Done():
			_ = c.socket.CloseNow()
			return
		case <-c.news:
		}
		for {
			message, end := c.next()
			if message == nil && end == nil {
				break
			}
			if message == nil {
				// Waits for the client to agree, but not for long, also where it is in
				// the middle of a message that has no end.
				_ = c.stream.SetDeadline(time.Now().Add(c.cfg.Limits.Write))
				_ = c.socket.Close(websocket.StatusCode(end.status), end.reason)
				return
			}
			if !c.writeOne(message) {
				_ = c.socket.CloseNow()
				return
			}
		}
	}
}

// next takes the message to write next, or tells how to end when there is none.
func (c *Conn) next() (message []byte, end *closing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		return nil, c.closing
	}
	message = c.waiting[0]
	c.waiting = c.waiting[1:]
	c.bytes -= len(message)
	return message, nil
}

// kind is the kind of message that the connection speaks in.
func (c *Conn) kind() websocket.MessageType {
	if c.encoding == protocol.Binary {
		return websocket.MessageBinary
	}
	return websocket.MessageText
}

func (c *Conn) writeOne(message []byte) bool {
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.Limits.Write)
	defer cancel()
	return c.socket.Write(ctx, c.kind(), message) == nil
}
