package relay

import (
	"encoding/binary"
	"errors"
	"time"
)

const (
	// frameMost is the longest message on a stream, as the library takes it.
	frameMost = datagramMost
	// firstBuffer is for a connection without a relayed address, mediaBuffer for one with
	// it: some packets that came at the same moment.
	firstBuffer = 2 << 10
	mediaBuffer = 8 << 10
)

// errFrame ends a connection: where its next message begins is not known.
var errFrame = errors.New("what came is no message of STUN or of a channel, or too long")

// frames are what a client has sent on a stream and nobody has taken yet. The goroutine
// that reads the stream has it.
type frames struct {
	buffer     []byte
	begin, end int
	// owed is how much of the first message is still for the library.
	owed int
	now  time.Time // When the last bytes came.

	onward *batch // What goes to peers next, from one relayed address; or nil.
	from   *relayed
}

// frameSize is the size of the message that p begins with (RFC 8656, section 12.5): 0 as
// long as too little of it is there.
func frameSize(p []byte) (int, error) {
	if len(p) < channelHeader {
		return 0, nil
	}
	size := int(binary.BigEndian.Uint16(p[2:]))
	switch p[0] >> 6 {
	case 0:
		if len(p) >= 8 && binary.BigEndian.Uint32(p[4:]) != stunCookie {
			return 0, errFrame
		}
		size += stunHeader
	case 1:
		size = padded(size) + channelHeader
	default:
		return 0, errFrame
	}
	switch {
	case size > frameMost:
		return 0, errFrame
	case size > len(p):
		return 0, nil
	}
	return size, nil
}

// Read gives the library what is not data for a peer.
func (c *stream) Read(p []byte) (int, error) {
	f := &c.frames
	for f.owed == 0 {
		size, err := frameSize(f.buffer[f.begin:f.end])
		switch {
		case err != nil:
			f.flush()
			return 0, err
		case size == 0:
			f.flush() // Before the wait, and before the bytes move.
			if err := c.fill(); err != nil {
				return 0, err
			}
		case f.passes(c.relayed.Load(), f.buffer[f.begin:][:size]):
			f.begin += size
		default:
			f.flush()
			f.owed = size
		}
	}
	n := copy(p, f.buffer[f.begin:][:f.owed])
	f.begin += n
	f.owed -= n
	return n, nil
}

// fill waits for more bytes.
func (c *stream) fill() error {
	f, most := &c.frames, firstBuffer
	if c.relayed.Load() != nil {
		most = mediaBuffer
	}
	buffer := f.buffer
	if len(buffer) < most {
		buffer = make([]byte, most)
	}
	f.end = copy(buffer, f.buffer[f.begin:f.end])
	f.buffer, f.begin = buffer, 0
	n, err := c.read(f.buffer[f.end:])
	f.end += n
	f.now = c.streams.now()
	if n > 0 {
		return nil // An error comes again.
	}
	return err
}

// passes is whether a message is data for a peer, who is judged here each time. Data
// above the rate are lost.
func (f *frames) passes(from *relayed, message []byte) bool {
	if from == nil {
		return false
	}
	to, pass, ok := from.takes(message, f.now)
	if !pass || !ok {
		return ok
	}
	if f.onward != nil && (f.from != from || len(f.onward.out) == batchMost) {
		f.flush()
	}
	if f.onward == nil {
		f.onward, f.from = newBatch(), from
	}
	f.onward.collect(to.data, to.addr)
	return true
}

// flush sends what is to go to peers.
func (f *frames) flush() {
	if f.onward == nil {
		return
	}
	f.from.send(f.onward)
	f.onward.release()
	f.onward, f.from = nil, nil
}
