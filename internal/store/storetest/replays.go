package storetest

import (
	"errors"
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

func testReplay(o *outboxTest) {
	o.hook("crm", "call.created", "call.answered", "call.ended")
	o.hook("other")
	o.talk("c1", "alice", "bob")
	mid := o.now.Add(time.Second)
	o.now = mid
	o.talk("c2", "alice", "bob")
	before := o.feed()
	// Two are given up, the rest is delivered.
	o.settle(o.claim("crm", "c1:1 call.created", "c2:1 call.created"), store.Dead, 0)
	o.drain("crm")
	replay := func(what store.Replay, want ...string) {
		o.Helper()
		n, err := o.out.Replay(o.Context(), "crm", what)
		if err != nil || n != len(want) {
			o.Fatalf("Replay = %d, %v; want %d", n, err, len(want))
		}
		o.wantQueueLength("crm", n)
		got := o.drain("crm")
		wantSame(o.T, labels(got), want)
		for _, e := range got {
			if i := indexOf(before, e.Seq); i < 0 || label(before[i]) != label(e) {
				o.Errorf("%s has another id: %d", label(e), e.Seq)
			}
		}
	}
	replay(store.Replay{From: mid}, "c2:1 call.created")
	replay(store.Replay{}, "c1:1 call.created")
	replay(store.Replay{}) // Delivered by now.
	replay(store.Replay{To: mid, All: true}, "c1:1 call.created", "c1:3 call.answered", "c1:6 call.ended")
	replay(store.Replay{All: true, Kinds: 1<<call.EventRinging | 1<<call.EventEnded},
		"c1:2 call.ringing", "c2:2 call.ringing", "c1:6 call.ended", "c2:6 call.ended")
	replay(store.Replay{From: o.now.Add(time.Second), All: true})
	// The other one has had none of that.
	o.wantQueueLength("other", 10)
	if _, err := o.out.Replay(o.Context(), "none", store.Replay{}); !errors.Is(err, store.ErrNoEndpoint) {
		o.Errorf("Replay for nobody: %v", err)
	}
	// One that waits stays as it is, and one that is under way is not given to a second.
	o.now = o.now.Add(time.Second)
	c := o.begin("c3", "carol", "dave")
	due := o.claim("crm", "c3:1 call.created")
	if n, err := o.out.Replay(o.Context(), "crm", store.Replay{From: c.CreatedAt, All: true}); n != 0 || err != nil {
		o.Errorf("Replay of what waits = %d, %v", n, err)
	}
	o.claim("crm")
	o.settle(due, store.Delivered, 0)
	o.claim("crm")
}

// testReplayTrail: the audit entry of a replay is stored once, also where nothing is queued, and not
// for an error before the first event.
func testReplayTrail(o *outboxTest) {
	const n = 501
	o.hook("crm", "call.ended")
	o.crowd(n)
	o.drain("crm")
	replay := func(endpoint string, what store.Replay, request string, want int) {
		o.Helper()
		audit := entry("webhook.replay", endpoint, "", o.now)
		audit.Request = request
		if got, err := o.out.Replay(o.Context(), endpoint, what, audit); got != want || (err != nil) != (endpoint == "none") {
			o.Errorf("Replay = %d, %v; want %d", got, err, want)
		}
	}
	replay("crm", store.Replay{All: true}, "much", n)
	replay("crm", store.Replay{All: true}, "what waits", 0)
	replay("crm", store.Replay{}, "nothing", 0)
	replay("none", store.Replay{}, "nobody", 0)
	trail, err := o.Trail(o.Context(), 0, 9)
	var got []string
	for _, a := range trail {
		got = append(got, a.Request)
	}
	if want := []string{"nothing", "what waits", "much"}; err != nil || !slices.Equal(got, want) {
		o.Errorf("the audit has %q, %v; want %q", got, err, want)
	}
}

func indexOf(events []store.Event, seq int64) int {
	for i := range events {
		if events[i].Seq == seq {
			return i
		}
	}
	return -1
}

func testReplayMany(o *outboxTest) {
	const n = 701
	o.hook("crm", "call.ended")
	o.crowd(n)
	if got := len(o.drain("crm")); got != n {
		o.Fatalf("%d of %d delivered", got, n)
	}
	got, err := o.out.Replay(o.Context(), "crm", store.Replay{All: true})
	if err != nil || got != n {
		o.Fatalf("Replay = %d, %v; want %d", got, err, n)
	}
	o.wantQueueLength("crm", n)
	for {
		due, _, err := o.out.Claim(o.Context(), "crm", 100)
		if err != nil {
			o.Fatal(err)
		}
		if len(due) == 0 {
			break
		}
		o.settle(due, store.Dead, 0)
	}
	if got, err = o.out.Replay(o.Context(), "crm", store.Replay{}); err != nil || got != n {
		o.Fatalf("Replay of the dead = %d, %v; want %d", got, err, n)
	}
	o.wantQueue("crm", n, 0, epoch)
}

// What is replayed before what waits of the same call is due as long as that, which cannot be
// delivered before it.
func testReplayBefore(o *outboxTest) {
	o.hook("crm")
	c := o.begin("c1", "alice", "bob")
	tablet := call.Device{Account: "bob", ID: "tablet"}
	o.step(c, call.Ring{Device: tablet}, call.Cancel{Device: c.Caller().Device})
	for range 2 {
		o.settle(o.claimOne("crm"), store.Delivered, 0)
	}
	o.now = o.now.Add(time.Second)
	o.begin("c2", "carol", "dave")
	o.now = o.now.Add(time.Second)
	if n, err := o.out.Replay(o.Context(), "crm", store.Replay{All: true}); err != nil || n != 2 {
		o.Fatalf("Replay = %d, %v", n, err)
	}
	for _, want := range []string{"c1:1 call.created", "c1:2 call.ringing", "c1:3 call.ended", "c2:1 call.created"} {
		due := o.claimOne("crm")
		if got := label(due[0].Event); got != want {
			o.Errorf("%s is due, want %s", got, want)
		}
		o.settle(due, store.Delivered, 0)
	}
}
