package sim

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/delivery"
	"github.com/peal-rtc/peal/internal/store"
)

// backend is that of the application: two endpoints, which fail in their ways, and what delivers to
// them. That runs in the process of the first host and dies with it. Where several hosts share a
// store, the claims of one that died end as by a lease. The backend draws from chances of its own, so
// that the rest of a schedule is as it would be without it.
type backend struct {
	w    *world
	rng  *rand.Rand
	feed *feed
	// fails is how often a try fails, of each endpoint.
	fails map[string]float64

	alive    bool
	start    int // Which schedule this is.
	schedule *delivery.Schedule
	wake     time.Time // The wake-up that is in the queue.
	changed  <-chan struct{}
	claimed  map[store.Lane]store.Delivery
}

func newBackend(w *world) *backend {
	b := &backend{w: w, rng: rand.New(rand.NewPCG(w.cfg.Seed, 0xbac1)), feed: newFeed(w), fails: make(map[string]float64)}
	for _, id := range endpointIDs {
		b.fails[id] = 0
		if w.cfg.Seed%8 != 0 {
			b.fails[id] = [...]float64{0, 0.05, 0.3, 0.9, 1}[b.rng.IntN(5)]
		}
	}
	return b
}

// endpointIDs are the endpoints, and endpointEvents what each asks for.
var endpointIDs = []string{"crm", "ends"}

var endpointEvents = map[string][]string{"crm": {"*", "call.reconnecting"}, "ends": {"call.ended"}}

// outbox is that of the store as it is now.
func (b *backend) outbox() store.Outbox { return b.w.store.Store.(*store.Memory).Outbox() }

// boot starts to deliver.
func (b *backend) boot() {
	if b.alive {
		return
	}
	out := b.outbox()
	for _, id := range endpointIDs {
		if len(out.Endpoints()) == len(endpointIDs) {
			break
		}
		_, err := out.PutEndpoint(context.Background(), id, func(e *store.Endpoint) error {
			e.URL, e.Events = "https://"+id, endpointEvents[id]
			e.Rotate("secret", b.w.now, 0)
			return nil
		})
		if err != nil {
			b.w.violate("cannot make an endpoint: %v", err)
			return
		}
	}
	b.alive, b.schedule, b.wake = true, delivery.New(), time.Time{}
	b.start++
	b.claimed = make(map[store.Lane]store.Delivery)
	b.changed = out.Changed()
	b.step(delivery.Looked{Endpoints: out.Endpoints()})
}

// die is the end of the process.
func (b *backend) die() {
	b.alive = false
	if b.w.journal != nil {
		return // The claims were in its memory.
	}
	var lost []store.Settlement
	for _, d := range b.claimed {
		lost = append(lost, store.Settlement{Delivery: d})
	}
	b.giveBack(lost)
}

// look has the schedule look where the outbox has changed.
func (b *backend) look() {
	select {
	case <-b.changed:
		b.changed = b.outbox().Changed()
		b.later(b.upTo(5*time.Millisecond), func() delivery.Input { return delivery.Looked{Endpoints: b.outbox().Endpoints()} })
	default:
	}
}

func (b *backend) upTo(most time.Duration) time.Duration {
	return time.Duration(1 + b.rng.Int64N(int64(most)))
}

// later does something in this process, if that still lives then, and gives what follows from it.
func (b *backend) later(d time.Duration, do func() delivery.Input) {
	start := b.start
	b.w.after(d, func() {
		if b.alive && b.start == start {
			b.step(do())
		}
	})
}

func (b *backend) step(in delivery.Input) {
	if b.w.err != nil {
		return
	}
	for _, e := range b.schedule.Step(b.w.time(), in) {
		b.carryOut(e)
	}
	at, ok := b.schedule.Deadline()
	if !ok || !b.wake.IsZero() && !b.wake.After(at) {
		return
	}
	b.wake = at
	start := b.start
	b.w.after(max(0, at.Sub(b.w.time())), func() {
		if b.alive && b.start == start && b.wake.Equal(at) {
			b.wake = time.Time{}
			b.step(delivery.Woke{})
		}
	})
}

