package delivery

import (
	"cmp"
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/store"
)

// Input is what happened.
type Input interface{ input() }

// The inputs.
type (
	// Looked brings the stored endpoints. Events may be due at each of them. It is the first input,
	// and follows each change of the outbox.
	Looked struct{ Endpoints []store.Endpoint }
	// Claimed answers Claim.
	Claimed struct {
		Endpoint int64
		Due      []store.Delivery
		Next     time.Time // When more will be due; zero for never.
		Err      error
	}
	// Tried answers Send, with the URL that was tried. Chance is a random number from 0 up to 1.
	Tried struct {
		URL      string
		Delivery store.Delivery
		Attempt  Attempt
		Chance   float64
	}
	// Settled answers Settle.
	Settled struct{ Err error }
	// Marked answers Mark.
	Marked struct {
		Endpoint int64
		Err      error
	}
	// Woke says that Deadline has passed.
	Woke struct{}
	// Stopping begins no more tries, and returns deliveries that wait for one to the outbox.
	Stopping struct{}
)

func (Looked) input()   {}
func (Claimed) input()  {}
func (Tried) input()    {}
func (Settled) input()  {}
func (Marked) input()   {}
func (Woke) input()     {}
func (Stopping) input() {}

// Effect is an operation that the owner carries out.
type Effect interface{ effect() }

// The effects.
type (
	// Claim asks the outbox for deliveries that are due.
	Claim struct {
		Endpoint int64
		ID       string
		Limit    int
	}
	// Send tries a delivery.
	Send struct {
		Endpoint store.Endpoint
		Delivery store.Delivery
	}
	// Settle stores the results of deliveries in the outbox.
	Settle struct{ Settlements []store.Settlement }
	// Mark stores the state of an endpoint at a URL. Where the endpoint has another URL by then, Mark
	// changes nothing, without an error.
	Mark struct {
		Endpoint     int64
		ID, URL      string
		FailingSince time.Time
		Disabled     store.Disabled
	}
	// Look asks for Looked, of the endpoints as they are after this step.
	Look struct{}
)

func (Claim) effect()  {}
func (Send) effect()   {}
func (Settle) effect() {}
func (Mark) effect()   {}
func (Look) effect()   {}

// Reasons for which an endpoint is disabled.
const (
	// EndpointGone: it answered 410.
	EndpointGone = "gone"
	// EndpointFailing: each try has failed for days.
	EndpointFailing = "failing"
)

// Schedule decides about all deliveries.
type Schedule struct {
	endpoints map[int64]*endpoint
	// served is the number of the endpoint that began a try last: the next one goes first.
	served  int64
	running int // Tries, of all endpoints.

	// settled waits for the next Settle. settling says that a Settle runs, with underway.
	settled  []store.Settlement
	underway []store.Settlement
	settling bool
	settleAt time.Time // The earliest time of the next Settle.

	// settlePause is the pause after a Settle that failed. It is one for all: a Settle is of many endpoints.
	settlePause pausing
	stopping    bool

	effects  []Effect
	deadline time.Time // Zero for none.
}

// New makes a schedule without endpoints.
func New() *Schedule { return &Schedule{endpoints: make(map[int64]*endpoint)} }

// Deadline is when to step with Woke, where there is such a time.
func (s *Schedule) Deadline() (time.Time, bool) { return s.deadline, !s.deadline.IsZero() }

// Idle reports that no effect runs and no result waits to be stored. After Stopping it stays so.
func (s *Schedule) Idle() bool {
	busy := s.running > 0 || s.settling || len(s.settled) > 0
	for _, e := range s.endpoints {
		busy = busy || e.claiming || !e.marked()
	}
	return !busy
}

// Step takes one input. Now is the store's time, by which deliveries are due.
func (s *Schedule) Step(now time.Time, in Input) []Effect {
	s.effects, s.deadline = nil, time.Time{}
	switch in := in.(type) {
	case Looked:
		s.look(in.Endpoints)
	case Claimed:
		s.claimed(now, in)
	case Tried:
		s.tried(now, in)
	case Settled:
		s.settling = false
		s.settlePause.judge(now, in.Err)
		for i := range s.underway {
			if e := s.endpoints[s.underway[i].Delivery.Lane.Endpoint]; e != nil {
				e.mayBeDue = true // The next event of the same call is due.
			}
		}
		s.underway = nil
	case Marked:
		s.marked(now, in)
	case Stopping:
		s.stopping = true
	case Woke:
	}
	s.decide(now)
	return s.effects
}

// look takes the endpoints as they are now.
func (s *Schedule) look(list []store.Endpoint) {
	there := make(map[int64]bool, len(list))
	for _, one := range list {
		there[one.Number] = true
		e := s.endpoints[one.Number]
		if e == nil {
			e = newEndpoint(&one)
			s.endpoints[one.Number] = e
		}
		e.mark(e.change(one))
	}
	for number, e := range s.endpoints {
		if e.gone = !there[number]; e.gone {
			s.giveBack(e)
			e.unmarked = false
			if e.running == 0 && !e.claiming && !e.marking {
				delete(s.endpoints, number)
			}
		}
	}
}

// claimed takes deliveries that are due. Those of another endpoint go back.
func (s *Schedule) claimed(now time.Time, in Claimed) {
	e := s.endpoints[in.Endpoint]
	e.claiming = false
	e.outboxPause.judge(now, in.Err)
	e.next, e.mayBeDue = in.Next, e.mayBeDue || in.Err != nil || len(in.Due) == e.claimed
	for _, d := range in.Due {
		if d.Lane.Endpoint != in.Endpoint {
			s.settle(store.Settlement{Delivery: d, Outcome: store.Returned}) // The id belongs to a later endpoint by now.
			continue
		}
		e.waiting = append(e.waiting, d)
	}
}

