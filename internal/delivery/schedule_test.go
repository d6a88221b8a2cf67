package delivery_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/delivery"
	"github.com/peal-rtc/peal/internal/store"
)

// TestPlan: an event that always fails is tried at the times of the plan, and is dead after the
// last one. What follows of its call is due then.
func TestPlan(t *testing.T) {
	want := []time.Duration{
		0, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour,
		2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 12 * time.Hour,
	}
	for chance, factor := range map[float64]float64{0: 0.8, 0.5: 1, 0.999999: 1.2} {
		w := newWorld(t, 1)
		w.chance = chance
		w.answer = func(one try) (delivery.Attempt, time.Duration) {
			if one.seq == 1 {
				return delivery.Attempt{Result: delivery.Status, Status: 400, Detail: "it answered 400"}, 0
			}
			return ok, 0
		}
		w.commit("a", 2)
		w.run(40 * time.Hour)
		if len(w.tries) != len(want)+1 || w.dead[1] != "it answered 400" || w.delivered[2] != 1 {
			t.Fatalf("%d tries, dead %v, delivered %v", len(w.tries), w.dead, w.delivered)
		}
		for i, pause := range want[1:] {
			got := w.tries[i+1].at.Sub(w.tries[i].at)
			// The outbox takes its time twice, and answers at its pace.
			if least := time.Duration(float64(pause) * factor * 0.999); got < least || got > least+least/100+100*time.Millisecond {
				t.Errorf("chance %v: try %d came after %s, want %s", chance, i+2, got, least)
			}
		}
	}
}

// TestLimits: 8 tries at a time at an endpoint, 64 in all, each endpoint in its turn, and little
// is held meanwhile.
func TestLimits(t *testing.T) {
	w := newWorld(t, 10)
	w.answer = func(try) (delivery.Attempt, time.Duration) { return ok, time.Second }
	for i := range 300 {
		w.commit(fmt.Sprint(i), 3)
	}
	w.run(10 * time.Minute)
	w.inOrder()
	if w.left() > 0 || len(w.delivered) != 900 {
		t.Errorf("%d are left, %d delivered", w.left(), len(w.delivered))
	}
	for number := range w.endpoints {
		if w.most[number] != delivery.PerEndpoint {
			t.Errorf("endpoint %d: %d at once", number, w.most[number])
		}
	}
	if w.mostInAll != delivery.InAll {
		t.Errorf("%d at once", w.mostInAll)
	}
	if w.mostHeld > 10*50 {
		t.Errorf("%d were held", w.mostHeld)
	}
	// A read and a write are for many deliveries.
	if n := len(w.tries); w.claims+w.settles > n {
		t.Errorf("%d claims and %d settlements for %d deliveries", w.claims, w.settles, n)
	}
	perEndpoint := make(map[int64]int)
	for _, one := range w.tries[:len(w.tries)/2] {
		perEndpoint[one.endpoint]++
	}
	for number, n := range perEndpoint {
		if share := len(w.tries) / 20; n < share*8/10 || n > share*12/10 {
			t.Errorf("endpoint %d had %d of the first half, its share is %d", number, n, share)
		}
	}
}

// TestHangingEndpoint: it holds up no other one.
func TestHangingEndpoint(t *testing.T) {
	w := newWorld(t, 2)
	w.answer = func(one try) (delivery.Attempt, time.Duration) {
		if one.endpoint == 1 {
			return delivery.Attempt{Result: delivery.Timeout}, 10 * time.Second
		}
		return ok, 10 * time.Millisecond
	}
	for i := range 100 {
		w.commit(fmt.Sprint(i), 2)
	}
	w.run(8 * time.Second)
	if len(w.delivered) != 200 {
		t.Errorf("%d of 200 delivered to the other one", len(w.delivered))
	}
}

// TestCircuit: an endpoint that is down gets a probe each 30 s, not its backlog, and all of it
// once it works.
func TestCircuit(t *testing.T) {
	w := newWorld(t, 1)
	w.answer = always(down)
	for i := range 1000 {
		w.commit(fmt.Sprint(i), 2)
	}
	w.run(time.Hour)
	if n := len(w.tries); n < 110 || n > 10+delivery.PerEndpoint+120 {
		t.Errorf("%d tries in an hour", n)
	}
	if len(w.marked) != 1 || !w.marked[0].FailingSince.Equal(w.tries[0].at.Add(10*time.Millisecond)) {
		t.Errorf("stored %+v", w.marked)
	}
	probes := w.tries[len(w.tries)-100:]
	calls := make(map[call.ID]bool)
	for i, one := range probes {
		calls[one.call] = true
		if i > 0 && one.at.Sub(probes[i-1].at) < 30*time.Second {
			t.Fatalf("a probe came %s after the one before", one.at.Sub(probes[i-1].at))
		}
	}
	if len(calls) < 50 {
		t.Errorf("%d calls were the probes: one bad event must not stand for all", len(calls))
	}
	w.answer = always(ok)
	w.run(2 * time.Hour)
	w.inOrder()
	if w.left() > 0 || len(w.dead) > 0 {
		t.Errorf("%d are left, dead %v", w.left(), w.dead)
	}
	if last := w.marked[len(w.marked)-1]; len(w.marked) != 2 || !last.FailingSince.IsZero() {
		t.Errorf("stored %+v", w.marked)
	}
}

