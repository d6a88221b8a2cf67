package relay

import (
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pion/turn/v5"

	"github.com/peal-rtc/peal/internal/reach"
)

// Why a relayed address is not given. Clients read 508 (insufficient capacity).
var (
	errNoFreePort = errors.New("no port is free for a relayed address")
	errTooMany    = errors.New("the relay has as many relayed addresses as it may have")
	errDraining   = errors.New("the relay drains and gives no more relayed addresses")
	errFamily     = errors.New("the address family is not offered for relayed addresses")
	// errNoTCP refuses RFC 6062: calls have no use for it, and it would let
	// clients connect to the services of others from here.
	errNoTCP = errors.New("relaying over TCP is not offered")
)

// ports makes relayed addresses, and holds users to their number of them. With
// a range it tries every free port once, from a random one on, so that only a
// range that is used up fails. It implements turn.RelayAddressGenerator, for clients
// over TCP and TLS.
type ports struct {
	host, announced netip.Addr
	low, high       uint16
	policy          reach.Policy
	machine         *host
	log             *slog.Logger
	now             func() time.Time

	mu       sync.RWMutex // Guards what follows.
	open     map[uint16]*relayed
	quota    quota // What users hold of the open ones.
	refusals Refusals
	warned   time.Time // When the log last said that the relay is full.
	noPort   bool      // The last attempt found no free port.
	closed   bool
	// empty is there once the ports drain, and is closed when none is open.
	empty chan struct{}
	// traffic is what the relayed addresses carried that are closed now.
	traffic [transports]traffic
}

func newPorts(cfg *Config, host, announced netip.Addr) *ports {
	if !host.IsValid() {
		host = netip.IPv6Unspecified()
		if announced.Is4() {
			host = netip.IPv4Unspecified()
		}
	}
	return &ports{
		host: host, announced: announced, low: cfg.MinPort, high: cfg.MaxPort, log: cfg.Logger, now: cfg.Now,
		policy: reach.Policy{Allow: cfg.AllowPeers}, machine: newHost(announced, cfg.Logger),
		open: make(map[uint16]*relayed), quota: newQuota(cfg.MaxAllocations),
	}
}

// Validate has nothing to say: Config's did.
func (p *ports) Validate() error { return nil }

// AllocatePacketConn binds a relayed address for a user. A port is asked for where
// the client wants an even one (EVEN-PORT), or the one after that, as some do for
// RTCP; the library has found it by asking for some without a user before.
func (p *ports) AllocatePacketConn(c turn.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	return p.allocate(c, nil, TCP)
}

// portsBy makes relayed addresses for the clients of one transport, and for UDP of one
// socket.
type portsBy struct {
	*ports
	via       *datagrams // nil but for UDP.
	transport Transport
}

// AllocatePacketConn binds a relayed address for a user.
func (p portsBy) AllocatePacketConn(c turn.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	return p.allocate(c, p.via, p.transport)
}

// allocate binds a relayed address for a client that sends via a socket, or via none.
func (p *ports) allocate(c turn.AllocateListenerConfig, via *datagrams, transport Transport) (net.PacketConn, net.Addr, error) {
	if c.Network != network(p.host, "udp") {
		return nil, nil, errFamily
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, net.ErrClosed
	}
	if p.draining() {
		return nil, nil, errDraining
	}
	holder, _ := parseUsername(c.UserID) // Authenticated, or nobody: see quota.judge.
	// Two requests of one user may both have passed the quota handler.
	if v := p.quota.judge(holder.user); v != admitted {
		p.refuse(v)
		return nil, nil, errTooMany
	}
	conn, port, err := p.bind(c.RequestedPort)
	if err != nil {
		p.refusals.NoPort++
		if !p.noPort { // One line for each time that the range is used up.
			p.log.Warn("relay has no free port", "min_port", p.low, "max_port", p.high, "allocations", len(p.open), "error", err)
		}
		p.noPort = true
		return nil, nil, err
	}
	p.noPort = false
	r := newRelayed(p, conn, port, holder, via)
	r.transport = transport
	p.open[port] = r
	p.quota.add(holder.user)
	return r, net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.announced, port)), nil
}

// bind needs the lock. A port of 0 stands for any of the range.
func (p *ports) bind(wanted int) (*socket, uint16, error) {
	if wanted != 0 {
		if p.low != 0 && (wanted < int(p.low) || wanted > int(p.high)) {
			return nil, 0, errNoFreePort
		}
		return p.bindTo(uint16(wanted))
	}
	var last error
	size := int(p.high) - int(p.low) + 1
	first := rand.IntN(size)
	for i := range size {
		conn, port, err := p.bindTo(p.low + uint16((first+i)%size))
		if err == nil {
			return conn, port, nil
		}
		last = err
	}
	return nil, 0, last
}

