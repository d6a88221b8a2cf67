package delivery

import (
	"time"

	"github.com/peal-rtc/peal/internal/store"
)

// endpoint is the state of one endpoint in a schedule.
type endpoint struct {
	store.Endpoint
	// gone says that it was deleted. It stays here until its tries, claims and marks have ended.
	gone bool

	// waiting are deliveries that were claimed and not tried yet, the longest due first.
	waiting []store.Delivery
	running int // Tries.
	// quiet is the end of a pause in which nothing is tried: the endpoint asked for it, or its next
	// probe is due then.
	quiet time.Time

	// mayBeDue says that a delivery may be due. next is when one will be; zero for never.
	mayBeDue bool
	next     time.Time
	claimAt  time.Time // The earliest time of the next Claim.
	// claiming says that a Claim runs, of at most claimed deliveries.
	claiming bool
	claimed  int
	// outboxPause is the pause after a Claim or a Mark of this endpoint that failed.
	outboxPause pausing
	// unmarked says that FailingSince or Disabled has to be stored, and marking that a Mark runs.
	unmarked, marking bool

	// failures counts failed tries since the last success. since is the time of the first.
	failures int
	since    time.Time
}

// newEndpoint makes the state of a stored endpoint. One that failed when the server stopped begins with
// a probe.
func newEndpoint(stored *store.Endpoint) *endpoint {
	e := &endpoint{Endpoint: *stored}
	if !e.FailingSince.IsZero() {
		e.failures, e.since = circuitAfter, e.FailingSince
	}
	return e
}

// change takes an endpoint as it is stored now. Where it was enabled again, or has another URL, change
// resets the failures, and reports whether that has to be stored.
func (e *endpoint) change(stored store.Endpoint) bool {
	e.mayBeDue = true
	if e.URL != stored.URL {
		e.unmarked = false // It is of the former URL.
	} else if !e.marked() {
		stored.FailingSince, stored.Disabled = e.FailingSince, e.Disabled
	}
	e.heed(&stored)
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

// marked reports that FailingSince and Disabled are stored.
func (e *endpoint) marked() bool { return !e.unmarked && !e.marking }

// mark requests a Mark where the state of the endpoint has changed. Until it is stored nothing is tried
// at the endpoint: Looked may bring an older state.
func (e *endpoint) mark(changed bool) { e.unmarked = e.unmarked || changed && !e.gone }

// circuitOpen reports that the endpoint has failed so often that it gets only probes.
func (e *endpoint) circuitOpen() bool { return e.failures >= circuitAfter }

// succeeded counts a success, and reports whether that has to be stored.
func (e *endpoint) succeeded() bool {
	e.failures, e.since = 0, time.Time{}
	changed := !e.FailingSince.IsZero()
	e.FailingSince = time.Time{}
	return changed
}

// failed counts a failure, and reports whether something has to be stored.
func (e *endpoint) failed(now time.Time, a *Attempt) bool {
	if e.failures++; e.since.IsZero() {
		e.since = now
	}
	// Too many requests, or too busy: both apply to all requests.
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
