package relay

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"

	"github.com/pion/turn/v5"
)

// Why a relayed address is not given. Clients read 508 (insufficient capacity).
var (
	errNoFreePort = errors.New("no port is free for a relayed address")
	errPortChosen = errors.New("clients do not choose the ports of relayed addresses")
	errFamily     = errors.New("the address family is not offered for relayed addresses")
	// errNoTCP refuses RFC 6062: calls have no use for it, and it would let
	// clients connect to the services of others from here.
	errNoTCP = errors.New("relaying over TCP is not offered")
)

// ports makes relayed addresses, and holds users to their number of them. With
// a range it tries every free port once, from a random one on, so that only a
// range that is used up fails. It implements turn.RelayAddressGenerator.
type ports struct {
	host, announced netip.Addr
	low, high       uint16
	log             *slog.Logger

	mu     sync.Mutex // Guards what follows.
	open   map[uint16]*relayed
	users  map[string]int // How many of the open ones each user holds.
	full   bool           // The last attempt found no free port.
	closed bool
}

// relayed is the socket behind one relayed address. What reads it closes it,
// and so may whoever closes the relay: once counts.
type relayed struct {
	*net.UDPConn
	port  uint16
	user  string
	ports *ports
	once  sync.Once
	err   error
}

func newPorts(cfg *Config, host, announced netip.Addr) *ports {
	if !host.IsValid() {
		host = netip.IPv6Unspecified()
		if announced.Is4() {
			host = netip.IPv4Unspecified()
		}
	}
	return &ports{
		host: host, announced: announced, low: cfg.MinPort, high: cfg.MaxPort, log: cfg.Logger,
		open: make(map[uint16]*relayed), users: make(map[string]int),
	}
}

// Validate has nothing to say: Config's did.
func (p *ports) Validate() error { return nil }

// AllocatePacketConn binds a relayed address for a user.
func (p *ports) AllocatePacketConn(c turn.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	// Without a user the library is probing for an even port (EVEN-PORT).
	if c.RequestedPort != 0 || c.UserID == "" {
		return nil, nil, errPortChosen
	}
	if c.Network != network(p.host) {
		return nil, nil, errFamily
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, net.ErrClosed
	}
	conn, port, err := p.bind()
	if err != nil {
		if !p.full { // One line for each time that the range is used up.
			p.log.Warn("relay has no free port", "min_port", p.low, "max_port", p.high, "allocations", len(p.open))
		}
		p.full = true
		return nil, nil, err
	}
	p.full = false
	r := &relayed{UDPConn: conn, port: port, user: c.UserID, ports: p}
	p.open[port] = r
	p.users[r.user]++
	return r, net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.announced, port)), nil
}

// bind needs the lock.
func (p *ports) bind() (*net.UDPConn, uint16, error) {
	var last error
	size := int(p.high) - int(p.low) + 1
	first := rand.IntN(size)
	for i := range size {
		port := p.low + uint16((first+i)%size)
		if p.open[port] != nil { // Known to be taken: a full range costs no calls of the system.
			continue
		}
		conn, err := net.ListenUDP(network(p.host), net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.host, port)))
		if err != nil {
			last = err
			continue
		}
		bound, err := netip.ParseAddrPort(conn.LocalAddr().String())
		if err != nil {
			return nil, 0, errors.Join(fmt.Errorf("read a relayed address: %w", err), conn.Close())
		}
		return conn, bound.Port(), nil
	}
	return nil, 0, errors.Join(errNoFreePort, last)
}

// AllocateListener refuses relaying over TCP.
func (p *ports) AllocateListener(turn.AllocateListenerConfig) (net.Listener, net.Addr, error) {
	return nil, nil, errNoTCP
}

// AllocateConn refuses relaying over TCP.
func (p *ports) AllocateConn(turn.AllocateConnConfig) (net.Conn, error) {
	return nil, errNoTCP
}

// admits tells whether a user may have one more.
func (p *ports) admits(user string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.users[user] < AllocationsPerUser
}

// close ends all that is open and lets nothing more be opened.
func (p *ports) close() error {
	p.mu.Lock()
	p.closed = true
	open := make([]*relayed, 0, len(p.open))
	for _, r := range p.open {
		open = append(open, r)
	}
	p.mu.Unlock()
	var errs []error
	for _, r := range open { // Without the lock, which each takes.
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}

// Close releases the port. Only then may it be tried again.
func (r *relayed) Close() error {
	r.once.Do(func() {
		r.err = r.UDPConn.Close()
		p := r.ports
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.open, r.port)
		if p.users[r.user]--; p.users[r.user] == 0 {
			delete(p.users, r.user)
		}
	})
	return r.err
}
