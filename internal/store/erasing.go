package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/peal-rtc/peal/internal/call"
)

// Erase implements Store. It goes in portions, so that no commit waits for long: what is there at
// the beginning goes beside commits, and what they made meanwhile between two of them. The last
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
	if err := e.lookThrough(ctx); err != nil {
		return err
	}
	for left := true; left; {
		err := e.found(ctx)
		if err == nil {
			err = e.lookFurther(ctx) // So that commits wait for less.
		}
		if err == nil {
			left, err = e.rest(ctx)
		}
		if err != nil {
			return fmt.Errorf("erase account: %w", err)
		}
	}
	return nil
}

// erasing is an erasure under way, with what holds the account outside of records and is still to
// be erased.
type erasing struct {
	memory  *Memory
	erasure Erasure // Without a portion.

	ended  []call.ID
	events []int64
	// seen is the newest event that was looked at, and given the calls that went to the journal.
	seen  int64
	given map[call.ID]bool
}

// lookThrough looks for the account in the ended calls of the journal.
func (e *erasing) lookThrough(ctx context.Context) (err error) {
	if e.ended, err = e.memory.journal.EndedWith(ctx, e.erasure.Account); err != nil {
		return fmt.Errorf("find calls of account: %w", err)
	}
	return e.lookFurther(ctx)
}

// lookFurther looks for the account in the events that were not looked at.
func (e *erasing) lookFurther(ctx context.Context) error {
	newest, _, err := e.memory.journal.Outbox(ctx)
	if err == nil {
		e.events, err = e.memory.journal.EventsWith(ctx, e.erasure.Account, e.seen)
	}
	if err != nil {
		return fmt.Errorf("find events of account: %w", err)
	}
	e.seen = newest
	return nil
}

// portion takes one of what was found.
func (e *erasing) portion() Erasure {
	p := e.erasure
	calls, events := min(erasePortion, len(e.ended)), min(erasePortion, len(e.events))
	p.Ended, e.ended = e.ended[:calls], e.ended[calls:]
	p.Events, e.events = e.events[:events], e.events[events:]
	for _, id := range p.Ended {
		e.given[id] = true
	}
	return p
}

// found erases what was found, and the records. Commits go on meanwhile.
func (e *erasing) found(ctx context.Context) error {
	m := e.memory
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.free(e.erasure.Account); err != nil {
			return err
		}
		left, err := m.journal.Erase(e.portion())
		m.out.forget() // It may have the events as they were.
		if err := m.judged(err); err != nil {
			return err
		}
		more = left || len(e.ended)+len(e.events) > 0
	}
	return nil
}

// rest erases what was committed since, between two commits: no call of the account begins
// meanwhile. Where that is more than a portion, it is left as found.
func (e *erasing) rest(ctx context.Context) (left bool, err error) {
	m, account := e.memory, e.erasure.Account
	m.writing.Lock()
	defer m.writing.Unlock()
	if err := m.free(account); err != nil {
		return false, err
	}
	newer, err := m.journal.EventsWith(ctx, account, e.seen)
	if err != nil {
		return false, fmt.Errorf("find new events of account: %w", err)
	}
	e.events = slices.Compact(slices.Sorted(slices.Values(slices.Concat(e.events, newer))))
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
	m.out.forget()
	if err = m.judge(err); err != nil || left {
		return left, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended.erase(account, last.Alias)
	m.blocks.erase(account)
	return false, nil
}
