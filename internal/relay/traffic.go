package relay

// Transport is how a client reaches the relay.
type Transport int

// The transports of clients.
const (
	UDP Transport = iota
	TCP
	TLS
	transports // How many there are.
)

// String is the name of a transport: udp, tcp or tls.
func (t Transport) String() string { return [transports]string{"udp", "tcp", "tls"}[t] }

// Direction is where a relayed packet goes.
type Direction int

// The directions of relayed packets.
const (
	FromClient Direction = iota // To a peer.
	ToClient                    // From a peer.
	directions                  // How many there are.
)

// String is the name of a direction: from_client or to_client.
func (d Direction) String() string { return [directions]string{"from_client", "to_client"}[d] }

// Traffic is what passed in one direction by one transport since the start.
type Traffic struct {
	Transport Transport
	Direction Direction
	Packets   uint64
	Bytes     uint64 // Data of the packets, without the headers of TURN.
	// Dropped are packets above a rate, and those of a peer that may not send.
	Dropped uint64
}

// Numbers is what a relay counts.
type Numbers struct {
	Allocations     int // Relayed addresses at the moment,
	AllocationsMost int // and the most that there may be.
	Refused         Refusals
	// Traffic has an element for each transport and direction.
	Traffic []Traffic
}

// Numbers counts. It looks at each relayed address.
func (r *Relay) Numbers() Numbers {
	p := r.ports
	p.mu.RLock()
	n := Numbers{Allocations: p.quota.total, AllocationsMost: p.quota.most, Refused: p.refusals}
	sums := p.traffic
	open := make([]*relayed, 0, len(p.open))
	for _, one := range p.open {
		open = append(open, one)
	}
	p.mu.RUnlock()
	for _, one := range open { // Without the lock of ports, which comes after theirs.
		one.mu.Lock()
		sums[one.transport].add(&one.traffic)
		one.mu.Unlock()
	}
	for t := range sums {
		for d, c := range sums[t] {
			n.Traffic = append(n.Traffic, Traffic{Transport(t), Direction(d), c.packets, c.bytes, c.dropped})
		}
	}
	return n
}

// traffic has the counts of each direction.
type traffic [directions]struct{ packets, bytes, dropped uint64 }

func (t *traffic) add(o *traffic) {
	for d := range o {
		t[d].packets += o[d].packets
		t[d].bytes += o[d].bytes
		t[d].dropped += o[d].dropped
	}
}

// count needs the lock. It counts a packet, and returns whether that passes. What is still
// under way when the relayed address closes counts no more: a sum that has been read
// must not become smaller.
func (r *relayed) count(d Direction, bytes int, passes bool) bool {
	c := &r.traffic[d]
	switch {
	case r.counted:
	case passes:
		c.packets++
		c.bytes += uint64(bytes)
	default:
		c.dropped++
	}
	return passes
}
