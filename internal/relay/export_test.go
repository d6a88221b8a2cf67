package relay

import (
	"context"
	"net/netip"
	"time"
)

// ParseUsername is for tests of what credentials say.
func ParseUsername(username string) (expires time.Time, tag string, user User, ok bool) {
	l, ok := parseUsername(username)
	return l.expires, l.tag, l.user, ok
}

// Reaches is how each packet is judged.
func (r *Relay) Reaches(peer netip.AddrPort) bool { return r.ports.reaches("", peer) }

// EndOld is what the relay does once a minute.
func (r *Relay) EndOld(ctx context.Context) { r.endOld(ctx) }

// Allocations is how many relayed addresses are open.
func (r *Relay) Allocations() int { return len(r.ports.all()) }