// TestProbeAfterRestart: a process that starts while an endpoint is down begins with a probe.
func TestProbeAfterRestart(t *testing.T) {
	w := newWorld(t, 1)
	w.answer = always(down)
	for i := range 100 {
		w.commit(fmt.Sprint(i), 1)
	}
	w.run(time.Minute)
	before := len(w.tries)
	w.restart()
	w.run(25 * time.Second)
	if n := len(w.tries) - before; n != 1 {
		t.Errorf("%d tries after a restart", n)
	}
}

// TestRetryAfter: an endpoint gets the pause that it asks for, up to an hour.
func TestRetryAfter(t *testing.T) {
	for _, test := range []struct {
		status      int
		asked, want time.Duration
		all         bool // The pause is for all events.
	}{
		{429, time.Minute, time.Minute, true},
		{503, 24 * time.Hour, time.Hour, true},
		{429, 0, 0, false},
		{429, time.Second, time.Second, true},
		{500, time.Minute, time.Minute, false},
	} {
		w := newWorld(t, 1)
		first := true
		w.answer = func(try) (delivery.Attempt, time.Duration) {
			if first {
				first = false
				return delivery.Attempt{Result: delivery.Status, Status: test.status, RetryAfter: test.asked}, 0
			}
			return ok, 0
		}
		w.commit("a", 1)
		w.run(500 * time.Millisecond)
		w.commit("b", 1)
		w.run(2 * time.Hour)
		if len(w.tries) != 3 {
			t.Fatalf("%+v: %+v", test, w.tries)
		}
		other, again := w.tries[1], w.tries[2]
		if other.seq == 1 {
			other, again = again, other
		}
		if waited := other.at.Sub(began); test.all && waited < test.want || !test.all && waited > time.Second {
			t.Errorf("%+v: the other event waited %s", test, waited)
		}
		if waited := again.at.Sub(began); waited < max(test.want, 5*time.Second) || waited > max(test.want, 5*time.Second)+time.Second {
			t.Errorf("%+v: the event waited %s", test, waited)
		}
	}
}

// TestQuietHoldsNothing: while an endpoint is left alone, what was claimed for it waits in the
// outbox. A copy here would be sent as it was, whatever was erased meanwhile.
func TestQuietHoldsNothing(t *testing.T) {
	for name, refused := range map[string]delivery.Attempt{
		"busy": {Result: delivery.Status, Status: 429, RetryAfter: time.Hour}, "down": down,
	} {
		w := newWorld(t, 1)
		w.answer = always(refused)
		for i := range 100 {
			w.commit(fmt.Sprint(i), 1)
		}
		w.run(10 * time.Second)
		if len(w.tries) == 0 || w.held > 0 || !w.schedule.Idle() {
			t.Errorf("%s: %d are held after %d tries, idle %v", name, w.held, len(w.tries), w.schedule.Idle())
		}
		w.answer = always(ok)
		w.run(3 * time.Hour)
		w.inOrder()
		if w.left() > 0 || len(w.delivered) != 100 {
			t.Errorf("%s: %d are left, %d delivered", name, w.left(), len(w.delivered))
		}
	}
}

// TestOutboxAway: while the outbox fails it is asked now and then, and nothing is lost.
func TestOutboxAway(t *testing.T) {
	w := newWorld(t, 1)
	for i := range 20 {
		w.commit(fmt.Sprint(i), 2)
	}
	w.run(30 * time.Millisecond)
	w.outbox = func() error { return errOutbox }
	asked := w.claims + w.settles
	w.run(10 * time.Minute)
	if n := w.claims + w.settles - asked; n < 15 || n > 60 {
		t.Errorf("it was asked %d times in 10 minutes", n)
	}
	w.outbox = nil
	w.run(time.Minute)
	w.inOrder()
	if w.left() > 0 {
		t.Errorf("%d are left", w.left())
	}
}

// TestUnreadEndpoint: where the outbox cannot read the deliveries of one endpoint, those of another
// do not wait for that.
func TestUnreadEndpoint(t *testing.T) {
	w := newWorld(t, 2)
	w.unread = 1
	w.commit("c0", 1)
	w.run(2 * time.Minute) // The pause of the first is the longest by now.
	claims := w.claims
	for n := range 20 {
		w.commit(fmt.Sprint("c", n+1), 1)
		w.look()
		w.run(time.Second)
		if left := w.left(); left != n+2 {
			t.Fatalf("%d deliveries are left after %d calls", left, n+2)
		}
	}
	if n := w.claims - claims; n > 100 {
		t.Errorf("%d claims in 20 s", n)
	}
	w.unread = 0
	w.run(time.Minute)
	if w.left() > 0 {
		t.Errorf("%d are left", w.left())
	}
}

