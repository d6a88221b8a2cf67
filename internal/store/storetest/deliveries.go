package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

func testEndpoint(o *outboxTest) {
	at := o.now
	made := o.hook("crm", "call.ended", "call.merged")
	want := store.Endpoint{
		ID: "crm", Number: made.Number, URL: "https://example.com/crm", Events: []string{"call.ended", "call.merged"},
		Secrets: []store.Secret{{Value: "secret of crm", CreatedAt: at}}, CreatedAt: at,
	}
	o.wantEndpoints(want)
	wantSame(o.T, []store.Endpoint{made}, []store.Endpoint{want})
	// What is given out is nobody else's.
	made.Secrets[0].Value, o.out.Endpoints()[0].Events[0] = "spoilt", "spoilt"
	o.wantEndpoints(want)

	o.now = o.now.Add(time.Hour)
	other := o.hook("billing")
	var kept *store.Endpoint
	changed, err := o.out.PutEndpoint(o.Context(), "crm", func(e *store.Endpoint) error {
		e.URL, e.Events, e.FailingSince = "https://example.com/new", nil, o.now
		e.Disabled = store.Disabled{At: o.now, Reason: "gone"}
		e.Rotate("next", o.now, time.Hour)
		e.ID, e.Number = "another", 99 // Not to be changed.
		kept = e
		return nil
	})
	if err != nil {
		o.Fatal(err)
	}
	kept.Secrets[0].Value = "spoilt"
	want.URL, want.Events, want.FailingSince = "https://example.com/new", nil, o.now
	want.Disabled = store.Disabled{At: o.now, Reason: "gone"}
	want.Secrets = []store.Secret{{Value: "next", CreatedAt: o.now}, {Value: "secret of crm", CreatedAt: at, Until: o.now.Add(time.Hour)}}
	wantSame(o.T, []store.Endpoint{changed}, []store.Endpoint{want})
	o.wantEndpoints(other, want)
	o.reopen()
	o.wantEndpoints(other, want)

	// A third secret leaves the first none.
	rotated, err := o.out.PutEndpoint(o.Context(), "crm", func(e *store.Endpoint) error {
		e.Rotate("last", o.now, time.Hour)
		return nil
	})
	if err != nil || len(rotated.Secrets) != 2 || rotated.Secrets[0].Value != "last" || rotated.Secrets[1].Value != "next" {
		o.Errorf("rotated again: %+v, %v", rotated.Secrets, err)
	}
	if live := rotated.Signing(o.now.Add(time.Hour)); len(live) != 1 || live[0].Value != "last" {
		o.Errorf("an hour later %+v sign", live)
	}
	if live := rotated.Signing(o.now.Add(time.Hour - 1)); len(live) != 2 {
		o.Errorf("just before that %+v sign", live)
	}
}

// wantEndpoints wants these and no others.
func (o *outboxTest) wantEndpoints(want ...store.Endpoint) {
	o.Helper()
	wantSame(o.T, o.out.Endpoints(), want)
}

func testEndpointLimits(o *outboxTest) {
	errOwn := errors.New("not so")
	for name, change := range map[string]func(*store.Endpoint) error{
		"an error":    func(*store.Endpoint) error { return errOwn },
		"no url":      func(e *store.Endpoint) error { e.URL = ""; return nil },
		"no secret":   func(e *store.Endpoint) error { e.Secrets = nil; return nil },
		"3 secrets":   func(e *store.Endpoint) error { e.Secrets = make([]store.Secret, 3); return nil },
		"wrong event": func(e *store.Endpoint) error { e.Events = []string{"call.lost"}; return nil },
	} {
		_, err := o.out.PutEndpoint(o.Context(), "crm", func(e *store.Endpoint) error {
			e.URL = "https://example.com"
			e.Rotate("secret", o.now, 0)
			return change(e)
		})
		if err == nil || name == "an error" && !errors.Is(err, errOwn) {
			o.Errorf("%s: PutEndpoint = %v", name, err)
		}
	}
	o.wantEndpoints()
	for i := range store.EndpointsMost {
		o.hook(fmt.Sprint("e", i))
	}
	put := func(e *store.Endpoint) error {
		e.URL = "https://example.com"
		e.Rotate("secret", o.now, 0)
		return nil
	}
	if _, err := o.out.PutEndpoint(o.Context(), "more", put); !errors.Is(err, store.ErrEndpoints) {
		o.Errorf("one more: %v", err)
	}
	if _, err := o.out.PutEndpoint(o.Context(), "e7", put); err != nil {
		o.Errorf("change one: %v", err)
	}
	if err := o.out.DeleteEndpoint(o.Context(), "e3"); err != nil {
		o.Error(err)
	}
	o.hook("more")
}

