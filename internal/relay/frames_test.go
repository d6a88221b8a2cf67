package relay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
)

// pieces is a connection that gives what was sent.
type pieces struct {
	net.Conn
	io.Reader
}

func (p pieces) Read(b []byte) (int, error) { return p.Reader.Read(b) }
func (p pieces) LocalAddr() net.Addr        { return &net.TCPAddr{} }
func (p pieces) RemoteAddr() net.Addr       { return &net.TCPAddr{} }

// forLibrary is what the library gets of a stream, message by message, and the error
// that ends it.
func forLibrary(conn net.Conn) (all []string, err error) {
	c := turn.NewSTUNConn(conn)
	p := make([]byte, frameMost)
	for {
		n, _, err := c.ReadFrom(p)
		if err != nil {
			return all, err
		}
		all = append(all, string(p[:n]))
	}
}

func streamOf(r io.Reader) *stream {
	return &stream{Conn: pieces{Reader: r}, streams: &streams{now: time.Now}}
}

func TestFrameSize(t *testing.T) {
	request := string(message(t, stun.BindingRequest))
	for _, c := range []struct {
		text string
		size int
		bad  bool
	}{
		{request, 20, false},
		{request + "more", 20, false},
		{request[:19], 0, false},
		{"\x40\x00\x00\x00", 4, false},
		{"\x40\x00\x00\x01h\x00\x00\x00", 8, false},
		{"\x40\x00\x00\x01h\x00\x00", 0, false}, // Its padding is not there.
		{"\x40\x00\x06\x3c" + strings.Repeat("x", 1596), 1600, false},
		{"\x40\x00\x06\x3d", 0, true}, // Too long, which shows at once.
		{"\x00\x01\x06\x30", 0, true},
		{"\x40\x00\xff\xff", 0, true},
		{"\x40\x00\x00", 0, false},
		{"", 0, false},
		{"GET / HTTP/1.1", 0, true},
		{"\x00\x01\x00\x00\x21\x12\xa4\x43", 0, true}, // Another cookie.
		{"\x80\x00\x00\x00", 0, true},
		{"\xff\xff\xff\xff", 0, true},
	} {
		size, err := frameSize([]byte(c.text))
		if size != c.size || errors.Is(err, errFrame) != c.bad {
			t.Errorf("%.20q: got %d, %v; want %d, %t", c.text, size, err, c.size, c.bad)
		}
	}
}

// FuzzFrames: without a relayed address the library gets what it got before, in however
// small pieces it came.
func FuzzFrames(f *testing.F) {
	request := message(f, stun.BindingRequest)
	channel := append([]byte("\x40\x00\x00\x06hello!"), 0, 0)
	f.Add(bytes.Repeat(append(bytes.Clone(request), channel...), 200))
	f.Add(append(bytes.Repeat(channel, 3), "GET / HTTP/1.1\r\n\r\n......"...))
	f.Add(append([]byte("\x40\x00\x06\x3c"), make([]byte, 1596)...))
	f.Add([]byte("\x40\x00\xff\xff"))
	f.Add(append(bytes.Clone(request), "\x41\x30\x00\x00\x00\x01\x00\x00\x00\x00"...)) // A short message.
	f.Add([]byte("\x41\x30\x00\x08\x21\x12\xa4\x42" + strings.Repeat("0", 12)))        // The cookie on a channel.
	for _, c := range seeds(f) {
		f.Add(c.p)
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		got, err := forLibrary(streamOf(bytes.NewReader(sent)))
		slow, slowErr := forLibrary(streamOf(iotest.OneByteReader(bytes.NewReader(sent))))
		if strings.Join(got, "") != strings.Join(slow, "") || len(got) != len(slow) || !errors.Is(slowErr, err) && err.Error() != slowErr.Error() {
			t.Fatalf("%d messages, %v; byte by byte %d, %v", len(got), err, len(slow), slowErr)
		}
		if cookieOnChannel(sent) {
			return
		}
		want, _ := forLibrary(pieces{Reader: bytes.NewReader(sent)})
		if len(got) > len(want) {
			t.Fatalf("%d messages in place of %d", len(got), len(want))
		}
		for i, one := range got {
			if one != want[i] {
				t.Fatalf("message %d of %d bytes in place of %d", i, len(one), len(want[i]))
			}
		}
		// Otherwise what follows is no message, or too long. A message of less than 9
		// bytes waits in the library until there are more, here until the next message.
		if errors.Is(err, io.EOF) && len(want) > len(got) && len(want[len(got)]) >= 9 {
			t.Fatalf("%d messages in place of %d", len(got), len(want))
		}
	})
}

// cookieOnChannel: the library takes data on a channel that begin with the cookie of STUN
// for a message of STUN.
func cookieOnChannel(p []byte) bool {
	for i := range p {
		if p[i]>>6 == 1 && len(p) >= i+8 && binary.BigEndian.Uint32(p[i+4:]) == stunCookie {
			return true
		}
	}
	return false
}

// A connection holds no more than one message and what came with it.
func TestBufferOfAStream(t *testing.T) {
	c := streamOf(io.LimitReader(zeros{}, 1<<20))
	if _, err := forLibrary(c); !errors.Is(err, errFrame) {
		t.Errorf("got %v", err)
	}
	if len(c.frames.buffer) > firstBuffer {
		t.Errorf("a buffer of %d bytes", len(c.frames.buffer))
	}
}

// zeros are requests with a wrong cookie.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	binary.BigEndian.PutUint16(p, 1)
	return len(p), nil
}
