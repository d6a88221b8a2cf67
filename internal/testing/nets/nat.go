package nets

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Dependence says on what of a remote end a NAT's mapping or filtering depends,
// in the terms of RFC 4787.
type Dependence int

const (
	// EndpointIndependent is one mapping for all, or letting everybody in.
	EndpointIndependent Dependence = iota
	// AddressDependent looks at the remote address.
	AddressDependent
	// AddressAndPortDependent looks at the remote port as well.
	AddressAndPortDependent
)

// of is the part of a remote end that counts.
func (d Dependence) of(remote netip.AddrPort) netip.AddrPort {
	switch d {
	case EndpointIndependent:
		return netip.AddrPort{}
	case AddressDependent:
		return netip.AddrPortFrom(remote.Addr(), 0)
	case AddressAndPortDependent:
		return remote
	}
	return remote
}

// Rules are what a NAT and the firewall in it do. The zero value is a full cone
// that lets everything out.
type Rules struct {
	// Mapping and Filtering are those of UDP. TCP is mapped independently of the
	// endpoint and filtered by address and port, as RFC 5382 has it.
	Mapping, Filtering Dependence
	// NoUDP drops UDP, both ways.
	NoUDP bool
	// TCPPorts are those that may be connected to; empty means all.
	TCPPorts []uint16
	// NoTCPTo are addresses to which TCP is dropped, both ways.
	NoTCPTo []netip.Addr
}

// allowOut says whether something may be sent to a remote end.
func (r *Rules) allowOut(proto byte, remote netip.AddrPort) bool {
	ports := proto == udp || len(r.TCPPorts) == 0 || slices.Contains(r.TCPPorts, remote.Port())
	return ports && r.allowIn(proto, remote.Addr())
}

// allowIn says whether something of a remote end may come, where it was sent to before.
func (r *Rules) allowIn(proto byte, remote netip.Addr) bool {
	if proto == udp {
		return !r.NoUDP
	}
	return !slices.Contains(r.NoTCPTo, remote)
}

// How long a mapping lasts that nothing goes out by: the least that RFC 4787
// (REQ-5) and RFC 5382 (REQ-5) ask for.
const (
	udpIdle = 2 * time.Minute
	tcpIdle = 124 * time.Minute
)

// Bounds of a NAT: the oldest goes when there is one more.
const (
	mostMappings = 1024
	mostRemotes  = 64
	firstPort    = 20_000
	lastPort     = 59_999
)

// NAT translates addresses of one network to a public one. It is safe for
// concurrent use, and gets the time passed in.
type NAT struct {
	mu       sync.Mutex // Guards what follows.
	public   netip.Addr
	rules    Rules
	next     uint16
	outward  map[inside]*mapping
	inward   map[outside]*mapping
	mappings int // The most; for tests of it.
}

// inside is what a mapping is found by on the way out.
type inside struct {
	proto    byte
	internal netip.AddrPort
	remote   netip.AddrPort // As far as it counts.
}

// outside is what it is found by on the way in.
type outside struct {
	proto byte
	port  uint16
}

type mapping struct {
	inside
	port uint16
	last time.Time
	// remotes are the ends that something was sent to, as far as filtering asks,
	// and when.
	remotes map[netip.AddrPort]time.Time
}

// NewNAT makes a NAT behind a public address.
func NewNAT(public netip.Addr, rules Rules) *NAT {
	n := &NAT{public: public, rules: rules, next: firstPort, mappings: mostMappings}
	n.forget()
	return n
}

