package delivery_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/delivery"
	"github.com/peal-rtc/peal/internal/store"
)

var began = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// try is one that a receiver saw.
type try struct {
	at       time.Time
	endpoint int64
	url      string
	call     call.ID
	seq      int64
	result   delivery.Result
}

// queued is a delivery that waits in the outbox.
type queued struct {
	store.Delivery
	due     time.Time
	claimed bool
}

// later is an answer that comes at a time.
type later struct {
	at  time.Time
	ord int
	in  func() delivery.Input
}

// world is an outbox, receivers and a clock around a schedule.
type world struct {
	t         *testing.T
	now       time.Time
	schedule  *delivery.Schedule
	endpoints map[int64]*store.Endpoint
	lanes     map[store.Lane][]*queued // In the order of seqs.
	later     []later
	ord       int
	rng       *rand.Rand
	chance    float64 // Of each result; negative for random ones.

	// answer is what a receiver does, and how long that takes.
	answer func(try) (delivery.Attempt, time.Duration)
	// outbox is how it does; nil is well.
	outbox func() error
	// unread is an endpoint whose deliveries the outbox cannot read; 0 for none.
	unread int64
	// full says that the outbox can be read, and not written.
	full bool

	tries     []try
	delivered map[int64]int // By seq.
	dead      map[int64]string
	running   map[int64]int
	most      map[int64]int
	mostInAll int
	claims    int
	settles   int
	held      int // Claimed, not settled.
	mostHeld  int
	lastSeq   int64
	marked    []delivery.Mark
	marking   map[int64]bool
}

func newWorld(t *testing.T, endpoints int) *world {
	w := &world{
		t: t, now: began, endpoints: make(map[int64]*store.Endpoint), lanes: make(map[store.Lane][]*queued),
		rng: rand.New(rand.NewPCG(1, 2)), chance: 0.5,
		delivered: make(map[int64]int), dead: make(map[int64]string), running: make(map[int64]int), most: make(map[int64]int),
		answer: func(try) (delivery.Attempt, time.Duration) { return ok, 50 * time.Millisecond },
	}
	for n := range endpoints {
		w.endpoints[int64(n+1)] = &store.Endpoint{ID: fmt.Sprint("e", n+1), Number: int64(n + 1), URL: "https://example.com"}
	}
	w.restart()
	return w
}

var (
	ok   = delivery.Attempt{Result: delivery.Delivered, Status: 200}
	down = delivery.Attempt{Result: delivery.Connect, Detail: "down"}
)

// always is a receiver that always answers alike.
func always(a delivery.Attempt) func(try) (delivery.Attempt, time.Duration) {
	return func(try) (delivery.Attempt, time.Duration) { return a, 10 * time.Millisecond }
}

// restart has a new process: what was under way is forgotten.
func (w *world) restart() {
	w.schedule, w.later, w.held = delivery.New(), nil, 0
	w.running, w.marking = make(map[int64]int), make(map[int64]bool)
	for _, lane := range w.lanes {
		for _, q := range lane {
			q.claimed = false
		}
	}
	w.look()
}

// look has the schedule see the endpoints.
func (w *world) look() { w.step(w.looked()) }

func (w *world) looked() delivery.Input {
	var list []store.Endpoint
	for _, n := range slices.Sorted(maps.Keys(w.endpoints)) {
		list = append(list, *w.endpoints[n])
	}
	return delivery.Looked{Endpoints: list}
}

// commit queues events of a call at all endpoints.
func (w *world) commit(id string, events int) {
	for range events {
		w.lastSeq++
		for number, e := range w.endpoints {
			if !e.Enabled() {
				continue
			}
			lane := store.Lane{Endpoint: number, Call: call.ID(id)}
			w.lanes[lane] = append(w.lanes[lane], &queued{
				Delivery: store.Delivery{Lane: lane, Event: store.Event{Seq: w.lastSeq}}, due: w.now,
			})
		}
	}
	w.look()
}

// step gives the schedule an input and carries out its effects.
func (w *world) step(in delivery.Input) {
	w.t.Helper()
	for _, effect := range w.schedule.Step(w.now, in) {
		w.do(effect)
	}
	w.mostHeld = max(w.mostHeld, w.held)
}

func (w *world) after(d time.Duration, in func() delivery.Input) {
	w.ord++
	w.later = append(w.later, later{w.now.Add(d), w.ord, in})
}

func (w *world) fails() error {
	if w.outbox == nil {
		return nil
	}
	return w.outbox()
}

func (w *world) failsToWrite() error {
	if w.full {
		return errOutbox
	}
	return w.fails()
}

var errOutbox = errors.New("the outbox is away")

func (w *world) do(effect delivery.Effect) {
	const disk = 2 * time.Millisecond
	switch e := effect.(type) {
	case delivery.Claim:
		w.claims++
		w.after(disk, func() delivery.Input { return w.claim(e) })
	case delivery.Send:
		w.send(e)
	case delivery.Settle:
		w.settles++
		w.after(disk, func() delivery.Input { return w.settle(e) })
	case delivery.Mark:
		if w.marking[e.Endpoint] {
			w.t.Errorf("endpoint %d is marked twice at a time, and nobody knows which is the last", e.Endpoint)
		}
		w.marked, w.marking[e.Endpoint] = append(w.marked, e), true
		var err error
		w.after(disk/2, func() delivery.Input {
			if err = w.failsToWrite(); err == nil {
				w.mark(&e)
			}
			return delivery.Woke{}
		})
		w.after(disk, func() delivery.Input {
			delete(w.marking, e.Endpoint)
			return delivery.Marked{Endpoint: e.Endpoint, Err: err}
		})
	case delivery.Look:
		w.after(0, func() delivery.Input { return w.looked() })
	}
}

