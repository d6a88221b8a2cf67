package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/store"
)

// storeDeadline is how long a request waits for a store that cannot be reached, where it waits.
const storeDeadline = 5 * time.Second

// errNotDone is the store's word that it did not do what it was asked for.
var errNotDone = fmt.Errorf("injected refusal: %w", store.ErrNotDone)

// reach does something at the store once it can be reached: at once mostly. Where the store is
// away, connections to it are refused, or they hang until it is back or their time is over.
func (h *host) reach(left time.Duration, do, failed func()) {
	w := h.w
	wait := latest(h.cutOff, w.away).Sub(w.now)
	switch {
	case wait <= 0:
		do()
	case !w.hangs || len(w.hosts) == 1 || left <= 0:
		failed()
	default:
		// Not all find at once that the store is back.
		wait = min(wait+w.upTo(500*time.Millisecond), left)
		w.after(wait, func() { h.reach(left-wait, do, failed) })
	}
}

// ask puts a request to the store on this incarnation's behalf, after a while,
// and gives the answer a while later.
func (h *host) ask(e node.Request) {
	w, start, f := h.w, h.start, &h.w.cfg.Faults
	d, back := w.upTo(f.StoreDelay), w.upTo(f.StoreDelay)
	if w.fault(f.ReadSlow, "a slow read of "+h.label()) {
		_, beat := e.(node.Beat)
		// Beside failovers a sign of life is late on its way back alone: what the watch knows of
		// leases would not tell a slow one from the store's absence.
		if slow := w.upTo(5 * time.Second); w.chance(0.5) && (!beat || f.Failover == 0) {
			d += slow
		} else {
			back += slow
		}
	}
	fail := func() { h.later(back, e.Failed(errInjected)) }
	w.after(d, func() {
		h.reach(storeDeadline, func() {
			switch {
			case !h.alive || h.start != start:
			case w.fault(f.ReadFail, h.label()+" cannot read"):
				fail()
			default:
				h.later(back, h.answer(e))
			}
		}, fail)
	})
}

// answer is what the store answers now.
func (h *host) answer(e node.Request) node.Input {
	if _, beat := e.(node.Beat); beat {
		h.heard()
		h.set()
		h.lowest = h.w.lowest()
	}
	answer, _ := e.Ask(context.Background(), h.w.store) // The error is in the answer.
	if l, ok := answer.(node.ListedChanged); ok {
		l.Marks = h.sees(l.Marks)
		return l
	}
	return answer
}

// showsLate is how long after its time a change shows to the last reader. What is older shows to
// everyone, also to a node that could not read for long.
const showsLate = 6 * time.Second

// sees leaves those changes out that are in the store and that this reader does not see yet.
func (h *host) sees(marks []store.Mark) (seen []store.Mark) {
	w, f := h.w, &h.w.cfg.Faults
	for _, m := range marks {
		key := unseen{h.index, m.Call, m.Rev}
		until, known := w.unseen[key]
		if !known && f.Disorder > 0 && w.now.Sub(m.At) < showsLate {
			if w.fault(f.Disorder, fmt.Sprintf("%s does not see rev %d of %s for a while", h.label(), m.Rev, short(m.Call))) {
				until = m.At.Add(w.upTo(2 * time.Second))
				if w.chaos.IntN(8) == 0 {
					until = m.At.Add(showsLate)
				}
			}
			w.unseen[key] = until
		}
		if !w.now.Before(until) || w.calmed {
			seen = append(seen, m)
		}
	}
	return seen
}

// unseen is a change as a reader may not see it yet.
type unseen struct {
	host int
	call call.ID
	rev  uint32
}

// fate is the result of a commit.
type fate int

const (
	made    fate = iota
	skipped      // It is not done, and the store does not say so.
	refused      // It is not done, and the store says so.
	hidden       // It is done, and the store does not say so.
	delayed      // It is done later, and the store does not say so.
	mixed        // Of a batch: each has its own.
)

// batch are commits of one host that fail together.
type batch struct {
	until time.Time
	fate  fate
}

