package sim

import (
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// The formats of two releases.
const (
	older = call.Format
	newer = call.Format + 1
)

// release chooses which release a host starts. The first one has the newer always, so that there
// is one to step what that has written.
func (h *host) release() {
	h.format = newer
	if h.index > 0 && h.w.fault(h.w.cfg.Faults.Older, "an older release starts") {
		h.format = older
	}
	h.lowest = h.w.lowest()
}

// lowest is what the leases say is the lowest format: those of nodes that died lately are there.
func (w *world) lowest() uint8 {
	lowest := uint8(newer)
	for _, h := range w.hosts {
		if h.node != nil && w.now.Sub(h.beat) < lease {
			lowest = min(lowest, h.format)
		}
	}
	return lowest
}

// formatsSettle is how long it takes at most until all nodes know the format of one that has
// begun, and what they made before that is stored.
const formatsSettle = 20 * time.Second

// holdsFormats holds a change to the formats (F1, F2): a node steps no call of a newer format than
// it knows, and makes none that a node which lives does not know.
func (w *world) holdsFormats(format uint8, change store.Change) {
	c := &change.Call
	if was, known := w.audit.calls[c.ID]; known && was.Format > format && change.From == was.Rev {
		w.violate("F1: a node that knows format %d steps %s, which is of format %d", format, c.ID, was.Format)
	}
	if change.From > 0 || !c.Live() {
		return
	}
	for _, h := range w.hosts {
		if h.alive && h.format < c.Format && w.now.Sub(h.booted) > formatsSettle && w.now.Sub(w.away) > formatsSettle && w.now.Sub(h.silent()) > formatsSettle {
			w.violate("F2: %s is made in format %d, and %s knows %d", c.ID, c.Format, h.label(), h.format)
		}
	}
}
