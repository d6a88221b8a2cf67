package chaos_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/client"
)

// plan is what the people of a pair do, if they live to see it.
type plan string

const (
	callerHangsUp plan = "caller hangs up"
	calleeHangsUp plan = "callee hangs up"
	rejects       plan = "callee rejects"
	cancels       plan = "caller cancels"
	timeout       plan = "nobody answers"
	callerLeaves  plan = "caller vanishes while it rings"
	vanishes      plan = "callee vanishes from the call"

	// Two do something at the same time.
	acceptCancel  plan = "accept and cancel"
	acceptReject  plan = "accept and reject"
	rejectCancel  plan = "reject and cancel"
	acceptTimeout plan = "accept and time-out"
	cancelTimeout plan = "cancel and time-out"
	rejectTimeout plan = "reject and time-out"
	acceptHangup  plan = "accept and hang up"
	hangups       plan = "both hang up"
	accepts       plan = "two devices accept"
	glare         plan = "both call"

	// Of tests that play by themselves.
	stays plan = "nobody hangs up"
)

var (
	races = []plan{acceptCancel, acceptReject, rejectCancel, acceptTimeout, cancelTimeout, rejectTimeout, acceptHangup, hangups, accepts, glare}
	plans = append([]plan{callerHangsUp, calleeHangsUp, rejects, cancels, timeout, callerLeaves, vanishes}, races...)
)

// How long things take beside the graces.
const (
	ringTime   = time.Second     // Where nobody answers.
	callerAway = 2 * time.Second // Who vanishes is back after that, which is later
	calleeAway = 3 * time.Second // than the grace allows.
	reconnect  = 2 * time.Second // The pause before an attempt, after a second without a server.
	slack      = 3 * time.Second // For a busy machine.
)

// within bounds the time from when there is a server again until all are out of
// the call of a plan and have its record.
func (p plan) within() time.Duration {
	return p.enough() + connect + grace + reconnect + slack
}

// enough is when the caller hangs up, whatever has become of the call.
func (p plan) enough() time.Duration {
	if p == callerLeaves || p == vanishes {
		return 3*ringTime + calleeAway
	}
	return 3 * ringTime
}

// ways are how a call of each plan may end while the server lives. Two of the same
// time may come in either order.
var ways = map[plan][]client.Reason{
	callerHangsUp: {"completed"},
	calleeHangsUp: {"completed"},
	rejects:       {"rejected"},
	cancels:       {"cancelled"},
	timeout:       {"timeout"},
	callerLeaves:  {"lost"},
	vanishes:      {"lost"},
	acceptCancel:  {"completed", "cancelled"},
	acceptReject:  {"completed", "rejected"},
	rejectCancel:  {"rejected", "cancelled"},
	acceptTimeout: {"completed", "timeout"},
	cancelTimeout: {"cancelled", "timeout"},
	rejectTimeout: {"rejected", "timeout"},
	acceptHangup:  {"completed", "cancelled"},
	hangups:       {"completed"},
	accepts:       {"completed"},
	glare:         {"completed"},
	stays:         {"completed"},
}

// disturbed are the further ones where the server dies, or the store is away: somebody may be away
// for longer than the grace, the caller hangs up in the end (also before a node can commit that
// nobody answered), and a device that had accepted may get no media.
func (p plan) disturbed() []client.Reason {
	if p == vanishes || slices.Contains(ways[p], "completed") {
		return []client.Reason{"lost", "cancelled", "completed", "failed"}
	}
	return []client.Reason{"lost", "cancelled"}
}

// timed says that the ringing is over when somebody does something.
func (p plan) timed() bool { return p == acceptTimeout || p == cancelTimeout || p == rejectTimeout }

// pair is two people who call each other again and again; the callee has two
// devices. Nobody else calls them, so that nobody can be busy.
type pair struct {
	caller, callee, other *phone
	plan                  plan
}

func (p *proxy) pair(name string) *pair {
	return &pair{
		caller: p.login(name+"-caller", "phone"),
		callee: p.login(name+"-callee", "phone"), other: p.login(name+"-callee", "desk"),
	}
}

func (p *pair) phones() []*phone { return []*phone{p.caller, p.callee, p.other} }

