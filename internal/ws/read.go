package ws

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime/debug"
	"time"

	"github.com/gobwas/ws"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// readAhead is how much a connection reads before it knows what comes: a header
// and all of a control frame, which has 125 bytes at most. What a message has
// beyond is read to where the message is put together.
const readAhead = 144

// helloBytes is what a hello may have beside its token.
const helloBytes = 4 << 10

var errPanicked = errors.New("panicked")

// receive waits for a message, or a frame that controls the connection, and hands
// it over. While it waits it holds no buffer but that of the header. A panic costs
// one connection and no other.
func (c *Conn) receive() (err error) {
	defer func() {
		if recover() != nil { // What it says may be of the client's.
			c.endpoint.cfg.Logger.Error("connection panicked", "stack", string(debug.Stack()))
			err = errPanicked
		}
	}()
	h, err := c.header(ws.StateServerSide)
	if err != nil {
		return err
	}
	if h.OpCode.IsControl() {
		return c.control(h)
	}
	return c.message(h)
}

// header reads what the next frame is, and refuses what it must not be.
func (c *Conn) header(state ws.State) (ws.Header, error) {
	h, err := ws.ReadHeader(c.in)
	if err != nil {
		return h, err
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return h, &closing{int(ws.StatusProtocolError), err.Error(), true}
	}
	return h, nil
}

// message reads the rest of a message, which begins by that frame, and hands it
// over. Frames that control the connection may come in the middle.
func (c *Conn) message(h ws.Header) error {
	kind, begin, patience := h.OpCode, time.Now(), c.endpoint.cfg.Limits.PingIdle.Dead
	message := takeBuffer()
	defer giveBuffer(message)
	err := c.piece(message, h)
	for whole := h.Fin; err == nil && !whole; {
		if h, err = c.header(ws.StateServerSide | ws.StateFragmented); err != nil {
			return err
		}
		if time.Since(begin) > patience {
			return &closing{int(ws.StatusPolicyViolation), "a message takes too long", true}
		}
		if h.OpCode.IsControl() {
			err = c.control(h)
		} else {
			err, whole = c.piece(message, h), h.Fin
		}
	}
	if err == nil && !c.isClosing() {
		c.deliver(kind, message.Bytes())
	}
	return err
}

// control obeys a frame that controls the connection.
func (c *Conn) control(h ws.Header) error {
	payload, err := c.in.Peek(int(h.Length))
	if err != nil {
		return err
	}
	ws.Cipher(payload, h.Mask, 0)
	switch h.OpCode {
	case ws.OpPing:
		c.mu.Lock()
		c.pong = bytes.Clone(payload)
		c.wake()
		c.mu.Unlock()
	case ws.OpPong:
		if c.answers(payload) {
			c.endpoint.cfg.Handler.Ponged(c)
		}
	case ws.OpClose:
		return farewell(payload)
	case ws.OpContinuation, ws.OpText, ws.OpBinary: // These control nothing.
	}
	_, err = c.in.Discard(len(payload))
	return err
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

// piece adds what a frame carries to a message. One that becomes too large is
// answered by a goodbye; from then on what comes goes nowhere.
func (c *Conn) piece(message *bytes.Buffer, h ws.Header) error {
	begin := message.Len()
	if h.Length > int64(c.most()-begin) {
		c.mu.Lock()
		if c.closing == nil {
			c.goodbye(protocol.MessageTooLarge)
			c.wake()
		}
		c.mu.Unlock()
	}
	if c.isClosing() {
		_, err := io.CopyN(io.Discard, c.in, h.Length)
		return err
	}
	_, err := io.CopyN(message, c.in, h.Length)
	ws.Cipher(message.Bytes()[begin:], h.Mask, 0)
	return err
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
	cfg := &c.endpoint.cfg
	if kind != c.kind() {
		cfg.Handler.Received(c, &pealv1.ClientFrame{}, c.encoding.WrongKind())
		return
	}
	f, bad := c.encoding.Decode(message, &cfg.Limits)
	cfg.Handler.Received(c, f, bad)
}
