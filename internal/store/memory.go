package store

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// Memory is a store that forgets everything when the process ends. It is
// deterministic: the same calls under the same clock give the same answers.
type Memory struct {
	clock func() time.Time

	mu      sync.Mutex // Guards what follows.
	live    map[call.ID]call.Call
	ended   map[call.ID]call.Call
	changed map[call.ID]time.Time
	claims  map[call.Account]call.ID
	records map[call.ID]call.Record
	leases  map[string]time.Time // When each incarnation's runs out.
}

// NewMemory makes an empty store that goes by the given clock.
func NewMemory(clock func() time.Time) *Memory {
	return &Memory{
		clock:   clock,
		live:    make(map[call.ID]call.Call),
		ended:   make(map[call.ID]call.Call),
		changed: make(map[call.ID]time.Time),
		claims:  make(map[call.Account]call.ID),
		records: make(map[call.ID]call.Record),
		leases:  make(map[string]time.Time),
	}
}

// Commit implements Store. It errs only when ctx is done, and has then done nothing.
func (m *Memory) Commit(ctx context.Context, changes []Change) ([]Result, error) {
	if err := ctx.Err(); err != nil {
		return Unknown(len(changes), err), err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	results := make([]Result, len(changes))
	for i, change := range changes {
		if err := change.Validate(); err != nil {
			results[i].Err = err
			continue
		}
		if change.From == 0 {
			results[i] = m.create(change)
		} else {
			results[i] = m.update(change)
		}
	}
	return results, nil
}

func (m *Memory) create(change Change) Result {
	c := change.Call
	if _, err := m.find(c.ID); err == nil {
		return Result{Verdict: Conflict}
	}
	if !c.Live() {
		m.put(c)
		return Result{Verdict: Done}
	}
	if holder, claimed := m.claims[c.Caller().Account]; claimed {
		return Result{Verdict: CallerClaimed, Holder: holder}
	}
	for _, leg := range c.Legs[1:] {
		if holder, claimed := m.claims[leg.Account]; claimed {
			if change.Busy != nil {
				m.put(*change.Busy)
			}
			return Result{Verdict: CalleeBusy, Holder: holder}
		}
	}
	for _, leg := range c.Legs {
		m.claims[leg.Account] = c.ID
	}
	m.put(c)
	return Result{Verdict: Done}
}

func (m *Memory) update(change Change) Result {
	stored, live := m.live[change.Call.ID]
	if !live || stored.Rev != change.From {
		return Result{Verdict: Conflict}
	}
	m.put(change.Call)
	return Result{Verdict: Done}
}

// put keeps the call, and what belongs to its end when it has ended.
func (m *Memory) put(c call.Call) {
	c = c.Clone()
	m.changed[c.ID] = m.clock()
	if c.Live() {
		m.live[c.ID] = c
		return
	}
	delete(m.live, c.ID)
	m.ended[c.ID] = c
	for _, leg := range c.Legs {
		if m.claims[leg.Account] == c.ID {
			delete(m.claims, leg.Account)
		}
	}
	if r, ok := c.Record(); ok {
		if _, filed := m.records[c.ID]; !filed {
			m.records[c.ID] = r
		}
	}
}

// Call implements Store.
func (m *Memory) Call(_ context.Context, id call.ID) (call.Call, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.find(id)
	return c.Clone(), err
}

// find gives the kept call, not a copy.
func (m *Memory) find(id call.ID) (call.Call, error) {
	if c, ok := m.live[id]; ok {
		return c, nil
	}
	if c, ok := m.ended[id]; ok {
		return c, nil
	}
	return call.Call{}, ErrNotFound
}

// CallsOf implements Store.
func (m *Memory) CallsOf(_ context.Context, account call.Account, endedSince time.Time) ([]call.Call, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var calls []call.Call
	if id, ok := m.claims[account]; ok {
		calls = append(calls, m.live[id].Clone())
	}
	for _, c := range m.ended {
		if c.Leg(account) != nil && !c.Outcome.EndedAt.Before(endedSince) {
			calls = append(calls, c.Clone())
		}
	}
	slices.SortFunc(calls, func(a, b call.Call) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return calls, nil
}

// Due implements Store.
func (m *Memory) Due(_ context.Context, now time.Time, limit int) ([]call.ID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	deadlines := make(map[call.ID]time.Time)
	var due []call.ID
	for id, c := range m.live {
		if at, ok := c.Deadline(); ok && !at.After(now) {
			deadlines[id] = at
			due = append(due, id)
		}
	}
	slices.SortFunc(due, func(a, b call.ID) int {
		return cmp.Or(deadlines[a].Compare(deadlines[b]), cmp.Compare(a, b))
	})
	return due[:min(limit, len(due))], nil
}

// Live implements Store.
func (m *Memory) Live(_ context.Context, after call.ID, limit int) ([]call.Call, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var calls []call.Call
	for id, c := range m.live {
		if id > after {
			calls = append(calls, c)
		}
	}
	slices.SortFunc(calls, func(a, b call.Call) int { return cmp.Compare(a.ID, b.ID) })
	calls = calls[:min(limit, len(calls))]
	for i := range calls {
		calls[i] = calls[i].Clone()
	}
	return calls, nil
}

// Changed implements Store.
func (m *Memory) Changed(_ context.Context, since time.Time, after call.ID, limit int) ([]Mark, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var marks []Mark
	for id, at := range m.changed {
		if at.Before(since) || at.Equal(since) && id <= after {
			continue
		}
		c, err := m.find(id)
		if err != nil {
			return nil, err
		}
		marks = append(marks, Mark{Call: id, Rev: c.Rev, Caller: c.Caller().Account, Callee: c.Callee().Account, At: at})
	}
	slices.SortFunc(marks, func(a, b Mark) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Call, b.Call)) })
	return marks[:min(limit, len(marks))], nil
}

// Records implements Store.
func (m *Memory) Records(_ context.Context, account call.Account, page Page) ([]call.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	from := call.Record{EndedAt: page.Time}
	if page.Call != "" {
		r, ok := m.records[page.Call]
		if !ok || r.Caller != account && r.Callee != account {
			return nil, nil
		}
		from = r
	}
	order := func(a, b call.Record) int {
		return cmp.Or(a.EndedAt.Compare(b.EndedAt), cmp.Compare(a.Call, b.Call))
	}
	var records []call.Record
	for _, r := range m.records {
		if r.Caller != account && r.Callee != account {
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

// Beat implements Store.
func (m *Memory) Beat(_ context.Context, incarnation string, ttl time.Duration) ([]string, error) {
	now := m.clock()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leases[incarnation] = now.Add(ttl)
	var alive []string
	for name, until := range m.leases {
		if until.After(now) {
			alive = append(alive, name)
		} else {
			delete(m.leases, name)
		}
	}
	slices.Sort(alive)
	return alive, nil
}

// Prune implements Store.
func (m *Memory) Prune(_ context.Context, callsBefore, recordsBefore time.Time) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rows := 0
	for id, c := range m.ended {
		if c.Outcome.EndedAt.Before(callsBefore) {
			delete(m.ended, id)
			delete(m.changed, id)
			rows++
		}
	}
	for id, r := range m.records {
		if r.EndedAt.Before(recordsBefore) {
			delete(m.records, id)
			rows++
		}
	}
	return rows, nil
}

// Now implements Store.
func (m *Memory) Now(context.Context) (time.Time, error) { return m.clock(), nil }

// Close implements Store. There is nothing to close: what was kept stays.
func (m *Memory) Close() error { return nil }