func testLanes(o *outboxTest) {
	o.hook("crm")
	o.hook("billing")
	o.talk("c1", "alice", "bob")
	o.begin("c2", "carol", "dave")
	first := o.claim("crm", "c1:1 call.created", "c2:1 call.created")
	o.claim("crm") // Both calls are under way,
	o.claim("billing", "c1:1 call.created", "c2:1 call.created")
	o.settle(first[:1], store.Delivered, 0)
	second := o.claim("crm", "c1:2 call.ringing") // and now one is.
	o.settle(first[:1], store.Delivered, 0)       // Once more, which ends no other claim.
	o.settle(first[:1], store.Returned, 0)
	o.claim("crm")
	o.settle(second, store.Delivered, 0)
	due, next, err := o.out.Claim(o.Context(), "crm", 0)
	if err != nil || len(due) != 0 || !next.IsZero() {
		o.Errorf("Claim of none = %v, %v, %v", due, next, err)
	}
	third := o.claim("crm", "c1:3 call.answered")
	o.settle(append(third, first[1]), store.Returned, 0)
	o.claim("crm", "c1:3 call.answered", "c2:1 call.created") // As long due as before.
}

func testRetry(o *outboxTest) {
	o.hook("crm")
	c := o.begin("c1", "alice", "bob")
	o.begin("c2", "carol", "dave")
	due := o.claim("crm", "c1:1 call.created", "c2:1 call.created")
	o.settle(due[:1], store.Retry, time.Minute)
	o.settle(due[1:], store.Delivered, 0)
	c = o.step(c, call.Ring{Device: call.Device{Account: "bob", ID: "tablet"}}) // A second later.
	o.claim("crm")
	_, next, err := o.out.Claim(o.Context(), "crm", 9)
	if want := epoch.Add(time.Minute); err != nil || !next.Equal(want) {
		o.Errorf("next %v, %v; want %v", next, err, want)
	}
	o.now = epoch.Add(time.Minute - 1)
	o.claim("crm")
	o.now = epoch.Add(time.Minute)
	due = o.claim("crm", "c1:1 call.created")
	if due[0].Tries != 1 {
		o.Errorf("%d tries before", due[0].Tries)
	}
	o.settle(due, store.Retry, time.Hour)
	// What follows waits as long, and is not in the way of others.
	o.reopen()
	o.step(c, call.Cancel{Device: c.Caller().Device})
	o.begin("c3", "erin", "frank")
	o.settle(o.claim("crm", "c3:1 call.created"), store.Delivered, 0)
	o.now = epoch.Add(time.Minute + time.Hour)
	if due = o.claim("crm", "c1:1 call.created"); due[0].Tries != 2 {
		o.Errorf("%d tries before", due[0].Tries)
	}
	o.settle(due, store.Delivered, 0)
	wantSame(o.T, labels(o.drain("crm")), []string{"c1:2 call.ringing", "c1:3 call.ended"})
}

func testClaimsEnd(o *outboxTest) {
	o.hook("crm")
	c := o.begin("c1", "alice", "bob")
	due := o.claim("crm", "c1:1 call.created")
	o.reopen()
	o.settle(o.claim("crm", "c1:1 call.created"), store.Delivered, 0)
	// To settle again what was settled counts for nothing.
	o.step(c, call.Cancel{Device: c.Caller().Device})
	o.settle(due, store.Delivered, 0)
	o.settle(due, store.Retry, time.Hour)
	o.settle(due, store.Dead, 0)
	o.wantQueue("crm", 1, 0, o.now)
	o.claim("crm", "c1:2 call.ended")
}

