package relay

import "net/netip"

// ParseUsername is for tests of what credentials say.
var ParseUsername = parseUsername

// Reaches is how each packet is judged.
func (r *Relay) Reaches(peer netip.AddrPort) bool { return r.ports.reaches(peer) }
