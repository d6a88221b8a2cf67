package ws

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// heard is a message as a Handler must receive it.
type heard struct {
	frame *pealv1.ClientFrame
	bad   *pealv1.Error
}

// listener is a Handler that notes what it hears.
type listener struct {
	heard []heard
	over  chan struct{}
}

func (*listener) Opened(*Conn)         {}
func (*listener) Ponged(*Conn)         {}
func (l *listener) Closed(*Conn, bool) { close(l.over) }
func (l *listener) Received(_ *Conn, f *pealv1.ClientFrame, bad *pealv1.Error) {
	l.heard = append(l.heard, heard{f, bad})
}

// tape is the other end of a connection: it says what is on it, a few bytes at a
// time, and keeps what it receives.
type tape struct {
	net.Conn // Of which nothing but the following is used.
	says     io.Reader
	most     int
	told     bytes.Buffer
}

func (c *tape) Read(p []byte) (int, error)       { return c.says.Read(p[:min(len(p), c.most)]) }
func (c *tape) Write(p []byte) (int, error)      { return c.told.Write(p) }
func (*tape) Close() error                       { return nil }
func (*tape) SetReadDeadline(time.Time) error    { return nil }
func (*tape) SetWriteDeadline(t time.Time) error { return nil }

// reading is what RFC 6455 makes of bytes, read as simply as can be: the messages
// up to the first thing that ends the connection, and the status that is for that;
// 0 is for bytes that end in the middle.
func reading(in []byte, most int) (messages [][]byte, kinds []byte, status int) {
	const broken = 1002
	var message []byte
	var kind byte
	for len(in) >= 2 {
		last, opcode, masked := in[0]&0x80 != 0, in[0]&15, in[1]&0x80 != 0
		length, head := uint64(in[1]&0x7f), 2
		switch length {
		case 126:
			head += 2
		case 127:
			head += 8
		}
		if masked {
			head += 4
		}
		if len(in) < head {
			return messages, kinds, 0
		}
		switch length {
		case 126:
			length = uint64(binary.BigEndian.Uint16(in[2:]))
		case 127:
			length = binary.BigEndian.Uint64(in[2:])
		}
		control := opcode >= 8
		switch {
		case length>>63 != 0:
			return messages, kinds, 0
		case !masked, in[0]&0x70 != 0, opcode > 2 && opcode < 8, opcode > 10,
			control && (length > 125 || !last),
			!control && (opcode == 0) != (kind != 0):
			return messages, kinds, broken
		case !control && length > uint64(most-len(message)):
			return messages, kinds, protocol.CloseFinal
		case uint64(len(in)-head) < length:
			return messages, kinds, 0
		}
		payload := bytes.Clone(in[head:][:length])
		for i := range payload {
			payload[i] ^= in[head-4+i%4]
		}
		in = in[head+int(length):]
		switch {
		case opcode == 8:
			if len(payload) == 0 {
				return messages, kinds, 1005
			}
			if farewell(payload).reason != "" {
				return messages, kinds, broken
			}
			return messages, kinds, int(binary.BigEndian.Uint16(payload))
		case control:
			continue
		}
		if opcode != 0 {
			kind = opcode
		}
		if message = append(message, payload...); last {
			messages, kinds = append(messages, message), append(kinds, kind)
			message, kind = nil, 0
		}
	}
	return messages, kinds, 0
}

