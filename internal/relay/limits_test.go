package relay_test

import (
	"net"
	"net/netip"
	"os"
	"strings"
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

// An allocation carries 8 Mbit/s each way and no more, on channels and beside them.
func TestRate(t *testing.T) {
	quiet := 300 * time.Millisecond
	reads := func(c net.PacketConn) func() error {
		buffer := make([]byte, 2000)
		return func() error {
			if err := c.SetReadDeadline(time.Now().Add(quiet)); err != nil {
				return err
			}
			_, _, err := c.ReadFrom(buffer)
			return err
		}
	}
	packet := strings.Repeat("x", 1000)
	t.Run("on a channel", func(t *testing.T) {
		r := start(t, nil)
		c, own, relayed := channelled(t, r, "u")
		other := tap(t, r).PacketConn
		c.bind(0x4000, other.LocalAddr())
		atMost(t, 262, 1000, func() { own.send(t, 0x4000, []byte(packet)) }, reads(other))
		atMost(t, 262, 1000, func() { send(t, other, relayed.LocalAddr(), packet) }, func() error {
			select {
			case <-own.came:
				return nil
			case <-time.After(quiet):
				return os.ErrDeadlineExceeded
			}
		})
	})
	r := start(t, nil)
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
			atMost(t, 65, 63, func() { send(t, other, relayed.LocalAddr(), packet) }, reads(relayed))
			atMost(t, 262, 1000, func() { send(t, relayed, other.LocalAddr(), packet) }, reads(other))
		})
	}
}

// atMost sends many packets of 1000 bytes, and wants as many to come as the burst
// and the time allow.
func atMost(t *testing.T, burst, inSecond int, send func(), take func() error) {
	t.Helper()
	const packets = 900
	came := make(chan int)
	go func() {
		n := 0
		for take() == nil {
			n++
		}
		came <- n
	}()
	begin := time.Now()
	for i := range packets {
		if send(); i%10 == 9 {
			time.Sleep(time.Millisecond) // So that no socket's buffer is too small.
		}
	}
	most := burst + int(time.Since(begin).Seconds()*float64(inSecond)) + 50
	if n := <-came; n < burst/2 || n > most {
		t.Errorf("%d of %d packets came, want at most %d", n, packets, most)
	}
}
