package relay

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// PeersPerAllocation is how many addresses one relayed address may speak with.
	PeersPerAllocation = 16
	// allocationRate is how many bytes a second it carries, each way: 8 Mbit/s.
	// What is more is lost, as on any line that is too thin.
	allocationRate = 1_000_000
	// allocationBurst lets the packets of one picture through.
	allocationBurst = 256 << 10
)

var errPeer = errors.New("the peer may not be reached")

// relayed is the socket behind one relayed address. What reads it closes it,
// and so may whoever closes the relay: once counts.
type relayed struct {
	*net.UDPConn
	port    uint16
	user    string
	ports   *ports
	in, out *rate.Limiter
	once    sync.Once
	err     error

	mu    sync.Mutex // Guards what follows.
	peers map[netip.Addr]bool
	// good is a peer that was judged lately: it holds until then.
	good      netip.AddrPort
	goodUntil time.Time
}

// goodTime is how long a judgement holds.
const goodTime = time.Second

func newRelayed(p *ports, conn *net.UDPConn, port uint16, user string) *relayed {
	return &relayed{
		UDPConn: conn, port: port, user: user, ports: p,
		in: rate.NewLimiter(allocationRate, allocationBurst), out: rate.NewLimiter(allocationRate, allocationBurst),
		peers: make(map[netip.Addr]bool),
	}
}

// admits says whether it may speak with one more address, or with one again.
func (r *relayed) admits(peer netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.peers[peer] && len(r.peers) >= PeersPerAllocation {
		return false
	}
	r.peers[peer] = true
	return true
}

// dismisses forgets an address whose permission is over.
func (r *relayed) dismisses(peer netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.peers, peer)
}

// ReadFrom takes what peers send, as much of it as may pass.
func (r *relayed) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, from, err := r.UDPConn.ReadFrom(p)
		if err != nil || r.in.AllowN(time.Now(), n) {
			return n, from, err
		}
	}
}

// WriteTo sends to a peer, which is judged by its address and port each time: a
// permission names an address alone.
func (r *relayed) WriteTo(p []byte, to net.Addr) (int, error) {
	addr, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, errPeer
	}
	peer, now := addr.AddrPort(), time.Now()
	if !r.reaches(peer, now) {
		return 0, errPeer
	}
	if !r.out.AllowN(now, len(p)) {
		return len(p), nil
	}
	return r.UDPConn.WriteTo(p, to)
}

func (r *relayed) reaches(peer netip.AddrPort, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if peer == r.good && now.Before(r.goodUntil) {
		return true
	}
	if !r.ports.reaches(peer) {
		return false
	}
	r.good, r.goodUntil = peer, now.Add(goodTime)
	return true
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
