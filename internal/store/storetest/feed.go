package storetest

import (
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

func testFeed(o *outboxTest) {
	o.RecordEvents(true)
	for _, id := range []call.ID{"c1", "c2"} {
		o.talk(id, "alice", "bob")
	}
	all := o.feed()
	for i := range all {
		page, _, err := o.out.Events(o.Context(), all[i].Seq, ^call.EventKinds(0), 2)
		if err != nil {
			o.Fatal(err)
		}
		wantSame(o.T, labels(page), labels(all[i+1:min(i+3, len(all))]))
	}
	ends, _, err := o.out.Events(o.Context(), 0, 1<<call.EventEnded|1<<call.EventReconnecting, 9)
	if err != nil {
		o.Fatal(err)
	}
	wantSame(o.T, labels(ends), []string{"c1:6 call.ended", "c2:6 call.ended"})
}

func testFeedOfRare(o *outboxTest) {
	const most = store.LookMost
	o.RecordEvents(true)
	change := store.Change{Call: ringing(o.T, "c1", "alice", "bob", 0), Events: make([]call.Event, 2*most+9)}
	for i := range change.Events {
		change.Events[i].Kind = call.EventCreated
	}
	change.Events[most-1].Kind, change.Events[2*most+3].Kind = call.EventEnded, call.EventEnded
	commit(o.T, o.Sender, []store.Change{change}, done)
	last := o.out.Newest()
	first := last - 2*most - 8 // At one time they are numbered on.
	for _, test := range []struct{ after, next, events int64 }{
		{0, first + most - 1, 1},
		{first, first + most, 1},
		{first + most - 1, first + 2*most - 1, 0},
		{first + 2*most - 1, last, 1},
		{last, last, 0},
		{last + 5, last + 5, 0},
	} {
		events, next, err := o.out.Events(o.Context(), test.after, 1<<call.EventEnded, 2)
		if err != nil || next != test.next || int64(len(events)) != test.events {
			o.Errorf("after %d: %d events, next %d, %v; want %d and %d", test.after, len(events), next, err, test.events, test.next)
		}
	}
	events, next, err := o.out.Events(o.Context(), 0, 1<<call.EventCreated, 3)
	if err != nil || len(events) != 3 || next != first+2 {
		o.Errorf("%d events, next %d, %v", len(events), next, err)
	}
}

func testWoken(o *outboxTest) {
	woken := func(changed <-chan struct{}) bool {
		select {
		case <-changed:
			return true
		default:
			return false
		}
	}
	changed := o.out.Changed()
	c := o.begin("c1", "alice", "bob")
	if woken(changed) {
		o.Error("woken though nothing is recorded")
	}
	o.hook("crm")
	if !woken(changed) || woken(o.out.Changed()) {
		o.Error("not woken by an endpoint")
	}
	first, second := o.out.Changed(), o.out.Changed()
	c = o.step(c, call.Ring{Device: call.Device{Account: "bob", ID: "tablet"}})
	if !woken(first) || !woken(second) || len(o.feed()) != 1 {
		o.Error("not woken by an event")
	}
	changed = o.out.Changed()
	o.step(c, call.Ring{Device: call.Device{Account: "bob", ID: "other"}})
	if woken(changed) {
		o.Error("woken by a change without an event")
	}
	if n, err := o.out.Replay(o.Context(), "crm", store.Replay{All: true}); n != 0 || err != nil || woken(changed) {
		o.Errorf("woken by a replay of %d: %v", n, err)
	}
	o.drain("crm")
	if n, err := o.out.Replay(o.Context(), "crm", store.Replay{All: true}); n != 1 || err != nil || !woken(changed) {
		o.Errorf("not woken by a replay of %d: %v", n, err)
	}
}
