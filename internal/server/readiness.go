package server

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/peal-rtc/peal/internal/api"
	"github.com/peal-rtc/peal/internal/bus"
)

// busPatience is how long a node that starts waits for the bus before it takes devices without it:
// one that never comes there is set up wrongly, and while the bus is away from all nodes calls go
// on, two seconds late.
const busPatience = 30 * time.Second

// Warnings of /readyz, beside those of the store.
const busAway = "the node has no connection to the bus, or no permission there (see its log): devices at other nodes hear of calls up to 2 s late, and candidates are lost"

// busState watches the bus. Any goroutine may use it.
type busState struct {
	connected func() bool // nil for a bus that is always there.
	since     time.Time   // When the server started.
	was       atomic.Bool // It was connected once.
}

func watchBus(b bus.Bus) *busState {
	state := &busState{since: time.Now()}
	if watched, ok := b.(interface{ State() (connected bool) }); ok {
		state.connected = watched.State
	}
	return state
}

// away says that there is no connection, and waits that the first is still worth waiting for.
func (b *busState) away() (away, waits bool) {
	if b.connected == nil {
		return false, false
	}
	if b.connected() {
		b.was.Store(true)
		return false, false
	}
	return true, !b.was.Load() && time.Since(b.since) < busPatience
}

// readiness says whether calls can be made now.
func (s *Server) readiness() api.Readiness {
	away, waits := s.busState.away()
	now := api.Readiness{Warnings: slices.Clone(s.neighbours.warned())}
	if away {
		now.Warnings = append(now.Warnings, busAway)
	}
	switch {
	case s.stopping.Load():
		now.Reason = "stopping"
	case !s.loop.ready.Load() && !s.loop.storage.fails():
		now.Reason = "starting"
	case !s.loop.storage.writable():
		now.Reason = "store"
	case waits:
		now.Reason = "bus"
	}
	return now
}
