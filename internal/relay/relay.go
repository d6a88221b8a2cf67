// Package relay is the embedded STUN and TURN server: it tells clients their
// addresses, and carries the media of those who cannot reach each other.
//
// The server starts one and hands its credentials out per device and call. A
// Relay is safe for concurrent use. What is read from its sockets is handled
// by pion/turn; who may use it and whom it reaches is decided here.
package relay

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
)

// Limits of one device in one call.
const (
	// AllocationsPerUser is how many relayed addresses it may hold at a time.
	AllocationsPerUser = 4
	// credentialTTL is how long credentials start allocations. What they have
	// started goes on for as long as it is refreshed.
	credentialTTL = 10 * time.Minute
	realm         = "peal"
)

// Config is what a relay is made of. Listen and Secret are required.
type Config struct {
	// Listen is the UDP address: "0.0.0.0:3478". Port 0 takes any free one.
	Listen string
	// External is the address that clients are told; the zero value means that
	// of Listen, or this machine's outbound address where Listen names none.
	External netip.Addr
	// MinPort and MaxPort bound the ports of relayed addresses; 0 means any.
	MinPort, MaxPort uint16
	// Secret keys the credentials.
	Secret []byte
	// AllowPeers are peers to reach although they are in special-purpose ranges.
	AllowPeers []netip.Prefix
	// Logger may be nil. Now may be nil for the system's clock.
	Logger *slog.Logger
	Now    func() time.Time
}

// Validate says what is wrong with a configuration.
func (c *Config) Validate() error {
	if _, err := netip.ParseAddrPort(c.Listen); err != nil {
		return fmt.Errorf("relay address %q: want HOST:PORT with an IP address, such as 0.0.0.0:3478", c.Listen)
	}
	if len(c.Secret) < 16 {
		return errors.New("relay secret: want at least 16 bytes")
	}
	if c.MinPort > c.MaxPort || (c.MinPort == 0) != (c.MaxPort == 0) {
		return fmt.Errorf("relay ports %d to %d: want a range from low to high, or neither", c.MinPort, c.MaxPort)
	}
	return nil
}

// Relay is a running server.
type Relay struct {
	cfg    Config
	addr   netip.AddrPort // What clients are told.
	server *turn.Server

	mu          sync.Mutex
	allocations map[string]int // By user, as handed out to Servers.
}

// Start listens.
func Start(cfg Config) (*Relay, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	conn, err := net.ListenPacket("udp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for the relay: %w", err)
	}
	bound, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the relay's address: %w", err), conn.Close())
	}
	external := cfg.External
	if !external.IsValid() {
		if external, err = announced(bound.Addr()); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	r := &Relay{
		cfg:         cfg,
		addr:        netip.AddrPortFrom(external.Unmap(), bound.Port()),
		allocations: make(map[string]int),
	}
	policy := PeerPolicy{Allow: cfg.AllowPeers}
	r.server, err = turn.NewServer(turn.ServerConfig{
		Realm:         realm,
		LoggerFactory: quiet{cfg.Logger},
		AuthHandler:   r.authenticate,
		QuotaHandler:  r.admit,
		EventHandler: turn.EventHandler{
			OnAllocationCreated: func(_, _ net.Addr, _, user, _ string, _ net.Addr, _ int) { r.count(user, 1) },
			OnAllocationDeleted: func(_, _ net.Addr, _, user, _ string) { r.count(user, -1) },
		},
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn: conn,
			RelayAddressGenerator: &ports{
				host: bound.Addr(), announce: r.addr.Addr(),
				low: cfg.MinPort, high: cfg.MaxPort,
			},
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

// Addr is the address that clients are told.
func (r *Relay) Addr() netip.AddrPort { return r.addr }

// Close ends all allocations and releases the port.
func (r *Relay) Close() error { return r.server.Close() }

// authenticate gives the key that a request must be signed with. Credentials
// run out for allocating only, so that a long call is never cut.
func (r *Relay) authenticate(a *turn.RequestAttributes) (user string, key []byte, ok bool) {
	expires, user, ok := parseUsername(a.Username)
	if !ok || a.Method == stun.MethodAllocate && r.cfg.Now().After(expires) {
		return "", nil, false
	}
	return user, turn.GenerateAuthKey(a.Username, a.Realm, password(r.cfg.Secret, a.Username)), true
}

// admit holds a user to its number of allocations.
func (r *Relay) admit(user, _ string, _ net.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.allocations[user] < AllocationsPerUser
}

func (r *Relay) count(user string, change int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.allocations[user] += change; r.allocations[user] <= 0 {
		delete(r.allocations, user)
	}
}

// announced is the address by which clients reach a listener.
func announced(bound netip.Addr) (netip.Addr, error) {
	if !bound.IsUnspecified() {
		return bound, nil
	}
	// Connecting a datagram socket chooses a route and sends nothing.
	conn, err := net.Dial("udp4", "192.0.2.1:9")
	if err != nil {
		// No route leads out: the machine talks to itself alone.
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	}
	defer conn.Close()
	route, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return netip.Addr{}, fmt.Errorf("find this machine's address: %w", err)
	}
	return route.Addr(), nil
}
