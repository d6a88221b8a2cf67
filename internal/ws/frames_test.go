package ws

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// raw is a connection whose every byte the test decides.
type raw struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

// raw opens a connection; early goes out with the request.
func (b *bench) raw(early ...byte) *raw {
	b.t.Helper()
	conn, err := new(net.Dialer).DialContext(b.t.Context(), "tcp", b.http.Listener.Addr().String())
	if err != nil {
		b.t.Fatal(err)
	}
	if b.http.TLS != nil {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		b.t.Fatal(err)
	}
	request := fmt.Sprintf("GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: %s\r\n"+
		"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n%s", protocol.Subprotocol, early)
	if _, err := io.WriteString(conn, request); err != nil {
		b.t.Fatal(err)
	}
	r := &raw{b.t, conn, bufio.NewReader(conn)}
	answer, err := http.ReadResponse(r.in, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		b.t.Fatalf("upgrade: %v, %v", answer, err)
	}
	if h := answer.Header; h.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" || h.Get("Sec-WebSocket-Extensions") != "" {
		b.t.Errorf("upgraded by %v", h)
	}
	return r
}

func (r *raw) write(frames ...[]byte) {
	r.t.Helper()
	if _, err := r.Write(bytes.Join(frames, nil)); err != nil {
		r.t.Fatal(err)
	}
}

// frame reads one.
func (r *raw) frame() (h ws.Header, payload string, err error) {
	if h, err = ws.ReadHeader(r.in); err != nil {
		return h, "", err
	}
	p := make([]byte, h.Length)
	_, err = io.ReadFull(r.in, p)
	return h, string(p), err
}

// want reads a frame.
func (r *raw) want(kind ws.OpCode, payload string) {
	r.t.Helper()
	h, got, err := r.frame()
	if err != nil || h.OpCode != kind || got != payload || !h.Fin || h.Masked || h.Rsv != 0 {
		r.t.Fatalf("read %+v, %q, %v, want kind %d, %q", h, got, err, kind, payload)
	}
}

// wantEnd reads a close frame and then the end.
func (r *raw) wantEnd(status int) {
	r.t.Helper()
	h, payload, err := r.frame()
	if err != nil || h.OpCode != ws.OpClose || len(payload) < 2 || int(binary.BigEndian.Uint16([]byte(payload))) != status {
		r.t.Fatalf("read %+v, %q, %v, want to be closed by %d", h, payload, err, status)
	}
	r.wantCut()
}

func (r *raw) wantCut() {
	r.t.Helper()
	_, err := io.Copy(io.Discard, r.in)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		r.t.Fatal("it is not cut")
	}
	_ = r.Close() // As clients do then.
}

// frame is one with a mask, as a client has to send it. first is FIN, the
// reserved bits and the kind.
func frame(first byte, payload string) []byte {
	f := ws.MaskFrameWith(ws.NewFrame(ws.OpCode(first&15), first&0x80 != 0, []byte(payload)), [4]byte{1, 2, 3, 250})
	f.Header.Rsv = first >> 4 & 7
	return ws.MustCompileFrame(f)
}

// The first bytes of frames that are the last of their message.
const (
	fin    = 0x80
	text   = fin | 1
	closeF = fin | 8
	ping   = fin | 9
	pongF  = fin | 10
)

const (
	command = `{"id":7,"ping":{}}`
	length  = len(command)
)

func (b *bench) wantCommand() {
	b.t.Helper()
	if e := b.told.next(b.t, "received"); e.frame.GetId() != 7 || e.bad != nil {
		b.t.Errorf("received %v, %v", e.frame, e.bad)
	}
}