// bindTo needs the lock.
func (p *ports) bindTo(port uint16) (*socket, uint16, error) {
	if p.open[port] != nil { // Known to be taken: a full range costs no calls of the system.
		return nil, 0, errNoFreePort
	}
	conn, err := net.ListenUDP(network(p.host, "udp"), net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.host, port)))
	if err != nil {
		return nil, 0, errors.Join(errNoFreePort, err)
	}
	s, err := newSocket(conn)
	if err != nil {
		return nil, 0, errors.Join(err, conn.Close())
	}
	return s, portOf(conn.LocalAddr()), nil
}

// AllocateListener refuses relaying over TCP.
func (p *ports) AllocateListener(turn.AllocateListenerConfig) (net.Listener, net.Addr, error) {
	return nil, nil, errNoTCP
}

// AllocateConn refuses relaying over TCP.
func (p *ports) AllocateConn(turn.AllocateConnConfig) (net.Conn, error) {
	return nil, errNoTCP
}

// admits tells whether a user may have one more, as far as it depends on what that
// user holds: clients read 486 (allocation quota reached) where not.
func (p *ports) admits(username string) bool {
	holder, ok := parseUsername(username)
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.quota.judge(holder.user)
	if ok && (v == admitted || v == relayFull || p.draining()) {
		return true // What a full relay says, or one that drains, allocate does.
	}
	p.refuse(v)
	return false
}

// refuse counts a refusal, and warns of a full relay once a minute. It needs the lock.
func (p *ports) refuse(v verdict) {
	switch v {
	case admitted:
	case overDevice:
		p.refusals.Device++
	case overAccount:
		p.refusals.Account++
	case relayFull:
		p.refusals.Full++
		if now := p.now(); p.warned.IsZero() || now.Sub(p.warned) >= fullWarnEvery {
			p.warned = now
			p.log.Warn("relay is full", "allocations", p.quota.total, "reserve", p.quota.reserve,
				"accounts", len(p.quota.accounts), "refused", p.refusals.Full)
		}
	}
}

// refused gives the counts of refusals.
func (p *ports) refused() Refusals {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.refusals
}

// holds tells whether a user has a relayed address.
func (p *ports) holds(u User) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.quota.devices[u] > 0
}

// at gives the relayed address with a port, nil where there is none.
func (p *ports) at(port uint16) *relayed {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.open[port]
}

// all gives the relayed addresses that are open.
func (p *ports) all() []*relayed {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return slices.Collect(maps.Values(p.open))
}

// calls gives the calls that hold relayed addresses, each once.
func (p *ports) calls() []string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	calls := make(map[string]bool)
	for _, r := range p.open {
		if call := r.holder.user.Call; call != "" {
			calls[call] = true
		}
	}
	return slices.Collect(maps.Keys(calls))
}

// close ends all that is open and lets nothing more be opened.
func (p *ports) close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	var errs []error
	for _, r := range p.all() { // Without the lock, which each takes.
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}

// mayReach judges an address where no port is known yet. On the relay's own
// there is what it relays; what else this machine has is nobody's business, be
// its addresses public or not.
func (p *ports) mayReach(addr netip.Addr) bool {
	addr = reach.Canonical(addr)
	switch {
	case addr == p.machine.announced:
		return true
	case p.machine.has(addr):
		return reach.Within(addr, p.policy.Allow) && p.policy.Allows(addr)
	default:
		return p.policy.Allows(addr)
	}
}

// reaches judges a peer with its port, for those of a party. Relayed addresses of
// other parties are not reached, by whichever address of this machine: a permission
// names an address alone, so it would let all that is relayed here in. Beside them the
// relay's own address has nobody, unless the operator allows that address.
func (p *ports) reaches(party string, peer netip.AddrPort) bool {
	if !p.mayReach(peer.Addr()) {
		return false
	}
	if other := p.relayedAt(peer); other != nil {
		return other.party == party
	}
	addr := reach.Canonical(peer.Addr())
	return addr != p.machine.announced || reach.Within(addr, p.policy.Allow)
}

// hears judges who sends, where a permission names the address: all but the relayed
// addresses of other parties. What else has the relay's own address is heard, so that
// peal doctor can tell a closed port from a peer that is not reached.
func (p *ports) hears(party string, from netip.AddrPort) bool {
	other := p.relayedAt(from)
	return other == nil || other.party == party
}

// relayedAt gives the relayed address that an address with its port leads to, if any.
func (p *ports) relayedAt(peer netip.AddrPort) *relayed {
	if !p.isOwn(reach.Canonical(peer.Addr())) {
		return nil
	}
	return p.at(peer.Port())
}

// isOwn tells whether relayed addresses are reached at an address: the announced one,
// and the one that they are bound to or all of this machine. The unspecified one leads
// to loopback.
func (p *ports) isOwn(addr netip.Addr) bool {
	switch {
	case addr == p.machine.announced, addr == reach.Canonical(p.host), addr.IsUnspecified():
		return true
	case p.host.IsUnspecified():
		return addr.IsLoopback() || p.machine.has(addr)
	default:
		return false
	}
}
