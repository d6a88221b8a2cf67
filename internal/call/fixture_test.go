package call_test

import (
	"errors"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// The cast: alice calls by her first device; bob rings on two.
var (
	alice  = device("alice", "a1")
	laptop = device("alice", "a2")
	bob    = device("bob", "b1")
	phone  = device("bob", "b2")
	carol  = device("carol", "c1")
)

var epoch = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

const id = call.ID("01900000-0000-7000-8000-000000000001")

func device(account, id string) call.Device {
	return call.Device{Account: call.Account(account), ID: call.DeviceID(id), Conn: call.Connection{Incarnation: "n1", Seq: 1}}
}

// again is a device on its next connection.
func again(d call.Device) call.Device {
	d.Conn.Seq++
	return d
}

func invitation() call.Invite {
	return call.Invite{
		ID: id, Caller: alice, Callee: "bob", Type: call.Video,
		Offer: "v=0 offer 1", Attachment: "hello", Timing: call.DefaultTiming(),
	}
}

// world is a call with a clock.
type world struct {
	t       *testing.T
	call    call.Call
	now     time.Time
	effects []call.Effect
	err     error
}

func begin(t *testing.T) *world {
	t.Helper()
	c, effects, err := call.New(invitation(), epoch)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, call: c, now: epoch, effects: effects}
}

// do applies an input; a refusal is kept.
func (w *world) do(inputs ...call.Input) *world {
	for _, in := range inputs {
		w.call, w.effects, w.err = call.Step(w.call, in, w.now)
	}
	return w
}

// wait lets time pass as a node does: with a tick at each deadline.
func (w *world) wait(d time.Duration) *world {
	w.t.Helper()
	end := w.now.Add(d)
	for range 100 {
		at, ok := w.call.Deadline()
		if !ok || at.After(end) {
			w.now = end
			return w
		}
		if at.After(w.now) {
			w.now = at
		}
		w.do(call.Tick{})
	}
	w.t.Fatal("ticks lead nowhere")
	return w
}

// late lets time pass without any tick, and then ticks.
func (w *world) late(d time.Duration) *world {
	w.now = w.now.Add(d)
	return w.do(call.Tick{})
}

func (w *world) want(state call.State, reason call.Reason) *world {
	w.t.Helper()
	if w.call.State != state || w.call.Outcome.Reason != reason {
		w.t.Errorf("state %d reason %d, want %d %d", w.call.State, w.call.Outcome.Reason, state, reason)
	}
	return w
}

func (w *world) refused(r call.Refusal) *world {
	w.t.Helper()
	if !errors.Is(w.err, r) {
		w.t.Errorf("error %v, want %v", w.err, r)
	}
	return w
}

func (w *world) wantKind(k call.Kind, duration time.Duration) {
	w.t.Helper()
	r, ok := w.call.Record()
	if !ok || r.Kind != k || r.Duration != duration {
		w.t.Errorf("record %+v (%v), want kind %d and %s", r, ok, k, duration)
	}
}

// The stages that a call can be brought to.
func ringing(t *testing.T) *world {
	return begin(t).do(call.Ring{Device: bob}, call.Ring{Device: phone})
}

func connecting(t *testing.T) *world {
	return ringing(t).do(call.Accept{Device: bob, Generation: 1, Answer: "v=0 answer 1"})
}

func connected(t *testing.T) *world {
	return connecting(t).do(
		call.Report{Device: alice, Generation: 1, Up: true},
		call.Report{Device: bob, Generation: 1, Up: true},
	)
}

func ended(t *testing.T) *world { return connected(t).do(call.Hangup{Device: alice}) }
