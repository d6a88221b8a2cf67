package relay_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"github.com/peal-rtc/peal/internal/reach"
	"github.com/peal-rtc/peal/internal/reach/reachtest"
	"github.com/peal-rtc/peal/internal/relay"
)

const patience = 10 * time.Second

func secret() []byte { return []byte("a secret of the test") }

// start runs a relay on loopback that may reach loopback.
func start(t testing.TB, change func(*relay.Config)) *relay.Relay {
	t.Helper()
	cfg := relay.Config{Listen: "127.0.0.1:0", Secrets: [][]byte{secret()}, AllowPeers: reach.Local()}
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

// client is a TURN client with its credentials.
type client struct {
	*turn.Client
	t                  *testing.T
	username, password string
}

// named is a user of tests: CALL.DEVICE, each device with an account of its own, or a
// device that has a call of that name.
func named(r *relay.Relay, name string) relay.User {
	call, device, ok := strings.Cut(name, ".")
	if !ok {
		device = call
	}
	return r.User(call, "account of "+device, device)
}

// as makes a client with good credentials for a user.
func as(t *testing.T, r *relay.Relay, name string) *client {
	t.Helper()
	return login(t, r, named(r, name))
}

func login(t *testing.T, r *relay.Relay, user relay.User) *client {
	t.Helper()
	s := r.Servers(user, time.Now())[1]
	return connect(t, r, s.Username, s.Credential)
}

func connect(t *testing.T, r *relay.Relay, username, password string) *client {
	t.Helper()
	return connectWith(t, r, turn.ClientConfig{Username: username, Password: password})
}

func connectWith(t *testing.T, r *relay.Relay, cfg turn.ClientConfig) *client {
	t.Helper()
	if cfg.Conn == nil {
		cfg.Conn = listen(t)
		if r.Addr().Addr().Is6() {
			cfg.Conn = listenOn(t, "[::1]:0")
		}
	}
	cfg.STUNServerAddr, cfg.TURNServerAddr = r.Addr().String(), r.Addr().String()
	c, err := turn.NewClient(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Listen(); err != nil {
		t.Fatal(err)
	}
	return &client{c, t, cfg.Username, cfg.Password}
}

// listen is a socket that is closed with the test, on a port of its own.
func listen(t *testing.T) net.PacketConn {
	t.Helper()
	return listenOn(t, "127.0.0.1:0")
}

func listenOn(t *testing.T, address string) net.PacketConn {
	t.Helper()
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (c *client) allocate() net.PacketConn {
	c.t.Helper()
	conn, err := c.Allocate()
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// release gives a relayed address back. The client does not wait for the answer to
// that; once another question is answered the relay has done it.
func (c *client) release(conn net.PacketConn) {
	c.t.Helper()
	if err := conn.Close(); err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.SendBindingRequest(); err != nil {
		c.t.Fatal(err)
	}
}

// ask makes a request as browsers do: without a signature, then with one by the
// nonce of the refusal. It gives the code of an error; 0 means success. The
// client has to have allocated before: it drops answers until it has a key.
func (c *client) ask(method stun.Method, with ...stun.Setter) stun.ErrorCode {
	c.t.Helper()
	unsigned := []stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}
	challenge := c.perform(unsigned...)
	var nonce stun.Nonce
	var realm stun.Realm
	if err := errors.Join(nonce.GetFrom(challenge), realm.GetFrom(challenge)); err != nil {
		c.t.Fatalf("no challenge: %v", err)
	}
	signed := append(unsigned, stun.NewUsername(c.username), realm, nonce)
	signed = append(signed, with...)
	answer := c.perform(append(signed, stun.NewLongTermIntegrity(c.username, realm.String(), c.password))...)
	return code(c.t, answer)
}

func (c *client) perform(setters ...stun.Setter) *stun.Message {
	c.t.Helper()
	m, err := stun.Build(setters...)
	if err != nil {
		c.t.Fatal(err)
	}
	result, err := c.PerformTransaction(m, c.TURNServerAddr(), false)
	if err != nil {
		c.t.Fatal(err)
	}
	return result.Msg
}

func code(t *testing.T, m *stun.Message) stun.ErrorCode {
	t.Helper()
	if m.Type.Class != stun.ClassErrorResponse {
		return 0
	}
	var e stun.ErrorCodeAttribute
	if err := e.GetFrom(m); err != nil {
		t.Fatal(err)
	}
	return e.Code
}

// peer is an XOR-PEER-ADDRESS.
type peer netip.AddrPort

func (p peer) AddTo(m *stun.Message) error {
	addr := netip.AddrPort(p)
	return stun.XORMappedAddress{IP: addr.Addr().AsSlice(), Port: int(addr.Port())}.AddToAs(m, stun.AttrXORPeerAddress)
}

func channel(n uint16) stun.Setter {
	return stun.RawAttribute{Type: stun.AttrChannelNumber, Value: binary.BigEndian.AppendUint32(nil, uint32(n)<<16)}
}

// refused checks that an error is the relay's, with a code.
func refused(t *testing.T, what string, err error, want stun.ErrorCode) {
	t.Helper()
	var refusal *stun.TurnError
	if !errors.As(err, &refusal) || refusal.ErrorCodeAttr.Code != want {
		t.Errorf("%s: got %v, want code %d", what, err, want)
	}
}

func send(t *testing.T, from net.PacketConn, to net.Addr, text string) {
	t.Helper()
	if _, err := from.WriteTo([]byte(text), to); err != nil {
		t.Fatal(err)
	}
}

// expect waits for one datagram.
func expect(t *testing.T, at net.PacketConn, from net.Addr, text string) {
	t.Helper()
	if err := at.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 100)
	n, source, err := at.ReadFrom(buffer)
	if err != nil || string(buffer[:n]) != text || source.String() != from.String() {
		t.Fatalf("got %q from %v, %v; want %q from %v", buffer[:n], source, err, text, from)
	}
}

func TestRelaysBetweenTwo(t *testing.T) {
	r := start(t, nil)
	alice, bob := as(t, r, "call.alice"), as(t, r, "call.bob")
	a, b := alice.allocate(), bob.allocate()
	if err := errors.Join(alice.CreatePermission(b.LocalAddr()), bob.CreatePermission(a.LocalAddr())); err != nil {
		t.Fatal(err)
	}
	send(t, a, b.LocalAddr(), "there")
	expect(t, b, a.LocalAddr(), "there")
	send(t, b, a.LocalAddr(), "and back")
	expect(t, a, b.LocalAddr(), "and back")
}

func TestRelaysToAPeer(t *testing.T) {
	r := start(t, nil)
	relayed, direct := as(t, r, "call.alice").allocate(), listen(t)
	send(t, relayed, direct.LocalAddr(), "there")
	expect(t, direct, relayed.LocalAddr(), "there")
	send(t, direct, relayed.LocalAddr(), "and back")
	expect(t, relayed, direct.LocalAddr(), "and back")
}

func TestBinding(t *testing.T) {
	r := start(t, nil)
	c := connect(t, r, "", "")
	got, err := c.SendBindingRequest()
	if err != nil {
		t.Fatal(err)
	}
	if addr := netip.MustParseAddrPort(got.String()); addr.Addr() != netip.MustParseAddr("127.0.0.1") || addr.Port() == r.Addr().Port() {
		t.Errorf("got %v", got)
	}
}

// Every hostile peer is refused whichever way a client asks for it, every good
// one is not.
func TestHostilePeers(t *testing.T) {
	for _, on := range []string{"127.0.0.2:0", "[::1]:0"} {
		r := start(t, func(c *relay.Config) { c.Listen, c.AllowPeers = on, nil })
		c := as(t, r, "u")
		c.allocate()
		tried := 0
		ask := func(text string) (permission, channelled, sent bool) {
			addr := netip.MustParseAddr(text).WithZone("")
			if addr == r.Addr().Addr() || addr.Is4() != r.Addr().Addr().Is4() || addr.Is4In6() {
				return false, false, false
			}
			tried++
			permission = c.CreatePermission(&net.UDPAddr{IP: addr.AsSlice(), Port: 80}) == nil
			channelled = c.ask(stun.MethodChannelBind, channel(uint16(0x4000+tried)), peer(netip.AddrPortFrom(addr, 80))) == 0
			return permission, channelled, r.Reaches(netip.AddrPortFrom(addr, 80))
		}
		for _, text := range reachtest.Hostile {
			if permission, channelled, sent := ask(text); permission || channelled || sent {
				t.Errorf("%s: permission %t, channel %t, sent %t", text, permission, channelled, sent)
			}
		}
		if tried < 30 {
			t.Errorf("only %d hostile peers were tried at %s", tried, on)
		}
		for i, text := range reachtest.Public {
			// A few at a time: one allocation has few peers.
			if i%8 == 0 {
				c = as(t, r, "u"+strconv.Itoa(i))
				c.allocate()
			}
			before := tried
			permission, channelled, sent := ask(text)
			if tried > before && !(permission && channelled && sent) {
				t.Errorf("%s: permission %t, channel %t, sent %t", text, permission, channelled, sent)
			}
		}
	}
}

// On this machine's own addresses a client reaches what is relayed there, and
// nothing else that listens.
func TestOwnAddresses(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.AllowPeers = nil })
	alice, bob := as(t, r, "call.alice"), as(t, r, "call.bob")
	a, b := alice.allocate(), bob.allocate()
	if err := errors.Join(alice.CreatePermission(b.LocalAddr()), bob.CreatePermission(a.LocalAddr())); err != nil {
		t.Fatal(err)
	}
	service := listen(t)
	send(t, a, service.LocalAddr(), "to a service of this machine")
	send(t, a, b.LocalAddr(), "to what is relayed")
	expect(t, b, a.LocalAddr(), "to what is relayed")
	if err := service.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, _, err := service.ReadFrom(make([]byte, 100)); err == nil {
		t.Errorf("a service of this machine was sent %d bytes", n)
	}
	// The relay's own port is no relayed address either.
	if r.Reaches(r.Addr()) {
		t.Error("a client reaches the relay by the relay")
	}
}

