package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// The reads of Memory. They see what the journal has, and wait for no flush.

// Call implements Store.
func (m *Memory) Call(ctx context.Context, id call.ID) (call.Call, error) {
	m.mu.RLock()
	found, elsewhere, err := m.find(id), m.ended.elsewhere(id), m.failed
	m.mu.RUnlock()
	switch {
	case err != nil:
		return call.Call{}, err
	case found != nil:
		return found.call.Clone(), nil
	case elsewhere:
		return m.journal.Ended(ctx, id)
	}
	return call.Call{}, ErrNotFound
}

// find gives the call that is kept here, or nil. The caller holds mu.
func (m *Memory) find(id call.ID) *kept {
	if k := m.live[id]; k != nil {
		return k
	}
	return m.ended.calls[id]
}

// CallsOf implements Store.
func (m *Memory) CallsOf(ctx context.Context, account call.Account, endedSince time.Time) ([]call.Call, error) {
	calls, complete, err := m.callsOf(account, endedSince)
	if err != nil {
		return nil, err
	}
	if !complete {
		older, err := m.journal.EndedOf(ctx, account, endedSince)
		if err != nil {
			return nil, err
		}
		here := len(calls)
		for _, c := range older {
			known := slices.ContainsFunc(calls[:here], func(k call.Call) bool { return k.ID == c.ID })
			if !known {
				calls = append(calls, c)
			}
		}
	}
	slices.SortFunc(calls, func(a, b call.Call) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return calls, nil
}

// callsOf gives those calls of an account that are kept here, and says whether there
// are no others.
func (m *Memory) callsOf(account call.Account, endedSince time.Time) (calls []call.Call, complete bool, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if id, ok := m.claims[account]; ok {
		calls = append(calls, m.live[id].call.Clone())
	}
	for _, k := range m.ended.of[account] {
		if !k.call.Outcome.EndedAt.Before(endedSince) {
			calls = append(calls, k.call.Clone())
		}
	}
	return calls, endedSince.After(m.ended.dropped) || m.ended.dropped.IsZero(), m.failed
}

// Due implements Store.
func (m *Memory) Due(_ context.Context, now time.Time, limit int) ([]call.ID, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.failed != nil {
		return nil, m.failed
	}
	var due []*kept
	for _, k := range m.live {
		if !k.due.IsZero() && !k.due.After(now) {
			due = append(due, k)
		}
	}
	slices.SortFunc(due, func(a, b *kept) int {
		return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.call.ID, b.call.ID))
	})
	due = due[:min(limit, len(due))]
	ids := make([]call.ID, len(due))
	for i, k := range due {
		ids[i] = k.call.ID
	}
	return ids, nil
}

// Live implements Store.
func (m *Memory) Live(_ context.Context, after call.ID, limit int) ([]call.Call, error) {
	return liveWhere(m, func(*call.Call) bool { return true }, after, limit)
}

// Orphaned implements Store.
func (m *Memory) Orphaned(_ context.Context, alive []string, after call.ID, limit int) ([]call.Call, error) {
	dead := func(incarnation string) bool { return !slices.Contains(alive, incarnation) }
	return liveWhere(m, func(c *call.Call) bool { return slices.ContainsFunc(c.Incarnations(), dead) }, after, limit)
}

// liveWhere lists the live calls that are chosen, with an id above after.
func liveWhere(m *Memory, chosen func(*call.Call) bool, after call.ID, limit int) ([]call.Call, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.failed != nil {
		return nil, m.failed
	}
	var ids []call.ID
	for id, k := range m.live {
		if id > after && chosen(&k.call) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	ids = ids[:min(limit, len(ids))]
	calls := make([]call.Call, len(ids))
	for i, id := range ids {
		calls[i] = m.live[id].call.Clone()
	}
	return calls, nil
}

// Changed implements Store.
func (m *Memory) Changed(_ context.Context, since time.Time, after call.ID, limit int) ([]Mark, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.failed != nil {
		return nil, m.failed
	}
	var marks []Mark
	take := func(k *kept) {
		c := &k.call
		if !k.at.Before(since) && (!k.at.Equal(since) || c.ID > after) {
			mark := Mark{Call: c.ID, Rev: c.Rev, Caller: c.Caller().Account, Callee: c.Callee().Account, At: k.at}
			if c.Deaf {
				mark.Callee = ""
			}
			marks = append(marks, mark)
		}
	}
	for _, k := range m.live {
		take(k)
	}
	// Newest first: most of what ended is older.
	for _, k := range slices.Backward(m.ended.order) {
		if k.at.Before(since) {
			break
		}
		take(k)
	}
	slices.SortFunc(marks, func(a, b Mark) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Call, b.Call)) })
	return marks[:min(limit, len(marks))], nil
}

// Records implements Store.
func (m *Memory) Records(ctx context.Context, account call.Account, page Page) ([]call.Record, error) {
	m.mu.RLock()
	err := m.failed
	m.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	return m.journal.Records(ctx, account, page)
}
