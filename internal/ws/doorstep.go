package ws

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// doorstep counts the connections that have not said hello, by where they come
// from: they are the ones that cost nothing to make.
type doorstep struct {
	limit int

	mu      sync.Mutex // Guards waiting.
	waiting map[netip.Addr]int
}

// enter takes a place, unless all of that address are taken. leave gives it up.
func (d *doorstep) enter(addr netip.Addr) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting[addr] >= d.limit {
		return false
	}
	d.waiting[addr]++
	return true
}

func (d *doorstep) leave(addr netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting[addr]--; d.waiting[addr] == 0 {
		delete(d.waiting, addr)
	}
}

// clientAddr is where a request comes from: an IPv4 address, or the /64 of an
// IPv6 one, since that is what one customer has. Each trusted proxy is believed
// about the one before it, so what an outsider writes himself is not.
func clientAddr(r *http.Request, trusted []netip.Prefix) (netip.Addr, error) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("split remote address: %w", err)
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("read remote address: %w", err)
	}
	addr = addr.Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			break
		}
		before, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		addr = before.Unmap().WithZone("")
	}
	if addr.Is6() {
		addr = netip.PrefixFrom(addr, 64).Masked().Addr()
	}
	return addr, nil
}
