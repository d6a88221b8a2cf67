package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"

	"github.com/peal-rtc/peal/internal/doorstep"
)

// visitorsPerPlace is how many HTTP connections an address may have for each
// WebSocket without a hello that it may have. A browser opens six at a time, and an
// office behind one address has many browsers.
const visitorsPerPlace = 4

// visitors bounds the HTTP connections of one address: they share the process's file
// descriptors with signalling and the relay. A connection that becomes a WebSocket
// counts no more here. Proxies that are trusted are not bounded.
type visitors struct {
	step    *doorstep.Doorstep
	trusted []netip.Prefix

	mu     sync.Mutex // Guards inside.
	inside map[net.Conn]netip.Addr
}

func newVisitors(places int, trusted []netip.Prefix) *visitors {
	return &visitors{step: doorstep.New(visitorsPerPlace * places), trusted: trusted, inside: make(map[net.Conn]netip.Addr)}
}

// changed is a hook of http.Server.
func (v *visitors) changed(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		v.enter(c)
	case http.StateHijacked, http.StateClosed:
		v.leave(c)
	case http.StateActive, http.StateIdle:
	}
}

func (v *visitors) enter(c net.Conn) {
	from, err := netip.ParseAddrPort(c.RemoteAddr().String())
	addr := from.Addr().Unmap().WithZone("")
	if err != nil || slices.ContainsFunc(v.trusted, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return
	}
	addr = doorstep.Of(addr)
	if !v.step.Enter(addr) {
		_ = c.Close() // Nothing was said on it yet.
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.inside[c] = addr
}

func (v *visitors) leave(c net.Conn) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if addr, ok := v.inside[c]; ok {
		delete(v.inside, c)
		v.step.Leave(addr)
	}
}
