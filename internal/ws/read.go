package ws

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// helloBytes is what a hello may have beside its token.
const helloBytes = 4 << 10

var (
	errPanicked = errors.New("panicked")
	errLength   = errors.New("the length of a frame is negative")
)

// controlMost is how large a frame may be that controls the connection.
const controlMost = ws.MaxControlFramePayloadSize

// part is what has come of a frame or of a message of which more is to come. It is
// taken from parts, so that a connection that waits has none.
type part struct {
	head [ws.MaxHeaderSize]byte
	have int // How much of the header has come.
	// header is the frame's, once framed; done is how much of its payload has come,
	// and skip says that the payload goes nowhere.
	header ws.Header
	framed bool
	done   int64
	skip   bool
	// kind is that of the message, or 0 where none has begun. One in pieces began then.
	kind    ws.OpCode
	began   time.Time
	message bytes.Buffer
	control [controlMost]byte
}

var parts = sync.Pool{New: func() any { return new(part) }}

// release gives a part back.
func (p *part) release() {
	if p.message.Cap() > keptBytes {
		return
	}
	p.have, p.framed, p.done, p.kind = 0, false, 0, 0
	p.message.Reset()
	parts.Put(p)
}

// between says that no frame and no message has begun.
func (p *part) between() bool { return p.have == 0 && p.kind == 0 }

// left is how much of the payload of the frame has not come.
func (p *part) left() int64 {
	if p == nil || !p.framed {
		return 0
	}
	return p.header.Length - p.done
}

// chunkBytes is how much is made room for at once, beyond what has come already.
const chunkBytes = 4 << 10

// room gives where to read to: in, or where the message is put together, for no more
// than what is left of the frame.
func (p *part) room(in []byte) []byte {
	left := p.left()
	if left <= int64(len(in)) {
		return in
	}
	p.message.Grow(int(min(left, chunkBytes+int64(p.message.Len()))))
	free := p.message.AvailableBuffer()
	return free[:min(int64(cap(free)), left)]
}

// take reads what has come, however it is cut, and hands over each message, and each
// frame that controls the connection. It changes in, and keeps nothing of it. A
// *closing is how the connection is to be closed. A panic in here costs one connection
// and no other; a panic of the Handler is the caller's.
func (c *Conn) take(in []byte) (err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			if c.telling {
				panic(recovered)
			}
			// What it says may be of the client's.
			c.endpoint.cfg.Logger.Error("connection panicked", "stack", string(debug.Stack()))
			err = errPanicked
		}
	}()
	for len(in) > 0 {
		if c.part == nil {
			c.part = parts.Get().(*part)
		}
		if in, err = c.advance(in); err != nil {
			return err
		}
	}
	if c.part != nil && c.part.between() {
		c.forget()
	}
	return nil
}

// forget gives up what has come of a message.
func (c *Conn) forget() {
	if c.part != nil {
		c.part.release()
		c.part = nil
	}
}

// advance reads up to the end of a header, or of a payload, and gives the rest.
func (c *Conn) advance(in []byte) (rest []byte, err error) {
	p := c.part
	if !p.framed {
		if in = p.readHead(in); !p.whole() {
			return in, nil
		}
		if err := c.begin(); err != nil {
			return nil, err
		}
	}
	piece := in[:min(int64(len(in)), p.left())]
	in = in[len(piece):]
	if p.header.OpCode.IsControl() {
		return in, c.control(piece)
	}
	c.data(piece)
	return in, nil
}

// readHead takes what belongs to the header.
func (p *part) readHead(in []byte) (rest []byte) {
	for len(in) > 0 && !p.whole() {
		n := copy(p.head[p.have:p.headSize()], in)
		p.have, in = p.have+n, in[n:]
	}
	return in
}

// headSize is how large the header is, as far as that is known.
func (p *part) headSize() int {
	if p.have < 2 {
		return 2
	}
	size := 2
	switch p.head[1] & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if p.head[1]&0x80 != 0 {
		size += 4
	}
	return size
}

// whole says that all of the header has come.
func (p *part) whole() bool { return p.have >= 2 && p.have == p.headSize() }

// parse reads the header.
func (p *part) parse() (h ws.Header, err error) {
	h.Fin, h.Rsv, h.OpCode = p.head[0]&0x80 != 0, p.head[0]>>4&7, ws.OpCode(p.head[0]&0x0f)
	h.Masked, h.Length = p.head[1]&0x80 != 0, int64(p.head[1]&0x7f)
	switch h.Length {
	case 126:
		h.Length = int64(binary.BigEndian.Uint16(p.head[2:]))
	case 127:
		h.Length = int64(binary.BigEndian.Uint64(p.head[2:]))
	}
	if h.Length < 0 {
		return h, errLength
	}
	if h.Masked {
		copy(h.Mask[:], p.head[p.have-4:])
	}
	return h, nil
}

