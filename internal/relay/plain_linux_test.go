package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// connected is a connection of a client as the relay has it, and its other end.
func connected(t *testing.T) (*stream, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(client.Close(), conn.Close()) })
	c := &stream{Conn: conn, plain: newPlain(conn), streams: &streams{now: time.Now}}
	if c.plain == nil {
		t.Fatal("a TCP connection is none")
	}
	return c, client
}

// A client that does not read loses its connection, and not before streamWrite. One that
// reads slowly keeps it, and no deadline stays behind.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	c, client := connected(t)
	const most = 64 << 20 // More than any buffer of the system.
	go func() { _, _ = io.CopyN(io.Discard, client, most) }()
	for range most / writeMost {
		if n, err := c.Write(make([]byte, writeMost)); n != writeMost || err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
	}
	begin := time.Now()
	for {
		began := time.Now()
		_, err := c.Write(make([]byte, writeMost))
		if err == nil {
			continue
		}
		if waited := time.Since(began); !errors.Is(err, os.ErrDeadlineExceeded) || waited < streamWrite || time.Since(begin) > 4*streamWrite {
			t.Errorf("after %s: %v", waited, err)
		}
		break
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection: %v", err)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection: %v", err)
	}
}

// Reading ends with the deadline, with the client and with the connection.
func TestPlainRead(t *testing.T) {
	c, client := connected(t)
	p := make([]byte, 10)
	if err := c.Conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.read(p); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if err := c.Conn.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if n, err := c.read(p); string(p[:n]) != "hello" || err != nil {
		t.Errorf("%q, %v", p[:n], err)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.read(p); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if err := c.Conn.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.read(p); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if newPlain(c) != nil {
		t.Error("what is no TCP connection is one")
	}
}
