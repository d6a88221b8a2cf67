package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// volatileOutbox is the part of a Volatile that keeps events, endpoints and deliveries.
type volatileOutbox struct {
	events    []Event // By seq.
	endpoints map[int64]Endpoint
	number    int64 // The newest of an endpoint.
	queued    map[deliveryKey]waiting
	dead      map[deliveryKey]DeadLetter
}

// deliveryKey names a delivery.
type deliveryKey struct {
	lane Lane
	seq  int64
}

// waiting is a delivery that is not settled.
type waiting struct {
	due   time.Time
	tries int
}

func newVolatileOutbox() volatileOutbox {
	return volatileOutbox{
		endpoints: make(map[int64]Endpoint), queued: make(map[deliveryKey]waiting), dead: make(map[deliveryKey]DeadLetter),
	}
}

// put stores the events of one call.
func (v *volatileOutbox) put(events []Outgoing, filed bool) {
	for i := range events {
		e := &events[i]
		e.Filed = filed && e.Kind == call.EventEnded
		event := e.Event
		c := event.Call.Clone()
		event.Call = &c
		at, _ := slices.BinarySearchFunc(v.events, event.Seq, bySeq)
		v.events = slices.Insert(v.events, at, event)
		for _, number := range e.To {
			v.queue(deliveryKey{Lane{number, c.ID}, event.Seq}, event.At)
		}
	}
}

// queue queues a delivery. It is due no later than what follows it, which would be in the way, and no
// earlier than what it follows.
func (v *volatileOutbox) queue(key deliveryKey, due time.Time) {
	former, later := key, key
	for k := range v.queued {
		switch {
		case k.lane != key.lane:
		case k.seq < key.seq && (former == key || k.seq > former.seq):
			former = k
		case k.seq > key.seq && (later == key || k.seq < later.seq):
			later = k
		}
	}
	if w, ok := v.queued[later]; ok && w.due.Before(due) {
		due = w.due
	}
	if w, ok := v.queued[former]; ok && w.due.After(due) {
		due = w.due
	}
	v.queued[key] = waiting{due: due}
}

func bySeq(e Event, seq int64) int { return cmp.Compare(e.Seq, seq) }

// after are the events with a seq above one.
func (v *volatileOutbox) after(seq int64) []Event {
	return v.events[sort.Search(len(v.events), func(i int) bool { return v.events[i].Seq > seq }):]
}

// event finds the event of a seq.
func (v *volatileOutbox) event(seq int64) Event {
	at, _ := slices.BinarySearchFunc(v.events, seq, bySeq)
	return v.events[at]
}

// Outbox implements Journal.
func (v *Volatile) Outbox(context.Context) (last int64, endpoints []StoredEndpoint, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n := len(v.out.events); n > 0 {
		last = v.out.events[n-1].Seq
	}
	for number, e := range v.out.endpoints {
		stored := StoredEndpoint{Endpoint: e.Clone()}
		for k := range v.out.queued {
			if k.lane.Endpoint == number {
				stored.Queued++
				if stored.Oldest == 0 || k.seq < stored.Oldest {
					stored.Oldest = k.seq
				}
			}
		}
		for k := range v.out.dead {
			if k.lane.Endpoint == number {
				stored.Dead++
			}
		}
		endpoints = append(endpoints, stored)
	}
	return last, endpoints, nil
}

// PutEndpoint implements Journal.
func (v *Volatile) PutEndpoint(e *Endpoint, by ...Audit) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e.Number == 0 {
		v.out.number++
		e.Number = v.out.number
	}
	v.out.endpoints[e.Number] = e.Clone()
	v.fileAll(by)
	return nil
}

// DeleteEndpoint implements Journal.
func (v *Volatile) DeleteEndpoint(number int64, by ...Audit) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.out.endpoints, number)
	maps.DeleteFunc(v.out.queued, func(k deliveryKey, _ waiting) bool { return k.lane.Endpoint == number })
	maps.DeleteFunc(v.out.dead, func(k deliveryKey, _ DeadLetter) bool { return k.lane.Endpoint == number })
	v.fileAll(by)
	return nil
}

// Events implements Journal.
func (v *Volatile) Events(_ context.Context, after int64, kinds call.EventKinds, limit int) (events []Event, next int64, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, e := range v.out.after(after) {
		if kinds.Has(e.Kind) {
			events = append(events, e)
		}
		if i+1 == LookMost || len(events) == limit {
			return events, e.Seq, nil
		}
	}
	return events, 0, nil
}

// Due implements Journal.
func (v *Volatile) Due(_ context.Context, endpoint int64, now time.Time, limit int) (due []Delivery, next time.Time, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	heads := make(map[Lane]int64)
	for k, w := range v.out.queued {
		if k.lane.Endpoint != endpoint {
			continue
		}
		if w.due.After(now) && (next.IsZero() || w.due.Before(next)) {
			next = w.due
		}
		if head, ok := heads[k.lane]; !ok || k.seq < head {
			heads[k.lane] = k.seq
		}
	}
	for lane, seq := range heads {
		if w := v.out.queued[deliveryKey{lane, seq}]; !w.due.After(now) {
			due = append(due, Delivery{Lane: lane, Event: v.out.event(seq), Tries: w.tries})
		}
	}
	slices.SortFunc(due, func(a, b Delivery) int {
		x, y := v.out.queued[deliveryKey{a.Lane, a.Event.Seq}], v.out.queued[deliveryKey{b.Lane, b.Event.Seq}]
		return cmp.Or(x.due.Compare(y.due), cmp.Compare(a.Event.Seq, b.Event.Seq))
	})
	return due[:min(limit, len(due))], next, nil
}

