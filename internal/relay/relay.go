// Package relay is the embedded STUN and TURN server (RFC 8489, RFC 8656) on
// UDP: it tells clients their addresses, and carries the media of those who
// cannot reach each other.
//
// internal/server starts one Relay and hands its credentials out per device
// and call. The sockets are read by pion/turn; decided here are
//
//   - who may use it: names with an expiry, signed with the relay's secret, so
//     that nothing is stored (credentials.go);
//   - whom it reaches: the public internet and what the operator allows, never
//     the networks behind the server (peers.go);
//   - how much of it: a few relayed addresses for each user, on ports of the
//     operator's range (ports.go);
//   - what is said of it: no names, credentials or addresses (logging.go).
//
// A client is told by TURN's own error codes: 401 for credentials that are
// wrong or have expired, 403 for a peer that may not be reached, 486 for a user
// with too many relayed addresses, 508 where no port is free or something was
// asked for that is not offered (TCP, ports of a client's choice, the other
// address family).
//
// A Relay is safe for concurrent use. The one mutex is that of its ports.
package relay

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
)

// AllocationsPerUser is how many relayed addresses a device may hold at a time
// in one call. Browsers take one for each network interface.
const AllocationsPerUser = 4

const (
	defaultRealm = "peal"
	// defaultTTL outlasts ringing and the loss of a network. What needs new
	// addresses after that, a restart of ICE, asks for fresh credentials.
	defaultTTL = time.Hour
	minSecret  = 16
)

// Config is what a relay is made of. Listen and Secret are required.
type Config struct {
	// Listen is the UDP address: "0.0.0.0:3478". Port 0 takes any free one, no
	// host or [::] means all addresses of both families.
	Listen string
	// External is the address that clients are told, for the relay itself and
	// for what it relays; it sets the family of all relayed addresses. The zero
	// value means that of Listen, or this machine's outbound address where
	// Listen names none.
	External netip.Addr
	// PublicHost is a name for External in the URLs of Servers; empty for none.
	PublicHost string
	// MinPort and MaxPort bound the ports of relayed addresses; 0 means any.
	MinPort, MaxPort uint16
	// Realm is told to clients, which sign with it; empty means "peal".
	Realm string
	// Secret keys the credentials: at least 16 bytes.
	Secret []byte
	// CredentialTTL is how long credentials start allocations; 0 means an hour.
	// What they have started goes on for as long as it is refreshed.
	CredentialTTL time.Duration
	// AllowPeers are peers to reach although they are in special-purpose ranges.
	AllowPeers []netip.Prefix
	// Logger may be nil for silence, Now for the system's clock.
	Logger *slog.Logger
	Now    func() time.Time
}

// Validate says what is wrong with a configuration.
func (c *Config) Validate() error {
	host, err := c.host()
	if err != nil {
		return err
	}
	if c.External.IsValid() {
		external := c.External.Unmap()
		if external.IsUnspecified() || external.IsMulticast() || external.Zone() != "" {
			return fmt.Errorf("relay's external address %s: want one that clients can reach", c.External)
		}
		if host.IsValid() && host.Is4() != external.Is4() {
			return fmt.Errorf("relay's external address %s: want one of the same family as %s, where it listens", c.External, c.Listen)
		}
	}
	if len(c.Secret) < minSecret {
		return fmt.Errorf("relay secret: want at least %d bytes", minSecret)
	}
	if c.MinPort > c.MaxPort || (c.MinPort == 0) != (c.MaxPort == 0) {
		return fmt.Errorf("relay ports %d to %d: want a range from low to high, or neither", c.MinPort, c.MaxPort)
	}
	if c.CredentialTTL < 0 {
		return fmt.Errorf("relay credentials' time %s: want a positive one", c.CredentialTTL)
	}
	return nil
}

// host is the address to listen on; the zero value stands for all addresses of
// both families.
func (c *Config) host() (netip.Addr, error) {
	want := func() error {
		return fmt.Errorf("relay address %q: want HOST:PORT with an IP address, such as 0.0.0.0:3478", c.Listen)
	}
	text, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return netip.Addr{}, want()
	}
	if text == "" {
		text = "::"
	}
	addr, err := netip.ParseAddrPort(net.JoinHostPort(text, port))
	if err != nil {
		return netip.Addr{}, want()
	}
	host := addr.Addr().Unmap()
	if host == netip.IPv6Unspecified() {
		return netip.Addr{}, nil
	}
	return host, nil
}

