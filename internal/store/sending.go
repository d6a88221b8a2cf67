package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// replayPortion is how many deliveries one transaction of a replay queues. A commit waits for one
// such transaction at most.
const replayPortion = 500

// outbox implements Outbox over the journal of a Memory. Each write holds Memory.writing, so a commit
// reads the fields below mu without mu.
type outbox struct {
	Broadcast

	memory *Memory
	// most is QueueMost, and less in tests.
	most int
	// claiming is held by one claim at a time.
	claiming sync.Mutex

	mu sync.Mutex // Guards what follows.
	// asked says that events are recorded also without an endpoint.
	asked     bool
	endpoints map[string]*target
	last      int64          // The seq of the newest event.
	claimed   map[Lane]int64 // The seqs of claimed deliveries.
	// generation counts the portions of erasures that changed events: see Stale.
	generation int64
}

// target is an endpoint with the state of its deliveries.
type target struct {
	Endpoint
	kinds  call.EventKinds
	counts Counts
	// before is a seq up to which no delivery waits. replays counts how often a replay may have lowered
	// it.
	before  int64
	replays int
	// full says that the endpoint missed an event because too many deliveries waited. It gets no event
	// until its disabling is stored. Holders of writing may use full.
	full  bool
	fresh fresh
}

func newOutbox(m *Memory) *outbox {
	return &outbox{memory: m, most: QueueMost, endpoints: make(map[string]*target), claimed: make(map[Lane]int64)}
}

// open reads the endpoints and the newest seq from the journal.
func (o *outbox) open(ctx context.Context) error {
	last, stored, err := o.memory.journal.Outbox(ctx)
	if err != nil {
		return fmt.Errorf("read endpoints: %w", err)
	}
	o.last = last
	for _, e := range stored {
		t := &target{Endpoint: e.Endpoint, kinds: e.Kinds(), counts: e.Counts, before: max(e.Oldest-1, 0)}
		o.endpoints[e.ID] = t
		t.fresh.counted(t.counts.Queued)
	}
	return nil
}

// RecordEvents sets whether events are stored while there is no endpoint: where an API key exists its
// backend may read the feed.
func (m *Memory) RecordEvents(on bool) {
	m.writing.Lock()
	defer m.writing.Unlock()
	m.out.mu.Lock()
	defer m.out.mu.Unlock()
	m.out.asked = on
}

// Outbox is that of the store.
func (m *Memory) Outbox() Outbox { return m.out }

// recording reports whether events are stored.
func (o *outbox) recording() bool { return o.asked || len(o.endpoints) > 0 }

// outgoing makes the events of a change, with seqs above last. The caller is about to commit.
func (o *outbox) outgoing(events []call.Event, c *call.Call, at time.Time, last int64) []Outgoing {
	after := *c // It shares the legs: neither changes.
	after.Media.Offer, after.Media.Answer = "", ""
	out := make([]Outgoing, len(events))
	for i, e := range events {
		last = max(last+1, at.UnixMicro())
		out[i].Event = Event{Seq: last, At: at, Kind: e.Kind, Merged: e.Merged, Call: &after}
		for _, t := range o.endpoints {
			if !t.Enabled() || !t.kinds.Has(e.Kind) {
				continue
			}
			if t.full = t.full || t.counts.Queued >= o.most; !t.full {
				out[i].To = append(out[i].To, t.Number)
			}
		}
		slices.Sort(out[i].To)
	}
	return out
}

// committed takes the events of a batch that the journal has. The caller holds writing.
func (o *outbox) committed(batch []Entry) {
	var events []Outgoing
	for i := range batch {
		events = append(events, batch[i].Events...)
	}
	if len(events) == 0 {
		return
	}
	slices.SortFunc(events, func(a, b Outgoing) int { return cmp.Compare(a.Seq, b.Seq) })
	o.mu.Lock()
	o.last = events[len(events)-1].Seq
	for i := range events {
		for _, number := range events[i].To {
			o.queue(number, &events[i].Event)
		}
	}
	o.Announce()
	o.mu.Unlock()
	o.disableFull()
}

// queue counts a delivery that the journal has queued. The caller holds mu.
func (o *outbox) queue(number int64, e *Event) {
	for _, t := range o.endpoints {
		if t.Number == number {
			if t.counts.Queued == 0 {
				t.before = e.Seq - 1
			}
			t.counts.Queued++
			t.fresh.add(Delivery{Lane: Lane{number, e.Call.ID}, Event: *e})
			return
		}
	}
}