// TestOutboxFull: while no result can be stored, deliveries are tried now and then: each of them
// arrives again.
func TestOutboxFull(t *testing.T) {
	w := newWorld(t, 2)
	w.answer = func(one try) (delivery.Attempt, time.Duration) {
		if one.endpoint == 1 {
			return down, 10 * time.Millisecond
		}
		return ok, 10 * time.Millisecond
	}
	w.full = true
	for n := range 3000 {
		w.commit(fmt.Sprint(n), 1)
	}
	w.run(10 * time.Minute)
	if len(w.tries) > 1000 || w.settles > 60 || len(w.marked) > 60 {
		t.Errorf("%d tries, %d settlements and %d marks in 10 minutes", len(w.tries), w.settles, len(w.marked))
	}
}

// TestStop: what was claimed goes back, and nothing more is tried.
func TestStop(t *testing.T) {
	w := newWorld(t, 1)
	for i := range 100 {
		w.commit(fmt.Sprint(i), 1)
	}
	w.answer = always(delivery.Attempt{Result: delivery.Abandoned})
	w.run(5 * time.Millisecond)
	if len(w.tries) != delivery.PerEndpoint || w.schedule.Idle() {
		t.Fatalf("%d tries", len(w.tries))
	}
	w.step(delivery.Stopping{})
	w.commit("late", 1)
	w.run(time.Minute)
	if len(w.tries) != delivery.PerEndpoint || !w.schedule.Idle() || w.held > 0 || w.left() != 101 {
		t.Errorf("%d tries, idle %v, %d held, %d left", len(w.tries), w.schedule.Idle(), w.held, w.left())
	}
	for _, lane := range w.lanes {
		if lane[0].Tries > 0 {
			t.Error("an abandoned try counts")
		}
	}
}

// TestDeleted: an endpoint goes while its events are under way. Another one of its id is
// another.
func TestDeleted(t *testing.T) {
	w := newWorld(t, 2)
	for i := range 100 {
		w.commit(fmt.Sprint(i), 1)
	}
	w.run(5 * time.Millisecond)
	delete(w.endpoints, 1)
	for lane := range w.lanes {
		if lane.Endpoint == 1 {
			delete(w.lanes, lane)
		}
	}
	w.endpoints[3] = &store.Endpoint{ID: "e1", Number: 3, URL: "https://example.com"}
	w.look()
	w.commit("new", 1)
	w.run(time.Minute)
	w.look()
	reached := make(map[int64]int)
	for _, one := range w.tries {
		reached[one.endpoint]++
	}
	if reached[1] > delivery.PerEndpoint || reached[2] != 101 || reached[3] != 1 || w.left() > 0 {
		t.Errorf("reached %v, %d left", reached, w.left())
	}
}

// TestNoEndpoint: nothing is asked of the outbox, whatever is committed.
func TestNoEndpoint(t *testing.T) {
	w := newWorld(t, 0)
	for i := range 100 {
		w.commit(fmt.Sprint(i), 1)
	}
	if _, ok := w.schedule.Deadline(); ok || w.claims+w.settles > 0 {
		t.Errorf("%d claims, %d settlements", w.claims, w.settles)
	}
}

// TestRandom: whatever receivers, the outbox and the process do, first arrivals are in order, and
// each event is delivered, dead or waits (W2, W3).
func TestRandom(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 0xabc))
		w := newWorld(t, 1+rng.IntN(4))
		w.rng, w.chance = rng, -1
		w.answer = func(try) (delivery.Attempt, time.Duration) {
			took := time.Duration(rng.IntN(2000)) * time.Millisecond
			switch rng.IntN(10) {
			case 0:
				return down, took
			case 1:
				return delivery.Attempt{Result: delivery.Timeout}, 10 * time.Second
			case 2:
				return delivery.Attempt{Result: delivery.Status, Status: 503, RetryAfter: took}, took
			}
			return ok, took
		}
		w.outbox = func() error {
			if rng.IntN(20) == 0 {
				return errOutbox
			}
			return nil
		}
		for range 200 {
			w.commit(fmt.Sprint(rng.IntN(30)), 1+rng.IntN(3))
			w.run(time.Duration(rng.IntN(3000)) * time.Millisecond)
			if rng.IntN(40) == 0 {
				w.restart()
			}
		}
		w.outbox = nil
		w.answer = always(ok)
		w.run(24 * time.Hour)
		w.inOrder()
		if n := int(w.lastSeq); w.left() > 0 || len(w.delivered)+len(w.dead) < n {
			t.Errorf("%d are left; %d delivered and %d dead of %d", w.left(), len(w.delivered), len(w.dead), n)
		}
		if !w.schedule.Idle() {
			t.Error("it is not idle")
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
