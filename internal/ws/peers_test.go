package ws

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// says is an event that says this.
func says(text string) *pealv1.ServerFrame {
	return &pealv1.ServerFrame{Error: &pealv1.Error{Message: text}}
}

// Transport: each connection is served in the way that is meant.
func (m mode) Transport(t *testing.T) {
	b := m.start(t)
	b.raw()
	c := b.told.next(t, "opened").conn
	if _, goroutines := c.via.(*stream); goroutines == m.polled {
		t.Errorf("it is served by a %T", c.via)
	}
}

// HalfOpen: a client that will say no more, without a close frame, is gone. So is one
// whose connection is reset.
func (m mode) HalfOpen(t *testing.T) {
	b := m.start(t)
	r := b.raw()
	b.told.next(t, "opened")
	r.write(frame(text, command))
	b.wantCommand()
	if err := r.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	b.told.next(t, "closed")
	r.wantCut()

	r = b.raw()
	b.told.next(t, "opened")
	r.write(frame(text, command)[:9]) // In the middle of a frame.
	if err := r.Conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	b.told.next(t, "closed")
}

// Broken: a client that breaks the protocol receives the reason, and the end does not wait for it to be read.
func (m mode) Broken(t *testing.T) {
	b := m.start(t, func(c *Config) { c.Limits.Write = time.Hour })
	r := b.raw()
	b.told.next(t, "opened")
	r.write(frame(3|fin, "x"), bytes.Repeat(frame(text, command), 1000))
	r.wantEnd(int(ws.StatusProtocolError))
	b.told.next(t, "closed")
}

// Vanishes: a client that is gone while much waits for it is found out by what is
// written.
func (m mode) Vanishes(t *testing.T) {
	b := m.start(t, func(c *Config) { c.Limits.QueueMessages, c.Limits.QueueBytes = 1<<20, 1<<30 })
	r := b.raw()
	c := b.told.next(t, "opened").conn
	for range 200 { // More than the system takes at once.
		c.Send(says(strings.Repeat("x", 64<<10)))
	}
	if err := r.Conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	b.told.next(t, "closed")
}

// Flood: a client that floods with what is answered is answered as fast as it reads, and
// what waits stays bounded. Others are served meanwhile.
func (m mode) Flood(t *testing.T) {
	b := m.start(t)
	flooder := b.raw()
	c := b.told.next(t, "opened").conn
	other := b.raw()
	b.told.next(t, "opened")
	var flooding sync.WaitGroup
	flooding.Go(func() {
		pings := bytes.Repeat(frame(ping, "there?"), 1000)
		for range 100 {
			if _, err := flooder.Write(pings); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 20 {
		other.write(frame(text, command))
		b.wantCommand()
	}
	flooding.Wait()
	flooder.write(frame(text, command))
	b.wantCommand()
	c.mu.Lock()
	waiting := len(c.waiting)
	c.mu.Unlock()
	if waiting > 0 {
		t.Errorf("%d messages wait", waiting)
	}
	flooder.want(ws.OpPong, "there?")
}

// SlowReader: a client that reads slowly gets all of it, in order, as long as it reads
// on; what it asks meanwhile is heard.
func (m mode) SlowReader(t *testing.T) {
	const messages = 300
	b := m.start(t, func(c *Config) { c.Limits.QueueMessages, c.Limits.QueueBytes = 1<<20, 1<<30 })
	r := b.raw()
	c := b.told.next(t, "opened").conn
	if err := r.Conn.(*net.TCPConn).SetReadBuffer(32 << 10); err != nil {
		t.Fatal(err)
	}
	for i := range messages {
		c.Send(says(fmt.Sprint(i, strings.Repeat("x", 32<<10))))
	}
	r.write(frame(text, command))
	b.wantCommand()
	for i := range messages {
		_, payload, err := r.frame()
		if err != nil || !strings.Contains(payload, fmt.Sprintf(`"message":"%dx`, i)) {
			t.Fatalf("message %d: read %.60q, %v", i, payload, err)
		}
	}
	c.Send(pong())
	r.want(ws.OpText, `{"pong":{}}`)
}

// Cuts: large messages in many pieces come together, wherever the stream is cut, with
// each mask turned as the piece demands.
func (m mode) Cuts(t *testing.T) {
	b := m.start(t)
	r := b.raw()
	c := b.told.next(t, "opened").conn
	c.Send(&pealv1.ServerFrame{Body: &pealv1.ServerFrame_Welcome{Welcome: &pealv1.Welcome{}}})
	if _, _, err := r.frame(); err != nil {
		t.Fatal(err)
	}
	const seed = 7
	chance := rand.New(rand.NewPCG(seed, 0))
	for round := range 50 {
		whole := `{"id":7,"authenticate":{"token":"` + strings.Repeat("abcdefgh", chance.IntN(1000)) + `"}}`
		var sent []byte
		first := byte(1)
		for rest := whole; rest != ""; first = 0 {
			n := 1 + chance.IntN(len(rest))
			if n == len(rest) {
				first |= fin
			}
			sent, rest = append(sent, frame(first, rest[:n])...), rest[n:]
		}
		for len(sent) > 0 {
			n := 1 + chance.IntN(len(sent))
			r.write(sent[:n])
			sent = sent[n:]
		}
		e := b.told.next(t, "received")
		if got, want := len(e.frame.GetAuthenticate().GetToken()), len(whole)-len(`{"id":7,"authenticate":{"token":""}}`); want > 0 && got != want {
			t.Fatalf("seed %d, round %d: a token of %d bytes, %v, want %d", seed, round, got, e.bad, want)
		}
	}
}

// Ends: connections that end while others begin, and are written to from everywhere,
// leave no descriptor behind. Each is reported once.
func (m mode) Ends(t *testing.T) {
	b := m.start(t)
	b.raw()
	b.told.next(t, "opened")
	before := descriptors(t)
	for round := range 20 {
		socket, c := b.connect()
		var writing sync.WaitGroup
		for range 3 {
			writing.Go(func() {
				for range 10 {
					c.Send(pong())
					c.Ping()
				}
			})
		}
		switch round % 4 {
		case 0:
			c.Cut()
		case 1:
			_ = socket.CloseNow()
		case 2:
			c.Close(protocol.CloseRetry, "enough")
			for err := error(nil); err == nil; {
				_, _, err = socket.Read(t.Context())
			}
		default:
			_ = socket.Close(1000, "")
		}
		writing.Wait()
		for e := range b.told {
			if e.what == "closed" {
				break
			}
		}
		_ = socket.CloseNow()
		c.Cut()
	}
	for deadline := time.Now().Add(patience); descriptors(t) > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors are open, %d before", descriptors(t), before)
		}
	}
	select {
	case e := <-b.told:
		t.Errorf("the handler was told %s", e.what)
	default:
	}
}

// descriptors is how many this process has open, where the system tells.
func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil && runtime.GOOS == "linux" {
		t.Fatal(err)
	}
	return len(open)
}