// Out translates a packet on its way out, and says whether it may go.
func (n *NAT) Out(p Packet, now time.Time) bool {
	if p.proto == icmp {
		return false // Nothing here asks for echoes.
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	remote := p.Dst()
	if !n.rules.allowOut(p.proto, remote) {
		return false
	}
	m := n.mapped(p, now)
	m.last = now
	if _, known := m.remotes[n.filtered(p.proto, remote)]; !known && len(m.remotes) >= mostRemotes {
		delete(m.remotes, oldest(m.remotes, func(t time.Time) time.Time { return t }))
	}
	m.remotes[n.filtered(p.proto, remote)] = now
	p.setSrc(netip.AddrPortFrom(n.public, m.port))
	return true
}

// In translates a packet on its way in, and says whether it may come.
func (n *NAT) In(p Packet, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if quoted, ok := p.quoted(); ok {
		return n.errorIn(p, quoted, now)
	}
	if p.proto == icmp || p.Dst().Addr() != n.public || !n.rules.allowIn(p.proto, p.Src().Addr()) {
		return false
	}
	m := n.live(outside{p.proto, p.Dst().Port()}, now)
	if m == nil {
		return false
	}
	sent, known := m.remotes[n.filtered(p.proto, p.Src())]
	if !known || now.Sub(sent) > idle(p.proto) {
		return false
	}
	p.setDst(m.internal)
	return true
}

// errorIn takes an ICMP error back to whom it concerns.
func (n *NAT) errorIn(p, quoted Packet, now time.Time) bool {
	m := n.live(outside{quoted.proto, quoted.Src().Port()}, now)
	if m == nil || quoted.Src().Addr() != n.public {
		return false
	}
	quoted.setSrc(m.internal)
	p.sumICMP()
	p.setDst(m.internal)
	return true
}

// mapped finds the mapping of what goes out, or makes it. It needs the lock.
func (n *NAT) mapped(p Packet, now time.Time) *mapping {
	key := inside{p.proto, p.Src(), netip.AddrPort{}}
	if p.proto == udp {
		key.remote = n.rules.Mapping.of(p.Dst())
	}
	if m := n.outward[key]; m != nil && now.Sub(m.last) <= idle(p.proto) {
		return m
	} else if m != nil {
		n.remove(m)
	}
	if len(n.outward) >= n.mappings {
		n.remove(n.outward[oldest(n.outward, func(m *mapping) time.Time { return m.last })])
	}
	m := &mapping{inside: key, port: n.freePort(p.proto), remotes: make(map[netip.AddrPort]time.Time)}
	n.outward[key] = m
	n.inward[outside{p.proto, m.port}] = m
	return m
}

// freePort finds one: there are more ports than mappings.
func (n *NAT) freePort(proto byte) uint16 {
	for {
		port := n.next
		if n.next++; n.next > lastPort {
			n.next = firstPort
		}
		if n.inward[outside{proto, port}] == nil {
			return port
		}
	}
}

func (n *NAT) live(key outside, now time.Time) *mapping {
	m := n.inward[key]
	if m == nil || now.Sub(m.last) > idle(key.proto) {
		return nil
	}
	return m
}

func (n *NAT) remove(m *mapping) {
	delete(n.outward, m.inside)
	delete(n.inward, outside{m.proto, m.port})
}

func (n *NAT) filtered(proto byte, remote netip.AddrPort) netip.AddrPort {
	if proto == tcp {
		return remote
	}
	return n.rules.Filtering.of(remote)
}

// SetRules has other rules from now on. What UDP was mapped by the old ones is forgotten.
func (n *NAT) SetRules(r Rules) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if r.Mapping != n.rules.Mapping || r.Filtering != n.rules.Filtering {
		for _, m := range n.outward {
			if m.proto == udp {
				n.remove(m)
			}
		}
	}
	n.rules = r
}

// Renumber gives another public address and forgets all mappings, as when a
// provider connects again, or a router starts again. Ports go on where they were, so
// that none is given out again soon.
func (n *NAT) Renumber(public netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.public = public
	n.forget()
}

func (n *NAT) forget() {
	n.outward, n.inward = make(map[inside]*mapping), make(map[outside]*mapping)
}

// Public is the address that the world sees.
func (n *NAT) Public() netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.public
}

func idle(proto byte) time.Duration {
	if proto == tcp {
		return tcpIdle
	}
	return udpIdle
}

// oldest finds the key whose value has the earliest time.
func oldest[K comparable, V any](all map[K]V, at func(V) time.Time) (found K) {
	var first time.Time
	for k, v := range all {
		if t := at(v); first.IsZero() || t.Before(first) {
			found, first = k, t
		}
	}
	return found
}
