package relay

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/pion/turn/v5"
)

// occupied is a port that something else holds for the time of the test. It is
// below those that systems hand out by themselves, so that the ports after it
// are left alone meanwhile.
func occupied(t *testing.T) uint16 {
	t.Helper()
	for range 100 {
		port := 10_000 + rand.N(uint16(20_000))
		conn, err := net.ListenPacket("udp4", "127.0.0.1:"+strconv.Itoa(int(port)))
		if err == nil {
			t.Cleanup(func() { _ = conn.Close() })
			return port
		}
	}
	t.Fatal("no port to hold")
	return 0
}

func loopback(t *testing.T, low, high uint16, log *slog.Logger) *ports {
	t.Helper()
	cfg := Config{MinPort: low, MaxPort: high, Logger: log}
	cfg.complete()
	p := newPorts(&cfg, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.7"))
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// username is that of a user with an account of its own.
func username(user int) string { return fmt.Sprintf("1800000000:tag_.call.account_%08d.device", user) }

func request(user int) turn.AllocateListenerConfig {
	return turn.AllocateListenerConfig{Network: "udp4", UserID: username(user)}
}

// TestEveryPort takes a range until nothing is left, and then checks that
// indeed nothing is.
func TestEveryPort(t *testing.T) {
	const size = 40
	var log strings.Builder
	low := occupied(t)
	p := loopback(t, low, low+size-1, slog.New(slog.NewTextHandler(&log, nil)))
	taken := make(map[uint16]net.PacketConn)
	for i := range size {
		conn, announced, err := p.AllocatePacketConn(request(i))
		if err != nil {
			break
		}
		addr := netip.MustParseAddrPort(announced.String())
		if addr.Addr() != p.announced || addr.Port() <= low || addr.Port() >= low+size || taken[addr.Port()] != nil {
			t.Fatalf("got %s of %d to %d", addr, low, low+size-1)
		}
		taken[addr.Port()] = conn
	}
	for i := range 2 {
		if _, _, err := p.AllocatePacketConn(request(i)); !errors.Is(err, errNoFreePort) {
			t.Fatalf("one more than there are: %v", err)
		}
	}
	if len(taken) == 0 {
		t.Fatal("no port of the range was given")
	}
	for port := low; port < low+size; port++ {
		if conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)}); err == nil {
			t.Errorf("port %d was free", port)
			_ = conn.Close()
		}
	}
	if got := strings.Count(log.String(), "relay has no free port"); got != 1 {
		t.Errorf("%d lines in\n%s", got, log.String())
	}
	// What is given back is the only one to be had.
	again := size
	for port, conn := range taken {
		again++
		if err := errors.Join(conn.Close(), conn.Close()); err != nil {
			t.Fatal(err)
		}
		_, announced, err := p.AllocatePacketConn(request(again))
		if err != nil {
			t.Fatal(err)
		}
		if got := netip.MustParseAddrPort(announced.String()).Port(); got != port {
			t.Errorf("got %d, want %d", got, port)
		}
	}
}

func TestQuota(t *testing.T) {
	p := loopback(t, 0, 0, slog.New(slog.DiscardHandler))
	var last net.PacketConn
	for range AllocationsPerUser {
		if !p.admits(username(1)) {
			t.Fatal("not admitted")
		}
		conn, _, err := p.AllocatePacketConn(request(1))
		if err != nil {
			t.Fatal(err)
		}
		last = conn
	}
	if p.admits(username(1)) || !p.admits(username(2)) {
		t.Error("the quota is not that of one user")
	}
	// Closed twice, it is given back once.
	if err := errors.Join(last.Close(), last.Close()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.AllocatePacketConn(request(1)); err != nil || p.admits(username(1)) {
		t.Errorf("after one was given back: %v, and another is admitted: %v", err, p.admits(username(1)))
	}
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
	if len(p.open) != 0 || len(p.quota.devices)+len(p.quota.accounts)+p.quota.total != 0 {
		t.Errorf("left: %v, %v", p.open, p.quota)
	}
	if _, _, err := p.AllocatePacketConn(request(1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// TestFamilies holds what is bound for each way to say where to listen.
func TestFamilies(t *testing.T) {
	for _, c := range []struct {
		listen, announced string
		network, relayed  string
	}{
		{"127.0.0.1:1", "127.0.0.1", "udp4", "127.0.0.1"},
		{"127.0.0.1:1", "203.0.113.1", "udp4", "127.0.0.1"},
		{"0.0.0.0:1", "203.0.113.1", "udp4", "0.0.0.0"},
		{":1", "203.0.113.1", "udp", "0.0.0.0"},
		{"[::]:1", "203.0.113.1", "udp", "0.0.0.0"},
		{"[::]:1", "2001:db8::1", "udp", "::"},
		{"[::1]:1", "2001:db8::1", "udp6", "::1"},
		{"[::ffff:127.0.0.1]:1", "203.0.113.1", "udp4", "127.0.0.1"},
	} {
		cfg := Config{Listen: c.listen, External: netip.MustParseAddr(c.announced), Secrets: [][]byte{make([]byte, 16)}}
		if err := cfg.Validate(); err != nil {
			t.Fatalf("%s: %v", c.listen, err)
		}
		host, err := cfg.host()
		if err != nil {
			t.Fatal(err)
		}
		relayed := newPorts(&cfg, host, cfg.External).host
		if network(host, "udp") != c.network || relayed.String() != c.relayed {
			t.Errorf("%s as %s: got %s and %s, want %s and %s", c.listen, c.announced, network(host, "udp"), relayed, c.network, c.relayed)
		}
		if network(relayed, "udp") != network(cfg.External, "udp") {
			t.Errorf("%s as %s: relayed addresses are bound on %s", c.listen, c.announced, network(relayed, "udp"))
		}
	}
	if got := Reachable(netip.MustParseAddr("fe80::1%eth0")); got != netip.MustParseAddr("fe80::1") {
		t.Errorf("got %s", got)
	}
	if got := Reachable(netip.IPv4Unspecified()); !got.Is4() || got.IsUnspecified() {
		t.Errorf("got %s", got)
	}
}
