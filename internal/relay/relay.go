// Package relay is the embedded STUN and TURN server (RFC 8489, RFC 8656) on
// UDP, TCP and TLS: it tells clients their addresses, and carries the media of
// those who cannot reach each other.
//
// internal/server starts one Relay and hands its credentials out per device
// and call. The protocol is pion/turn's; data on its channels, which is nearly
// all there is, pass by it, many datagrams at a time (batch.go, datagrams.go).
// Decided here are
//
//   - who may use it: names with an expiry, signed with the relay's secret, so
//     that nothing is stored (credentials.go);
//   - whom it reaches: the public internet, what it relays itself and what the
//     operator allows, never this machine or the networks behind it (reach.Policy,
//     host.go), judged at each packet (relayed.go);
//   - how much of it: a few relayed addresses for each device and each account
//     (quota.go), on ports of the operator's range (ports.go), each with its peers and its rate (relayed.go);
//   - for how long: no relayed address outlives its call by more than some minutes
//     (lifetime.go), and no connection over TCP is silent for long (stream.go). A relay whose
//     server has stopped keeps what it has and gives no more (drain.go);
//   - what is said of it: no names, credentials or addresses (logging.go).
//
// A client receives TURN's own error codes: 401 for credentials that are wrong, have expired or are
// of a call that has ended, 403 for a peer that may not be reached, 486 for a user with too many
// relayed addresses, 508 where no port is free, where the relay drains or where something was asked for
// that is not offered (relaying to TCP, a port outside the range, the other address family).
//
// A Relay is safe for concurrent use.
package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"github.com/peal-rtc/peal/internal/doorstep"
	"github.com/peal-rtc/peal/internal/reach"
)

const (
	defaultRealm       = "peal"
	defaultAllocations = 5000
	defaultSilent      = 30 * time.Second
	// defaultStreams is as many as internal/ws lets wait for a hello: an office behind
	// one address, or its network after a power cut.
	defaultStreams = 50
	// defaultTTL outlasts ringing and the loss of a network. What needs new
	// addresses after that, a restart of ICE, asks for fresh credentials.
	defaultTTL = time.Hour
	minSecret  = 16
)