// wantQueue wants so much to wait for the one endpoint.
func (o *outboxTest) wantQueue(endpoint string, queued, dead int, oldest time.Time) {
	o.Helper()
	queues, err := o.out.Queues(o.Context())
	if err != nil {
		o.Fatalf("Queues: %v", err)
	}
	for _, q := range queues {
		if q.Endpoint == endpoint {
			if one, err := o.out.Queue(o.Context(), endpoint); err != nil || one != q {
				o.Errorf("Queue = %+v, %v; Queues has %+v", one, err, q)
			}
			wantSame(o.T, []store.Queue{q}, []store.Queue{{Endpoint: endpoint, Queued: queued, Dead: dead, Oldest: oldest}})
			return
		}
	}
	o.Fatalf("no queue for %s in %+v", endpoint, queues)
}

func testQueues(o *outboxTest) {
	if _, err := o.out.Queue(o.Context(), "crm"); !errors.Is(err, store.ErrNoEndpoint) {
		o.Errorf("a queue for nobody: %v", err)
	}
	o.hook("crm")
	o.hook("billing", "call.ended")
	o.wantQueue("crm", 0, 0, time.Time{})
	o.talk("c1", "alice", "bob")
	last := o.now
	o.reopen()
	o.wantQueue("crm", 5, 0, epoch)
	o.wantQueue("billing", 1, 0, last)
	o.settle(o.claim("crm", "c1:1 call.created"), store.Dead, 0)
	o.wantQueue("crm", 4, 1, epoch.Add(time.Second))
	o.settle(o.claim("crm", "c1:2 call.ringing"), store.Retry, time.Hour)
	o.wantQueue("crm", 4, 1, epoch.Add(time.Second))
	o.now = o.now.Add(time.Hour)
	o.drain("crm")
	o.wantQueue("crm", 0, 1, time.Time{})
	o.wantQueue("billing", 1, 0, last)
}

func testDead(o *outboxTest) {
	o.hook("crm")
	o.hook("other")
	o.talk("c1", "alice", "bob")
	due := o.claim("crm", "c1:1 call.created")
	o.settle(due, store.Retry, 0)
	o.now = o.now.Add(time.Minute)
	o.settle(o.claim("crm", "c1:1 call.created"), store.Dead, 0)
	buried := o.now
	// What follows is not held up.
	o.settle(o.claim("crm", "c1:2 call.ringing"), store.Dead, 0)
	wantSame(o.T, labels(o.drain("crm")), whole("c1")[2:])
	o.reopen()
	dead, err := o.out.Dead(o.Context(), "crm", 0, 9)
	if err != nil {
		o.Fatal(err)
	}
	events := o.feed()
	wantSame(o.T, dead, []store.DeadLetter{
		{Event: events[0], Tries: 2, At: buried, Reason: "it fails"}, {Event: events[1], Tries: 1, At: buried, Reason: "it fails"},
	})
	for after, want := range map[int64]int{events[0].Seq: 1, events[1].Seq: 0} {
		if page, err := o.out.Dead(o.Context(), "crm", after, 9); err != nil || len(page) != want {
			o.Errorf("%d dead after %d, %v", len(page), after, err)
		}
	}
	if page, err := o.out.Dead(o.Context(), "crm", 0, 1); err != nil || len(page) != 1 {
		o.Errorf("%d dead of at most one, %v", len(page), err)
	}
	if none, err := o.out.Dead(o.Context(), "other", 0, 9); err != nil || len(none) != 0 {
		o.Errorf("%d dead for the other, %v", len(none), err)
	}
	if _, err := o.out.Dead(o.Context(), "none", 0, 9); !errors.Is(err, store.ErrNoEndpoint) {
		o.Errorf("dead for nobody: %v", err)
	}
}

func (o *outboxTest) wantQueueLength(endpoint string, want int) {
	o.Helper()
	queues, err := o.out.Queues(o.Context())
	if err != nil {
		o.Fatalf("Queues: %v", err)
	}
	for _, q := range queues {
		if q.Endpoint == endpoint && q.Queued != want {
			o.Errorf("%d wait for %s, want %d", q.Queued, endpoint, want)
		}
	}
}

// crowd makes many calls of two events each, in one commit.
func (o *outboxTest) crowd(n int) {
	o.Helper()
	changes, want := make([]store.Change, n), make([]store.Result, n)
	for i := range changes {
		c := busy(o.T, call.ID(fmt.Sprintf("m%05d", i)), "mallory", "bob", 0)
		changes[i], want[i] = store.Change{Call: *c, Events: call.Events(nil, nil, c)}, done
	}
	commit(o.T, o.Sender, changes, want...)
}

