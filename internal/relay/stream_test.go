package relay_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"github.com/peal-rtc/peal/internal/relay"
)

// secured is a certificate for 127.0.0.1, and who trusts it.
func secured(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "relay"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(made)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12},
		&tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
}

// startSecure is a relay with all transports.
func startSecure(t *testing.T) (r *relay.Relay, trust *tls.Config, tlsAddr string) {
	t.Helper()
	server, client := secured(t)
	r = start(t, func(c *relay.Config) { c.ListenTLS, c.TLS = "127.0.0.1:0", server })
	for _, url := range r.Servers(named(r, "u"), time.Now())[1].URLs {
		if at, ok := strings.CutPrefix(url, "turns:"); ok {
			tlsAddr = strings.TrimSuffix(at, "?transport=tcp")
		}
	}
	return r, client, tlsAddr
}

// over makes a client on a connection to the relay.
func over(t *testing.T, r *relay.Relay, user string, dial func() (net.Conn, error)) *client {
	t.Helper()
	conn, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s := r.Servers(named(r, user), time.Now())[1]
	return connectWith(t, r, turn.ClientConfig{Username: s.Username, Password: s.Credential, Conn: turn.NewSTUNConn(conn)})
}

// Over TCP and TLS the relay carries what it carries over UDP, also between the two.
func TestTransports(t *testing.T) {
	r, trust, tlsAddr := startSecure(t)
	plain := over(t, r, "call.alice", func() (net.Conn, error) { return net.Dial("tcp", r.Addr().String()) })
	secure := over(t, r, "call.bob", func() (net.Conn, error) { return tls.Dial("tcp", tlsAddr, trust) })
	a, b := plain.allocate(), secure.allocate()
	if err := errors.Join(plain.CreatePermission(b.LocalAddr()), secure.CreatePermission(a.LocalAddr())); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		text := fmt.Sprint("packet ", i)
		send(t, a, b.LocalAddr(), text)
		expect(t, b, a.LocalAddr(), text)
		send(t, b, a.LocalAddr(), text)
		expect(t, a, b.LocalAddr(), text)
	}
	for _, one := range r.Numbers().Traffic {
		want := uint64(20)
		if one.Transport == relay.UDP {
			want = 0
		}
		if one.Packets != want {
			t.Errorf("%d packets %s by %s, want %d", one.Packets, one.Direction, one.Transport, want)
		}
	}
}

func TestPeersPerAllocation(t *testing.T) {
	r := start(t, nil)
	c := as(t, r, "u")
	c.allocate()
	for i := range relay.PeersPerAllocation {
		if err := c.CreatePermission(&net.UDPAddr{IP: net.IPv4(8, 8, 8, byte(1+i)), Port: 80}); err != nil {
			t.Fatalf("peer %d: %v", i, err)
		}
	}
	refused(t, "one more peer", c.CreatePermission(&net.UDPAddr{IP: net.IPv4(8, 8, 4, 4), Port: 80}), stun.CodeForbidden)
	if err := c.CreatePermission(&net.UDPAddr{IP: net.IPv4(8, 8, 8, 1), Port: 81}); err != nil {
		t.Errorf("a peer that it has: %v", err)
	}
	other := as(t, r, "u")
	other.allocate()
	if err := other.CreatePermission(&net.UDPAddr{IP: net.IPv4(8, 8, 4, 4), Port: 80}); err != nil {
		t.Errorf("a peer of another allocation: %v", err)
	}
}

func TestAllocationsInAll(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.MaxAllocations = 2 })
	one := as(t, r, "one")
	first := one.allocate()
	as(t, r, "two").allocate()
	_, err := as(t, r, "three").Allocate()
	refused(t, "one more allocation", err, stun.CodeInsufficientCapacity)
	one.release(first)
	as(t, r, "three").allocate()
}

// Connections without an allocation are closed, whatever they say; those with one
// stay.
func TestSilentStreams(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.SilentTime = 300 * time.Millisecond })
	dial := func() (net.Conn, error) { return net.Dial("tcp", r.Addr().String()) }
	talker := over(t, r, "talker", dial)
	relayed := talker.allocate()
	silent, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	chatty := over(t, r, "chatty", dial)
	began := time.Now()
	for {
		if _, err := chatty.SendBindingRequest(); err != nil {
			break
		}
		if time.Since(began) > patience {
			t.Fatal("who asks for bindings and nothing else may stay")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := silent.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := silent.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a silent connection: %v", err)
	}
	direct := listen(t)
	send(t, relayed, direct.LocalAddr(), "still there")
	expect(t, direct, relayed.LocalAddr(), "still there")
	// Once it has no allocation any more it counts as the others.
	if err := relayed.Close(); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if _, err := talker.SendBindingRequest(); err != nil {
			break
		}
		if time.Since(began) > patience {
			t.Fatal("who has no allocation any more may stay")
		}
	}
}

// Thousands that speak no TLS, or begin it and stop, cost nothing that stays.
func TestGarbage(t *testing.T) {
	r, trust, tlsAddr := startSecure(t)
	before := sockets(t)
	for i := range 5000 {
		at := tlsAddr
		if i%5 == 0 {
			at = r.Addr().String()
		}
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i/250), byte(1+i%250))}}).Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			_, _ = conn.Write([]byte("GET / HTTP/1.1\r\nHost: " + strconv.Itoa(i) + "\r\n\r\n"))
		}
		if i%4 == 1 { // The relay may close it first, or this side.
			_ = conn.Close()
			continue
		}
		if i%2 == 0 && i%5 != 0 {
			_ = conn.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("garbage is listened to")
			}
		}
		_ = conn.Close()
	}
	// Who means it is served.
	over(t, r, "u", func() (net.Conn, error) { return tls.Dial("tcp", tlsAddr, trust) }).allocate()
	deadline := time.Now().Add(patience)
	for sockets(t) > before+4 { // Those of the client that is served.
		if time.Now().After(deadline) {
			t.Fatalf("%d sockets, before it %d", sockets(t), before)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// sockets counts those of this process.
func sockets(t *testing.T) int {
	t.Helper()
	const folder = "/proc/self/fd"
	open, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range open {
		if to, err := os.Readlink(filepath.Join(folder, f.Name())); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}
