package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/turn/v5"

	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/doctor"
	"github.com/peal-rtc/peal/internal/protocol"
)

// hold opens a WebSocket that never says hello.
func hold(t *testing.T, server string) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	socket, _, err := websocket.Dial(ctx, server+protocol.Path, &websocket.DialOptions{Subprotocols: []string{protocol.Subprotocol}})
	if err != nil {
		t.Fatal(err)
	}
	return socket
}

func TestRelayOff(t *testing.T) {
	s := start(t, func(c *config.Config) { c.TURN.Addr = "off" })
	f := visit(t, doctor.Config{Server: s, Token: token(t)})
	f.names(doctor.CheckSTUN, doctor.Warning, "--turn-addr")
	f.is(doctor.NotChecked, doctor.CheckTURNUDP, doctor.CheckTURNTCP, doctor.CheckTURNTLS, doctor.CheckRelayUDP, doctor.CheckDirect)
}

// An announced address where nothing listens, and one that leads nowhere: the relay
// is found where the server is.
func TestAnnounce(t *testing.T) {
	for _, announced := range []string{"127.0.0.9", "192.0.2.1"} {
		s := start(t, func(c *config.Config) { c.TURN.Announce = announced })
		f := visit(t, doctor.Config{Server: s, Token: token(t)})
		for _, check := range []string{doctor.CheckSTUN, doctor.CheckTURNUDP, doctor.CheckTURNTCP} {
			f.names(check, doctor.Failed, "--turn-announce")
			if r := f.of(check); !strings.Contains(r.Seen, announced) || !strings.Contains(r.Seen, "the relay is at 127.0.0.1:") {
				t.Errorf("%s: does not say where the relay is: %s", check, r.Seen)
			}
		}
		f.is(doctor.NotChecked, doctor.CheckRelayUDP, doctor.CheckDirect)
	}
	// The relay is reached by its name, and what it relays is not there.
	s := start(t, func(c *config.Config) { c.TURN.Announce, c.TURN.Host = "192.0.2.1", "localhost" })
	f := visit(t, doctor.Config{Server: s, Token: token(t)})
	f.is(doctor.OK, doctor.CheckSTUN, doctor.CheckTURNUDP, doctor.CheckTURNTCP)
	f.names(doctor.CheckRelayUDP, doctor.Failed, "--turn-announce")
	f.names(doctor.CheckRelayTCP, doctor.Failed, "--turn-announce")
	f.names(doctor.CheckDirect, doctor.Failed, "--turn-announce")
}

// Who gives up while the relay is looked for elsewhere need not wait.
func TestInterrupted(t *testing.T) {
	silent, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	go func() {
		_, _, _ = silent.ReadFrom(make([]byte, 1500))
		interrupt()
	}()
	at := plain(silent.LocalAddr()).Port()
	begun := time.Now()
	_, err = doctor.Run(ctx, doctor.Config{
		Server:   withICE(t, start(t, nil), "u", "c", fmt.Sprintf("stun:127.0.0.9:%d", at)),
		Token:    token(t),
		Patience: time.Minute,
	}, nil)
	if took := time.Since(begun); !errors.Is(err, context.Canceled) || took > 20*time.Second {
		t.Errorf("got %v after %s", err, took)
	}
}

func TestHost(t *testing.T) {
	s := start(t, func(c *config.Config) { c.TURN.Host = "turn.invalid" })
	f := visit(t, doctor.Config{Server: s, Token: token(t)})
	for _, check := range []string{doctor.CheckSTUN, doctor.CheckTURNUDP, doctor.CheckTURNTCP} {
		f.names(check, doctor.Failed, "--turn-host")
	}
}

// The port is closed: by a firewall, or since nothing listens.
func TestClosedPort(t *testing.T) {
	at, s := closedPort(t), start(t, nil)
	f := visit(t, doctor.Config{
		Server: withICE(t, s, "u", "c", "stun:"+at, "turn:"+at+"?transport=udp", "turn:"+at+"?transport=tcp", "turns:"+at+"?transport=tcp"),
		Token:  token(t),
	})
	for check, setting := range map[string]string{
		doctor.CheckSTUN: "--turn-addr", doctor.CheckTURNUDP: "--turn-addr", doctor.CheckTURNTCP: "--turn-addr", doctor.CheckTURNTLS: "--turn-tls-addr",
	} {
		f.names(check, doctor.Failed, setting)
	}
}

func TestTURNOverTLS(t *testing.T) {
	a := newAuthority(t)
	for _, test := range []struct {
		name   string
		change func(*config.Config)
		state  doctor.State
		first  string
	}{
		{"none", func(*config.Config) {}, doctor.Warning, "--turn-tls-addr"},
		{"another name", func(c *config.Config) { c.TURN.TLSAddr, c.TURN.Host = "127.0.0.1:0", "turn.localhost" }, doctor.Failed, "--turn-host"},
		{"no name", func(c *config.Config) { c.TURN.TLSAddr = "127.0.0.1:0" }, doctor.Failed, "--turn-host"},
	} {
		t.Run(test.name, func(t *testing.T) {
			at := start(t, func(c *config.Config) { a.give(c, month, "localhost"); test.change(c) })
			// By the name, which the certificate is for.
			at = strings.Replace(at, "127.0.0.1", "localhost", 1)
			f := visit(t, doctor.Config{Server: at, Token: token(t), Roots: a.roots()})
			f.is(doctor.OK, doctor.CheckCertificate)
			f.names(doctor.CheckTURNTLS, test.state, test.first)
			f.is(doctor.NotChecked, doctor.CheckRelayTLS)
		})
	}
}