func testDeleted(o *outboxTest) {
	o.hook("crm")
	o.talk("c1", "alice", "bob")
	due := o.claim("crm", "c1:1 call.created")
	o.settle(due, store.Dead, 0)
	due = o.claim("crm", "c1:2 call.ringing")
	if err := o.out.DeleteEndpoint(o.Context(), "crm"); err != nil {
		o.Fatal(err)
	}
	if err := o.out.DeleteEndpoint(o.Context(), "crm"); !errors.Is(err, store.ErrNoEndpoint) {
		o.Errorf("deleted twice: %v", err)
	}
	o.wantEndpoints()
	o.settle(due, store.Delivered, 0)
	o.talk("c2", "alice", "bob") // Nobody asks any more.
	// One of the same id begins with nothing, and is given nothing of the former.
	o.hook("crm")
	check := func() {
		o.Helper()
		o.wantQueue("crm", 0, 0, time.Time{})
		o.claim("crm")
		if dead, err := o.out.Dead(o.Context(), "crm", 0, 9); err != nil || len(dead) != 0 {
			o.Errorf("%d dead, %v", len(dead), err)
		}
	}
	check()
	o.reopen()
	check()
	o.talk("c3", "alice", "bob")
	if _, err := o.out.Prune(o.Context()); err != nil {
		o.Fatal(err)
	}
	o.wantQueueLength("crm", 5)
	wantSame(o.T, labels(o.drain("crm")), whole("c3"))
}

func testPruneEvents(o *outboxTest) {
	const n = 601 // More than a portion.
	o.hook("crm", "call.ended")
	o.RecordEvents(true)
	o.talk("c1", "alice", "bob")
	o.talk("c2", "alice", "bob")
	o.crowd(n)
	last := o.now
	o.settle(o.claimOne("crm"), store.Dead, 0) // The end of c1; that of c2 waits.
	for range n {
		if o.settle(o.claimOf("crm", "m"), store.Delivered, 0); o.queued("crm") == 1 {
			break
		}
	}
	prune := func(want ...string) {
		o.Helper()
		if _, err := o.out.Prune(o.Context()); err != nil {
			o.Fatal(err)
		}
		o.wantFeed(want...)
	}
	o.now = last.Add(store.KeepEvents)
	all := labels(o.feed())
	prune(append([]string{"c1:6 call.ended", "c2:6 call.ended"}, all[10:]...)...)
	if len(all) != 10+2*n {
		o.Errorf("%d events", len(all))
	}
	o.now = last.Add(store.KeepEvents + time.Second)
	prune("c1:6 call.ended", "c2:6 call.ended")
	o.reopen()
	o.wantQueue("crm", 1, 1, o.feed()[1].At)
	prune("c1:6 call.ended", "c2:6 call.ended")
	o.now = last.Add(store.KeepUndelivered + time.Second)
	prune()
	o.wantQueue("crm", 0, 0, time.Time{})
	o.reopen()
	o.wantQueue("crm", 0, 0, time.Time{})
	o.claim("crm")
}

// claimOne claims what has been due longest.
func (o *outboxTest) claimOne(endpoint string) []store.Delivery {
	o.Helper()
	due, _, err := o.out.Claim(o.Context(), endpoint, 1)
	if err != nil || len(due) != 1 {
		o.Fatalf("Claim: %d, %v", len(due), err)
	}
	return due
}

// claimOf claims deliveries, and returns those at once that are not of calls of a prefix.
func (o *outboxTest) claimOf(endpoint, prefix string) (of []store.Delivery) {
	o.Helper()
	due, _, err := o.out.Claim(o.Context(), endpoint, 100)
	if err != nil {
		o.Fatalf("Claim: %v", err)
	}
	var others []store.Delivery
	for _, d := range due {
		if string(d.Lane.Call[:len(prefix)]) == prefix {
			of = append(of, d)
		} else {
			others = append(others, d)
		}
	}
	o.settle(others, store.Returned, 0)
	return of
}

func (o *outboxTest) queued(endpoint string) int {
	o.Helper()
	queues, err := o.out.Queues(o.Context())
	if err != nil || len(queues) != 1 {
		o.Fatalf("Queues = %v, %v", queues, err)
	}
	return queues[0].Queued
}