// Forbidden: what RFC 6455 forbids ends the connection, by the status for that.
func (m mode) Forbidden(t *testing.T) {
	unmasked := ws.MustCompileFrame(ws.NewTextFrame([]byte(command)))
	for name, frames := range map[string][]byte{
		"no mask":                         unmasked,
		"an empty frame without a mask":   ws.MustCompileFrame(ws.NewTextFrame(nil)),
		"a ping without a mask":           ws.MustCompileFrame(ws.NewPingFrame(nil)),
		"the first reserved bit":          frame(text|0x40, command),
		"the second reserved bit":         frame(text|0x20, command),
		"the third reserved bit":          frame(text|0x10, command),
		"a reserved bit on a ping":        frame(ping|0x40, ""),
		"a reserved bit in the middle":    append(frame(1, command[:5]), frame(fin|0x40, command[5:])...),
		"a kind of data there is not":     frame(fin|3, ""),
		"another one":                     frame(fin|7, "x"),
		"a kind of control there is not":  frame(fin|11, ""),
		"another of those":                frame(fin|15, ""),
		"a ping that is too large":        frame(ping, strings.Repeat("x", 126)),
		"a pong that is too large":        frame(pongF, strings.Repeat("x", 126)),
		"a close that is too large":       frame(closeF, strings.Repeat("x", 126)),
		"a ping in pieces":                frame(9, "x"),
		"a close in pieces":               frame(8, "\x03\xe8"),
		"a continuation of nothing":       frame(fin, command),
		"another after a whole message":   append(frame(text, command), frame(fin, command)...),
		"a message within a message":      append(frame(1, command[:5]), frame(text, command)...),
		"a close of one byte":             frame(closeF, "\x03"),
		"a close by 0":                    frame(closeF, "\x00\x00"),
		"a close by 999":                  frame(closeF, "\x03\xe7"),
		"a close by 1004":                 frame(closeF, "\x03\xec"),
		"a close by 1005":                 frame(closeF, "\x03\xed"),
		"a close by 1006":                 frame(closeF, "\x03\xee"),
		"a close by 1015":                 frame(closeF, "\x03\xf7"),
		"a close by 2999":                 frame(closeF, "\x0b\xb7"),
		"a close by 5000":                 frame(closeF, "\x13\x88"),
		"a close by 65535":                frame(closeF, "\xff\xff"),
		"a close whose reason is no text": frame(closeF, "\x03\xe8\xff"),
	} {
		t.Run(name, func(t *testing.T) {
			b := m.start(t)
			r := b.raw()
			b.told.next(t, "opened")
			r.write(frames)
			if strings.HasPrefix(name, "another after") {
				b.wantCommand()
			}
			r.wantEnd(int(ws.StatusProtocolError))
			b.told.next(t, "closed")
		})
	}
	t.Run("a length that is negative", func(t *testing.T) {
		b := m.start(t)
		r := b.raw()
		b.told.next(t, "opened")
		r.write([]byte{text, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
		r.wantCut()
		b.told.next(t, "closed")
	})
}

// Pieces: a message may come in frames of any size, also of none, with
// others in between that control the connection.
func (m mode) Pieces(t *testing.T) {
	b := m.start(t)
	r := b.raw()
	b.told.next(t, "opened")
	for cut := range length + 1 {
		r.write(frame(1, command[:cut]), frame(0, ""), frame(ping, "there?"), frame(fin, command[cut:]))
		r.want(ws.OpPong, "there?")
		b.wantCommand()
	}
	// Byte by byte.
	for _, octet := range append(frame(1, command[:9]), append(frame(ping, ""), frame(fin, command[9:])...)...) {
		r.write([]byte{octet})
	}
	r.want(ws.OpPong, "")
	b.wantCommand()
	// Several at once, and one that is larger than what is read ahead.
	large := command + strings.Repeat(" ", 10*readAhead)
	r.write(frame(text, command), frame(text, large), frame(pongF, "nobody asked"), frame(text, command))
	for range 3 {
		b.wantCommand()
	}
	// As large as control frames may be.
	r.write(frame(ping, strings.Repeat("x", 125)))
	r.want(ws.OpPong, strings.Repeat("x", 125))
}

// NoText: text that is no UTF-8 is no command, wherever it is cut. One that
// is cut within a letter is a command.
func (m mode) NoText(t *testing.T) {
	b := m.start(t)
	r := b.raw()
	b.told.next(t, "opened")
	for _, tt := range []struct {
		pieces []string
		bad    bool
	}{
		{[]string{"{\"id\":7,\"invite\":{\"callee\":\"\xff\"}}"}, true},
		{[]string{"{\"id\":7,\"invite\":{\"callee\":\"\xce", "\"}}"}, true},
		{[]string{"{\"id\":7,\"invite\":{\"callee\":\"\xed", "\xa0\x80\"}}"}, true},
		{[]string{"{\"id\":7,\"\xff\":1,\"ping\":{}}"}, true},
		{[]string{"{\"id\":7,\"hello\":{\"token\":\"\xce", "\xb1\",\"deviceId\":\"d\"}}"}, false},
	} {
		first := byte(1)
		for i, piece := range tt.pieces {
			if i == len(tt.pieces)-1 {
				first |= fin
			}
			r.write(frame(first, piece))
			first = 0
		}
		if e := b.told.next(t, "received"); (e.bad != nil) != tt.bad {
			t.Errorf("%q: received %v, %v", tt.pieces, e.frame, e.bad)
		}
	}
	r.write(frame(ping, "on"))
	r.want(ws.OpPong, "on")
}

// TooLargeInPieces: all pieces of a message count, and one that says how large
// it is does not need to come. Nothing that comes after it counts.
func (m mode) TooLargeInPieces(t *testing.T) {
	huge := append([]byte{text, 0xff, 0x7f}, bytes.Repeat([]byte{0xff}, 7)...)
	for name, frames := range map[string][]byte{
		"in pieces":     append(frame(1, strings.Repeat(" ", 60)), frame(fin, strings.Repeat(" ", 41))...),
		"in one":        frame(text, strings.Repeat(" ", 101)),
		"without limit": append(huge, 0, 0, 0, 0),
	} {
		t.Run(name, func(t *testing.T) {
			b := m.start(t, func(c *Config) { c.Limits.MessageBytes, c.Limits.Write = 100, 100*time.Millisecond })
			r := b.raw()
			b.told.next(t, "opened")
			r.write(frames, frame(text, command))
			_, payload, err := r.frame()
			if err != nil || !strings.Contains(payload, `"goodbye":{"error":{"code":"message_too_large"`) {
				t.Errorf("read %s, %v", payload, err)
			}
			r.wantEnd(protocol.CloseFinal)
			b.told.next(t, "closed")
		})
	}
}

// Closes: a client that closes gets its status back, and what waits before. By 1001
// alone it says that it leaves.
func (m mode) Closes(t *testing.T) {
	for name, status := range map[string]int{
		"\x03\xe8": 1000, "\x03\xe9going": 1001, "\x0b\xb8": 3000, "\x13\x87bye": 4999,
	} {
		b := m.start(t)
		r := b.raw()
		b.told.next(t, "opened").conn.Send(pong())
		r.write(frame(closeF, name), frame(text, command))
		r.want(ws.OpText, `{"pong":{}}`)
		r.wantEnd(status)
		if e := b.told.next(t, "closed"); e.leaving != (status == 1001) {
			t.Errorf("a client that closes by %d: leaving is %v", status, e.leaving)
		}
	}
	b := m.start(t)
	r := b.raw()
	b.told.next(t, "opened")
	r.write(frame(closeF, ""))
	r.want(ws.OpClose, "")
	r.wantCut()
	if b.told.next(t, "closed").leaving {
		t.Error("a client that closes by no status leaves")
	}
}

// NeverAgrees: a client that does not answer a close, and goes on talking, is
// cut off after a while, unheard.
func (m mode) NeverAgrees(t *testing.T) {
	b := m.start(t, func(c *Config) { c.Limits.Write = 100 * time.Millisecond })
	r := b.raw()
	c := b.told.next(t, "opened").conn
	c.Close(protocol.CloseRetry, "enough")
	h, payload, err := r.frame()
	if err != nil || payload != "\x0f\xa0enough" {
		t.Errorf("read %+v, %q, %v", h, payload, err)
	}
	for err == nil {
		_, err = r.Write(frame(text, command))
	}
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		t.Error("it is not cut off")
	}
	b.told.next(t, "closed")
}

// Pongs: only the answer to the ping that is pending counts, and no ping
// joins one that is pending.
func (m mode) Pongs(t *testing.T) {
	b := m.start(t)
	r := b.raw()
	c := b.told.next(t, "opened").conn
	r.write(frame(pongF, ""), frame(pongF, "\x00\x00\x00\x00"))
	c.Ping()
	c.Ping()
	r.want(ws.OpPing, "\x00\x00\x00\x01")
	r.write(frame(pongF, ""), frame(pongF, "\x00\x00\x00\x02"), frame(pongF, "\x00\x00\x00\x01x"), frame(text, command))
	b.wantCommand()
	r.write(frame(pongF, "\x00\x00\x00\x01"), frame(pongF, "\x00\x00\x00\x01"), frame(text, command))
	b.told.next(t, "ponged")
	b.wantCommand()
	c.Ping()
	r.want(ws.OpPing, "\x00\x00\x00\x02")
}

// Early: what a client sends with its request is not lost.
func (m mode) Early(t *testing.T) {
	b := m.start(t)
	r := b.raw(append(frame(text, command), frame(text, command)[:5]...)...)
	b.told.next(t, "opened")
	b.wantCommand()
	r.write(frame(text, command)[5:])
	b.wantCommand()
}

// TLS: all of this goes by TLS as well, and a client that does not read holds
// up no end.
func (m mode) TLS(t *testing.T) {
	b := m.start(t)
	plain := b.http
	b.http = httptest.NewTLSServer(b.endpoint)
	t.Cleanup(b.http.Close)
	plain.Close()
	r := b.raw(frame(text, command)...)
	c := b.told.next(t, "opened").conn
	b.wantCommand()
	for range 3 {
		c.Send(pong())
	}
	r.write(frame(1, command[:3]), frame(fin, command[3:]))
	b.wantCommand()
	for range 3 {
		r.want(ws.OpText, `{"pong":{}}`)
	}
	large := &pealv1.ServerFrame{Error: &pealv1.Error{Message: strings.Repeat("x", 200<<10)}}
	for range 50 { // Until the socket and the queue are full.
		c.Send(large)
	}
	begin := time.Now()
	b.endpoint.Close()
	if took := time.Since(begin); took > patience/4 {
		t.Errorf("the end took %v", took)
	}
	b.told.next(t, "closed")
}

// Panic: a panic costs the connection that it comes from, and tells the log
// nothing but where it was.
func (m mode) Panic(t *testing.T) {
	var log bytes.Buffer
	b := m.start(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	b.endpoint.decode = func(e protocol.Encoding, message []byte, l *protocol.Limits) (*pealv1.ClientFrame, *pealv1.Error) {
		if bytes.Contains(message, []byte("8")) {
			panic("secret")
		}
		return e.Decode(message, l)
	}
	one, _ := b.connect()
	other, c := b.connect()
	if err := one.Write(t.Context(), websocket.MessageText, []byte(`{"id":8,"ping":{}}`)); err != nil {
		t.Fatal(err)
	}
	if e := b.told.next(t, "closed"); e.conn == c {
		t.Error("the other one is closed")
	}
	if said := log.String(); !strings.Contains(said, "connection panicked") || strings.Contains(said, "secret") {
		t.Errorf("the log says %q", said)
	}
	if err := other.Write(t.Context(), websocket.MessageText, []byte(command)); err != nil {
		t.Fatal(err)
	}
	b.wantCommand()
}

// Endless: a message that goes on and on is not waited for, whatever comes in
// the middle of it.
func (m mode) Endless(t *testing.T) {
	b := m.start(t, func(c *Config) { c.Limits.PingIdle.Dead = 50 * time.Millisecond })
	r := b.raw()
	b.told.next(t, "opened")
	r.write(frame(text&0x0f, "{"))
	for range 10 {
		time.Sleep(10 * time.Millisecond)
		r.write(frame(pongF, ""))
	}
	r.write(frame(0, ""))
	r.wantEnd(int(ws.StatusPolicyViolation))
	b.told.next(t, "closed")
}

// StrangersMessages: a client without a welcome says no more than a hello has.
func (m mode) StrangersMessages(t *testing.T) {
	b := m.start(t)
	r := b.raw()
	c := b.told.next(t, "opened").conn
	long := `{"id":1,"ping":{}}` + strings.Repeat(" ", c.most())
	r.write(frame(text, long))
	if _, payload, err := r.frame(); err != nil || !strings.Contains(payload, string(protocol.MessageTooLarge)) {
		t.Errorf("a stranger's message of %d bytes is answered %q, %v", len(long), payload, err)
	}
	r = b.raw()
	c = b.told.next(t, "opened").conn
	c.Send(&pealv1.ServerFrame{Body: &pealv1.ServerFrame_Welcome{Welcome: &pealv1.Welcome{}}})
	if _, _, err := r.frame(); err != nil {
		t.Fatal(err)
	}
	r.write(frame(text, long))
	b.told.next(t, "received")
}

// Largest: what waits for nothing else is written, however large it is.
func (m mode) Largest(t *testing.T) {
	b := m.start(t, func(c *Config) { c.Limits.QueueBytes = 100 })
	r := b.raw()
	c := b.told.next(t, "opened").conn
	c.Send(&pealv1.ServerFrame{Error: &pealv1.Error{Message: strings.Repeat("x", 10_000)}})
	if _, payload, err := r.frame(); err != nil || len(payload) < 10_000 {
		t.Errorf("read %d bytes, %v", len(payload), err)
	}
}

// SlowestEnd: a client that reads a bit now and then does not put off the end.
func (m mode) SlowestEnd(t *testing.T) {
	b := m.start(t, func(c *Config) {
		c.Limits.Write, c.Limits.QueueBytes, c.Limits.QueueMessages = 500*time.Millisecond, 64<<20, 1000
	})
	r := b.raw()
	c := b.told.next(t, "opened").conn
	if err := r.Conn.(*net.TCPConn).SetReadBuffer(32 << 10); err != nil { // Else it takes much at once.
		t.Fatal(err)
	}
	for range 400 { // More than the system takes at once.
		c.Send(&pealv1.ServerFrame{Error: &pealv1.Error{Message: strings.Repeat("x", 64<<10)}})
	}
	c.Close(protocol.CloseRetry, "enough")
	begin := time.Now()
	go func() {
		for buffer := make([]byte, 64<<10); ; time.Sleep(10 * time.Millisecond) {
			if _, err := io.ReadFull(r, buffer); err != nil {
				return
			}
		}
	}()
	b.told.next(t, "closed")
	if took := time.Since(begin); took > 1800*time.Millisecond {
		t.Errorf("the end took %s", took)
	}
}