// complete fills in what zero values stand for.
func (c *Config) complete() {
	if c.Realm == "" {
		c.Realm = defaultRealm
	}
	if c.CredentialTTL == 0 {
		c.CredentialTTL = defaultTTL
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Secret = slices.Clone(c.Secret)
	c.AllowPeers = slices.Clone(c.AllowPeers)
}

// Relay is a running server.
type Relay struct {
	cfg    Config
	addr   netip.AddrPort // What clients are told.
	ports  *ports
	server *turn.Server
}

// Start listens. Its error wraps that of the system when the port is taken.
func Start(cfg Config) (*Relay, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.complete()
	host, err := cfg.host()
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenPacket(network(host), cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for the relay: %w", err)
	}
	bound, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the relay's address: %w", err), conn.Close())
	}
	announced := cfg.External.Unmap()
	if !announced.IsValid() {
		announced = Reachable(host)
	}
	r := &Relay{
		cfg:   cfg,
		addr:  netip.AddrPortFrom(announced, bound.Port()),
		ports: newPorts(&cfg, host, announced),
	}
	policy := PeerPolicy{Allow: cfg.AllowPeers}
	r.server, err = turn.NewServer(turn.ServerConfig{
		Realm:         cfg.Realm,
		LoggerFactory: quiet{cfg.Logger},
		AuthHandler:   r.authenticate,
		QuotaHandler:  func(user, _ string, _ net.Addr) bool { return r.ports.admits(user) },
		// Who names no family gets IPv4, by the RFC; the library's other choice
		// is that of the client, which an IPv4 relay cannot serve on IPv6.
		StrictAddressFamily: announced.Is4(),
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn:            conn,
			RelayAddressGenerator: r.ports,
			PermissionHandler: func(_ net.Addr, peer net.IP) bool {
				addr, ok := netip.AddrFromSlice(peer)
				return ok && policy.Allows(addr)
			},
		}},
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the relay: %w", err), conn.Close())
	}
	return r, nil
}

// Addr is the address that clients are told, with the port that was bound.
func (r *Relay) Addr() netip.AddrPort { return r.addr }

// Close releases the relay's port and those of all allocations. Closing again
// does nothing.
func (r *Relay) Close() error {
	err := r.server.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	if err = errors.Join(err, r.ports.close()); err != nil {
		return fmt.Errorf("close the relay: %w", err)
	}
	return nil
}

// authenticate gives the key that a request must be signed with. Credentials
// run out for allocating only, so that a long call is never cut: refreshes and
// permissions need an allocation that the same user has made.
func (r *Relay) authenticate(a *turn.RequestAttributes) (user string, key []byte, ok bool) {
	expires, user, ok := parseUsername(a.Username)
	if !ok || a.Method == stun.MethodAllocate && !r.cfg.Now().Before(expires) {
		return "", nil, false
	}
	return user, turn.GenerateAuthKey(a.Username, r.cfg.Realm, password(r.cfg.Secret, a.Username)), true
}

// network says which family to listen on. The plain one would make an IPv4
// wildcard that of both.
func network(host netip.Addr) string {
	switch {
	case !host.IsValid():
		return "udp"
	case host.Is4():
		return "udp4"
	default:
		return "udp6"
	}
}

// Reachable is the address by which clients most likely reach a listener: its
// own, or the one from which this machine speaks to others.
func Reachable(host netip.Addr) netip.Addr {
	if host.IsValid() && !host.IsUnspecified() {
		return host.WithZone("")
	}
	// Connecting a datagram socket chooses a route and sends nothing.
	conn, err := net.Dial("udp4", "192.0.2.1:9")
	if err != nil && !host.IsValid() {
		conn, err = net.Dial("udp6", "[2001:db8::1]:9")
	}
	if err == nil {
		route, bad := netip.ParseAddrPort(conn.LocalAddr().String())
		if err = errors.Join(bad, conn.Close()); err == nil {
			return route.Addr().Unmap().WithZone("")
		}
	}
	// No route leads out: the machine talks to itself alone.
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}
