package relay_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/relay"
)

// closed tells whether the relay has closed a connection, or closes it in a moment.
func closed(t *testing.T, conn net.Conn, wait time.Duration) bool {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	_, err := conn.Read(make([]byte, 1))
	_ = conn.SetReadDeadline(time.Time{}) // It may be closed.
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// cutOff waits until the relay has closed a client's connection.
func cutOff(t *testing.T, c *client) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if _, err := c.SendBindingRequest(); err != nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("a client without a relayed address needs no place")
		}
	}
}

// Connections without a relayed address have a number of places for each address;
// those with one have none, and neither have those that are closed.
func TestStreamsPerAddr(t *testing.T) {
	const most, moment = 5, 100 * time.Millisecond
	r := start(t, func(c *relay.Config) { c.StreamsPerAddr = most })
	dial := func(from string) net.Conn {
		t.Helper()
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", r.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	// admitted dials until a place is given: the relay hears of what ended in a while.
	admitted := func(what string) net.Conn {
		t.Helper()
		for deadline := time.Now().Add(patience); ; {
			conn := dial("127.0.0.1")
			if !closed(t, conn, moment) {
				return conn
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: no place", what)
			}
		}
	}
	full := func(what string) {
		t.Helper()
		if !closed(t, dial("127.0.0.1"), patience) {
			t.Fatalf("%s: one more is let in", what)
		}
	}
	var idle []net.Conn
	for range most {
		idle = append(idle, dial("127.0.0.1"))
	}
	full("all places taken")
	for _, conn := range idle {
		if closed(t, conn, moment) {
			t.Fatal("one of those that were let in is closed")
		}
	}
	if closed(t, dial("127.0.0.2"), moment) {
		t.Error("another address is refused")
	}
	_ = idle[0].Close()
	_ = admitted("after one was closed").Close()

	alice := over(t, r, "call.alice", func() (net.Conn, error) { return admitted("for a client"), nil })
	relayed := alice.allocate()
	kept := admitted("beside a client with a relayed address")
	full("all places taken again")
	direct := listen(t)
	send(t, relayed, direct.LocalAddr(), "still there")
	expect(t, direct, relayed.LocalAddr(), "still there")

	// Without its relayed address a client needs a place again, and there is none.
	if err := relayed.Close(); err != nil {
		t.Fatal(err)
	}
	cutOff(t, alice)
	_ = kept.Close()
	bob := over(t, r, "call.bob", func() (net.Conn, error) { return admitted("after the last was closed"), nil })
	bob.release(bob.allocate())
	full("the place was taken again")
}

// A proxy in front of the relay is not one client.
func TestStreamsOfProxies(t *testing.T) {
	r := start(t, func(c *relay.Config) {
		c.StreamsPerAddr, c.TrustedProxies = 1, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	for range 3 {
		conn, err := net.Dial("tcp", r.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if closed(t, conn, 50*time.Millisecond) {
			t.Fatal("a connection of a proxy is closed")
		}
	}
}
