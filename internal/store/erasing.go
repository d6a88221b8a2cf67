package store

import (
	"context"
	"fmt"
	"math"

	"github.com/peal-rtc/peal/internal/call"
)

// Erase implements Store. It works in portions, so that no commit waits for long. It erases what was
// stored before beside commits, and what was committed in the meantime between two commits. The last
// portion files the audit entry.
func (m *Memory) Erase(ctx context.Context, account call.Account, audit Audit) error {
	if IsAlias(account) {
		return ErrAlias
	}
	if err := m.free(account); err != nil {
		return err
	}
	e := erasing{
		memory: m, erasure: Erasure{Account: account, Alias: m.Alias(account), Audit: audit}, given: make(map[call.ID]bool),
	}
	err := e.search(ctx)
	for left := true; left && err == nil; {
		err = e.found(ctx)
		if err == nil {
			err = e.searchEvents(ctx) // So that commits wait for less.
		}
		if err == nil {
			left, err = e.rest(ctx)
		}
	}
	if err != nil {
		return fmt.Errorf("erase account: %w", err)
	}
	return nil
}

// erasing is the state of an erasure: the ended calls and the events that it has found and not yet
// erased.
type erasing struct {
	memory  *Memory
	erasure Erasure // Without a portion.

	ended  []call.ID
	events []int64
	// searched is stored with the last portion of what was found. given are the calls that the journal
	// has erased.
	searched Searched
	given    map[call.ID]bool
}

// search searches the ended calls and the events of the journal for the account, and erases what it
// finds. It resumes where an earlier search was cut off. Commits do not wait.
func (e *erasing) search(ctx context.Context) (err error) {
	journal, account := e.memory.journal, e.erasure.Account
	if e.searched, err = journal.Searched(ctx, e.erasure.Alias); err != nil {
		return err
	}
	after := Ended{}
	if at := e.searched.Ended; !at.IsZero() {
		after.At = at.Add(-KeepEnded) // A call may be committed some time after it ended.
	}
	for {
		ids, next, err := journal.EndedWith(ctx, account, after, e.memory.searchPortion)
		if err != nil {
			return fmt.Errorf("search ended calls: %w", err)
		}
		if next == after {
			return e.searchEvents(ctx)
		}
		e.ended, after, e.searched.Ended = ids, next, next.At
		if err := e.found(ctx); err != nil {
			return err
		}
	}
}

// searchEvents searches the events that were not searched yet, and erases what it finds.
func (e *erasing) searchEvents(ctx context.Context) error {
	for {
		seqs, next, err := e.memory.journal.EventsWith(ctx, e.erasure.Account, e.searched.Event, e.memory.searchPortion)
		if err != nil {
			return fmt.Errorf("search events: %w", err)
		}
		if next == e.searched.Event {
			return nil
		}
		e.events, e.searched.Event = seqs, next
		if err := e.found(ctx); err != nil {
			return err
		}
	}
}

// portion takes a portion of what was found.
func (e *erasing) portion() Erasure {
	p := e.erasure
	calls, events := min(erasePortion, len(e.ended)), min(erasePortion, len(e.events))
	p.Ended, e.ended = e.ended[:calls], e.ended[calls:]
	p.Events, e.events = e.events[:events], e.events[events:]
	for _, id := range p.Ended {
		e.given[id] = true
	}
	if len(e.ended)+len(e.events) == 0 {
		p.Searched = e.searched
	}
	return p
}

// found erases what was found, and the records. Commits do not wait.
func (e *erasing) found(ctx context.Context) error {
	m := e.memory
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.free(e.erasure.Account); err != nil {
			return err
		}
		p := e.portion()
		left, err := m.journal.Erase(p)
		if len(p.Events) > 0 {
			m.out.forget() // It may hold the events as they were.
		}
		if err := m.judged(err); err != nil {
			return err
		}
		more = left || len(e.ended)+len(e.events) > 0
	}
	return nil
}

// rest erases what was committed since, between two commits, so that no call of the account begins in
// the meantime. Where that is more than a portion, rest leaves it to found.
func (e *erasing) rest(ctx context.Context) (left bool, err error) {
	m, account := e.memory, e.erasure.Account
	m.writing.Lock()
	defer m.writing.Unlock()
	if err := m.free(account); err != nil {
		return false, err
	}
	newer, _, err := m.journal.EventsWith(ctx, account, e.searched.Event, math.MaxInt)
	if err != nil {
		return false, fmt.Errorf("search new events: %w", err)
	}
	e.events = newer
	for _, k := range m.ended.order {
		if !e.given[k.call.ID] && k.call.Names(account) {
			e.ended = append(e.ended, k.call.ID)
		}
	}
	if len(e.ended) > erasePortion || len(e.events) > erasePortion {
		return true, nil
	}
	last := e.portion()
	last.Last = true
	left, err = m.journal.Erase(last)
	if len(last.Events) > 0 {
		m.out.forget()
	}
	if err = m.judge(err); err != nil || left {
		return left, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended.erase(account, last.Alias)
	m.blocks.erase(account)
	return false, nil
}
