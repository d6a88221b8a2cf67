package relay

import (
	"net/netip"
	"time"
)

// ParseUsername is for tests of what credentials say.
func ParseUsername(username string) (time.Time, User, bool) {
	l, ok := parseUsername(username)
	return l.expires, l.user, ok
}

// Reaches is how each packet is judged.
func (r *Relay) Reaches(peer netip.AddrPort) bool { return r.ports.reaches(peer) }