// Whatever bytes come, and however they are cut, the messages in them reach the Handler as RFC 6455
// has them, none larger than it may be, for no more memory than what has come is worth; the
// connection ends, by the status for that.
func FuzzFrames(f *testing.F) {
	huge := append([]byte{text, 0xff, 0x7f}, bytes.Repeat([]byte{0xff}, 7)...)
	for _, frames := range [][]byte{
		frame(text, command),
		bytes.Join([][]byte{frame(1, command[:3]), frame(ping, "x"), frame(0, ""), frame(fin, command[3:]), frame(closeF, "\x03\xe8")}, nil),
		append(frame(1, strings.Repeat(" ", 3000)), frame(fin, strings.Repeat(" ", 3000))...),
		append(frame(1, strings.Repeat(" ", 5000)), frame(fin, strings.Repeat(" ", 5000))...),
		{1, 0xfe, 32, 0, 0, 0, 0, 0},
		append(append(huge, 0, 0, 0, 0), frame(text, command)...),
		append(huge[:2:2], 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
		append([]byte{text, 0xff, 0, 0, 0, 0, 4}, make([]byte, 40)...), // 64 MiB that do not come.
		append([]byte{1, 0xfe, 0, 3, 0, 0, 0, 0, '{', '"', 'i'}, frame(fin, `d":1}`)...),
		frame(text|0x40, command), frame(2|fin, command), frame(fin, command), frame(3|fin, ""), frame(9, ""),
		frame(ping, strings.Repeat("x", 125)), frame(pongF, "\x00\x00\x00\x00"), frame(closeF, ""), frame(closeF, "\x03"), frame(closeF, "\x03\xed"),
		{text, 0},
		{text},
		{},
	} {
		f.Add(frames, uint8(3), true)
		f.Add(frames, uint8(255), false)
	}
	limits := protocol.DefaultLimits()
	limits.MessageBytes, limits.TokenBytes = 8<<10, 100
	f.Fuzz(func(t *testing.T, in []byte, most uint8, welcomed bool) {
		var log bytes.Buffer
		ears := &listener{over: make(chan struct{})}
		e := New(Config{Limits: limits, Handler: ears, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		far := &tape{says: bytes.NewReader(in), most: max(1, int(most))}
		e.doorstep.Enter(netip.IPv6Loopback())
		c := e.connection(far, netip.IPv6Loopback(), protocol.Subprotocol)
		if welcomed {
			c.greeted()
		}
		e.add(c)
		messages, kinds, status := reading(in, c.most())
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c.via.(*stream).serve(time.Now())
		select {
		case <-ears.over:
		case <-time.After(patience):
			t.Fatal("it does not end")
		}
		e.Close()
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > uint64(1<<20+100*len(in)) {
			t.Fatalf("%d bytes cost %d of memory", len(in), took)
		}
		if log.Len() > 0 {
			t.Fatalf("the log says %s", &log)
		}
		if len(messages) != len(ears.heard) {
			t.Fatalf("%d messages are told, want %d", len(ears.heard), len(messages))
		}
		for i, m := range messages {
			want, bad := protocol.Decode(m, &limits)
			if kinds[i] != 1 {
				want, bad = &pealv1.ClientFrame{}, protocol.JSON.WrongKind()
			}
			if got := ears.heard[i]; !proto.Equal(got.frame, want) || !proto.Equal(got.bad, bad) {
				t.Fatalf("told %v %v, want %v %v", got.frame, got.bad, want, bad)
			}
		}
		if got := ending(t, far.told.Bytes()); got != status {
			t.Fatalf("closed by %d, want %d", got, status)
		}
	})
}

// ending is the status of the close frame that is the last of what was written, or
// 0 where there is none.
func ending(t *testing.T, written []byte) int {
	t.Helper()
	for len(written) > 0 {
		length, head := int(written[1]&0x7f), 2
		if length == 126 {
			length, head = int(binary.BigEndian.Uint16(written[2:])), 4
		}
		payload, rest := written[head:][:length], written[head+length:]
		if written[0] == closeF {
			switch {
			case len(rest) > 0:
				t.Fatalf("%q follows the end", rest)
			case length == 0:
				return 1005
			}
			return int(binary.BigEndian.Uint16(payload))
		}
		written = rest
	}
	return 0
}

// silent is a transport that moves nothing.
type silent struct{}

func (silent) start([]byte) {}
func (silent) abandon()     {}
func (silent) wake()        {}
func (silent) drain()       {}
func (silent) cut()         {}

// decoded is what a decoder made of a stream that is cut at those places.
func decoded(in []byte, cuts ...int) (told []heard, pong []byte, end string) {
	limits := protocol.DefaultLimits()
	limits.MessageBytes = 200
	ears := &listener{}
	e := New(Config{Limits: limits, Handler: ears})
	c := &Conn{endpoint: e, handler: ears, via: silent{}, over: true}
	in = bytes.Clone(in)
	for i := 0; i <= len(cuts) && end == ""; i++ {
		piece := in
		if i < len(cuts) {
			piece = in[:cuts[i]]
		}
		if err := c.take(piece); err != nil {
			end = "ends: " + err.Error()
		}
		in = in[len(piece):]
	}
	if c.closing != nil {
		end += " after " + c.closing.reason
	}
	return ears.heard, c.pong, end
}

// However a stream is cut in two, or into single bytes, the same is made of it.
func FuzzCuts(f *testing.F) {
	for _, frames := range [][]byte{
		append(frame(text, command), frame(ping, "x")...),
		bytes.Join([][]byte{frame(1, command[:3]), frame(ping, "y"), frame(0, ""), frame(fin, command[3:]), frame(closeF, "\x03\xe8")}, nil),
		bytes.Join([][]byte{frame(1, strings.Repeat(" ", 150)), frame(fin, strings.Repeat(" ", 60)), frame(text, command)}, nil),
		append(frame(text, strings.Repeat("x", 130)), frame(fin, "")...),
		{text, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		{text, 0xfe, 0, 1, 0, 0, 0, 0, 'x', ping, 0x80, 1, 2, 3, 4},
	} {
		f.Add(frames)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		in = in[:min(len(in), 400)]
		told, pong, end := decoded(in)
		same := func(what string, cuts ...int) {
			t.Helper()
			told2, pong2, end2 := decoded(in, cuts...)
			equal := len(told) == len(told2) && bytes.Equal(pong, pong2) && end == end2
			for i := 0; equal && i < len(told); i++ {
				equal = proto.Equal(told[i].frame, told2[i].frame) && proto.Equal(told[i].bad, told2[i].bad)
			}
			if !equal {
				t.Fatalf("%s: %v, %q, %q, want %v, %q, %q", what, told2, pong2, end2, told, pong, end)
			}
		}
		single := make([]int, len(in))
		for cut := range in {
			same(fmt.Sprint("cut at ", cut), cut)
			single[cut] = 1
		}
		same("cut everywhere", single...)
	})
}