// counted applies the counts of a settlement or pruning. The caller holds mu.
func (o *outbox) counted(n map[int64]Counts) {
	for _, t := range o.endpoints {
		c := n[t.Number]
		t.counts.add(c)
		if c.Queued != 0 {
			t.fresh.counted(t.counts.Queued)
		}
	}
}

// disableFull disables the endpoints for which too many deliveries wait. After an error they get no
// events, and the next event tries again. The caller holds writing.
func (o *outbox) disableFull() {
	for _, t := range o.endpoints {
		if !t.full && t.counts.Queued < o.most || !t.Enabled() {
			continue
		}
		e := t.Clone()
		e.Disabled = Disabled{At: o.memory.clock(), Reason: QueueFull}
		if o.memory.judge(o.memory.journal.PutEndpoint(&e)) == nil {
			t.full = false
			o.mu.Lock()
			t.Endpoint = e
			t.fresh.spoil()
			o.Announce()
			o.mu.Unlock()
		}
	}
}

// Newest implements Outbox.
func (o *outbox) Newest() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last
}

// Events implements Outbox.
func (o *outbox) Events(ctx context.Context, after int64, kinds call.EventKinds, limit int) (events []Event, next int64, err error) {
	if err := o.memory.failure(); err != nil {
		return nil, 0, err
	}
	newest := o.Newest() // Before the read, which sees all up to it.
	if after >= newest {
		return nil, after, nil
	}
	events, next, err = o.memory.journal.Events(ctx, after, kinds, limit)
	if err != nil || next > 0 {
		return events, next, err
	}
	if n := len(events); n > 0 {
		newest = max(newest, events[n-1].Seq)
	}
	return events, newest, nil
}

// Endpoints implements Outbox.
func (o *outbox) Endpoints() []Endpoint {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := make([]Endpoint, 0, len(o.endpoints))
	for _, id := range slices.Sorted(maps.Keys(o.endpoints)) {
		all = append(all, o.endpoints[id].Clone())
	}
	return all
}

// write begins a write to the journal.
func (o *outbox) write(ctx context.Context) (done func(), err error) {
	o.memory.writing.Lock()
	if err := cmp.Or(ctx.Err(), o.memory.failed); err != nil {
		o.memory.writing.Unlock()
		return nil, err
	}
	return o.memory.writing.Unlock, nil
}

