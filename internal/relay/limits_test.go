package relay_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"github.com/peal-rtc/peal/internal/relay"
)

func TestAllocationsPerUser(t *testing.T) {
	r := start(t, nil)
	var last *client
	var held net.PacketConn
	for range relay.AllocationsPerUser {
		last = as(t, r, "call.greedy")
		held = last.allocate()
	}
	_, err := as(t, r, "call.greedy").Allocate()
	refused(t, "one more than the quota", err, stun.CodeAllocQuotaReached)
	as(t, r, "call.modest").allocate()
	as(t, r, "another.greedy").allocate()
	last.release(held)
	as(t, r, "call.greedy").allocate()
}

// TestPortsUsedUp: a client hears of it at once, and nothing else breaks.
func TestPortsUsedUp(t *testing.T) {
	other := netip.MustParseAddrPort(listen(t).LocalAddr().String()).Port()
	r := start(t, func(c *relay.Config) { c.MinPort, c.MaxPort = other, other })
	c := as(t, r, "u")
	_, err := c.Allocate()
	refused(t, "a port that is taken", err, stun.CodeInsufficientCapacity)
	if _, err := c.SendBindingRequest(); err != nil {
		t.Error(err)
	}
}

// handClock is a clock that goes on when the test says so.
type handClock struct {
	began time.Time
	ahead atomic.Int64
}

func (c *handClock) now() time.Time { return c.began.Add(time.Duration(c.ahead.Load())) }

func (c *handClock) pass(d time.Duration) { c.ahead.Add(int64(d)) }

// An allocation carries 8 Mbit/s each way and no more, on channels and beside them.
func TestRate(t *testing.T) {
	clock := handClock{began: time.Now()}
	manual := func(c *relay.Config) { c.Now = clock.now }
	reads := func(c net.PacketConn) func() (string, error) {
		buffer := make([]byte, 2000)
		return func() (string, error) {
			if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
				return "", err
			}
			n, _, err := c.ReadFrom(buffer)
			return string(buffer[:n]), err
		}
	}
	t.Run("on a channel", func(t *testing.T) {
		r := start(t, manual)
		c, own, relayed := channelled(t, r, "u")
		other := tap(t, r).PacketConn
		c.bind(0x4000, other.LocalAddr())
		atMost(t, &clock, 262, func(p string) { own.send(t, 0x4000, []byte(p)) }, reads(other))
		atMost(t, &clock, 262, func(p string) { send(t, other, relayed.LocalAddr(), p) }, func() (string, error) {
			select {
			case p := <-own.came:
				return string(p[4:]), nil
			case <-time.After(patience):
				return "", os.ErrDeadlineExceeded
			}
		})
	})
	r := start(t, manual)
	for name, c := range map[string]*client{
		"without a channel": as(t, r, "u"),
		"over TCP":          over(t, r, "v", func() (net.Conn, error) { return net.Dial("tcp", r.Addr().String()) }),
	} {
		t.Run(name, func(t *testing.T) {
			relayed, other := c.allocate(), listen(t)
			if err := c.CreatePermission(other.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			// A port that the client never sent to has little.
			atMost(t, &clock, 65, func(p string) { send(t, other, relayed.LocalAddr(), p) }, reads(relayed))
			atMost(t, &clock, 262, func(p string) { send(t, relayed, other.LocalAddr(), p) }, reads(other))
		})
	}
}

// atMost sends many packets of 1000 bytes at one moment, and wants the burst to come.
// The packet that is sent a while later comes after all that pass.
func atMost(t *testing.T, clock *handClock, burst int, send func(string), take func() (string, error)) {
	t.Helper()
	const packets = 900
	packet := strings.Repeat("x", 1000)
	last := fmt.Sprint("the last ", clock.now())
	came := make(chan int)
	go func() {
		n := 0
		for {
			p, err := take()
			switch {
			case err != nil || p == last:
				came <- n
				return
			case p == packet:
				n++
			}
		}
	}()
	for i := range packets {
		if send(packet); i%10 == 9 {
			time.Sleep(time.Millisecond) // So that no socket's buffer is too small.
		}
	}
	time.Sleep(50 * time.Millisecond) // For what is under way.
	clock.pass(time.Minute)
	for range 3 { // One that is lost is none that was refused.
		send(last)
	}
	// The system may drop some, and some may have waited for the minute to pass.
	if n := <-came; n < burst/2 || n > 2*burst {
		t.Errorf("%d of %d packets came, want %d", n, packets, burst)
	}
}
