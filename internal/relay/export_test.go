package relay

import "net/netip"

// Reaches is how each packet is judged.
func (r *Relay) Reaches(peer netip.AddrPort) bool { return r.ports.reaches(peer) }
