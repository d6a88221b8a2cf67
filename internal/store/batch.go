package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/peal-rtc/peal/internal/call"
)

// batch decides about the changes of one commit, against what is stored and what
// earlier changes of the batch do to it.
type batch struct {
	memory *Memory
	ctx    context.Context

	results []Result
	// entries are what the journal is to store, one for each call.
	entries []Entry
	// at says where in entries a call is, and claims which call holds an account
	// after the changes so far, none where it is "". Both are nil for one change.
	at     map[call.ID]int
	claims map[call.Account]call.ID
	// last is the seq of the newest event of the changes so far.
	last int64
	// taken are ids of which the journal says that they exist.
	taken map[call.ID]bool
}

// decide gives each change its verdict, and gathers what is to be stored.
func (b *batch) decide(changes []Change) {
	b.results, b.entries = make([]Result, len(changes)), make([]Entry, 0, len(changes))
	if len(changes) > 1 || len(changes) == 1 && changes[0].Merged != nil {
		b.at, b.claims = make(map[call.ID]int), make(map[call.Account]call.ID)
	}
	now := b.memory.clock()
	b.last = b.memory.out.last
	for i, change := range changes {
		if err := change.Validate(); err != nil {
			b.results[i].Err = err
			continue
		}
		var stored *call.Call
		created := change.From == 0
		if created {
			stored, b.results[i] = b.create(&change)
		} else {
			stored, b.results[i], created = b.update(&change)
		}
		if stored != nil {
			events := change.Events
			if stored != &change.Call {
				events = call.Events(nil, nil, stored)
			}
			b.put(stored, Entry{Created: created, At: now}, events)
			if change.Merged != nil {
				b.put(change.Merged, Entry{Created: true, At: now}, nil)
			}
		}
	}
}

// refuse takes ids that exist already, and says whether that is news.
func (b *batch) refuse(ids []call.ID) bool {
	if b.taken == nil {
		b.taken = make(map[call.ID]bool)
	}
	before := len(b.taken)
	for _, id := range ids {
		b.taken[id] = true
	}
	return len(b.taken) > before
}

func (b *batch) create(change *Change) (*call.Call, Result) {
	c := &change.Call
	if b.exists(c.ID) {
		return nil, Result{Verdict: Conflict}
	}
	if !c.Live() {
		return c, Result{Verdict: Done}
	}
	if holder := b.holder(c.Caller().Account); holder != "" {
		return b.refused(c.ID, Result{Verdict: CallerClaimed, Holder: holder})
	}
	if b.memory.blocks.has(c.Callee().Account, c.Caller().Account) {
		return deafened(c), Result{Verdict: Done, Deaf: true}
	}
	for i := range c.Legs[1:] {
		if holder := b.holder(c.Legs[1+i].Account); holder != "" {
			busy := Result{Verdict: CalleeBusy, Holder: holder}
			switch {
			case change.Busy == nil:
			case b.deafTo(holder, c.Caller().Account):
				busy.Deaf = true
				return deafened(change.Busy), busy
			default:
				return change.Busy, busy
			}
			return b.refused(c.ID, busy)
		}
	}
	return c, Result{Verdict: Done}
}

// deafened is a deaf copy of a call.
func deafened(c *call.Call) *call.Call {
	deaf := *c
	deaf.Deaf = true
	return &deaf
}

// deafTo says whether the call that holds a callee is one that the caller does not hear. Of the
// caller's own call the callee must not hear either: somebody who is offline calls nobody.
func (b *batch) deafTo(holder call.ID, caller call.Account) bool {
	var c *call.Call
	if at, staged := b.at[holder]; staged {
		c = b.entries[at].Call
	} else if k := b.memory.live[holder]; k != nil {
		c = &k.call
	}
	return c != nil && c.Deaf && c.Callee().Account == caller
}

// refused answers a creation that stores nothing. Where the id may be that of an
// older call the journal has to be asked; storing would have shown it.
func (b *batch) refused(id call.ID, verdict Result) (*call.Call, Result) {
	if !b.memory.ended.elsewhere(id) {
		return nil, verdict
	}
	_, err := b.memory.journal.Ended(b.ctx, id)
	switch {
	case err == nil:
		return nil, Result{Verdict: Conflict}
	case errors.Is(err, ErrNotFound):
		return nil, verdict
	}
	// Of this change alone: the others of the batch do not depend on it.
	return nil, Result{Err: fmt.Errorf("%w: %w", ErrNotDone, err)}
}

func (b *batch) update(change *Change) (stored *call.Call, result Result, created bool) {
	at, staged := b.at[change.Call.ID]
	var was *call.Call
	if staged {
		was, created = b.entries[at].Call, b.entries[at].Created
	} else if k := b.memory.live[change.Call.ID]; k != nil {
		was = &k.call
	}
	if was == nil || !was.Live() || was.Rev != change.From || change.Merged != nil && b.exists(change.Merged.ID) {
		return nil, Result{Verdict: Conflict}, false
	}
	return &change.Call, Result{Verdict: Done}, created
}

// exists says whether a call of this id is known here.
func (b *batch) exists(id call.ID) bool {
	if _, staged := b.at[id]; staged || b.taken[id] {
		return true
	}
	return b.memory.live[id] != nil || b.memory.ended.calls[id] != nil
}

// holder is the call that claims an account, or "".
func (b *batch) holder(account call.Account) call.ID {
	if id, touched := b.claims[account]; touched {
		return id
	}
	return b.memory.claims[account]
}

// put stages a call, with its claims and events.
func (b *batch) put(c *call.Call, e Entry, events []call.Event) {
	own := c.Clone() // The caller may go on with its own.
	e.Call = &own
	if len(events) > 0 && b.memory.out.recording() {
		e.Events = b.memory.out.outgoing(events, &own, e.At, b.last)
		b.last = e.Events[len(events)-1].Seq
	}
	if at, staged := b.at[own.ID]; staged {
		e.Events = append(b.entries[at].Events, e.Events...)
		b.entries[at] = e
	} else {
		b.entries = append(b.entries, e)
		if b.at != nil {
			b.at[own.ID] = len(b.entries) - 1
		}
	}
	if b.claims == nil {
		return
	}
	for _, member := range own.Members() {
		account := member.Account
		if own.Live() {
			b.claims[account] = own.ID
		} else if b.holder(account) == own.ID {
			b.claims[account] = ""
		}
	}
}