func (w *world) mark(e *delivery.Mark) {
	stored := w.endpoints[e.Endpoint]
	if stored == nil || stored.URL != e.URL {
		return
	}
	if stored.FailingSince = e.FailingSince; stored.Enabled() {
		stored.Disabled = e.Disabled
	}
}

func (w *world) claim(e delivery.Claim) delivery.Input {
	answer := delivery.Claimed{Endpoint: e.Endpoint}
	if answer.Err = w.fails(); answer.Err != nil {
		return answer
	}
	if e.Endpoint == w.unread {
		answer.Err = errOutbox
		return answer
	}
	var heads []*queued
	for lane, all := range w.lanes {
		if lane.Endpoint != e.Endpoint || len(all) == 0 || all[0].claimed {
			continue
		}
		if q := all[0]; !q.due.After(w.now) {
			heads = append(heads, q)
		} else if answer.Next.IsZero() || q.due.Before(answer.Next) {
			answer.Next = q.due
		}
	}
	slices.SortFunc(heads, func(a, b *queued) int {
		return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.Event.Seq, b.Event.Seq))
	})
	for _, q := range heads[:min(e.Limit, len(heads))] {
		q.claimed = true
		w.held++
		answer.Due = append(answer.Due, q.Delivery)
	}
	return answer
}

func (w *world) send(e delivery.Send) {
	number := e.Endpoint.Number
	w.running[number]++
	w.most[number] = max(w.most[number], w.running[number])
	inAll := 0
	for _, n := range w.running {
		inAll += n
	}
	w.mostInAll = max(w.mostInAll, inAll)
	seen := try{at: w.now, endpoint: number, url: e.Endpoint.URL, call: e.Delivery.Lane.Call, seq: e.Delivery.Event.Seq}
	attempt, took := w.answer(seen)
	seen.result = attempt.Result
	w.tries = append(w.tries, seen)
	w.after(took, func() delivery.Input {
		w.running[number]--
		chance := w.chance
		if chance < 0 {
			chance = w.rng.Float64()
		}
		return delivery.Tried{URL: e.Endpoint.URL, Delivery: e.Delivery, Attempt: attempt, Chance: chance}
	})
}

func (w *world) settle(e delivery.Settle) delivery.Input {
	err := w.failsToWrite()
	w.held -= len(e.Settlements)
	for _, s := range e.Settlements {
		lane := w.lanes[s.Delivery.Lane]
		if len(lane) == 0 {
			continue // Its endpoint was deleted.
		}
		head := lane[0]
		if !head.claimed || head.Event.Seq != s.Delivery.Event.Seq {
			w.t.Fatalf("settled %+v, which is not claimed", s)
		}
		head.claimed = false
		if err != nil {
			continue
		}
		switch s.Outcome {
		case store.Delivered:
			w.delivered[s.Delivery.Event.Seq]++
			w.lanes[s.Delivery.Lane] = lane[1:]
		case store.Dead:
			w.dead[s.Delivery.Event.Seq] = s.Reason
			w.lanes[s.Delivery.Lane] = lane[1:]
		case store.Retry:
			head.Tries++
			head.due = w.now.Add(s.After)
		case store.Returned:
		}
	}
	return delivery.Settled{Err: err}
}

// run lets time pass, until a time, or until nothing will ever happen.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	until := w.now.Add(d)
	for steps := 0; ; steps++ {
		if steps > 5_000_000 {
			w.t.Fatal("it never rests")
		}
		next, answers := time.Time{}, false
		for _, l := range w.later {
			if next.IsZero() || l.at.Before(next) {
				next, answers = l.at, true
			}
		}
		if at, ok := w.schedule.Deadline(); ok && (next.IsZero() || at.Before(next)) {
			next, answers = at, false
		}
		if next.IsZero() || next.After(until) {
			w.now = until
			return
		}
		if next.After(w.now) {
			w.now = next
		}
		if !answers {
			w.step(delivery.Woke{})
			continue
		}
		slices.SortFunc(w.later, func(a, b later) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.ord, b.ord)) })
		first := w.later[0]
		w.later = w.later[1:]
		w.step(first.in())
	}
}

// left is how many deliveries wait.
func (w *world) left() int {
	n := 0
	for _, lane := range w.lanes {
		n += len(lane)
	}
	return n
}

// inOrder holds that the first arrivals of each call at each endpoint are in its order (W3), and
// that no limit was passed.
func (w *world) inOrder() {
	w.t.Helper()
	last := make(map[store.Lane]int64)
	came := make(map[store.Lane]map[int64]bool)
	for _, one := range w.tries {
		lane := store.Lane{Endpoint: one.endpoint, Call: one.call}
		if came[lane] == nil {
			came[lane] = make(map[int64]bool)
		}
		if !came[lane][one.seq] && one.seq < last[lane] {
			w.t.Errorf("%s at endpoint %d: %d came first after %d", one.call, one.endpoint, one.seq, last[lane])
		}
		came[lane][one.seq] = true
		last[lane] = max(last[lane], one.seq)
	}
	for number, n := range w.most {
		if n > delivery.PerEndpoint {
			w.t.Errorf("%d tries at once at endpoint %d", n, number)
		}
	}
	if w.mostInAll > delivery.InAll {
		w.t.Errorf("%d tries at once", w.mostInAll)
	}
}
