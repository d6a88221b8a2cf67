package delivery_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/delivery"
	"github.com/peal-rtc/peal/internal/store"
)

func TestGone(t *testing.T) {
	w := newWorld(t, 1)
	w.answer = always(delivery.Attempt{Result: delivery.Gone, Status: 410})
	for i := range 100 {
		w.commit(fmt.Sprint(i), 1)
	}
	w.run(24 * time.Hour)
	if e := w.endpoints[1]; e.Disabled.Reason != delivery.EndpointGone || len(w.tries) > delivery.PerEndpoint {
		t.Errorf("%+v after %d tries", e.Disabled, len(w.tries))
	}
	if w.left() != 100 || w.held > 0 {
		t.Errorf("%d are left, %d held", w.left(), w.held)
	}
}

// TestGoneAgain: an outbox that fails just then hears later that an endpoint is gone.
func TestGoneAgain(t *testing.T) {
	w := newWorld(t, 1)
	w.answer = always(delivery.Attempt{Result: delivery.Gone, Status: 410})
	for i := range 100 {
		w.commit(fmt.Sprint(i), 1)
	}
	for len(w.marked) == 0 {
		w.run(time.Millisecond)
	}
	w.outbox = func() error { return errOutbox }
	w.run(time.Second / 2)
	w.look()
	w.outbox = nil
	w.run(time.Hour)
	if e := w.endpoints[1]; e.Disabled.Reason != delivery.EndpointGone || len(w.tries) > delivery.PerEndpoint {
		t.Errorf("%+v after %d tries", e.Disabled, len(w.tries))
	}
}

// TestMoved: the results of tries at a URL say nothing of the URL that the endpoint has next. Its
// operator changes that while they run, or while the verdict is being stored.
func TestMoved(t *testing.T) {
	for name, refused := range map[string]delivery.Attempt{
		"gone": {Result: delivery.Gone, Status: 410}, "busy": {Result: delivery.Status, Status: 503, RetryAfter: time.Hour},
	} {
		// The try ends after 1002 ms, and its verdict is stored 2 ms later.
		for _, wait := range []time.Duration{500 * time.Millisecond, 1003 * time.Millisecond, 1005 * time.Millisecond} {
			w := newWorld(t, 1)
			e := w.endpoints[1]
			w.answer = func(one try) (delivery.Attempt, time.Duration) {
				if one.url == "https://example.com" {
					return refused, time.Second
				}
				return ok, 0
			}
			w.commit("a", 1)
			w.run(wait)
			e.URL, e.Disabled = "https://example.org", store.Disabled{}
			w.look()
			w.run(time.Second)
			w.commit("b", 1)
			w.run(time.Second)
			if !e.Enabled() || !e.FailingSince.IsZero() || w.delivered[2] != 1 {
				t.Errorf("%s, moved after %s: %+v, delivered %v", name, wait, e, w.delivered)
			}
			w.run(2 * time.Hour)
			if w.left() > 0 {
				t.Errorf("%s, moved after %s: %d are left", name, wait, w.left())
			}
		}
	}
}

// TestChangedMeanwhile: an operator changes an endpoint while it is stored how that does. Nothing
// else tells of the change.
func TestChangedMeanwhile(t *testing.T) {
	stopped := store.Disabled{At: began, Reason: "by_request"}
	for name, test := range map[string]struct {
		answer delivery.Attempt
		change store.Disabled
	}{
		"disabled while it fails":         {down, stopped},
		"enabled while it was being gone": {delivery.Attempt{Result: delivery.Gone, Status: 410}, store.Disabled{}},
	} {
		w := newWorld(t, 1)
		w.answer = always(test.answer)
		for i := range 100 {
			w.commit(fmt.Sprint(i), 1)
		}
		for len(w.marked) == 0 {
			w.run(time.Millisecond)
		}
		e := w.endpoints[1]
		if e.Disabled = test.change; e.Enabled() {
			for e.Enabled() {
				w.run(time.Millisecond) // Until it is stored, and Marked is on its way.
			}
			e.Disabled = test.change
		}
		w.look()
		w.answer = always(ok)
		tries := len(w.tries)
		w.run(24 * time.Hour)
		if got := len(w.tries) > tries; got != e.Enabled() || e.Disabled != test.change {
			t.Errorf("%s: %d tries; it is %+v", name, len(w.tries)-tries, e)
		}
	}
}

// TestMarks: an endpoint fails and succeeds at nearly the same time. The last that is stored is
// the last that happened, also where the outbox fails at first.
func TestMarks(t *testing.T) {
	for _, fails := range []bool{false, true} {
		w := newWorld(t, 1)
		n := 0
		w.answer = func(try) (delivery.Attempt, time.Duration) {
			if n++; n <= 10 {
				return down, 10 * time.Millisecond
			}
			return ok, 11 * time.Millisecond
		}
		for i := range 100 {
			w.commit(fmt.Sprint(i), 1)
		}
		for len(w.marked) == 0 {
			w.run(time.Millisecond)
		}
		if fails {
			w.outbox = func() error { return errOutbox }
			w.run(time.Second / 2)
			w.outbox = nil
		}
		w.run(time.Hour)
		if e := w.endpoints[1]; !e.FailingSince.IsZero() || w.left() > 0 {
			t.Errorf("outbox fails %v: %+v after %+v, %d left", fails, e, w.marked, w.left())
		}
	}
}

// TestDisabled: five days without a success disable an endpoint, restarts included. Once it is
// enabled again its failures are forgotten.
func TestDisabled(t *testing.T) {
	w := newWorld(t, 2)
	w.answer = func(one try) (delivery.Attempt, time.Duration) {
		if one.endpoint == 1 {
			return down, 0
		}
		return ok, 0
	}
	for day := range 6 {
		for i := range 50 {
			w.commit(fmt.Sprint(day, i), 1)
		}
		if e := w.endpoints[1]; !e.Enabled() {
			t.Errorf("day %d: %+v", day, e.Disabled)
		}
		w.run(23*time.Hour + 59*time.Minute)
		w.restart()
		w.run(time.Minute)
	}
	e := w.endpoints[1]
	if e.Disabled.Reason != delivery.EndpointFailing || !w.endpoints[2].Enabled() {
		t.Fatalf("disabled %+v, the other %+v", e.Disabled, w.endpoints[2].Disabled)
	}
	if waited := e.Disabled.At.Sub(began); waited < 5*24*time.Hour || waited > 5*24*time.Hour+5*time.Minute {
		t.Errorf("it was disabled after %s", waited)
	}
	tries := len(w.tries)
	w.run(24 * time.Hour)
	if len(w.tries) != tries {
		t.Errorf("%d tries at a disabled endpoint", len(w.tries)-tries)
	}
	e.Disabled = store.Disabled{} // Its operator enables it, and says nothing of the failures.
	w.answer = func(try) (delivery.Attempt, time.Duration) { return ok, time.Minute }
	w.look()
	w.run(time.Second)
	if len(w.tries) != tries+delivery.PerEndpoint || !e.Enabled() || !e.FailingSince.IsZero() {
		t.Errorf("%d tries once it is enabled again; %+v", len(w.tries)-tries, e)
	}
	w.answer = always(ok)
	w.run(13 * time.Hour)
	if w.left() > 0 {
		t.Errorf("%d are left", w.left())
	}
}
