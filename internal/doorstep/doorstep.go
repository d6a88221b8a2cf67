// Package doorstep counts connections that have not said yet who they are, by where
// they come from: they are the ones that cost nothing to make. internal/ws counts
// WebSockets without a hello, internal/relay TCP connections without a relayed address.
//
// A Doorstep is safe for concurrent use.
package doorstep

import (
	"net/netip"
	"sync"
)

// Doorstep holds each address to its number of places.
type Doorstep struct {
	limit int

	mu      sync.Mutex // Guards waiting.
	waiting map[netip.Addr]int
}

// New makes a doorstep with so many places for each address.
func New(limit int) *Doorstep {
	return &Doorstep{limit: limit, waiting: make(map[netip.Addr]int)}
}

// Enter takes a place, unless all of that address are taken. Leave gives it up.
func (d *Doorstep) Enter(addr netip.Addr) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting[addr] >= d.limit {
		return false
	}
	d.waiting[addr]++
	return true
}

// Leave gives up a place.
func (d *Doorstep) Leave(addr netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting[addr]--; d.waiting[addr] == 0 {
		delete(d.waiting, addr)
	}
}

// Addrs is how many addresses have places.
func (d *Doorstep) Addrs() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.waiting)
}

// Of gives the address under which a client is counted: an IPv4 address, or the /64 of
// an IPv6 one, since that is what one customer has.
func Of(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		addr = netip.PrefixFrom(addr, 64).Masked().Addr()
	}
	return addr
}
