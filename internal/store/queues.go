package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Queues implements Outbox.
func (o *outbox) Queues(ctx context.Context) ([]Queue, error) {
	o.mu.Lock()
	ids := slices.Sorted(maps.Keys(o.endpoints))
	o.mu.Unlock()
	var queues []Queue
	for _, id := range ids {
		q, err := o.Queue(ctx, id)
		switch {
		case errors.Is(err, ErrNoEndpoint): // It was deleted meanwhile.
		case err != nil:
			return nil, err
		default:
			queues = append(queues, q)
		}
	}
	return queues, o.memory.failure()
}

// Queue implements Outbox.
func (o *outbox) Queue(ctx context.Context, endpoint string) (Queue, error) {
	if err := o.memory.failure(); err != nil {
		return Queue{}, err
	}
	o.mu.Lock()
	t := o.endpoints[endpoint]
	if t == nil {
		o.mu.Unlock()
		return Queue{}, ErrNoEndpoint
	}
	q := Queue{Endpoint: endpoint, Queued: t.counts.Queued, Dead: t.counts.Dead}
	o.mu.Unlock()
	if q.Queued == 0 {
		return q, nil
	}
	var err error
	if q.Oldest, err = o.oldest(ctx, t); err != nil {
		return Queue{}, fmt.Errorf("read queue: %w", err)
	}
	return q, nil
}

// oldest is the time of the oldest event that waits. Each event is looked at once, unless there are
// replays: the next call does not look at delivered events again.
func (o *outbox) oldest(ctx context.Context, t *target) (time.Time, error) {
	o.mu.Lock()
	number, before, replays := t.Number, t.before, t.replays
	o.mu.Unlock()
	for {
		seq, at, err := o.memory.journal.Oldest(ctx, number, before)
		if err != nil || seq == 0 {
			return time.Time{}, err
		}
		if before = seq; !at.IsZero() {
			before--
		}
		o.mu.Lock()
		if t.replays == replays {
			t.before = max(t.before, before)
		}
		o.mu.Unlock()
		if !at.IsZero() {
			return at, nil
		}
	}
}
