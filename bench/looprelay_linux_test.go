package main

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// TestLoopRelay: it passes on what the relay with goroutines passes on, also where frames
// come in pieces and many at once.
func TestLoopRelay(t *testing.T) {
	for name, serve := range map[string]func(context.Context, []string) error{"relay": serveRelay, "loop-relay": serveLoopRelay} {
		t.Run(name, func(t *testing.T) { testRelay(t, serve) })
	}
}

func testRelay(t *testing.T, serve func(context.Context, []string) error) {
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	addr := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}).String()
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error)
	go func() { over <- serve(ctx, []string{addr}) }()
	defer func() {
		cancel()
		if err := <-over; err != nil {
			t.Errorf("the relay ended by %v", err)
		}
	}()
	if err := until(ctx, answers(addr)); err != nil {
		t.Fatal(err)
	}
	a, b := dialRelay(t, addr, "0"), dialRelay(t, addr, "1")
	small := maskedFrame(request(5, []out{{bytes: 9}}))
	ask := maskedFrame(request(3000, []out{{peer: true, bytes: 7}, {bytes: 300}, {peer: true, bytes: 5000}}))
	for _, piece := range [][]byte{ask[:1], ask[1:50], append(slices.Clone(ask[50:]), ask...)} {
		if _, err := a.Write(piece); err != nil {
			t.Fatal(err)
		}
		if len(piece) > len(ask) {
			break
		}
		// A piece has been read when a frame that came after it is answered.
		if _, err := b.Write(small); err != nil {
			t.Fatal(err)
		}
		expectFrames(t, b, 9)
	}
	expectFrames(t, b, 7, 5000, 7, 5000)
	for range 2 {
		expectFrames(t, a, 300)
	}
	// What is not for the relay ends the connection, and no other.
	if _, err := b.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("hello"))))); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after a text: %v", err)
	}
	if _, err := a.Write(small); err != nil {
		t.Fatal(err)
	}
	expectFrames(t, a, 9)
}

func maskedFrame(message []byte) []byte {
	return ws.MustCompileFrame(ws.MaskFrame(ws.NewBinaryFrame(message)))
}

func dialRelay(t *testing.T, addr, side string) net.Conn {
	t.Helper()
	conn, _, _, err := ws.Dial(t.Context(), "ws://"+addr+"/?pair=1&side="+side)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func expectFrames(t *testing.T, conn net.Conn, sizes ...int) {
	t.Helper()
	for _, size := range sizes {
		h, err := ws.ReadHeader(conn)
		if err != nil || h.OpCode != ws.OpBinary || h.Length != int64(size) {
			t.Fatalf("got %+v, %v, want %d bytes", h, err, size)
		}
		if _, err := io.ReadFull(conn, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
}