// tried takes the result of a try.
func (s *Schedule) tried(now time.Time, in Tried) {
	s.running--
	e := s.endpoints[in.Delivery.Lane.Endpoint]
	e.running--
	moved := in.URL != e.URL // The result says nothing about the present URL.
	done := store.Settlement{Delivery: in.Delivery, Outcome: store.Delivered}
	switch in.Attempt.Result {
	case Delivered:
		e.mark(!moved && e.succeeded())
	case Abandoned:
		done.Outcome = store.Returned
	case Gone, Redirect, Status, Timeout, Blocked, Connect:
		if wait, left := pause(in.Delivery.Tries+1, in.Chance); left {
			done.Outcome, done.After = store.Retry, max(wait, min(in.Attempt.RetryAfter, RetryAfterMost))
		} else {
			done.Outcome, done.Reason = store.Dead, in.Attempt.Detail
		}
		e.mark(!moved && e.failed(now, &in.Attempt))
	}
	s.settle(done)
}

// mark stores the state of an endpoint. One Mark runs at a time, so that the last one is the newest.
func (s *Schedule) mark(now time.Time, e *endpoint) {
	if !e.unmarked || e.marking || !s.stopping && !s.due(now, e.outboxPause.until) {
		return
	}
	e.unmarked, e.marking = false, true
	s.effects = append(s.effects, Mark{
		Endpoint: e.Number, ID: e.ID, URL: e.URL, FailingSince: e.FailingSince, Disabled: e.Disabled,
	})
}

// marked takes the result of a Mark. A Look then brings what others changed in the meantime.
func (s *Schedule) marked(now time.Time, in Marked) {
	e := s.endpoints[in.Endpoint]
	e.outboxPause.judge(now, in.Err)
	e.marking = false
	if in.Err != nil {
		e.unmarked = !e.gone && !s.stopping
	}
	if e.marked() {
		s.effects = append(s.effects, Look{})
	}
}

// giveBack returns the deliveries that were claimed and not tried.
func (s *Schedule) giveBack(e *endpoint) {
	for _, d := range e.waiting {
		s.settle(store.Settlement{Delivery: d, Outcome: store.Returned})
	}
	e.waiting, e.mayBeDue = nil, true
}

func (s *Schedule) settle(one store.Settlement) { s.settled = append(s.settled, one) }

// decide begins all effects that can begin, the endpoints in turn.
func (s *Schedule) decide(now time.Time) {
	numbers := make([]int64, 0, len(s.endpoints))
	for number := range s.endpoints {
		numbers = append(numbers, number)
	}
	slices.SortFunc(numbers, func(a, b int64) int {
		// Those after the endpoint that was served last go first.
		return cmp.Or(cmp.Compare(s.passed(a), s.passed(b)), cmp.Compare(a, b))
	})
	for _, number := range numbers {
		e := s.endpoints[number]
		s.mark(now, e)
		// A delivery that has to wait for long does so in the outbox.
		if s.stopping || e.gone || !e.Enabled() || now.Before(e.quiet) || e.circuitOpen() && e.running+len(e.waiting) > 1 {
			s.giveBack(e)
		}
		for s.mayBegin(now, e) {
			d := e.waiting[0]
			e.waiting = slices.Delete(e.waiting, 0, 1)
			e.running++
			s.running++
			s.served = number
			s.effects = append(s.effects, Send{e.Endpoint, d})
		}
		s.claim(now, e)
	}
	if len(s.settled) == 0 || s.settling || !s.due(now, s.settleAt) || !s.stopping && !s.due(now, s.settlePause.until) {
		return
	}
	s.effects = append(s.effects, Settle{s.settled})
	s.settled, s.underway, s.settling, s.settleAt = nil, s.settled, true, now.Add(paceOf)
}

// passed is 1 for endpoints that were served in this round, and 0 for the others.
func (s *Schedule) passed(number int64) int {
	if number <= s.served {
		return 1
	}
	return 0
}

// mayBegin reports whether a waiting delivery may be tried now.
func (s *Schedule) mayBegin(now time.Time, e *endpoint) bool {
	most := PerEndpoint
	if e.circuitOpen() {
		most = 1
	}
	return len(e.waiting) > 0 && e.marked() && s.running < InAll && e.running < most && s.due(now, e.quiet)
}

// claim claims more deliveries, where some may be due and there is room.
func (s *Schedule) claim(now time.Time, e *endpoint) {
	limit := window - len(e.waiting)
	room := len(e.waiting) < PerEndpoint
	if e.circuitOpen() {
		limit, room = 1, len(e.waiting)+e.running == 0
	}
	if s.stopping || e.gone || !e.Enabled() || !e.marked() || e.claiming || !room {
		return
	}
	if !e.mayBeDue && (e.next.IsZero() || !s.due(now, e.next)) {
		return
	}
	if !s.due(now, e.quiet) || !s.due(now, e.claimAt) || !s.due(now, e.outboxPause.until) || !s.due(now, s.settlePause.until) {
		return
	}
	e.mayBeDue, e.claiming, e.claimed, e.claimAt = false, true, limit, now.Add(paceOf)
	s.effects = append(s.effects, Claim{Endpoint: e.Number, ID: e.ID, Limit: limit})
}

// due reports whether a time has passed. Otherwise the time becomes a deadline.
func (s *Schedule) due(now, at time.Time) bool {
	if !now.Before(at) {
		return true
	}
	if s.deadline.IsZero() || at.Before(s.deadline) {
		s.deadline = at
	}
	return false
}