// does sets the plan, and has everybody hesitate for up to a while.
func (p *pair) does(what plan, rng *rand.Rand, hesitate time.Duration) {
	p.plan = what
	for _, ph := range p.phones() {
		pause := time.Duration(rng.Int64N(int64(hesitate)))
		if what.timed() {
			pause = ringTime - pause // The message takes a while as well.
		}
		ph.plan(what, pause)
	}
	// The desk rings alone, but for the race that it is there for.
	if what == acceptReject || what == callerHangsUp || what == hangups || what.timed() {
		p.other.plan(timeout, 0)
	}
}

// play makes the calls of the plan and sees them through. The server may die at any time:
// what fails then shows in the call's outcome.
func (p *pair) play(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, startup+p.plan.within())
	defer cancel()
	var both sync.WaitGroup
	both.Go(func() { p.dial(ctx, p.caller, p.callee) })
	if p.plan == glare {
		both.Go(func() { p.dial(ctx, p.callee, p.caller) })
	}
	both.Wait()
}

func (p *pair) dial(ctx context.Context, from, to *phone) {
	from.mu.Lock()
	pause := from.pause
	from.mu.Unlock()
	if p.plan == glare {
		time.Sleep(pause)
	}
	o := client.CallOptions{Offer: from.offer(), Attachment: plantedAttachment}
	if p.plan == timeout || p.plan.timed() {
		o.RingTimeout = ringTime
	}
	call, err := from.Call(ctx, to.Account(), o)
	if from.did("calls", err); err != nil {
		return
	}
	from.made(call.ID())
	switch {
	case p.plan == cancels, p.plan == acceptCancel, p.plan == rejectCancel, p.plan == cancelTimeout:
		time.Sleep(pause)
		from.did("cancels", call.Cancel(ctx))
	case p.plan == acceptHangup:
		time.Sleep(pause)
		from.did("hangs up", call.Hangup(ctx))
	case p.plan == callerLeaves:
		from.vanishes(callerAway)
	}
	// Whatever has become of it, in the end somebody hangs up.
	select {
	case <-call.Done():
	case <-time.After(p.plan.enough()):
		from.did("hangs up", call.Hangup(ctx))
	}
}

// ending is how a call ended, as all devices received it.
type ending struct {
	record client.Record
	actor  string // Where the server told anybody.
	device string // Which of the callee's was in it.
	// connected says that media was up on both ends, as a side learned.
	connected bool
}

// result is what has come of a plan.
type result struct {
	endings []ending
	wrong   []string
	took    time.Duration
}

// outage is when there was no server, or nodes of a cluster were without something.
type outage struct {
	from, until time.Time
	// settles is how long after it things may be found out late.
	settles time.Duration
	// keeps says that it loses no call that is connected.
	keeps bool
}

// over is when nothing of it is left.
func (o outage) over() time.Time { return o.until.Add(o.settles) }

// spares says that there was a server at a time, and for a while after it.
func (o outage) spares(at time.Time, d time.Duration) bool {
	return o.over().Before(at) || o.from.After(at.Add(d))
}

// outcome finds an ending that the plan does not allow.
func (p *pair) outcome(began time.Time, o outage, e ending) string {
	r := e.record.Reason
	if o.keeps && e.connected && r == "lost" && p.plan != vanishes {
		return "it was connected, and it is lost"
	}
	allowed := ways[p.plan]
	if o.until.After(o.from) {
		allowed = append(p.plan.disturbed(), allowed...)
	}
	if !slices.Contains(allowed, r) {
		return fmt.Sprintf("it ended %s, and may end %v", r, allowed)
	}
	var left time.Time
	var after time.Duration
	switch {
	case p.plan == callerLeaves:
		left, after = p.caller.gone(began), callerGrace
	case p.plan == vanishes:
		left, after = p.callee.gone(began), grace
		if other := p.other.gone(began); !other.IsZero() {
			left = other
		}
	}
	// Later the caller may have hung up: a busy machine takes its time until somebody answers.
	first := left.Add(after + time.Second).Before(began.Add(p.plan.enough()))
	if !left.IsZero() && first && o.spares(left, after+time.Second) && r != "lost" {
		return fmt.Sprintf("somebody was away for longer than %s, and it ended %s", after, r)
	}
	return ""
}

// result waits for all to agree, for as long as the plan allows.
func (p *pair) result(ctx context.Context, began time.Time, o outage) (r result) {
	within := o.settles + p.plan.within()
	ctx, cancel := context.WithDeadline(ctx, o.until.Add(within))
	defer cancel()
	r.endings, r.wrong = p.agrees(ctx)
	if r.took = time.Since(o.until); r.took > within {
		r.wrong = append(r.wrong, fmt.Sprintf("%s: it took %s until all agreed, more than %s", p.plan, r.took, within))
	}
	for _, e := range r.endings {
		if wrong := p.outcome(began, o, e); wrong != "" {
			r.wrong = append(r.wrong, fmt.Sprintf("%s: %s: %s", p.plan, e.record.CallID, wrong))
		}
	}
	return r
}