// begin looks at the header of a frame, and refuses what the frame must not be.
func (c *Conn) begin() error {
	p, state := c.part, ws.StateServerSide
	h, err := p.parse()
	if err != nil {
		return err
	}
	if p.kind != 0 {
		state |= ws.StateFragmented
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return &closing{status: int(ws.StatusProtocolError), reason: err.Error(), broken: true}
	}
	if p.kind != 0 && time.Since(p.began) > c.endpoint.cfg.Limits.PingIdle.Dead {
		return &closing{status: int(ws.StatusPolicyViolation), reason: "a message takes too long", broken: true}
	}
	p.header, p.framed, p.done, p.skip = h, true, 0, false
	if h.OpCode.IsControl() {
		return nil
	}
	if p.kind == 0 {
		if p.kind = h.OpCode; !h.Fin {
			p.began = time.Now()
		}
	}
	if h.Length > int64(c.most()-p.message.Len()) {
		c.tooLarge()
	}
	p.skip = c.isClosing()
	return nil
}

// tooLarge answers a message that becomes too large by a goodbye; from then on what
// comes goes nowhere.
func (c *Conn) tooLarge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing == nil {
		c.goodbye(protocol.MessageTooLarge)
	}
}

// data takes a piece of what a frame adds to a message. A message that came in one
// piece is read where it is.
func (c *Conn) data(piece []byte) {
	p := c.part
	at := p.done
	p.done += int64(len(piece))
	ends := p.left() == 0
	if !p.skip {
		if at == 0 && ends && p.header.Fin && p.message.Len() == 0 {
			ws.Cipher(piece, p.header.Mask, 0)
			c.whole(piece)
			return
		}
		begin := p.message.Len()
		p.message.Write(piece)
		ws.Cipher(p.message.Bytes()[begin:], p.header.Mask, int(at&3))
	}
	switch {
	case !ends:
	case p.header.Fin:
		c.whole(p.message.Bytes())
	default:
		p.have, p.framed = 0, false
	}
}

// whole hands over a message of which all has come.
func (c *Conn) whole(message []byte) {
	p := c.part
	kind := p.kind
	p.have, p.framed, p.kind = 0, false, 0
	if !c.isClosing() {
		c.deliver(kind, message)
	}
	p.message.Reset()
	if p.message.Cap() > keptBytes {
		p.message = bytes.Buffer{}
	}
}

// control takes a piece of a frame that controls the connection, and obeys the frame
// when all of it has come.
func (c *Conn) control(piece []byte) error {
	p := c.part
	copy(p.control[p.done:], piece)
	if p.done += int64(len(piece)); p.left() > 0 {
		return nil
	}
	p.have, p.framed = 0, false
	payload := p.control[:p.done]
	ws.Cipher(payload, p.header.Mask, 0)
	switch p.header.OpCode {
	case ws.OpPing:
		c.mu.Lock()
		c.pong = append(make([]byte, 0, len(payload)), payload...)
		c.via.wake()
		c.mu.Unlock()
	case ws.OpPong:
		if c.answers(payload) {
			c.telling = true
			c.handler.Ponged(c)
			c.telling = false
		}
	case ws.OpClose:
		return farewell(payload)
	case ws.OpContinuation, ws.OpText, ws.OpBinary: // These control nothing.
	}
	return nil
}

// answers says whether a pong is the one to the ping that is pending.
func (c *Conn) answers(payload []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.pending || len(payload) != 4 || binary.BigEndian.Uint32(payload) != c.pings {
		return false
	}
	c.pending = false
	return true
}

// farewell is how to answer a close frame: by its status, where it is one.
func farewell(payload []byte) *closing {
	if len(payload) == 0 {
		return &closing{}
	}
	status, reason := ws.ParseCloseFrameData(payload)
	if err := ws.CheckCloseFrameData(status, reason); err != nil || status > ws.StatusRangePrivate.Max {
		return &closing{status: int(ws.StatusProtocolError), reason: "this is no way to close"}
	}
	return &closing{status: int(status)}
}

// most is how large a message may be. Before the client has been welcomed that is
// a hello: what costs nothing to send is to cost little to take.
func (c *Conn) most() int {
	l := &c.endpoint.cfg.Limits
	if c.waits.Load() {
		return min(l.MessageBytes, l.TokenBytes+helloBytes)
	}
	return l.MessageBytes
}

func (c *Conn) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing != nil
}

func (c *Conn) deliver(kind ws.OpCode, message []byte) {
	c.endpoint.counts.received(len(message))
	f, bad := &pealv1.ClientFrame{}, (*pealv1.Error)(nil)
	if kind == c.kind() {
		f, bad = c.endpoint.decode(c.encoding, message, &c.endpoint.cfg.Limits)
	} else {
		bad = c.encoding.WrongKind()
	}
	c.telling = true
	c.handler.Received(c, f, bad)
	c.telling = false
}
