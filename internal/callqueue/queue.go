package callqueue

import (
	"errors"
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// Limits of trying again.
const (
	// triesMost is how often a job is done on a state that turns out to be old. Each conflict
	// means that another node made progress.
	triesMost = 8
	// pauseFirst and pauseMost bound the pause after a read that failed; it doubles.
	pauseFirst = 50 * time.Millisecond
	pauseMost  = time.Second
	// outageMost is how long a store may fail before askers hear that it is unavailable.
	outageMost = 5 * time.Second
	// outageApart is how far apart two failures are that belong to one outage, at most.
	outageApart = 12 * time.Second
)

// Queue does the jobs of one call, one at a time.
type Queue struct {
	all *Queues
	id  call.ID
	// call is a copy of the stored call; it has no id where there is none. known is false
	// while there is no copy to go by.
	call  call.Call
	known bool
	// newest is the highest rev that is known to exist. What a device asks for after it
	// heard of that rev must not be done on an older copy.
	newest uint32
	jobs   []entry
	// busy: the first job waits for the store, or for another call to be settled.
	busy bool
	// pending is what the commit under way comes to.
	pending pending
	// patient: the commit under way may wait for company.
	patient bool
	// running: run is on the stack.
	running bool
	// paused: the store failed; Ticked tries again.
	paused bool
	// failing is how many requests in a row failed, since began, the last of them at failed.
	failing       int
	began, failed time.Time
	// asked is when the request to the store under way was made.
	asked time.Time
	// announce: a commit's result was unknown, so that once the call has been read every device
	// receives the state that was read.
	announce bool
	// unknown: the result of the commit doubted is unknown, so that what is read may be its doing.
	unknown bool
	doubted pending
	// sent are the candidates of each side in the present generation.
	sent map[call.Account]*sentCandidates
	// holders counts the devices here that have to do with the call.
	holders int
}

// entry is a job in the queue.
type entry struct {
	Job
	tries int
	// reread says that the call was read for this job: its copy is not the reason for a refusal.
	reread bool
	// admitted says that an invitation was counted.
	admitted bool
}

// uncount takes back that an invitation was counted, because it makes no call.
func (e *entry) uncount(p Policy) {
	if i, ok := e.Job.(invite); ok && e.admitted {
		p.NoCall(i.Callee)
	}
}

// pending is a commit and what to tell when it is done.
type pending struct {
	change store.Change
	// input is what the call was stepped with; nil where it is new.
	input call.Input
	// effects are those of the change, busy those of its busy variant.
	effects, busy []call.Effect
}

func (q *Queue) host() Host { return q.all.host }

func (q *Queue) exists() bool { return q.call.ID != "" }

// foreign says that the copy has a newer format than this node knows, which would lose a part of
// the call by stepping it: it shows the call, and leaves all that happens to it to other nodes.
func (q *Queue) foreign() bool { return q.known && q.exists() && q.call.Format > q.all.cfg.Format }

// run does jobs until one has to wait.
func (q *Queue) run() {
	if q.running {
		return
	}
	q.running = true
	for !q.busy && !q.paused && len(q.jobs) > 0 {
		if q.known {
			q.attempt()
		} else {
			q.busy, q.asked = true, q.host().Now()
			q.host().Load(q.id)
		}
	}
	q.running = false
	q.dropIdle()
}

// attempt does the first job on the copy of the call: the job is finished, or waits.
func (q *Queue) attempt() {
	e := &q.jobs[0]
	if q.call.Rev < q.newest && !e.reread {
		q.reread()
		return
	}
	if _, present := e.Job.(Present); !present && e.asks() != nil && q.exists() && q.call.Live() && !q.foreign() {
		if p := q.host().First(e.asks(), &q.call); p != nil {
			q.jobs = slices.Insert(q.jobs, 0, entry{Job: Present{Device: p}})
			return
		}
	}
	e.attempt(q)
}

// reread has the call be read before the first job is done.
func (q *Queue) reread() { q.jobs[0].reread, q.known = true, false }

// step does an input, which is the first job's.
func (q *Queue) step(in call.Input) {
	if q.foreign() && q.call.Live() {
		q.finish(nil, protocol.Unavailable.Error())
		return
	}
	next, effects, err := call.Step(q.call, in, q.host().Now())
	switch {
	case err != nil && !q.jobs[0].reread:
		q.reread() // The copy may be old: read the call before refusing.
	case err != nil:
		q.finish(&q.call, refusal(err))
	case next.Rev == q.call.Rev:
		q.finish(&q.call, nil)
	default:
		q.commit(pending{change: store.Change{Call: next, From: q.call.Rev}, input: in, effects: effects})
	}
}

// commit asks the store; the first job waits.
func (q *Queue) commit(p pending) {
	var before *call.Call
	if p.change.From > 0 {
		before = &q.call
	}
	p.change.Events = call.Events(before, p.input, &p.change.Call)
	q.busy, q.pending, q.asked = true, p, q.host().Now()
	q.patient = len(q.jobs) == 1 && q.jobs[0].patient()
	q.host().Commit(p.change, q.patient)
}

// committed takes the result of the commit under way.
func (q *Queue) committed(r store.Result) {
	p := q.pending
	q.busy, q.patient, q.running, q.pending = false, false, true, pending{}
	if r.Verdict != 0 {
		q.failing = 0
	}
	switch r.Verdict {
	case store.Done:
		c := p.change.Call
		c.Deaf = c.Deaf || r.Deaf
		q.done(c, p.input, p.effects)
	case store.CalleeBusy:
		c := *p.change.Busy
		c.Deaf = r.Deaf
		q.done(c, nil, p.busy)
	case store.CallerClaimed:
		q.settle(r.Holder)
	case store.Conflict:
		q.known = false
		q.again()
	default:
		// Unknown: the change may have been made. Read the call before anyone is answered.
		q.all.cfg.Log.Warn("commit without a result", "call", q.id, "error", r.Err)
		q.known, q.announce, q.unknown, q.doubted = false, true, true, p
		q.host().Doubted(q.id, p.change.From)
		q.fails()
	}
	q.running = false
}

// done takes what was committed, answers the first job's asker, then tells the others.
func (q *Queue) done(c call.Call, by call.Input, effects []call.Effect) {
	q.host().Moved(&c, q.call.State)
	q.set(c, by)
	j := q.jobs[0].Job
	q.finish(&c, nil)
	for _, e := range effects {
		if c.Leg(e.Account) != nil { // The store may have made the call deaf.
			q.host().Tell(&c, e, j.answered())
		}
	}
	if p, ok := j.(Present); ok && p.Asker == nil && c.Live() {
		// The device may have been welcomed, or its calls read, before this call was made, for
		// which its program had asked earlier. A device that is greeted hears of it by the welcome.
		q.host().Introduce(&c)
	}
}

// read takes the call as it was loaded.
func (q *Queue) read(c call.Call) {
	var by call.Input
	if q.unknown {
		q.host().Moved(&c, q.call.State)
		if d := &q.doubted; c.Rev == d.change.Call.Rev {
			by = d.input
		}
	}
	q.unknown, q.doubted = false, pending{}
	q.set(c, by)
	if q.announce {
		for _, member := range c.Members() {
			if a := member.Account; a != "" {
				q.host().Tell(&c, call.Effect{Account: a, With: call.WithNeeds}, nil)
			}
		}
	} else {
		q.host().Update(&c)
	}
	q.announce = false
}

// set takes a newer copy of the call.
func (q *Queue) set(c call.Call, by call.Input) {
	q.call, q.known = c, true
	q.arm()
	q.host().Learned(&c, by)
}

// arm asks to be woken at the deadline of the call. While the queue is paused the wake-up is
// there to end that.
func (q *Queue) arm() {
	if q.paused {
		return
	}
	at, _ := q.call.Deadline()
	q.host().Wake(q.id, at)
}

// again leaves the first job to be done once more, unless that was tried often enough. What
// the node does by itself is never given up, only put off.
func (q *Queue) again() {
	e := &q.jobs[0]
	e.tries++
	switch {
	case e.tries < triesMost:
	case e.asks() != nil:
		q.refuse(func(one *entry) bool { return one == e })
	default:
		e.tries = 0
		q.pause(pauseMost)
	}
}

// fails has the first job tried again after a pause, as the store failed. Where the store has
// failed for long, all who ask are refused.
func (q *Queue) fails() {
	now := q.host().Now()
	if q.failing == 0 || now.Sub(q.failed) > outageApart {
		q.failing, q.began = 0, q.asked // A store may take its time to fail.
	}
	q.failed = now
	if now.Sub(q.began) >= outageMost {
		q.refuse(func(*entry) bool { return true })
		if len(q.jobs) == 0 {
			return
		}
	}
	pause := min(pauseFirst<<q.failing, pauseMost)
	if q.failing++; pause == pauseMost {
		q.failing = max(q.failing-1, 1)
	}
	q.pause(pause)
}

func (q *Queue) pause(d time.Duration) {
	q.paused = true
	q.host().Wake(q.id, q.host().Now().Add(d))
}

// refuse tells those who ask, of the jobs that are chosen, that the store is unavailable. What
// the node does by itself stays.
func (q *Queue) refuse(chosen func(*entry) bool) {
	var refused []Job
	kept := make([]entry, 0, len(q.jobs))
	for i := range q.jobs {
		if e := &q.jobs[i]; e.asks() != nil && chosen(e) {
			if !q.announce { // Or the call may have been made.
				e.uncount(q.host())
			}
			refused = append(refused, e.Job)
		} else {
			kept = append(kept, *e)
		}
	}
	q.jobs = kept
	for _, j := range refused {
		j.finished(q, nil, protocol.Unavailable.Error())
		if i, ok := j.(invite); ok && q.announce {
			q.withdraw(i.Caller)
		}
	}
	if len(q.jobs) > 0 {
		return
	}
	// The alarm was there for those who were refused.
	at, _ := q.call.Deadline()
	if q.announce {
		// Nobody waits for the result any more, and everyone is to receive it all the same.
		at = q.host().Now().Add(pauseMost)
	}
	q.host().Wake(q.id, at)
}

// ticked ends a pause, or gives the call a tick.
func (q *Queue) ticked() {
	if q.paused {
		q.paused = false
		if q.known {
			q.arm()
		}
		q.run()
		return
	}
	if !slices.ContainsFunc(q.jobs, isTick) {
		q.jobs = append(q.jobs, entry{Job: Apply{Input: call.Tick{}}})
	}
	q.run()
}

func isTick(e entry) bool {
	a, ok := e.Job.(Apply)
	if !ok {
		return false
	}
	_, ok = a.Input.(call.Tick)
	return ok
}

// finish takes the first job off the queue and answers its asker. c is nil where the asker
// is not to see the call.
func (q *Queue) finish(c *call.Call, failure *pealv1.Error) {
	if failure != nil {
		q.jobs[0].uncount(q.host())
	}
	q.pop().finished(q, c, failure)
}

// pop takes the first job, which is done: the store answers.
func (q *Queue) pop() Job {
	q.failing = 0
	j := q.jobs[0].Job
	q.jobs = slices.Delete(q.jobs, 0, 1) // In place: the next job needs no new array.
	return j
}

// dropIdle forgets a queue that nobody here needs.
func (q *Queue) dropIdle() {
	if q.running || q.busy || len(q.jobs) > 0 || q.holders > 0 || q.announce {
		return
	}
	if q.all.each[q.id] == q {
		delete(q.all.each, q.id)
		q.host().Wake(q.id, time.Time{})
	}
}

// refusal is the wire's word for a refused step.
func refusal(err error) *pealv1.Error {
	var r call.Refusal
	switch {
	case !errors.As(err, &r):
		return protocol.Unavailable.Error()
	case r == call.Stranger:
		return protocol.NoSuchCall.Error()
	}
	return protocol.Code(r).Error()
}
