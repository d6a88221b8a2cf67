package delivery

import (
	"time"

	"github.com/peal-rtc/peal/internal/store"
)

// heed takes from a stored endpoint how tries of other nodes went. All nodes count from the first
// failure that any of them stored, until one of them succeeds. So a node that cannot reach an
// endpoint does not disable one that others reach.
func (e *endpoint) heed(stored *store.Endpoint) {
	switch {
	case !e.marked(): // What is stored is older than what this node knows.
	case stored.FailingSince.IsZero() && !e.FailingSince.IsZero():
		e.since = time.Time{}
	case stored.FailingSince.IsZero() || e.since.IsZero():
	case stored.FailingSince.Before(e.since):
		e.since = stored.FailingSince
	}
}
