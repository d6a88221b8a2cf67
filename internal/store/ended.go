package store

import (
	"fmt"
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

const (
	// KeepEnded is how long Memory holds a call after its end. A welcome tells of
	// those of the last five minutes.
	KeepEnded = 6 * time.Minute
	// endedMost bounds how many of these there are, and idsMost how many ids.
	endedMost = 1 << 16
	idsMost   = 1 << 17
)

// endedCalls are the calls that ended lately, and what Memory has to know of all
// others so that it reads the journal only for a call that the journal may hold.
//
// Ids begin with the time at which their client made them. A client whose clock is
// ahead makes ids that look new when their call ended long ago, so these are
// remembered one by one.
type endedCalls struct {
	calls map[call.ID]*kept
	of    map[call.Account][]*kept
	order []*kept // The oldest first.
	// dropped is such that calls holds all calls that ended later.
	dropped time.Time
	// floor and ids: an ended call that only the journal holds has an id below
	// floor, or one that is in ids. Some of those have been pruned since.
	floor call.ID
	ids   map[call.ID]struct{}
	// raised is the time that the floor was moved to last.
	raised time.Time
}

func newEndedCalls() endedCalls {
	return endedCalls{
		calls: make(map[call.ID]*kept), of: make(map[call.Account][]*kept), ids: make(map[call.ID]struct{}),
	}
}

// leastID is the least id of calls that are made at a time or later.
func leastID(at time.Time) call.ID {
	ms := max(0, at.UnixMilli())
	return call.ID(fmt.Sprintf("%08x-%04x", ms>>16, ms&0xffff))
}

// elsewhere says whether only the journal knows if an ended call has this id, where
// it is not in calls.
func (e *endedCalls) elsewhere(id call.ID) bool {
	_, noted := e.ids[id]
	return noted || id < e.floor
}

// note remembers an id of which only the journal has the call.
func (e *endedCalls) note(id call.ID) {
	if id < e.floor || e.calls[id] != nil {
		return
	}
	if len(e.ids) >= idsMost {
		e.lift(leastID(e.dropped))
		if id < e.floor {
			return
		}
	}
	if len(e.ids) >= idsMost {
		// Clocks of clients are far ahead. Each unknown id is looked up in the journal from now on.
		e.floor = "~"
		clear(e.ids)
		return
	}
	e.ids[id] = struct{}{}
}

func (e *endedCalls) add(k *kept) {
	e.calls[k.call.ID] = k
	e.order = append(e.order, k)
	for _, member := range k.call.Members() {
		if account := member.Account; account != "" && !IsAlias(account) {
			e.of[account] = append(e.of[account], k)
		}
	}
}

// forget drops what ended long ago. The journal has it.
func (e *endedCalls) forget(now time.Time) {
	least := now.Add(-KeepEnded)
	for len(e.order) > 0 && (len(e.order) > endedMost || e.order[0].at.Before(least)) {
		k := e.order[0]
		e.order[0] = nil
		e.order = e.order[1:]
		if e.calls[k.call.ID] != k {
			continue // It was pruned.
		}
		e.drop(k)
		if ended := k.call.Outcome.EndedAt; ended.After(e.dropped) {
			e.dropped = ended
		}
		e.note(k.call.ID)
	}
	e.raise(least)
}

// raise moves the floor on, now and then, and drops the ids below it.
func (e *endedCalls) raise(least time.Time) {
	if least.Sub(e.raised) > KeepEnded {
		e.raised = least
		e.lift(leastID(least))
	}
}

// lift moves the floor to an id.
func (e *endedCalls) lift(floor call.ID) {
	e.floor = max(e.floor, floor)
	for id := range e.ids {
		if id < e.floor {
			delete(e.ids, id)
		}
	}
}

// prune drops calls that the journal does not hold any more.
func (e *endedCalls) prune(before time.Time) {
	for _, k := range e.calls {
		if k.call.Outcome.EndedAt.Before(before) {
			e.drop(k)
		}
	}
	e.order = slices.DeleteFunc(e.order, func(k *kept) bool { return e.calls[k.call.ID] != k })
}

func (e *endedCalls) drop(k *kept) {
	delete(e.calls, k.call.ID)
	for _, member := range k.call.Members() {
		account := member.Account
		rest := slices.DeleteFunc(e.of[account], func(other *kept) bool { return other == k })
		if len(rest) == 0 {
			delete(e.of, account)
		} else {
			e.of[account] = rest
		}
	}
}

// erase replaces an account by its alias, under which nobody finds them. Others may still
// read the calls as they were.
func (e *endedCalls) erase(account, alias call.Account) {
	for i, was := range e.order {
		if !was.call.Names(account) || e.calls[was.call.ID] != was {
			continue
		}
		k := *was
		k.call.Erase(account, alias)
		e.calls[k.call.ID] = &k
		e.order[i] = &k
		for i := range k.call.Legs {
			of := e.of[k.call.Legs[i].Account]
			if at := slices.Index(of, was); at >= 0 {
				of[at] = &k
			}
		}
	}
	delete(e.of, account)
}