// Config is what a relay is made of. Listen and Secrets are required.
type Config struct {
	// Listen is the address for UDP and TCP: "0.0.0.0:3478". Port 0 takes any free
	// one, no host or [::] means all addresses of both families.
	Listen string
	// ListenTLS is the address for TLS; empty for none. It needs TLS.
	ListenTLS string
	TLS       *tls.Config
	// External is the address that clients receive, for the relay itself and
	// for what it relays; it sets the family of all relayed addresses. The zero
	// value means that of Listen, or this machine's outbound address where
	// Listen names none.
	External netip.Addr
	// PublicHost is a name for External in the URLs of Servers; empty for none.
	PublicHost string
	// MinPort and MaxPort bound the ports of relayed addresses; 0 means any.
	MinPort, MaxPort uint16
	// MaxAllocations bounds the relayed addresses in all; 0 means 5,000.
	MaxAllocations int
	// Realm is sent to clients, which sign with it; empty means "peal".
	Realm string
	// Secrets key the credentials, each of at least 16 bytes: the first makes them, all are good.
	// Relays with the same ones take each other's credentials. Rekey changes them.
	Secrets [][]byte
	// CredentialTTL is how long credentials start allocations; 0 means an hour.
	// What they have started goes on for as long as it is refreshed and its call is live,
	// without a call until AfterCall after their expiry.
	CredentialTTL time.Duration
	// SilentTime is how long a TCP connection may be there without an allocation; 0
	// means 30 s.
	SilentTime time.Duration
	// Live says which of some calls are live; a call that is left out is not. The relay
	// asks once a minute about the calls that hold relayed addresses, at most
	// MaxAllocations, and closes those of a call that is not live for AfterCall. An error
	// closes nothing. nil means that every call is live.
	Live func(ctx context.Context, calls []string) (map[string]bool, error)
	// StreamsPerAddr is how many TCP and TLS connections of an address, or /64, may be
	// there without an allocation; 0 means 50.
	StreamsPerAddr int
	// TrustedProxies pass on the connections of many clients, and are not held to
	// StreamsPerAddr.
	TrustedProxies []netip.Prefix
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
	if err := checkSecrets(c.Secrets); err != nil {
		return err
	}
	if c.MinPort > c.MaxPort || (c.MinPort == 0) != (c.MaxPort == 0) {
		return fmt.Errorf("relay ports %d to %d: want a range from low to high, or neither", c.MinPort, c.MaxPort)
	}
	if c.MaxAllocations < 0 {
		return fmt.Errorf("relay allocations %d: want a positive number", c.MaxAllocations)
	}
	if c.ListenTLS != "" && c.TLS == nil {
		return fmt.Errorf("relay over TLS at %s: want a certificate", c.ListenTLS)
	}
	if c.StreamsPerAddr < 0 {
		return fmt.Errorf("relay's connections for each address %d: want a positive number", c.StreamsPerAddr)
	}
	if c.SilentTime < 0 {
		return fmt.Errorf("relay's time for silent connections %s: want a positive one", c.SilentTime)
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
	if c.SilentTime == 0 {
		c.SilentTime = defaultSilent
	}
	if c.StreamsPerAddr == 0 {
		c.StreamsPerAddr = defaultStreams
	}
	if c.MaxAllocations == 0 {
		c.MaxAllocations = defaultAllocations
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.AllowPeers, c.TrustedProxies = slices.Clone(c.AllowPeers), slices.Clone(c.TrustedProxies)
}

// Relay is a running server.
type Relay struct {
	cfg     Config
	addr    netip.AddrPort // What clients receive.
	tlsPort uint16         // 0 where there is no TLS.
	ports   *ports
	server  *turn.Server

	secrets   secrets
	lifetimes *lifetimes
	running   context.Context // Until Close.
	stop      context.CancelFunc
	watching  sync.WaitGroup
	// asking is over when Drain begins. asks is held while Config.Live runs.
	asking     context.Context
	stopAsking context.CancelFunc
	asks       sync.Mutex

	mu sync.Mutex // Guards clients.
	// clients has the relayed address of each, to count its peers.
	clients map[client]*relayed
}

// client tells the clients of the relay apart: by their address, and by the port
// of the relay that they speak to.
type client struct {
	network, address string
	port             int
}

// Start listens. Its error wraps that of the system when a port is taken.
func Start(cfg Config) (_ *Relay, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.complete()
	host, err := cfg.host()
	if err != nil {
		return nil, err
	}
	var undo []io.Closer
	defer func() {
		if err != nil {
			for _, c := range undo {
				err = errors.Join(err, c.Close())
			}
		}
	}()
	packets, plain, err := listen(host, cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for the relay: %w", err)
	}
	for _, conn := range packets {
		conn.clock = cfg.Now
		undo = append(undo, conn)
	}
	waiting := doorstep.New(cfg.StreamsPerAddr)
	listeners := []*streams{newStreams(plain, nil, &cfg, waiting)}
	undo = append(undo, listeners[0])
	announced := cfg.External.Unmap()
	if !announced.IsValid() {
		announced = Reachable(host)
	}
	r := &Relay{
		cfg:     cfg,
		addr:    netip.AddrPortFrom(announced, portOf(plain.Addr())),
		ports:   newPorts(&cfg, host, announced),
		clients: make(map[client]*relayed), lifetimes: newLifetimes(),
	}
	r.secrets.set(cfg.Secrets, cfg.Now(), cfg.CredentialTTL)
	if cfg.ListenTLS != "" {
		secure, err := net.Listen(network(host, "tcp"), cfg.ListenTLS)
		if err != nil {
			return nil, fmt.Errorf("listen for the relay over TLS: %w", err)
		}
		listeners = append(listeners, newStreams(secure, cfg.TLS, &cfg, waiting))
		undo = append(undo, listeners[1])
		r.tlsPort = portOf(secure.Addr())
	}
	if r.server, err = turn.NewServer(r.serverConfig(packets, listeners)); err != nil {
		return nil, fmt.Errorf("start the relay: %w", err)
	}
	r.running, r.stop = context.WithCancel(context.Background())
	r.asking, r.stopAsking = context.WithCancel(r.running)
	r.watching.Go(func() { r.watch(r.running) })
	return r, nil
}

// listen opens the sockets for UDP and the listener for TCP, on one port. The
// latter comes first: it finds out whether the port is taken.
func listen(host netip.Addr, address string) ([]*datagrams, net.Listener, error) {
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, err
	}
	for try := 0; ; try++ {
		plain, err := net.Listen(network(host, "tcp"), address)
		if err != nil {
			return nil, nil, err
		}
		packets, err := listenUDP(network(host, "udp"), net.JoinHostPort(name, strconv.Itoa(int(portOf(plain.Addr())))))
		if err == nil {
			return packets, plain, nil
		}
		err = errors.Join(err, plain.Close())
		// Of a free port any will do: one that is free for both.
		if port != "0" || try == 10 {
			return nil, nil, err
		}
	}
}

func portOf(a net.Addr) uint16 { return addrPortOf(a).Port() }

func addrPortOf(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.AddrPort()
	case *net.UDPAddr:
		return a.AddrPort()
	}
	return netip.AddrPort{}
}

