package delivery

import (
	"time"

	"github.com/peal-rtc/peal/internal/store"
)

// endpoint is what a schedule knows of one endpoint.
type endpoint struct {
	store.Endpoint
	// gone says that it was deleted. It stays here until all that it was asked for has ended.
	gone bool

	// waiting was claimed and not tried yet, the longest due first.
	waiting []store.Delivery
	running int // Tries.
	// quiet is until when nothing is tried: the endpoint asked for a pause, or its next probe is due
	// then.
	quiet time.Time

	// news says that something may be due; next is when something will be, zero for never.
	news    bool
	next    time.Time
	claimAt time.Time // The earliest time of the next Claim.
	// claiming says that a Claim is under way, for asked deliveries.
	claiming bool
	asked    int
	// asks is the pause after a Claim or a Mark of this endpoint that failed.
	asks pausing
	// unmarked says that how it does is to be stored, and marking that a Mark is under way.
	unmarked, marking bool

	// failures counts failed tries since the last success, the first of which was at since.
	failures int
	since    time.Time
}

// newEndpoint begins with an endpoint. One that failed when the server stopped gets a probe
// before anything else.
func newEndpoint(stored *store.Endpoint) *endpoint {
	e := &endpoint{Endpoint: *stored}
	if !e.FailingSince.IsZero() {
		e.failures, e.since = circuitAfter, e.FailingSince
	}
	return e
}

// change takes an endpoint as it is stored now. Of one that was enabled again, or has another URL,
// it forgets the failures, and says whether that has to be stored.
func (e *endpoint) change(stored store.Endpoint) bool {
	e.news = true
	if e.URL != stored.URL {
		e.unmarked = false // It is of the former URL.
	} else if !e.marked() {
		stored.FailingSince, stored.Disabled = e.FailingSince, e.Disabled
	}
	reset := !e.Enabled() && stored.Enabled() || e.URL != stored.URL
	e.Endpoint = stored
	if !reset {
		return false
	}
	e.failures, e.since, e.quiet = 0, time.Time{}, time.Time{}
	failed := !e.FailingSince.IsZero()
	e.FailingSince = time.Time{}
	return failed
}

// marked says that how it does is stored.
func (e *endpoint) marked() bool { return !e.unmarked && !e.marking }

// mark has it stored how an endpoint does, where that is new. Nothing is tried at it meanwhile:
// Looked may bring an older state of it.
func (e *endpoint) mark(changed bool) { e.unmarked = e.unmarked || changed && !e.gone }

// circuitOpen says that it has failed so often that it gets probes alone.
func (e *endpoint) circuitOpen() bool { return e.failures >= circuitAfter }

// succeeded takes a success, and says whether that has to be stored.
func (e *endpoint) succeeded() bool {
	e.failures, e.since = 0, time.Time{}
	changed := !e.FailingSince.IsZero()
	e.FailingSince = time.Time{}
	return changed
}

// failed takes a failure, and says whether something has to be stored.
func (e *endpoint) failed(now time.Time, a *Attempt) bool {
	if e.failures++; e.since.IsZero() {
		e.since = now
	}
	// Too many requests, or too busy: both are meant for all requests.
	if a.Status == tooMany || a.Status == unavailable {
		e.quietUntil(now.Add(min(a.RetryAfter, RetryAfterMost)))
	}
	changed := false
	if e.circuitOpen() {
		e.quietUntil(now.Add(probeEvery))
		changed = !e.FailingSince.Equal(e.since)
		e.FailingSince = e.since
	}
	if !e.Enabled() {
		return changed
	}
	switch {
	case a.Result == Gone:
		e.Disabled = store.Disabled{At: now, Reason: EndpointGone}
	case now.Sub(e.since) >= disableAfter:
		e.Disabled = store.Disabled{At: now, Reason: EndpointFailing}
	}
	return changed || !e.Enabled()
}

func (e *endpoint) quietUntil(at time.Time) {
	if at.After(e.quiet) {
		e.quiet = at
	}
}

// Statuses by which an endpoint asks for a pause.
const (
	tooMany     = 429
	unavailable = 503
)
