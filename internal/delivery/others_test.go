package delivery_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/delivery"
)

// failDays has an endpoint fail for some days, with something to try on each, and gives how long after
// the beginning it was disabled; 0 for not yet.
func (w *world) failDays(days int) time.Duration {
	for range days {
		for range 40 {
			w.lastSeq++ // Only so that each call has a name of its own.
			w.commit(fmt.Sprint("call ", w.lastSeq), 1)
		}
		w.run(24 * time.Hour)
	}
	if at := w.endpoints[1].Disabled.At; !at.IsZero() {
		return at.Sub(began)
	}
	return 0
}

// TestOthersSucceed: an endpoint that fails for this node alone is not disabled.
func TestOthersSucceed(t *testing.T) {
	w := newWorld(t, 1)
	w.answer = always(down)
	for range 4 {
		if after := w.failDays(3); after != 0 {
			t.Fatalf("disabled after %s", after)
		}
		if w.endpoints[1].FailingSince.IsZero() {
			t.Fatal("it does not fail")
		}
		w.endpoints[1].FailingSince = time.Time{} // Another node had a success.
		w.look()
	}
	if after := w.failDays(6); after < 17*24*time.Hour || after > 17*24*time.Hour+time.Hour {
		t.Errorf("disabled after %s", after)
	}
}

// TestOthersFail: an endpoint that failed for another node first is disabled when that failed for days,
// and the nodes do not store one time after the other.
func TestOthersFail(t *testing.T) {
	w := newWorld(t, 1)
	w.answer = always(down)
	w.failDays(1)
	w.endpoints[1].FailingSince = began.Add(-48 * time.Hour)
	w.look()
	marks := len(w.marked)
	if w.failDays(1); len(w.marked) != marks {
		t.Errorf("stored %+v", w.marked[marks:])
	}
	if after := w.failDays(3); after < 72*time.Hour || after > 73*time.Hour {
		t.Errorf("disabled after %s", after)
	}
	if e := w.endpoints[1]; e.Disabled.Reason != delivery.EndpointFailing {
		t.Errorf("it is %+v", e.Disabled)
	}
}
