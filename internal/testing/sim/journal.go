package sim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// journal is that of a host which is alone. What it holds outlives the host.
type journal struct {
	*store.Volatile
	w *world
	// failed says that nobody knows what it holds, until the store is opened again.
	failed bool
}

// openStore gives a host that is alone a store of what the journal holds.
func (w *world) openStore() {
	if w.journal == nil {
		return // All hosts have one store.
	}
	w.journal.failed = false
	m, err := store.Open(context.Background(), w.journal, w.clock.Now)
	if err != nil {
		w.violate("the store does not open: %v", err)
		return
	}
	w.store.Store = m
	w.audit.reopened(m)
}

// Append implements store.Journal, with faults of a disk.
func (j *journal) Append(batch []store.Entry) error {
	w, f, h := j.w, &j.w.cfg.Faults, j.w.hosts[0]
	if j.failed {
		w.violate("the journal is written to after a flush that failed")
	}
	for _, e := range batch {
		if c, err := w.store.Call(context.Background(), e.Call.ID); err == nil && c.Rev >= e.Call.Rev {
			w.violate("rev %d of call %s is seen before the journal has it", c.Rev, c.ID)
		}
	}
	id := short(batch[0].Call.ID)
	switch {
	case w.fault(f.AppendSkip, "the disk has no room for "+id):
		return fmt.Errorf("%w: %w", store.ErrNotDone, store.ErrFull)
	case w.fault(f.AppendFail, "a flush fails with "+id):
		j.failed = true
		j.half(batch)
		return errInjected
	case w.fault(f.PowerLoss, "the power fails with "+id):
		j.failed = true
		j.half(batch)
		if h.alive {
			h.crash()
			w.after(time.Duration(w.chaos.Int64N(int64(20*time.Second))), h.boot)
		}
		return errInjected
	}
	return j.Volatile.Append(batch)
}

// half loses the answer of a batch, which is stored or not: the node must not guess which. A node
// that counted the batch as failed would answer an invitation with an error, and its call would
// ring from the store.
func (j *journal) half(batch []store.Entry) {
	if j.w.chaos.IntN(2) == 0 {
		return
	}
	if err := j.Volatile.Append(batch); err != nil {
		return // The ids exist already.
	}
	for _, e := range batch {
		var from uint32
		if !e.Created {
			from = j.w.audit.calls[e.Call.ID].Rev
		}
		j.w.audit.made(from, e.Call.Clone())
	}
}

// loses ends a host whose store has failed: a start finds out what the disk holds.
func (h *host) loses() {
	if !h.alive || h.stopping {
		return
	}
	h.w.trace("%s ends, for its store has failed", h.label())
	h.stop(h.w.upTo(5*time.Second), h.w.upTo(10*time.Second))
}

// reopened holds a store that was opened again to all that was committed.
func (a *audit) reopened(s store.Store) {
	a.w.backend.feed.compare(a.w.backend.outbox())
	ctx := context.Background()
	for _, id := range sortedIDs(a.calls) {
		was := a.calls[id]
		got, err := s.Call(ctx, id)
		if err != nil || got.Rev != was.Rev {
			a.w.violate("after a start call %s is at rev %d (%v), and %d was committed", id, got.Rev, err, was.Rev)
		}
		if !was.Live() && a.w.now.Sub(was.Outcome.EndedAt) > 5*time.Minute {
			continue
		}
		for i := range was.Legs {
			account := was.Legs[i].Account
			if account == "" {
				continue // A tombstone has no callee, and no caller where its invitation was merged.
			}
			of, err := s.CallsOf(ctx, account, was.Outcome.EndedAt)
			among := slices.ContainsFunc(of, func(c call.Call) bool { return c.ID == id })
			if err != nil || among != (was.Leg(account) != nil) {
				a.w.violate("after a start call %s is among those of %s: %v (%v)", id, account, among, err)
			}
		}
	}
	a.blocksOf(s)
}
