package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// freshMost is how many deliveries to an endpoint are kept in memory. Where more wait, they are
// read from the journal.
const freshMost = 2048

// fresh are deliveries to an endpoint that Claim returns without a read of the journal. That read costs
// more CPU than the rest of a delivery that succeeds at once. While fresh is not whole it is empty. It
// is whole again when no delivery waits.
type fresh struct {
	// whole says that deliveries are all that wait in the journal and are not claimed, in order.
	whole      bool
	deliveries []Delivery
	// times counts how often it became whole.
	times int
}

// add adds a delivery that was queued.
func (f *fresh) add(d Delivery) {
	switch {
	case !f.whole:
	case len(f.deliveries) == freshMost:
		f.spoil()
	default:
		f.deliveries = append(f.deliveries, d)
	}
}

// spoil empties it: the next Claim reads the journal.
func (f *fresh) spoil() { f.whole, f.deliveries = false, nil }

// counted takes the number of deliveries that wait in the journal.
func (f *fresh) counted(queued int) {
	if queued == 0 {
		f.deliveries = nil // What was pruned may be left here.
		if !f.whole {
			f.whole = true
			f.times++
		}
	}
}

// claim removes and returns deliveries, at most one of each lane that has none claimed.
func (f *fresh) claim(limit int, claimed map[Lane]int64) (due []Delivery) {
	rest := f.deliveries[:0] // Those that stay.
	for i, d := range f.deliveries {
		if len(due) == limit {
			rest = append(rest, f.deliveries[i:]...)
			break
		}
		if _, taken := claimed[d.Lane]; taken {
			rest = append(rest, d)
			continue
		}
		claimed[d.Lane] = d.Event.Seq
		due = append(due, d)
	}
	clear(f.deliveries[len(rest):])
	if f.deliveries = rest; len(rest) == 0 {
		f.deliveries = nil
	}
	return due
}

// Claim implements Outbox.
func (o *outbox) Claim(ctx context.Context, endpoint string, limit int) (due []Delivery, next time.Time, err error) {
	if err := o.memory.failure(); err != nil {
		return nil, time.Time{}, err
	}
	o.claiming.Lock()
	defer o.claiming.Unlock()
	for {
		o.mu.Lock()
		t := o.endpoints[endpoint]
		if t == nil || !t.Enabled() {
			o.mu.Unlock()
			if t == nil {
				err = ErrNoEndpoint
			}
			return nil, time.Time{}, err
		}
		if t.fresh.whole {
			due = t.fresh.claim(limit, o.claimed)
			generation := o.generation
			o.mu.Unlock()
			return stamped(generation, due), time.Time{}, nil
		}
		times, generation := t.fresh.times, o.generation
		// The read may return deliveries that are settled while it runs.
		before := maps.Clone(o.claimed)
		maps.DeleteFunc(before, func(l Lane, _ int64) bool { return l.Endpoint != t.Number })
		o.mu.Unlock()
		heads, next, err := o.memory.journal.Due(ctx, t.Number, o.memory.clock(), limit+len(before))
		if err != nil {
			return nil, time.Time{}, fmt.Errorf("read deliveries: %w", err)
		}
		o.mu.Lock()
		if t.fresh.times == times {
			due = o.take(heads, limit, before)
			o.mu.Unlock()
			return stamped(generation, due), next, nil
		}
		// All deliveries were settled during the read. Newer ones may be in fresh as well.
		o.mu.Unlock()
	}
}

// take claims deliveries, except in lanes that had a claimed one before. The caller holds mu.
func (o *outbox) take(heads []Delivery, limit int, before map[Lane]int64) (due []Delivery) {
	for _, d := range heads {
		if _, taken := before[d.Lane]; !taken && len(due) < limit {
			o.claimed[d.Lane] = d.Event.Seq
			due = append(due, d)
		}
	}
	return due
}

// stamped sets the generation of deliveries.
func stamped(generation int64, due []Delivery) []Delivery {
	for i := range due {
		due[i].Generation = generation
	}
	return due
}

// Stale implements Outbox.
func (o *outbox) Stale(_ context.Context, d *Delivery) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return d.Generation != o.generation, nil
}

// Settle implements Outbox.
func (o *outbox) Settle(ctx context.Context, settled []Settlement) error {
	written := slices.DeleteFunc(slices.Clone(settled), func(s Settlement) bool { return s.Outcome == Returned })
	if len(written) == 0 {
		o.release(settled, nil)
		return nil
	}
	done, err := o.write(ctx)
	if err != nil {
		o.release(settled, err)
		return err
	}
	defer done()
	counts, err := o.memory.journal.Settle(o.memory.clock(), written)
	err = o.memory.judge(err)
	o.release(settled, err)
	if err != nil {
		return fmt.Errorf("settle deliveries: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counted(counts)
	return nil
}

// release ends the claims of deliveries, whose settlement failed where there is an error.
func (o *outbox) release(settled []Settlement, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range settled {
		s := &settled[i]
		if o.claimed[s.Delivery.Lane] == s.Delivery.Event.Seq {
			delete(o.claimed, s.Delivery.Lane)
		}
		if err != nil || s.Outcome == Retry || s.Outcome == Returned {
			o.spoil(s.Delivery.Lane.Endpoint) // It waits in the journal alone.
		}
	}
}

// forget follows a change of events by an erasure: the next claims read the journal, and claimed
// deliveries are stale.
func (o *outbox) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.generation++
	for _, t := range o.endpoints {
		t.fresh.spoil()
	}
}

// spoil makes the next Claim of an endpoint read the journal. The caller holds mu.
func (o *outbox) spoil(number int64) {
	for _, t := range o.endpoints {
		if t.Number == number {
			t.fresh.spoil()
		}
	}
}
