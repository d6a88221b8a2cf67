package relay

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

func openSocket(t *testing.T, address string) (*socket, netip.AddrPort) {
	t.Helper()
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s, err := newSocket(conn.(*net.UDPConn))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return s, addrPortOf(conn.LocalAddr())
}

// numbered is a datagram of a size that tells itself from others.
func numbered(n, size int) []byte {
	p := bytes.Repeat([]byte{byte(n)}, size)
	copy(p, fmt.Sprint(n))
	return p
}

// sizes are those of a burst: the least and the most, and some of the same size
// after each other.
func sizes(n int) int { return []int{1000, 1000, 1000, 0, 1, datagramMost, 300}[n%7] }

// burst is more than a batch.
const burst = 2*batchMost + 5

// What waits comes in its order and each with its own address, however many
// batches it takes.
func TestReceive(t *testing.T) {
	for _, on := range []string{"127.0.0.1:0", "[::1]:0"} {
		s, addr := openSocket(t, on)
		one, oneAddr := openSocket(t, on)
		two, twoAddr := openSocket(t, on)
		var want []packet
		for n := range burst {
			from, p := one, packet{numbered(n, sizes(n)), oneAddr}
			if n%3 == 0 {
				from, p.addr = two, twoAddr
			}
			if _, err := from.WriteToUDPAddrPort(p.data, addr); err != nil {
				t.Fatal(err)
			}
			want = append(want, p)
			if n%10 == 0 { // What is too long is not there.
				if _, err := from.WriteToUDPAddrPort(make([]byte, datagramMost+1), addr); err != nil {
					t.Fatal(err)
				}
			}
		}
		r := reader{socket: s, clock: time.Now}
		for n, w := range want {
			got, ok := r.batch.next()
			for ; !ok; got, ok = r.batch.next() {
				if err := r.refill(); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got.data, w.data) || got.addr != w.addr {
				t.Fatalf("datagram %d of %s: got %d bytes from %s, want %d from %s", n, on, len(got.data), got.addr, len(w.data), w.addr)
			}
			if channel, data, ok := unframed(r.batch.framed(0x4001)); !ok || channel != 0x4001 || !bytes.Equal(data, w.data) {
				t.Fatalf("datagram %d: got %d bytes on channel %#x, %t", n, len(data), channel, ok)
			}
		}
	}
}

// What is sent together arrives in its order, each at its own address. What the
// network does not take keeps nothing else back.
func TestSend(t *testing.T) {
	for _, on := range []string{"127.0.0.1:0", "[::1]:0"} {
		s, addr := openSocket(t, on)
		peers := make([]*socket, 3)
		addrs := make([]netip.AddrPort, len(peers))
		for i := range peers {
			peers[i], addrs[i] = openSocket(t, on)
		}
		b := newBatch()
		for n := range batchMost {
			to := addrs[n%len(addrs)]
			if n%5 == 0 {
				to = netip.AddrPortFrom(addr.Addr(), 0)
			}
			b.collect(numbered(n, sizes(n)), to)
		}
		s.send(b)
		if len(b.out) != 0 {
			t.Errorf("%d are left", len(b.out))
		}
		b.release()
		got := make([]byte, 2*datagramMost)
		for n := range batchMost {
			if n%5 == 0 {
				continue
			}
			size, from, err := peers[n%len(peers)].ReadFromUDPAddrPort(got)
			if err != nil || from.Port() != addr.Port() || !bytes.Equal(got[:size], numbered(n, sizes(n))) {
				t.Fatalf("datagram %d by %s: got %d bytes from %s, %v", n, on, size, from, err)
			}
		}
	}
}

// A socket that is closed says so, to who waits and to who comes later.
func TestClosedSocket(t *testing.T) {
	s, addr := openSocket(t, "127.0.0.1:0")
	done := make(chan error)
	go func() {
		_, err := s.receive()
		done <- err
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("waiting: %v", err)
	}
	if _, err := s.receive(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("later: %v", err)
	}
	b := newBatch()
	b.collect([]byte("too late"), addr)
	s.send(b)
	if len(b.out) != 0 {
		t.Errorf("%d are left", len(b.out))
	}
}

func TestUnframed(t *testing.T) {
	for _, c := range []struct {
		text    string
		channel uint16
		data    string
		ok      bool
	}{
		{"\x40\x00\x00\x02hi", 0x4000, "hi", true},
		{"\x40\x01\x00\x00", 0x4001, "", true},
		{"\x4f\xff\x00\x01h\x00\x00\x00", 0x4fff, "h", true}, // Padded.
		{"\x40\x00\x00\x03hi", 0, "", false},                 // Cut off.
		{"\x40\x00\xff\xffhi", 0, "", false},
		{"\x40\x00\x00", 0, "", false},
		{"", 0, "", false},
		{"\x00\x01\x00\x00", 0, "", false}, // STUN.
		{"\x80\x00\x00\x00", 0, "", false}, // RTP.
	} {
		channel, data, ok := unframed([]byte(c.text))
		if channel != c.channel || string(data) != c.data || ok != c.ok {
			t.Errorf("%q: got %#x, %q, %t", c.text, channel, data, ok)
		}
	}
}