// PutEndpoint implements Outbox.
func (o *outbox) PutEndpoint(ctx context.Context, id string, change func(*Endpoint) error, by ...Audit) (Endpoint, error) {
	done, err := o.write(ctx)
	if err != nil {
		return Endpoint{}, err
	}
	defer done()
	e := Endpoint{ID: id, CreatedAt: o.memory.clock()}
	next := &target{fresh: fresh{whole: true}}
	if t := o.endpoints[id]; t != nil {
		e, next = t.Clone(), t
	} else if len(o.endpoints) >= EndpointsMost {
		return Endpoint{}, ErrEndpoints
	}
	changed := e.Clone()
	if err := change(&changed); err != nil {
		return Endpoint{}, err
	}
	changed.ID, changed.Number = id, e.Number
	if err := changed.Validate(); err != nil {
		return Endpoint{}, err
	}
	e = changed.Clone() // change may have kept its argument.
	if err := o.memory.judge(o.memory.journal.PutEndpoint(&e, by...)); err != nil {
		return Endpoint{}, fmt.Errorf("put endpoint: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	next.Endpoint, next.kinds = e, e.Kinds()
	if !e.Enabled() {
		next.full = false
		next.fresh.spoil() // The deliveries may wait for long.
	}
	o.endpoints[id] = next
	o.Announce()
	return e.Clone(), nil
}

// DeleteEndpoint implements Outbox.
func (o *outbox) DeleteEndpoint(ctx context.Context, id string, by ...Audit) error {
	done, err := o.write(ctx)
	if err != nil {
		return err
	}
	defer done()
	t := o.endpoints[id]
	if t == nil {
		return ErrNoEndpoint
	}
	if err := o.memory.judge(o.memory.journal.DeleteEndpoint(t.Number, by...)); err != nil {
		return fmt.Errorf("delete endpoint: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.endpoints, id)
	o.Announce()
	return nil
}

// number is that of an endpoint, with the kinds that it receives.
func (o *outbox) number(id string) (int64, call.EventKinds, error) {
	if err := o.memory.failure(); err != nil {
		return 0, 0, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.endpoints[id]
	if t == nil {
		return 0, 0, ErrNoEndpoint
	}
	return t.Number, t.kinds, nil
}

// Dead implements Outbox.
func (o *outbox) Dead(ctx context.Context, endpoint string, after int64, limit int) ([]DeadLetter, error) {
	number, _, err := o.number(endpoint)
	if err != nil {
		return nil, err
	}
	return o.memory.journal.Dead(ctx, number, after, limit)
}

// Replay implements Outbox.
func (o *outbox) Replay(ctx context.Context, endpoint string, what Replay, by ...Audit) (queued int, err error) {
	number, kinds, err := o.number(endpoint)
	if err != nil {
		return 0, err
	}
	p := Portion{Endpoint: number, After: seqAt(what.From) - 1, Before: seqAt(what.To), Kinds: kinds, All: what.All, Limit: replayPortion}
	if what.Kinds != 0 {
		p.Kinds = what.Kinds
	}
	if p.Before == 0 {
		p.Before = 1<<63 - 1
	}
	for p.After < p.Before {
		// This looks at many events: no commit waits for it.
		seqs, next, err := o.memory.journal.Choose(ctx, p)
		if err != nil {
			return queued, fmt.Errorf("choose events: %w", err)
		}
		for len(seqs) > 0 {
			n, taken, err := o.replay(ctx, endpoint, p, seqs, by)
			queued += n
			if err != nil {
				return queued, err
			}
			seqs, by = seqs[taken:], nil
		}
		p.After = next
	}
	for _, audit := range by {
		if err := o.memory.File(ctx, audit); err != nil {
			return queued, fmt.Errorf("file replay: %w", err)
		}
	}
	return queued, nil
}

// replay queues the first of the chosen events, as many as there is room for.
func (o *outbox) replay(ctx context.Context, endpoint string, p Portion, seqs []int64, by []Audit) (queued, taken int, err error) {
	done, err := o.write(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer done()
	t := o.endpoints[endpoint]
	switch {
	case t == nil || t.Number != p.Endpoint:
		return 0, 0, ErrNoEndpoint
	case t.counts.Queued >= o.most:
		return 0, 0, ErrQueueFull
	}
	taken = min(len(seqs), o.most-t.counts.Queued)
	counts, err := o.memory.journal.Requeue(p, seqs[:taken], o.memory.clock(), by...)
	if err := o.memory.judge(err); err != nil {
		return 0, 0, fmt.Errorf("replay events: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if counts.Queued > 0 {
		if t.before = min(t.before, seqs[0]-1); t.counts.Queued == 0 {
			t.before = seqs[0] - 1
		}
		t.replays++
		t.fresh.spoil()
		o.Announce()
	}
	t.counts.add(counts)
	return counts.Queued, taken, nil
}

// Prune implements Outbox.
func (o *outbox) Prune(ctx context.Context) (rows int, err error) {
	now := o.memory.clock()
	shown, kept := seqAt(now.Add(-KeepEvents)), seqAt(now.Add(-KeepUndelivered))
	for after, more := int64(0), true; after < shown || more; {
		var seqs []int64
		if after < shown {
			// This looks at many events: no commit waits for it.
			if seqs, after, err = o.memory.journal.Prunable(ctx, after, shown, kept); err != nil {
				return rows, fmt.Errorf("find old events: %w", err)
			}
			if len(seqs) == 0 && after < shown {
				continue
			}
		}
		var n int
		n, more, err = o.prune(ctx, seqs, kept)
		if rows += n; err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// prune deletes one portion.
func (o *outbox) prune(ctx context.Context, seqs []int64, kept int64) (rows int, more bool, err error) {
	done, err := o.write(ctx)
	if err != nil {
		return 0, false, err
	}
	defer done()
	rows, counts, more, err := o.memory.journal.PruneEvents(ctx, seqs, kept)
	if err = o.memory.judge(err); err != nil {
		return rows, false, fmt.Errorf("prune events: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counted(counts)
	return rows, more, nil
}