func (r *Relay) serverConfig(packets []*datagrams, listeners []*streams) turn.ServerConfig {
	cfg := turn.ServerConfig{
		Realm:         r.cfg.Realm,
		LoggerFactory: quiet{r.cfg.Logger},
		AuthHandler:   r.authenticate,
		QuotaHandler:  func(username, _ string, _ net.Addr) bool { return r.ports.admits(username) },
		// Who names no family gets IPv4, by the RFC; the library's other choice
		// is that of the client, which an IPv4 relay cannot serve on IPv6.
		StrictAddressFamily: r.addr.Addr().Is4(),
	}
	for _, conn := range packets {
		cfg.PacketConnConfigs = append(cfg.PacketConnConfigs, turn.PacketConnConfig{
			PacketConn: conn, RelayAddressGenerator: portsBy{r.ports, conn, UDP}, PermissionHandler: r.permit(conn.LocalAddr()),
		})
	}
	for i, l := range listeners {
		cfg.ListenerConfigs = append(cfg.ListenerConfigs, turn.ListenerConfig{
			Listener: l, RelayAddressGenerator: portsBy{r.ports, nil, TCP + Transport(i)}, PermissionHandler: r.permit(l.Addr()),
		})
	}
	// One address of a client may have a connection to each listener.
	tell := func(client, at net.Addr, has *relayed) {
		for _, l := range listeners {
			if client.Network() == "tcp" && portOf(l.Addr()) == portOf(at) {
				l.allocated(client, has)
			}
		}
	}
	cfg.EventHandler = turn.EventHandler{
		OnAllocationCreated: func(from, at net.Addr, _, _, _ string, relayed net.Addr, _ int) {
			a := r.ports.at(portOf(relayed))
			if a == nil {
				return
			}
			r.allocated(from, at, a)
			tell(from, at, a)
		},
		OnAllocationDeleted: func(from, at net.Addr, _, _, _ string) {
			r.mu.Lock()
			delete(r.clients, clientAt(from, at))
			r.mu.Unlock()
			tell(from, at, nil)
		},
		OnChannelCreated: func(_, _ net.Addr, _, _, _ string, relayed, peer net.Addr, channel uint16) {
			if a := r.ports.at(portOf(relayed)); a != nil {
				a.bound(channel, addrPortOf(peer))
			}
		},
		OnChannelDeleted: func(_, _ net.Addr, _, _, _ string, relayed, peer net.Addr, channel uint16) {
			if a := r.ports.at(portOf(relayed)); a != nil {
				a.unbound(channel, addrPortOf(peer))
			}
		},
		OnPermissionCreated: func(from, at net.Addr, _, _, _ string, _ net.Addr, peer net.IP) {
			if addr, ok := netip.AddrFromSlice(peer); ok {
				if a := r.allocationOf(clientAt(from, at)); a != nil {
					a.granted(reach.Canonical(addr))
				}
			}
		},
		OnPermissionDeleted: func(from, at net.Addr, _, _, _ string, _ net.Addr, peer net.IP) {
			if addr, ok := netip.AddrFromSlice(peer); ok {
				if a := r.allocationOf(clientAt(from, at)); a != nil {
					a.dismisses(reach.Canonical(addr))
				}
			}
		},
	}
	return cfg
}

func clientAt(from, at net.Addr) client {
	return client{from.Network(), from.String(), int(portOf(at))}
}

func (r *Relay) allocated(from, at net.Addr, a *relayed) {
	if a.via != nil {
		a.via.allocated(addrPortOf(from), a)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clients[clientAt(from, at)] = a
}

func (r *Relay) allocationOf(c client) *relayed {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clients[c]
}

// permit judges the peers of clients that speak to the relay at an address.
func (r *Relay) permit(at net.Addr) turn.PermissionHandler {
	return func(from net.Addr, peer net.IP) bool {
		addr, ok := netip.AddrFromSlice(peer)
		if !ok || !r.ports.mayReach(addr) {
			return false
		}
		a := r.allocationOf(clientAt(from, at))
		return a != nil && a.admits(reach.Canonical(addr))
	}
}

// Addr is the address that clients receive, with the port that was bound.
func (r *Relay) Addr() netip.AddrPort { return r.addr }

// Refusals counts the relayed addresses that were not given since the start.
func (r *Relay) Refusals() Refusals { return r.ports.refused() }

// Close releases the relay's ports and those of all allocations, and closes all
// connections. Closing again does nothing.
func (r *Relay) Close() error {
	r.stop()
	r.watching.Wait()
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
// expire for allocating only, so that a long call is never cut: refreshes and
// permissions need an allocation that was made with the same name (RFC 8656,
// section 5).
func (r *Relay) authenticate(a *turn.RequestAttributes) (user string, key []byte, ok bool) {
	l, ok := parseUsername(a.Username)
	now := r.cfg.Now()
	switch {
	case !ok, r.lifetimes.over(l, now):
		return "", nil, false
	case a.Method == stun.MethodAllocate && !now.Before(l.expires):
		return "", nil, false
	case a.Method != stun.MethodAllocate && !r.ports.holds(l.user):
		// The library would not answer, and the client would go on asking.
		return "", nil, false
	}
	secret, ok := r.secrets.find(l, a.Method == stun.MethodAllocate)
	if !ok {
		return "", nil, false
	}
	return a.Username, turn.GenerateAuthKey(a.Username, r.cfg.Realm, password(secret, a.Username)), true
}

// network says which family to listen on. The plain one would make an IPv4
// wildcard that of both.
func network(host netip.Addr, protocol string) string {
	switch {
	case !host.IsValid():
		return protocol
	case host.Is4():
		return protocol + "4"
	default:
		return protocol + "6"
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