// carryOut does what the schedule asks, each a while later. The outbox does not answer while the
// store is away.
func (b *backend) carryOut(e delivery.Effect) {
	ctx := context.Background()
	away := func() error {
		if !b.w.calmed && b.w.hosts[0].cut() {
			return errInjected
		}
		return nil
	}
	const outboxDelay = 30 * time.Millisecond
	switch e := e.(type) {
	case delivery.Claim:
		b.later(b.upTo(outboxDelay), func() delivery.Input {
			if err := away(); err != nil {
				return delivery.Claimed{Endpoint: e.Endpoint, Err: err}
			}
			due, next, err := b.outbox().Claim(ctx, e.ID, e.Limit)
			for _, d := range due {
				if _, twice := b.claimed[d.Lane]; twice {
					b.w.violate("W3: two events of call %s are on their way to %s", d.Lane.Call, e.ID)
				}
				b.claimed[d.Lane] = d
			}
			return delivery.Claimed{Endpoint: e.Endpoint, Due: due, Next: next, Err: err}
		})
	case delivery.Send:
		b.try(&e)
	case delivery.Settle:
		b.later(b.upTo(outboxDelay), func() delivery.Input {
			err := away()
			if err == nil {
				err = b.outbox().Settle(ctx, e.Settlements)
			} else {
				b.giveBack(e.Settlements)
			}
			for i := range e.Settlements {
				delete(b.claimed, e.Settlements[i].Delivery.Lane)
			}
			return delivery.Settled{Err: err}
		})
	case delivery.Mark:
		b.later(b.upTo(outboxDelay), func() delivery.Input {
			_, err := b.outbox().PutEndpoint(ctx, e.ID, func(stored *store.Endpoint) error {
				if stored.URL == e.URL {
					stored.FailingSince, stored.Disabled = e.FailingSince, e.Disabled
				}
				return nil
			})
			b.look()
			return delivery.Marked{Endpoint: e.Endpoint, Err: err}
		})
	case delivery.Look:
		b.later(0, func() delivery.Input { return delivery.Looked{Endpoints: b.outbox().Endpoints()} })
	}
}

// giveBack ends the claims of what could not be settled: it is due again.
func (b *backend) giveBack(settled []store.Settlement) {
	back := slices.Clone(settled)
	for i := range back {
		back[i].Outcome = store.Returned
	}
	if err := b.outbox().Settle(context.Background(), back); err != nil {
		b.w.violate("claims do not end: %v", err)
	}
}

// try sends an event to an endpoint. It may be lost on the way, or its answer may; it may be
// refused, or take its time.
func (b *backend) try(e *delivery.Send) {
	d, takes := e.Delivery, b.upTo(300*time.Millisecond)
	attempt := delivery.Attempt{Result: delivery.Delivered, Status: 200}
	arrives := true
	if b.rng.Float64() < b.fails[e.Endpoint.ID] {
		switch b.rng.IntN(4) {
		case 0: // It is lost.
			arrives, takes, attempt = false, 10*time.Second, delivery.Attempt{Result: delivery.Timeout}
		case 1: // It arrives, and nobody hears of it.
			takes, attempt = 10*time.Second, delivery.Attempt{Result: delivery.Timeout}
		case 2:
			arrives, attempt = false, delivery.Attempt{Result: delivery.Status, Status: 500}
		case 3:
			arrives, attempt = false, delivery.Attempt{Result: delivery.Status, Status: 503, RetryAfter: 20 * time.Second}
		}
	} else if b.rng.IntN(20) == 0 {
		takes = b.upTo(9 * time.Second)
	}
	if arrives {
		// It is on its way, also when the process dies.
		b.w.after(b.upTo(takes), func() { b.feed.arrives(e.Endpoint.ID, &d.Event) })
	}
	chance := b.rng.Float64()
	b.later(takes, func() delivery.Input {
		return delivery.Tried{URL: e.Endpoint.URL, Delivery: d, Attempt: attempt, Chance: chance}
	})
}

// turn has somebody replay what an endpoint has had before.
func (b *backend) turn() {
	if b.w.calmed {
		return
	}
	id := endpointIDs[b.rng.IntN(len(endpointIDs))]
	if b.alive && !b.w.hosts[0].cut() && b.rng.IntN(3) == 0 {
		from := b.w.time().Add(-b.upTo(time.Minute))
		kinds := call.EventKinds(0)
		if b.rng.IntN(2) == 0 {
			kinds = call.EventKinds(b.rng.Uint32())
		}
		if _, err := b.outbox().Replay(context.Background(), id, store.Replay{From: from, Kinds: kinds, All: b.rng.IntN(2) == 0}); err == nil {
			b.feed.replayed(id, kinds)
			b.look()
		}
	}
	b.w.after(b.upTo(40*time.Second), b.turn)
}

// drain lets nothing fail any more, has all be delivered, and holds that to what was committed.
func (b *backend) drain() {
	w := b.w
	w.queue = nil // Nobody else does anything.
	if b.alive {
		b.die()
	}
	w.openStore()
	clear(b.fails)
	b.boot()
	const steps = 1_000_000
	for n := 0; w.err == nil && len(w.queue) > 0; n++ {
		if n == steps {
			w.violate("W2: deliveries do not come to an end")
			return
		}
		w.runUntil(w.queue[0].at)
	}
	if w.err == nil {
		b.feed.drained(b.outbox())
	}
}
