package relay

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/peal-rtc/peal/internal/reach"
)

// hostRefresh is how old the list of this machine's addresses may be.
const hostRefresh = 30 * time.Second

// host knows the addresses of this machine, among them the one that the relay
// announces. A client must not reach by the relay what listens on them, also
// where they are public.
type host struct {
	announced netip.Addr
	log       *slog.Logger

	mu    sync.Mutex // Guards what follows.
	own   map[netip.Addr]bool
	until time.Time
}

func newHost(announced netip.Addr, log *slog.Logger) *host {
	return &host{announced: reach.Canonical(announced), log: log}
}

// has says whether an address in canonical form is this machine's.
func (h *host) has(a netip.Addr) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); now.After(h.until) {
		h.until = now.Add(hostRefresh)
		h.refresh()
	}
	return h.own[a]
}

// refresh needs the lock.
func (h *host) refresh() {
	all, err := net.InterfaceAddrs()
	if err != nil {
		h.log.Warn("relay cannot list the addresses of this machine", "error", err)
		return
	}
	h.own = make(map[netip.Addr]bool, len(all))
	for _, one := range all {
		if prefix, err := netip.ParsePrefix(one.String()); err == nil {
			h.own[reach.Canonical(prefix.Addr())] = true
		}
	}
}
