package store

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// Volatile is a journal that lasts as long as the process, for tests and the
// simulator. It is deterministic.
type Volatile struct {
	mu      sync.Mutex // Guards what follows.
	live    map[call.ID]Entry
	ended   map[call.ID]Entry
	records map[call.ID]call.Record
	blocks  blocks
	// searched are the erasures that were cut off.
	searched map[call.Account]Searched
	volatileBooks
	out volatileOutbox
}

// NewVolatile makes an empty journal.
func NewVolatile() *Volatile {
	return &Volatile{
		live:     make(map[call.ID]Entry),
		ended:    make(map[call.ID]Entry),
		records:  make(map[call.ID]call.Record),
		blocks:   make(blocks),
		searched: make(map[call.Account]Searched),
		out:      newVolatileOutbox(),
	}
}

// Append implements Journal.
func (v *Volatile) Append(batch []Entry) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var exist []call.ID
	for _, e := range batch {
		if _, ended := v.ended[e.Call.ID]; ended && e.Created {
			exist = append(exist, e.Call.ID)
		}
	}
	if len(exist) > 0 {
		return &ExistsError{exist}
	}
	for _, e := range batch {
		v.put(e)
	}
	return nil
}

// put stores a call, with its record and events. The caller holds mu.
func (v *Volatile) put(e Entry) {
	id, events, filed := e.Call.ID, e.Events, false
	kept := e.Call.Clone()
	e.Call, e.Events = &kept, nil
	if kept.Live() {
		v.live[id] = e
	} else {
		delete(v.live, id)
		v.ended[id] = e
		if r, ok := kept.Record(); ok {
			if _, before := v.records[id]; !before {
				v.records[id] = r
				filed = true
			}
		}
	}
	v.out.put(events, filed)
}

// Touch implements Journal. There is nothing to write.
func (v *Volatile) Touch(time.Time) error { return nil }

// Replay implements Journal.
func (v *Volatile) Replay(_ context.Context, endedSince time.Time, take func(Entry) error) error {
	v.mu.Lock()
	var all []Entry
	for _, e := range v.live {
		all = append(all, e)
	}
	for _, e := range v.ended {
		if !e.Call.Outcome.EndedAt.Before(endedSince) || !e.At.Before(endedSince) {
			all = append(all, e)
		}
	}
	v.mu.Unlock()
	slices.SortFunc(all, func(a, b Entry) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Call.ID, b.Call.ID))
	})
	for _, e := range all {
		if err := take(e); err != nil {
			return err
		}
	}
	return nil
}

// IDs implements Journal.
func (v *Volatile) IDs(_ context.Context, least call.ID) ([]call.ID, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var ids []call.ID
	for id := range v.ended {
		if id >= least {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Ended implements Journal.
func (v *Volatile) Ended(_ context.Context, id call.ID) (call.Call, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	e, ok := v.ended[id]
	if !ok {
		return call.Call{}, ErrNotFound
	}
	return e.Call.Clone(), nil
}

// EndedOf implements Journal.
func (v *Volatile) EndedOf(_ context.Context, account call.Account, since time.Time) ([]call.Call, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var calls []call.Call
	for _, e := range v.ended {
		if !IsAlias(account) && e.Call.Leg(account) != nil && !e.Call.Outcome.EndedAt.Before(since) {
			calls = append(calls, e.Call.Clone())
		}
	}
	return calls, nil
}

// Records implements Journal.
func (v *Volatile) Records(_ context.Context, account call.Account, page Page) ([]call.Record, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	from := call.Record{EndedAt: page.Time}
	if page.Call != "" {
		r, ok := v.records[page.Call]
		if !ok || !lists(&r, account) {
			return nil, nil
		}
		from = r
	}
	order := func(a, b call.Record) int {
		return cmp.Or(a.EndedAt.Compare(b.EndedAt), cmp.Compare(a.Call, b.Call))
	}
	var records []call.Record
	for _, r := range v.records {
		if IsAlias(account) || !lists(&r, account) {
			continue
		}
		side := order(r, from)
		if page.Forward && side > 0 || !page.Forward && (side < 0 || from.EndedAt.IsZero()) {
			records = append(records, r)
		}
	}
	slices.SortFunc(records, order)
	if !page.Forward {
		slices.Reverse(records)
	}
	return records[:min(page.Limit, len(records))], nil
}

// lists says whether a record is among those of an account.
func lists(r *call.Record, account call.Account) bool {
	return r.Caller == account || r.Callee == account && !r.Deaf
}

// Block implements Journal.
func (v *Volatile) Block(b Block, audit Audit) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.blocks.put(b)
	return v.File(context.Background(), audit)
}

// Unblock implements Journal.
func (v *Volatile) Unblock(account, blocked call.Account, audit Audit) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.blocks.remove(account, blocked)
	return v.File(context.Background(), audit)
}

// ReplayBlocks implements Journal.
func (v *Volatile) ReplayBlocks(_ context.Context, take func(Block)) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for account := range v.blocks {
		for _, b := range v.blocks.of(account) {
			take(b)
		}
	}
	return nil
}

// Prune implements Journal.
func (v *Volatile) Prune(_ context.Context, callsBefore, recordsBefore time.Time) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	rows := 0
	for id, e := range v.ended {
		if e.Call.Outcome.EndedAt.Before(callsBefore) {
			delete(v.ended, id)
			rows++
		}
	}
	for id, r := range v.records {
		if r.EndedAt.Before(recordsBefore) {
			delete(v.records, id)
			rows++
		}
	}
	return rows, nil
}

// Close implements Journal. There is nothing to close: what was kept stays.
func (v *Volatile) Close() error { return nil }
