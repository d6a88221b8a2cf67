package relay_test

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/turn/v5"

	"github.com/peal-rtc/peal/internal/relay"
)

// start runs a relay on loopback that may reach loopback.
func start(t *testing.T, change func(*relay.Config)) *relay.Relay {
	t.Helper()
	cfg := relay.Config{Listen: "127.0.0.1:0", Secret: []byte("a secret of the test"), AllowPeers: relay.LocalPrefixes()}
	if change != nil {
		change(&cfg)
	}
	r, err := relay.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// connect makes a TURN client of another make than ours would be.
func connect(t *testing.T, r *relay.Relay, username, password string) *turn.Client {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: r.Addr().String(), TURNServerAddr: r.Addr().String(),
		Conn: conn, Username: username, Password: password, RTO: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); conn.Close() })
	if err := c.Listen(); err != nil {
		t.Fatal(err)
	}
	return c
}

func credentials(r *relay.Relay, user string, now time.Time) (string, string) {
	s := r.Servers(user, now)[1]
	return s.Username, s.Credential
}

func TestRelays(t *testing.T) {
	r := start(t, nil)
	u, p := credentials(r, "call.alice", time.Now())
	relayed, err := connect(t, r, u, p).Allocate()
	if err != nil {
		t.Fatal(err)
	}
	defer relayed.Close()
	peer, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	buffer := make([]byte, 100)
	if _, err := relayed.WriteTo([]byte("there"), peer.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if err := peer.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, from, err := peer.ReadFrom(buffer)
	if err != nil || string(buffer[:n]) != "there" || from.String() != relayed.LocalAddr().String() {
		t.Fatalf("the peer got %q from %v, %v", buffer[:n], from, err)
	}
	if _, err := peer.WriteTo([]byte("back"), from); err != nil {
		t.Fatal(err)
	}
	if err := relayed.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, _, err = relayed.ReadFrom(buffer); err != nil || string(buffer[:n]) != "back" {
		t.Fatalf("the client got %q, %v", buffer[:n], err)
	}
}

func TestBinding(t *testing.T) {
	r := start(t, nil)
	mine, err := connect(t, r, "", "").SendBindingRequest()
	if err != nil || !strings.HasPrefix(mine.String(), "127.0.0.1:") {
		t.Errorf("got %v, %v", mine, err)
	}
}

func TestRefusedCredentials(t *testing.T) {
	r := start(t, nil)
	good, password := credentials(r, "u", time.Now())
	old, oldPassword := credentials(r, "u", time.Now().Add(-time.Hour))
	for name, c := range map[string][2]string{
		"wrong password":   {good, "guess"},
		"another's name":   {"9999999999:u", password},
		"expired":          {old, oldPassword},
		"no expiry":        {"u", password},
		"an empty user":    {"9999999999:", password},
		"a relative stamp": {"-1:u", password},
	} {
		if conn, err := connect(t, r, c[0], c[1]).Allocate(); err == nil {
			conn.Close()
			t.Errorf("%s: allocated", name)
		}
	}
}

// An allocation outlives the credentials that started it.
func TestExpiryDoesNotCut(t *testing.T) {
	var shift atomic.Int64
	r := start(t, func(c *relay.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
	})
	u, p := credentials(r, "u", time.Now())
	client := connect(t, r, u, p)
	relayed, err := client.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	defer relayed.Close()
	shift.Store(int64(24 * time.Hour))
	// A permission is signed as a refresh is.
	if err := client.CreatePermission(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}); err != nil {
		t.Errorf("after the expiry: %v", err)
	}
	if conn, err := connect(t, r, u, p).Allocate(); err == nil {
		conn.Close()
		t.Error("the expired credentials started another")
	}
}

func TestHostilePeers(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.AllowPeers = nil })
	u, p := credentials(r, "u", time.Now())
	client := connect(t, r, u, p)
	relayed, err := client.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	defer relayed.Close()
	for _, a := range hostile {
		if addr := netip.MustParseAddr(a); addr.Is4() {
			if err := client.CreatePermission(&net.UDPAddr{IP: addr.AsSlice(), Port: 80}); err == nil {
				t.Errorf("a permission for %s was given", a)
			}
		}
	}
	if err := client.CreatePermission(&net.UDPAddr{IP: net.IPv4(8, 8, 8, 8), Port: 80}); err != nil {
		t.Errorf("a public peer is refused: %v", err)
	}
}

func TestQuotaOfAUser(t *testing.T) {
	r := start(t, nil)
	allocate := func(user string) (net.PacketConn, error) {
		u, p := credentials(r, user, time.Now())
		return connect(t, r, u, p).Allocate()
	}
	var first net.PacketConn
	for range relay.AllocationsPerUser {
		conn, err := allocate("greedy")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		first = conn
	}
	if _, err := allocate("greedy"); err == nil {
		t.Error("one more than the quota was allocated")
	}
	if conn, err := allocate("modest"); err != nil {
		t.Errorf("another user pays for it: %v", err)
	} else {
		defer conn.Close()
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if conn, err := allocate("greedy"); err != nil {
		t.Errorf("what was given back cannot be had: %v", err)
	} else {
		defer conn.Close()
	}
}

func TestNoTCP(t *testing.T) {
	r := start(t, nil)
	u, p := credentials(r, "u", time.Now())
	if a, err := connect(t, r, u, p).AllocateTCP(); err == nil {
		a.Close()
		t.Error("relaying over TCP was allocated")
	}
}

// Every port of the range is tried, and when all are taken that is an error.
func TestPortRange(t *testing.T) {
	var low uint16
	for {
		c, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		low = netip.MustParseAddrPort(c.LocalAddr().String()).Port()
		c.Close()
		if low < 65_000 {
			break
		}
	}
	r := start(t, func(c *relay.Config) { c.MinPort, c.MaxPort = low, low+2 })
	got := 0
	for i := range 4 {
		u, p := credentials(r, fmt.Sprint("u", i), time.Now())
		conn, err := connect(t, r, u, p).Allocate()
		if err != nil {
			continue
		}
		defer conn.Close()
		got++
		if port := netip.MustParseAddrPort(conn.LocalAddr().String()).Port(); port < low || port > low+2 {
			t.Errorf("port %d is outside of %d to %d", port, low, low+2)
		}
	}
	if got == 0 || got > 3 {
		t.Errorf("%d allocations from 3 ports", got)
	}
}

func TestCloseReleasesThePort(t *testing.T) {
	r, err := relay.Start(relay.Config{Listen: "127.0.0.1:0", Secret: []byte("a secret of the test")})
	if err != nil {
		t.Fatal(err)
	}
	addr := r.Addr().String()
	if _, err := relay.Start(relay.Config{Listen: addr, Secret: []byte("a secret of the test")}); err == nil {
		t.Error("two relays on one port")
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Fatalf("the port is still taken: %v", err)
	}
	conn.Close()
}

func TestValidate(t *testing.T) {
	secret := []byte("a secret of the test")
	for says, c := range map[string]relay.Config{
		"HOST:PORT":  {Listen: "3478", Secret: secret},
		"IP address": {Listen: "example.org:3478", Secret: secret},
		"16 bytes":   {Listen: "127.0.0.1:0", Secret: []byte("short")},
		"range":      {Listen: "127.0.0.1:0", Secret: secret, MinPort: 9, MaxPort: 8},
		"neither":    {Listen: "127.0.0.1:0", Secret: secret, MinPort: 0, MaxPort: 8},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}
