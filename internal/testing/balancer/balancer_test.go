package balancer_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/testing/balancer"
)

// names starts a server that says its address, and then what it gets.
func names(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				_, _ = io.WriteString(c, l.Addr().String())
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l
}

// ask has one connection say who answers and what comes back.
func ask(t *testing.T, addr, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

// TestTurns: connections take turns, and a server that is down is passed over.
func TestTurns(t *testing.T) {
	one, other := names(t), names(t)
	b, err := balancer.Listen("127.0.0.1:0", one.Addr().String(), other.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]int)
	for range 4 {
		seen[ask(t, b.Addr(), " hello")]++
	}
	for _, l := range []net.Listener{one, other} {
		if addr := l.Addr().String(); seen[addr+" hello"] != 2 || b.Passed(addr) != 2 {
			t.Errorf("%s had %d of 4 connections, and %d were counted", addr, seen[addr+" hello"], b.Passed(addr))
		}
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got := ask(t, b.Addr(), ""); got != other.Addr().String() {
			t.Errorf("%q answered beside a server that is down", got)
		}
	}
	b.Blind(true)
	failed := 0
	for range 4 {
		c, _, err := b.Dial(t.Context())
		if err != nil {
			failed++
			continue
		}
		_ = c.Close()
	}
	if b.Blind(false); failed != 2 {
		t.Errorf("%d of 4 connections failed where one of two servers is down", failed)
	}
	idle, _, err := b.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = idle.Close() }()
	open, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = open.Close() }()
	if _, err := io.ReadFull(open, make([]byte, len(other.Addr().String()))); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := open.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlives the balancer")
	}
}

// TestHold: what is held passes once it is released, in both directions, and Cut ends what is open.
func TestHold(t *testing.T) {
	l := names(t)
	b, err := balancer.Listen("127.0.0.1:0", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	for _, held := range []struct{ toServer, toClient bool }{{true, false}, {false, true}, {true, true}} {
		c, err := net.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, len(l.Addr().String()))); err != nil {
			t.Fatal(err)
		}
		b.Hold(held.toServer, held.toClient)
		if _, err := io.WriteString(c, "late"); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 4)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes passed, %v", n, err)
		}
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		b.Release()
		back := make([]byte, 4)
		if _, err := io.ReadFull(c, back); err != nil || string(back) != "late" {
			t.Errorf("%q passed after the release, %v", back, err)
		}
		b.Cut()
		if _, err := c.Read(back); err == nil {
			t.Error("a connection is open that was cut")
		}
		_ = c.Close()
	}
}