// agrees waits until everybody has the records of all calls that any device received, compares all
// that they received with those, and returns what is wrong.
func (p *pair) agrees(ctx context.Context) ([]ending, []string) {
	if err := p.rests(ctx); err != nil {
		return nil, []string{fmt.Sprintf("%s: %v", p.plan, err)}
	}
	var wrong []string
	complain := func(format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("%s: ", p.plan)+fmt.Sprintf(format, args...))
	}
	var endings []ending
	told := make(map[*phone]seen)
	for _, ph := range p.phones() {
		s, complaints := ph.account()
		for _, complaint := range complaints {
			complain("%s", complaint)
		}
		told[ph] = s
		if diff := cmp.Diff(told[p.caller].records, s.records); diff != "" {
			complain("the records differ (-%s +%s):\n%s", p.caller.name, ph.name, diff)
		}
	}
	for _, r := range told[p.caller].records {
		e := ending{record: r}
		if r.Reason == "busy" {
			complain("%s was busy with nothing", r.Callee)
		}
		for ph, s := range told {
			if end, ok := s.ends[r.CallID]; ok {
				e.fits(ph, end, complain)
			}
			e.connected = e.connected || s.talked[r.CallID]
		}
		e.device = one(r.CallID, told, complain)
		endings = append(endings, e)
	}
	for ph, s := range told {
		for id := range s.ends {
			if _, ok := told[p.caller].records[id]; !ok {
				complain("%s was told of %s, of which there is no record", ph.name, id)
			}
		}
	}
	if len(endings) == 0 {
		complain("%s and %s have had no call", p.caller.name, p.callee.name)
	}
	return endings, wrong
}

// rests waits until nobody is in a call and everybody has all records.
func (p *pair) rests(ctx context.Context) error {
	for known := -1; ; {
		all := make(map[string]bool)
		for _, ph := range p.phones() {
			if err := ph.settled(ctx); err != nil {
				return err
			}
			maps.Copy(all, ph.told())
		}
		if len(all) == known {
			return nil
		}
		known = len(all)
		for id := range all {
			for _, ph := range p.phones() {
				if err := ph.hasRecord(ctx, id); err != nil {
					return err
				}
			}
		}
	}
}

// fits compares the end that one phone received with the record.
func (e *ending) fits(ph *phone, end client.End, complain func(string, ...any)) {
	r := e.record
	unanswered := r.Reason == "cancelled" || r.Reason == "rejected" || r.Reason == "timeout"
	switch {
	case end.Reason == "answered_elsewhere":
		if unanswered {
			complain("%s was told that %s was answered elsewhere, its record says %s", ph.name, r.CallID, r.Reason)
		}
		return
	case end.Final && end.Reason != r.Reason:
		complain("%s was told that %s ended %s, its record says %s", ph.name, r.CallID, end.Reason, r.Reason)
	}
	if end.Final && !end.ByThisDevice {
		e.actor = end.Actor
	}
}

// one is the phone of the callee that was in a call. It finds others that were in
// it too, and answers that the caller was given of others, or was not given.
func one(id string, told map[*phone]seen, complain func(string, ...any)) string {
	var winner *phone
	for ph, s := range told {
		switch {
		case !s.took[id]:
			continue
		case winner != nil:
			complain("%s and %s were both in %s", winner.name, ph.name, id)
		case s.ends[id].Reason == "answered_elsewhere":
			complain("%s was in %s, which was answered elsewhere", ph.name, id)
		}
		winner = ph
	}
	var first string
	for ph, s := range told {
		if s.talked[id] && len(s.answers[id]) == 0 {
			complain("%s was connected in %s without an answer", ph.name, id)
		}
		for _, text := range s.answers[id] {
			switch {
			case winner != nil && text != winner.answerText():
				complain("%s was in %s, and %s was given %q", winner.name, id, ph.name, text)
			case first != "" && text != first:
				complain("%s was given two answers in %s: %q, %q", ph.name, id, first, text)
			}
			first = text
		}
	}
	if winner == nil {
		return ""
	}
	return winner.name
}