// Something else has the port of TURN over TLS.
func TestNoTLSThere(t *testing.T) {
	s := start(t, nil)
	at := strings.TrimPrefix(s, "http://")
	f := visit(t, doctor.Config{Server: withICE(t, s, "u", "c", "stun:"+at, "turns:"+at+"?transport=tcp"), Token: token(t)})
	f.names(doctor.CheckTURNTLS, doctor.Failed, "--turn-tls-addr")
}

// Without --turn-allow-peer a relay in a private network reaches itself, and not its
// neighbours.
func TestAllowPeer(t *testing.T) {
	s := start(t, func(c *config.Config) { c.TURN.AllowPeer = nil })
	f := visit(t, doctor.Config{Server: s, Token: token(t)})
	f.is(doctor.OK, doctor.CheckRelayUDP, doctor.CheckRelayTCP)
	f.names(doctor.CheckDirect, doctor.Warning, "--turn-allow-peer")
	if r := f.of(doctor.CheckDirect); !strings.Contains(r.Advice, "--turn-allow-peer 127.0.0.0/8") {
		t.Errorf("does not say what to allow: %s", r.Advice)
	}
}

// The range is used up before a second address is given.
func TestPortRange(t *testing.T) {
	_, port, err := net.SplitHostPort(closedPort(t))
	if err != nil {
		t.Fatal(err)
	}
	only, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, func(c *config.Config) { c.TURN.MinPort, c.TURN.MaxPort = uint16(only), uint16(only) })
	f := visit(t, doctor.Config{Server: s, Token: token(t)})
	f.is(doctor.OK, doctor.CheckTURNUDP)
	f.names(doctor.CheckRelayUDP, doctor.Failed, "--turn-min-port")
}

// The credentials are of another relay.
func TestCredentials(t *testing.T) {
	other := startOther(t, nil, nil)
	f := visit(t, doctor.Config{
		Server: withICE(t, start(t, nil), "u", "wrong", "stun:"+other, "turn:"+other+"?transport=udp"), Token: token(t),
	})
	f.names(doctor.CheckTURNUDP, doctor.Failed, "--turn-announce")
	f.is(doctor.NotChecked, doctor.CheckTURNTCP)
}

// A relay that refuses its own address.
func TestRefusedPeer(t *testing.T) {
	other := startOther(t, func(net.Addr, net.IP) bool { return false }, nil)
	f := visit(t, doctor.Config{
		Server: withICE(t, start(t, nil), "u", "c", "stun:"+other, "turn:"+other+"?transport=udp"), Token: token(t),
	})
	f.names(doctor.CheckRelayUDP, doctor.Failed, "--turn-allow-peer")
	f.names(doctor.CheckDirect, doctor.Warning, "--turn-allow-peer")
}

// A firewall lets nothing through to the relayed ports from outside: two of them
// reach each other all the same.
func TestRelayedPortsClosed(t *testing.T) {
	wall := &firewall{inside: make(map[netip.AddrPort]bool)}
	other := startOther(t, nil, wall)
	f := visit(t, doctor.Config{
		Server: withICE(t, start(t, nil), "u", "c", "stun:"+other, "turn:"+other+"?transport=udp"), Token: token(t),
	})
	f.is(doctor.OK, doctor.CheckTURNUDP, doctor.CheckRelayUDP)
	f.names(doctor.CheckDirect, doctor.Failed, "--turn-min-port")
}

// And one that lets none through at all, or a NAT that does not loop back.
func TestNoLoop(t *testing.T) {
	wall := &firewall{}
	other := startOther(t, nil, wall)
	f := visit(t, doctor.Config{
		Server: withICE(t, start(t, nil), "u", "c", "stun:"+other, "turn:"+other+"?transport=udp"), Token: token(t),
	})
	f.is(doctor.OK, doctor.CheckTURNUDP)
	f.names(doctor.CheckRelayUDP, doctor.Failed, "--turn-announce")
	f.names(doctor.CheckDirect, doctor.Failed, "--turn-min-port")
}

// startOther runs a relay that is not ours, for what ours does not do: user u,
// password c.
func startOther(t *testing.T, permit turn.PermissionHandler, wall *firewall) string {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var generator turn.RelayAddressGenerator = &turn.RelayAddressGeneratorStatic{RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1"}
	if wall != nil {
		wall.RelayAddressGenerator = generator
		generator = wall
	}
	if permit == nil {
		permit = func(net.Addr, net.IP) bool { return true }
	}
	s, err := turn.NewServer(turn.ServerConfig{
		Realm: "other",
		AuthHandler: func(a *turn.RequestAttributes) (string, []byte, bool) {
			return a.Username, turn.GenerateAuthKey("u", "other", "c"), a.Username == "u"
		},
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: conn, RelayAddressGenerator: generator, PermissionHandler: permit}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return conn.LocalAddr().String()
}

// firewall drops what does not come from inside; inside is nil where it drops all.
type firewall struct {
	turn.RelayAddressGenerator
	mu     sync.Mutex
	inside map[netip.AddrPort]bool
}

// AllocatePacketConn implements turn.RelayAddressGenerator.
func (f *firewall) AllocatePacketConn(c turn.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	conn, addr, err := f.RelayAddressGenerator.AllocatePacketConn(c)
	if err != nil {
		return nil, nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.inside != nil {
		f.inside[plain(addr)] = true
	}
	return walled{conn, f}, addr, nil
}

// plain is an address in its one form, for use as a key.
func plain(a net.Addr) netip.AddrPort {
	at := a.(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

type walled struct {
	net.PacketConn
	wall *firewall
}

// ReadFrom gives what gets through.
func (w walled) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, from, err := w.PacketConn.ReadFrom(p)
		if err != nil {
			return n, from, err
		}
		w.wall.mu.Lock()
		through := w.wall.inside[plain(from)]
		w.wall.mu.Unlock()
		if through {
			return n, from, nil
		}
	}
}