// fateOf draws the result of a commit.
func (h *host) fateOf(id call.ID) fate {
	w, f, what := h.w, &h.w.cfg.Faults, "a commit of "+short(id)
	switch {
	case w.now.Before(h.batch.until) && !w.calmed:
		w.trace("%s fails with the others", what)
	case w.fault(f.CommitSkip, what+" fails"):
		return skipped
	case w.fault(f.CommitRefuse, what+" is refused"):
		return refused
	case w.fault(f.CommitHide, what+" is done and reported as failed"):
		return hidden
	case w.fault(f.CommitLate, what+" is reported as failed and done later"):
		return delayed
	case w.fault(f.CommitBatch, what+" fails, and so do those of the same time of "+h.label()):
		h.batch = batch{w.now.Add(time.Duration(w.chaos.Int64N(int64(300 * time.Millisecond)))), fate(1 + w.chaos.IntN(int(mixed)))}
	default:
		return made
	}
	if h.batch.fate == mixed {
		return fate(w.chaos.IntN(int(delayed)))
	}
	return h.batch.fate
}

// commit reaches the store whether the host lives to see that or not; but a host
// that is alone has its store in its own process, which dies with it.
func (h *host) commit(e node.Commit) {
	w, f, start := h.w, &h.w.cfg.Faults, h.start
	format := h.format
	answer := func(d time.Duration, r store.Result) {
		if h.start == start {
			h.later(d, node.Committed{Ticket: e.Ticket, Result: r})
		}
	}
	commit := func() store.Result {
		w.holdsFormats(format, e.Change)
		results, err := w.store.Commit(context.Background(), []store.Change{e.Change})
		if errors.Is(err, store.ErrFailed) {
			h.loses()
		}
		if err != nil {
			return store.Result{Err: err}
		}
		return results[0]
	}
	failed := store.Result{Err: errInjected}
	id := e.Change.Call.ID
	d, back := w.upTo(f.StoreDelay), w.upTo(f.StoreDelay)
	if w.fault(f.CommitSlow, "a slow commit of "+short(id)) {
		d += w.upTo(5 * time.Second)
	}
	gone := func() bool { return !h.alive || h.start != start }
	arrives := func() {
		if len(w.hosts) == 1 && gone() {
			return
		}
		switch h.fateOf(id) {
		case made, mixed:
			answer(back, commit())
		case skipped:
			answer(back, failed)
		case refused:
			answer(back, store.Result{Err: errNotDone})
		case hidden:
			commit()
			answer(back, failed)
		case delayed:
			w.after(w.upTo(5*time.Second), func() { commit() })
			answer(back, failed)
		}
	}
	w.after(d, func() {
		if h.cut() && gone() {
			return // It was never sent.
		}
		h.reach(storeDeadline, arrives, func() { answer(back, failed) })
	})
}

// offset is how far a host takes the store's clock to be from the one that ran from the start. A
// step back is slewed.
type offset struct {
	at   time.Time
	from time.Duration // At that time,
	to   time.Duration // and what it comes to.
}

// now is the offset now.
func (o *offset) now(now time.Time) time.Duration { return max(o.to, o.from-now.Sub(o.at)/10) }

// set has the host go by the store's clock as it is now.
func (h *host) set() { h.offset = offset{h.w.now, h.offset.now(h.w.now), h.w.jumped} }

// clock is what the host believes to be the store's time.
func (h *host) clock() time.Time { return h.w.clock.Now().Add(h.offset.now(h.w.now) + h.skew) }

// time is that of the store, which a failover sets to that of another machine.
func (w *world) time() time.Time { return w.clock.Now().Add(w.jumped) }

// jump is by how much the clocks of the machines of the store differ at most.
const jump = time.Second

// jumps is by how much what is timed by the store's clock may be off from the commits: the clock
// may be another one, and a commit may have waited for the store.
func (f Faults) jumps() (off time.Duration) {
	if f.Failover > 0 {
		off += 2 * jump
	}
	if f.Failover+f.StoreDown+f.StoreLost > 0 {
		off += storeDeadline
	}
	return off
}

// failover has another machine be the store after a while: with all that was committed, and a
// clock of its own.
func (w *world) failover() {
	w.away = latest(w.away, w.now.Add(time.Duration(w.chaos.Int64N(int64(6*time.Second)))))
	w.jumped = time.Duration(w.chaos.Int64N(int64(jump))) - jump/2
}