// Oldest implements Journal.
func (v *Volatile) Oldest(_ context.Context, endpoint, after int64) (seq int64, at time.Time, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, e := range v.out.after(after) {
		if _, waits := v.out.queued[deliveryKey{Lane{endpoint, e.Call.ID}, e.Seq}]; waits {
			return e.Seq, e.At, nil
		}
		if i+1 == LookMost {
			return e.Seq, time.Time{}, nil
		}
	}
	return 0, time.Time{}, nil
}

// Settle implements Journal.
func (v *Volatile) Settle(now time.Time, settled []Settlement) (map[int64]Counts, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	counts := make(map[int64]Counts)
	for i := range settled {
		s := &settled[i]
		lane := s.Delivery.Lane
		key := deliveryKey{lane, s.Delivery.Event.Seq}
		w, ok := v.out.queued[key]
		if !ok {
			continue
		}
		switch s.Outcome {
		case Delivered, Dead:
			delete(v.out.queued, key)
			c := counts[lane.Endpoint]
			c.Queued--
			if s.Outcome == Dead {
				c.Dead++
				v.out.dead[key] = DeadLetter{Event: v.out.event(key.seq), Tries: w.tries + 1, At: now, Reason: s.Reason}
			}
			counts[lane.Endpoint] = c
		case Retry:
			v.out.queued[key] = waiting{due: now.Add(s.After), tries: w.tries + 1}
			for k, w := range v.out.queued {
				if k.lane == lane && k.seq > key.seq {
					v.out.queued[k] = waiting{due: now.Add(s.After), tries: w.tries}
				}
			}
		case Returned:
		}
	}
	return counts, nil
}

// Dead implements Journal.
func (v *Volatile) Dead(_ context.Context, endpoint, after int64, limit int) ([]DeadLetter, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var dead []DeadLetter
	for k, d := range v.out.dead {
		if k.lane.Endpoint == endpoint && k.seq > after {
			dead = append(dead, d)
		}
	}
	slices.SortFunc(dead, func(a, b DeadLetter) int { return cmp.Compare(a.Event.Seq, b.Event.Seq) })
	return dead[:min(limit, len(dead))], nil
}

// Choose implements Journal.
func (v *Volatile) Choose(_ context.Context, p Portion) (seqs []int64, next int64, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	looked := 0
	for _, e := range v.out.after(p.After) {
		if e.Seq >= p.Before {
			break
		}
		_, dead := v.out.dead[deliveryKey{Lane{p.Endpoint, e.Call.ID}, e.Seq}]
		if !p.All && !dead {
			continue
		}
		if p.Kinds.Has(e.Kind) {
			seqs = append(seqs, e.Seq)
		}
		if looked++; looked == LookMost || len(seqs) == p.Limit {
			return seqs, e.Seq, nil
		}
	}
	return seqs, p.Before, nil
}

// Requeue implements Journal.
func (v *Volatile) Requeue(p Portion, seqs []int64, now time.Time, by ...Audit) (counts Counts, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fileAll(by)
	for _, seq := range seqs {
		at, there := slices.BinarySearchFunc(v.out.events, seq, bySeq)
		if !there {
			continue
		}
		key := deliveryKey{Lane{p.Endpoint, v.out.events[at].Call.ID}, seq}
		_, dead := v.out.dead[key]
		if dead {
			delete(v.out.dead, key)
			counts.Dead--
		} else if !p.All {
			continue
		}
		if _, waits := v.out.queued[key]; !waits {
			v.out.queue(key, now)
			counts.Queued++
		}
	}
	return counts, nil
}

// Prunable implements Journal.
func (v *Volatile) Prunable(_ context.Context, after, shown, kept int64) (seqs []int64, next int64, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	pinned := v.out.pinned()
	for i, e := range v.out.after(after) {
		if e.Seq >= shown {
			break
		}
		if e.Seq < kept || !pinned[e.Seq] {
			seqs = append(seqs, e.Seq)
		}
		if i+1 == LookMost {
			return seqs, e.Seq, nil
		}
	}
	return seqs, shown, nil
}

// pinned are the seqs of what waits or was given up.
func (v *volatileOutbox) pinned() map[int64]bool {
	pinned := make(map[int64]bool)
	for k := range v.queued {
		pinned[k.seq] = true
	}
	for k := range v.dead {
		pinned[k.seq] = true
	}
	return pinned
}

// PruneEvents implements Journal.
func (v *Volatile) PruneEvents(_ context.Context, seqs []int64, kept int64) (rows int, counts map[int64]Counts, more bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	counts = make(map[int64]Counts)
	gone := func(endpoint int64, n Counts) {
		c := counts[endpoint]
		c.add(n)
		counts[endpoint] = c
	}
	pruned := make(map[int64]bool, len(seqs))
	for _, seq := range seqs {
		pruned[seq] = true
	}
	before := len(v.out.events) + len(v.out.queued) + len(v.out.dead)
	for k := range v.out.queued {
		if pruned[k.seq] && k.seq < kept {
			delete(v.out.queued, k)
			gone(k.lane.Endpoint, Counts{Queued: -1})
		}
	}
	for k := range v.out.dead {
		if pruned[k.seq] && k.seq < kept {
			delete(v.out.dead, k)
			gone(k.lane.Endpoint, Counts{Dead: -1})
		}
	}
	pinned := v.out.pinned()
	v.out.events = slices.DeleteFunc(v.out.events, func(e Event) bool { return pruned[e.Seq] && !pinned[e.Seq] })
	return before - len(v.out.events) - len(v.out.queued) - len(v.out.dead), counts, false, nil
}
