package server

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"github.com/peal-rtc/peal/internal/store"
)

// closing notes when a store is closed.
type closing struct {
	store.Store
	closed atomic.Bool
}

func (c *closing) Close() error {
	c.closed.Store(true)
	return c.Store.Close()
}

// turnClient is a client of a server's relay, with the credentials of a device.
func (b *bench) turnClient(device string) *turn.Client {
	b.t.Helper()
	servers := b.relay.Servers(b.relay.User("call", "account of "+device, device), time.Now())
	return b.turnClientAs(servers[1].Username, servers[1].Credential)
}

func (b *bench) turnClientAs(username, password string) *turn.Client {
	b.t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	c, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: b.TURNAddr().String(), Username: username, Password: password, Conn: conn,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(c.Close)
	if err := c.Listen(); err != nil {
		b.t.Fatal(err)
	}
	return c
}

func (b *bench) relayed(device string) net.PacketConn {
	b.t.Helper()
	relayed, err := b.turnClient(device).Allocate()
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = relayed.Close() })
	return relayed
}

// outliving runs a server whose relay may outlive it for a time.
func outliving(t *testing.T, most time.Duration) (*bench, *closing) {
	t.Helper()
	kept := &closing{Store: store.NewMemory(time.Now)}
	b := start(t, func(c *Config) { c.Store, c.Settings.TURN.Drain = kept, most })
	return b, kept
}

// drains stops a server, and calls during once its relay is left alone. end ends the wait.
func (b *bench) drains(during func(end func())) {
	b.t.Helper()
	b.over = true
	ctx, cancel := context.WithCancel(b.t.Context())
	defer cancel()
	waits, done := make(chan struct{}), make(chan error, 1)
	var stops atomic.Int32
	go func() {
		done <- b.Drain(func() (context.Context, func()) {
			close(waits)
			return ctx, func() { stops.Add(1) }
		})
	}()
	select {
	case <-waits:
		during(cancel)
	case err := <-done:
		b.t.Fatalf("it does not wait: %v", err)
	case <-time.After(patience):
		b.t.Fatal("it does not stop")
	}
	select {
	case err := <-done:
		if err != nil || stops.Load() != 1 {
			b.t.Errorf("stop: %v; the wait was given up %d times", err, stops.Load())
		}
	case <-time.After(patience):
		b.t.Fatal("the wait does not end")
	}
}

// passesOn sends a datagram from a relayed address and one back.
func passesOn(t *testing.T, relayed net.PacketConn) {
	t.Helper()
	peer, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	for _, way := range []struct{ from, to net.PacketConn }{{relayed, peer}, {peer, relayed}} {
		if _, err := way.from.WriteTo([]byte("media"), way.to.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		if err := way.to.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 100)
		n, from, err := way.to.ReadFrom(got)
		if err != nil || string(got[:n]) != "media" || from.String() != way.from.LocalAddr().String() {
			t.Fatalf("got %q from %v, %v", got[:n], from, err)
		}
	}
}

// The relay lives on without store, bus and HTTP: what it holds goes on, new relayed addresses are
// refused, and the last one ends the wait.
func TestRelayOutlivesItsServer(t *testing.T) {
	b, kept := outliving(t, time.Hour)
	relayed, late := b.relayed("phone"), b.turnClient("tablet")
	b.drains(func(func()) {
		if conn, err := net.Dial("tcp", b.Addr().String()); err == nil {
			_ = conn.Close()
			t.Error("HTTP is open")
		}
		for begun := time.Now(); !strings.Contains(b.log.String(), "server stopped but for its relay"); <-time.After(time.Millisecond) {
			if time.Since(begun) > patience {
				t.Fatalf("no word of the wait in\n%s", b.log)
			}
		}
		if !kept.closed.Load() {
			t.Error("the store is open")
		}
		passesOn(t, relayed)
		var refusal *stun.TurnError
		if _, err := late.Allocate(); !errors.As(err, &refusal) || refusal.ErrorCodeAttr.Code != stun.CodeInsufficientCapacity {
			t.Errorf("a new relayed address: %v", err)
		}
		if err := relayed.Close(); err != nil {
			t.Error(err)
		}
	})
	b.says(`msg="server stopped but for its relay" allocations=1 limit=1h0m0s`, `msg="relay stopping" reason="the last relayed address ended" allocations=0`)
}

// The wait ends at its limit, and by an interruption, with relayed addresses left.
func TestRelayDoesNotOutliveForEver(t *testing.T) {
	for name, test := range map[string]struct {
		most   time.Duration
		during func(end func())
		reason string
	}{
		"the limit":      {50 * time.Millisecond, func(func()) {}, "turn-drain has passed"},
		"another signal": {time.Hour, func(end func()) { end() }, "another signal came"},
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := outliving(t, test.most)
			relayed := b.relayed("phone")
			b.drains(test.during)
			b.says(`msg="relay stopping" reason="` + test.reason + `" allocations=1`)
			if conn, err := net.ListenPacket("udp4", relayed.LocalAddr().String()); err != nil {
				t.Errorf("its port is not free: %v", err)
			} else {
				_ = conn.Close()
			}
		})
	}
}

// says looks for lines in the log of a server, of which the last says that all of it has stopped.
func (b *bench) says(lines ...string) {
	b.t.Helper()
	log := b.log.String()
	for _, line := range lines {
		if strings.Count(log, line) != 1 {
			b.t.Errorf("not once in the log: %s", line)
		}
	}
	if !strings.HasSuffix(log, `msg="server stopped"`+"\n") {
		b.t.Error("the log does not end with the stop")
	}
}

// There is no wait where nothing is relayed, where none is wanted and where there is no relay. Nor is
// there one after a failure: another server is to take the place at once.
func TestRelayEndsWithItsServer(t *testing.T) {
	for name, test := range map[string]struct {
		change   func(*Config)
		allocate bool
		stop     func(b *bench, interrupted func() (context.Context, func())) error
	}{
		"nothing relayed": {func(*Config) {}, false, (*bench).drainWith},
		"not wanted":      {func(c *Config) { c.Settings.TURN.Drain = 0 }, true, (*bench).drainWith},
		"no relay":        {func(c *Config) { c.Settings.TURN.Addr = "off" }, false, (*bench).drainWith},
		"a failure":       {func(*Config) {}, true, func(b *bench, _ func() (context.Context, func())) error { return b.Shutdown() }},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, inMemory, func(c *Config) { c.Settings.TURN.Drain = time.Hour }, test.change)
			if test.allocate {
				b.relayed("phone")
			}
			b.over = true
			err := test.stop(b, func() (context.Context, func()) {
				t.Error("it waits")
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				return ctx, cancel
			})
			if err != nil {
				t.Error(err)
			}
			b.says()
		})
	}
}

func (b *bench) drainWith(interrupted func() (context.Context, func())) error {
	return b.Drain(interrupted)
}