func TestNotOffered(t *testing.T) {
	r := start(t, nil)
	s := r.Servers(named(r, "u"), time.Now())[1]
	_, err := as(t, r, "u").AllocateTCP()
	refused(t, "relaying over TCP", err, stun.CodeInsufficientCapacity)

	six := turn.ClientConfig{Username: s.Username, Password: s.Credential, RequestedAddressFamily: turn.RequestedAddressFamilyIPv6}
	_, err = connectWith(t, r, six).Allocate()
	refused(t, "the other family", err, stun.CodeInsufficientCapacity)

	udp := stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}
	even := stun.RawAttribute{Type: stun.AttrEvenPort, Value: []byte{0x80}}
	c := as(t, r, "u")
	if err := c.allocate().Close(); err != nil {
		t.Fatal(err)
	}
	if got := c.ask(stun.MethodAllocate, udp, even); got != 0 { // RTCP once had a port of its own.
		t.Errorf("an even port: got %d", got)
	}

	// An allocation of the ordinary kind opens no connection either.
	if got := c.ask(stun.MethodConnect, peer(r.Addr())); got != stun.CodeConnTimeoutOrFailure {
		t.Errorf("a connection over TCP: got %d", got)
	}
}

func TestClose(t *testing.T) {
	r := start(t, nil)
	relayed := as(t, r, "u").allocate()
	if _, err := relay.Start(relay.Config{Listen: r.Addr().String(), Secrets: [][]byte{secret()}}); err == nil {
		t.Error("two relays on one port")
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{r.Addr().String(), relayed.LocalAddr().String()} {
		conn, err := net.ListenPacket("udp4", addr)
		if err != nil {
			t.Errorf("the port is still taken: %v", err)
			continue
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

func TestValidate(t *testing.T) {
	good := relay.Config{Listen: "127.0.0.1:0", Secrets: [][]byte{secret()}}
	for _, c := range []struct {
		name   string
		change func(*relay.Config)
		says   string // Nothing where all is well.
	}{
		{"the least", func(*relay.Config) {}, ""},
		{"all of IPv4", func(c *relay.Config) { c.Listen = "0.0.0.0:3478" }, ""},
		{"all", func(c *relay.Config) { c.Listen = ":3478" }, ""},
		{"all, either family", func(c *relay.Config) { c.Listen, c.External = "[::]:3478", netip.MustParseAddr("8.8.8.8") }, ""},
		{"one port", func(c *relay.Config) { c.MinPort, c.MaxPort = 65_535, 65_535 }, ""},
		{"no port", func(c *relay.Config) { c.Listen = "3478" }, "HOST:PORT"},
		{"a name", func(c *relay.Config) { c.Listen = "example.org:3478" }, "IP address"},
		{"a large port", func(c *relay.Config) { c.Listen = "127.0.0.1:65536" }, "HOST:PORT"},
		{"external everywhere", func(c *relay.Config) { c.External = netip.MustParseAddr("0.0.0.0") }, "can reach"},
		{"external multicast", func(c *relay.Config) { c.External = netip.MustParseAddr("224.0.0.1") }, "can reach"},
		{"two families", func(c *relay.Config) { c.External = netip.MustParseAddr("2606:4700::1") }, "same family"},
		{"short secret", func(c *relay.Config) { c.Secrets = [][]byte{secret(), []byte("short")} }, "16 bytes"},
		{"no secret", func(c *relay.Config) { c.Secrets = nil }, "16 bytes"},
		{"ports reversed", func(c *relay.Config) { c.MinPort, c.MaxPort = 9, 8 }, "range"},
		{"one end", func(c *relay.Config) { c.MaxPort = 8 }, "neither"},
		{"time reversed", func(c *relay.Config) { c.CredentialTTL = -time.Second }, "positive"},
	} {
		cfg := good
		c.change(&cfg)
		err := cfg.Validate()
		if c.says == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.says)
		}
		if _, started := relay.Start(cfg); started == nil {
			t.Errorf("%s: started", c.name)
		}
	}
}

// journal is what a logger writes, for reading while it does.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func logTo(j *journal) *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

func TestLogTellsNoSecrets(t *testing.T) {
	var log journal
	r := start(t, func(c *relay.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 10}))
	})
	c := as(t, r, "call.alice")
	relayed, direct := c.allocate(), listen(t)
	send(t, relayed, direct.LocalAddr(), "words")
	expect(t, direct, relayed.LocalAddr(), "words")
	if _, err := connect(t, r, c.username, "guess").Allocate(); err == nil {
		t.Error("allocated with a wrong password")
	}
	if err := c.CreatePermission(&net.UDPAddr{IP: net.IPv4(224, 0, 0, 1), Port: 80}); err == nil {
		t.Error("a permission for multicast")
	}
	// The library speaks up about channels bound twice and attributes it does not know.
	to := peer(netip.MustParseAddrPort(direct.LocalAddr().String()))
	c.ask(stun.MethodChannelBind, channel(0x4abc), to)
	c.ask(stun.MethodChannelBind, channel(0x4abd), to)
	unknown := c.perform(stun.TransactionID, stun.BindingRequest, stun.RawAttribute{Type: 0x7ffe})
	if got := code(t, unknown); got != stun.CodeUnknownAttribute {
		t.Errorf("an unknown attribute: got %d", got)
	}
	slog.New(slog.NewTextHandler(&log, nil)).Info("servers", "turn", r.Servers(named(r, "call.alice"), time.Now())[1])

	got := log.String()
	for _, line := range []string{`level=DEBUG msg="relay refused a request"`, `level=DEBUG msg="relay could not serve a request"`} {
		if !strings.Contains(got, line) {
			t.Errorf("no line with %s in\n%s", line, got)
		}
	}
	for _, secret := range []string{"alice", c.username, c.password, "guess", "words", "224.0.0.1", direct.LocalAddr().String(), "UDP"} {
		if strings.Contains(got, secret) {
			t.Errorf("%q is in\n%s", secret, got)
		}
	}
}
