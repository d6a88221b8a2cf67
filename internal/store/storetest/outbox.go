package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// Sender is a store with an outbox.
type Sender interface {
	store.Store
	Outbox() store.Outbox
	RecordEvents(on bool)
}

// RunOutbox tests the outboxes of the stores that open makes. Each call of open is for a fresh
// database; each call of what it returns opens that one, again, after the store before was closed.
func RunOutbox(t *testing.T, open func(t *testing.T, now func() time.Time) (again func() Sender)) {
	for _, test := range []struct {
		name string
		run  func(*outboxTest)
	}{
		{"nothing is recorded unless somebody asks", testUnasked},
		{"the events of a call", testEventsOfCall},
		{"the events of a busy call", testEventsOfBusy},
		{"a refused change has no events", testEventsOfConflict},
		{"two changes of a call in a batch", testEventsOfBatch},
		{"the record of an event is the filed one", testEventRecord},
		{"an event is never numbered again", testSeqs},
		{"the feed", testFeed},
		{"the feed of rare events", testFeedOfRare},
		{"who waits is woken", testWoken},
		{"an endpoint", testEndpoint},
		{"endpoints have limits", testEndpointLimits},
		{"an endpoint receives what it asks for", testFilters},
		{"an endpoint receives nothing from before it or while disabled", testDisabled},
		{"deliveries of a call go in order", testLanes},
		{"what is retried waits, with what follows", testRetry},
		{"what was claimed is due after a restart", testClaimsEnd},
		{"what is given up", testDead},
		{"replays", testReplay},
		{"replays of much", testReplayMany},
		{"replays before what waits", testReplayBefore},
		{"the audit of replays", testReplayTrail},
		{"a deleted endpoint", testDeleted},
		{"the audit of endpoints", testEndpointTrail},
		{"queues", testQueues},
		{"pruning of events", testPruneEvents},
		{"the events of an erased account", testErasedEvents},
		{"order, whatever happens", testOrderOfDeliveries},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := &outboxTest{T: t, now: epoch}
			o.again = open(t, func() time.Time { return o.now })
			o.reopen()
			test.run(o)
		})
	}
}

// outboxTest is a store with an outbox under test.
type outboxTest struct {
	*testing.T
	Sender
	now   time.Time
	again func() Sender
	out   store.Outbox
}

// reopen opens the store, after closing the one before.
func (o *outboxTest) reopen() {
	o.Sender = o.again()
	o.out = o.Outbox()
}

// hook makes an endpoint.
func (o *outboxTest) hook(id string, events ...string) store.Endpoint {
	o.Helper()
	e, err := o.out.PutEndpoint(o.Context(), id, func(e *store.Endpoint) error {
		e.URL, e.Events = "https://example.com/"+id, events
		e.Rotate("secret of "+id, o.now, 0)
		return nil
	})
	if err != nil {
		o.Fatalf("PutEndpoint: %v", err)
	}
	return e
}

// step gives a call inputs, a second apart.
func (o *outboxTest) step(c call.Call, inputs ...call.Input) call.Call {
	o.Helper()
	for _, in := range inputs {
		o.now = o.now.Add(time.Second)
		next, _, err := call.Step(c, in, o.now)
		if err != nil || next.Rev == c.Rev {
			o.Fatalf("step of %T: rev %d, %v", in, next.Rev, err)
		}
		commit(o.T, o.Sender, []store.Change{{Call: next, From: c.Rev, Events: call.Events(&c, in, &next)}}, done)
		c = next
	}
	return c
}

// begin makes a call.
func (o *outboxTest) begin(id call.ID, caller, callee call.Account) call.Call {
	o.Helper()
	c, _, err := call.New(invite(id, caller, callee), o.now)
	if err != nil {
		o.Fatal(err)
	}
	commit(o.T, o.Sender, []store.Change{{Call: c, Events: call.Events(nil, nil, &c)}}, done)
	return c
}

// talk is a call of five events from its beginning to its end.
func (o *outboxTest) talk(id call.ID, caller, callee call.Account) call.Call {
	o.Helper()
	c := o.begin(id, caller, callee)
	callee1 := call.Device{Account: callee, ID: "tablet"}
	return o.step(c,
		call.Ring{Device: callee1}, call.Accept{Device: callee1, Generation: 1, Answer: "v=0 answer", Card: call.Card{Name: "The Callee"}},
		call.Report{Device: c.Caller().Device, Generation: 1, Up: true}, call.Report{Device: callee1, Generation: 1, Up: true},
		call.Hangup{Device: callee1})
}

// feed reads all events.
func (o *outboxTest) feed() []store.Event {
	o.Helper()
	events, _, err := o.out.Events(o.Context(), 0, ^call.EventKinds(0), 10_000)
	if err != nil {
		o.Fatalf("Events: %v", err)
	}
	return events
}

// label names an event: "c1:2 call.ringing".
func label(e store.Event) string { return fmt.Sprintf("%s:%d %v", e.Call.ID, e.Call.Rev, e.Kind) }

func labels(events []store.Event) []string {
	var all []string
	for _, e := range events {
		all = append(all, label(e))
	}
	return all
}

// wantFeed wants these events in all.
func (o *outboxTest) wantFeed(want ...string) {
	o.Helper()
	wantSame(o.T, labels(o.feed()), want)
}

// claim claims what is due, and wants just these.
func (o *outboxTest) claim(endpoint string, want ...string) []store.Delivery {
	o.Helper()
	due, _, err := o.out.Claim(o.Context(), endpoint, 100)
	if err != nil {
		o.Fatalf("Claim: %v", err)
	}
	var got []string
	for _, d := range due {
		got = append(got, label(d.Event))
	}
	wantSame(o.T, got, want)
	return due
}

// settle settles deliveries alike.
func (o *outboxTest) settle(due []store.Delivery, outcome store.Outcome, after time.Duration) {
	o.Helper()
	var all []store.Settlement
	for _, d := range due {
		all = append(all, store.Settlement{Delivery: d, Outcome: outcome, After: after, Reason: "it fails"})
	}
	if err := o.out.Settle(o.Context(), all); err != nil {
		o.Fatalf("Settle: %v", err)
	}
}

// drain delivers all that is due, and gives it in the order of deliveries.
func (o *outboxTest) drain(endpoint string) []store.Event {
	o.Helper()
	var all []store.Event
	for {
		due, _, err := o.out.Claim(o.Context(), endpoint, 7)
		if err != nil {
			o.Fatalf("Claim: %v", err)
		}
		if len(due) == 0 {
			return all
		}
		for _, d := range due {
			all = append(all, d.Event)
		}
		o.settle(due, store.Delivered, 0)
	}
}

// whole are the events of a talk.
func whole(id call.ID) []string {
	prefix := string(id)
	return []string{
		prefix + ":1 call.created", prefix + ":2 call.ringing", prefix + ":3 call.answered", prefix + ":5 call.connected", prefix + ":6 call.ended",
	}
}

func testUnasked(o *outboxTest) {
	o.talk("c1", "alice", "bob")
	o.wantFeed()
	if got := o.out.Newest(); got != 0 {
		o.Errorf("without events the newest is %d", got)
	}
	o.RecordEvents(true)
	o.talk("c2", "alice", "bob")
	o.wantFeed(whole("c2")...)
	o.RecordEvents(false)
	o.talk("c3", "alice", "bob")
	o.wantFeed(whole("c2")...)
	// An endpoint asks by being there, also after a restart.
	o.hook("crm", "call.ended")
	o.reopen()
	o.wantNewest()
	o.talk("c4", "alice", "bob")
	o.wantFeed(append(whole("c2"), whole("c4")...)...)
	o.wantNewest()
}

// wantNewest holds that the newest event is the last of the feed.
func (o *outboxTest) wantNewest() {
	o.Helper()
	if feed := o.feed(); o.out.Newest() != feed[len(feed)-1].Seq {
		o.Errorf("the newest is %d, and the feed ends with %d", o.out.Newest(), feed[len(feed)-1].Seq)
	}
}

func testEventsOfCall(o *outboxTest) {
	o.RecordEvents(true)
	c := o.begin("c1", "alice", "bob")
	other := call.Device{Account: "bob", ID: "tablet"}
	merged := o.step(c, call.Merge{Device: other, Call: "c2", Type: call.Audio})
	o.reopen()
	events := o.feed()
	wantSame(o.T, labels(events), []string{"c1:1 call.created", "c1:2 call.answered", "c1:2 call.merged"})
	for i, want := range []call.Call{c, merged, merged} {
		want.Media.Offer, want.Media.Answer = "", ""
		wantSame(o.T, []call.Call{*events[i].Call}, []call.Call{want})
	}
	if events[1].Merged != "" || events[2].Merged != "c2" {
		o.Errorf("merged %q and %q", events[1].Merged, events[2].Merged)
	}
	if !events[0].At.Equal(epoch) || !events[2].At.Equal(epoch.Add(time.Second)) {
		o.Errorf("events at %v and %v", events[0].At, events[2].At)
	}
}

func testEventsOfBusy(o *outboxTest) {
	o.hook("crm")
	o.begin("c1", "alice", "bob")
	change := store.Change{Call: ringing(o.T, "c2", "carol", "bob", 0), Busy: busy(o.T, "c2", "carol", "bob", 0)}
	change.Events = call.Events(nil, nil, &change.Call)
	commit(o.T, o.Sender, []store.Change{change}, store.Result{Verdict: store.CalleeBusy, Holder: "c1"})
	o.wantFeed("c1:1 call.created", "c2:1 call.created", "c2:1 call.ended")
	// Both at once: what follows of a call waits for what was before.
	o.settle(o.claim("crm", "c1:1 call.created", "c2:1 call.created"), store.Delivered, 0)
	o.claim("crm", "c2:1 call.ended")
	record, ok := o.feed()[2].Record()
	if want, _ := change.Busy.Record(); !ok || record != want {
		o.Errorf("record %+v, want %+v", record, want)
	}
	// A tombstone is no call.
	grave := call.Tombstone("c3", call.Device{Account: "dave", ID: "phone"}, call.DefaultTiming(), o.now)
	commit(o.T, o.Sender, []store.Change{{Call: grave, Events: call.Events(nil, nil, &grave)}}, done)
	if n := len(o.feed()); n != 3 {
		o.Errorf("%d events with a tombstone", n)
	}
}

func testEventsOfConflict(o *outboxTest) {
	o.hook("crm")
	c := o.begin("c1", "alice", "bob")
	created, ended1 := call.Events(nil, nil, &c), []call.Event{{Kind: call.EventEnded}}
	over := ended(c, 5)
	commit(o.T, o.Sender, []store.Change{
		{Call: c, Events: created},
		{Call: over, From: 7, Events: ended1},
		{Call: ringing(o.T, "c2", "alice", "carol", 0), Events: created},
		{Call: ringing(o.T, "c3", "carol", "bob", 0), Events: created},
		{Call: over, From: 1, Events: ended1},
		{Call: over, From: 1, Events: ended1},
	}, conflict, conflict, store.Result{Verdict: store.CallerClaimed, Holder: "c1"}, store.Result{Verdict: store.CalleeBusy, Holder: "c1"}, done, conflict)
	o.wantFeed("c1:1 call.created", "c1:2 call.ended")
	// Also where the journal alone knows the id.
	o.reopen()
	commit(o.T, o.Sender, []store.Change{{Call: c, Events: created}, {Call: ringing(o.T, "c4", "alice", "bob", 0), Events: created}}, conflict, done)
	o.wantFeed("c1:1 call.created", "c1:2 call.ended", "c4:1 call.created")
	o.settle(o.claim("crm", "c1:1 call.created", "c4:1 call.created"), store.Delivered, 0)
	o.settle(o.claim("crm", "c1:2 call.ended"), store.Delivered, 0)
	o.claim("crm")
}

func testEventsOfBatch(o *outboxTest) {
	o.hook("crm")
	c := ringing(o.T, "c1", "alice", "bob", 0)
	in := call.Accept{Device: call.Device{Account: "bob", ID: "tablet"}, Generation: 1, Answer: "v=0"}
	answered, _, err := call.Step(c, in, o.now)
	if err != nil {
		o.Fatal(err)
	}
	over := ended(answered, 5)
	commit(o.T, o.Sender, []store.Change{
		{Call: c, Events: call.Events(nil, nil, &c)},
		{Call: ringing(o.T, "c2", "carol", "dave", 0), Events: []call.Event{{Kind: call.EventCreated}}},
		{Call: answered, From: 1, Events: call.Events(&c, in, &answered)},
		{Call: over, From: 2, Events: call.Events(&answered, call.Hangup{}, &over)},
	}, done, done, done, done)
	o.wantFeed("c1:1 call.created", "c2:1 call.created", "c1:2 call.answered", "c1:3 call.ended")
	events := o.feed()
	if got := *events[2].Call; got.State != call.Connecting || got.Rev != 2 {
		o.Errorf("the event of rev 2 has state %d of rev %d", got.State, got.Rev)
	}
	wantSame(o.T, labels(o.drain("crm")), []string{"c1:1 call.created", "c2:1 call.created", "c1:2 call.answered", "c1:3 call.ended"})
}

func testEventRecord(o *outboxTest) {
	o.RecordEvents(true)
	first := o.talk("c1", "alice", "bob")
	equal := func(e store.Event) {
		o.Helper()
		record, ok := e.Record()
		filed, err := o.Records(o.Context(), "bob", store.Newest(9))
		if err != nil || !ok || len(filed) != 1 || record != filed[0] {
			o.Errorf("record of the event %+v, of the store %+v, %v", record, filed, err)
		}
	}
	events := o.feed()
	equal(events[4])
	for _, e := range events[:4] {
		if r, ok := e.Record(); ok {
			o.Errorf("%s has a record: %+v", label(e), r)
		}
	}
	// A call of the same id, when the first was pruned, files none.
	if _, err := o.Prune(o.Context(), o.now.Add(time.Second), time.Time{}); err != nil {
		o.Fatal(err)
	}
	o.step(o.begin("c1", "alice", "bob"), call.Cancel{Device: first.Caller().Device})
	events = o.feed()
	if r, ok := events[len(events)-1].Record(); ok || events[len(events)-1].Kind != call.EventEnded {
		o.Errorf("a second record %+v", r)
	}
	equal(events[4])
}

func testSeqs(o *outboxTest) {
	o.RecordEvents(true)
	o.talk("c1", "alice", "bob")
	last := int64(0)
	for _, e := range o.feed() {
		if e.Seq <= last {
			o.Errorf("seq %d after %d", e.Seq, last)
		}
		if at := e.At.UnixMicro(); e.Seq < at || e.Seq > at+10 {
			o.Errorf("seq %d at %d µs", e.Seq, at)
		}
		last = e.Seq
	}
	// When all are gone, after a restart, and while the clock stands still.
	o.now = o.now.Add(store.KeepUndelivered + time.Second)
	if _, err := o.out.Prune(o.Context()); err != nil {
		o.Fatal(err)
	}
	o.wantFeed()
	o.reopen()
	o.RecordEvents(true)
	for i := range 3 {
		o.begin(call.ID(fmt.Sprint("d", i)), call.Account(fmt.Sprint("x", i)), call.Account(fmt.Sprint("y", i)))
	}
	for _, e := range o.feed() {
		if e.Seq <= last {
			o.Errorf("seq %d after %d", e.Seq, last)
		}
		last = e.Seq
	}
}

func testFilters(o *outboxTest) {
	o.hook("all")
	o.hook("ends", "call.ended")
	o.hook("some", "call.created", "call.connected")
	o.talk("c1", "alice", "bob")
	wantSame(o.T, labels(o.drain("all")), whole("c1"))
	wantSame(o.T, labels(o.drain("ends")), []string{"c1:6 call.ended"})
	wantSame(o.T, labels(o.drain("some")), []string{"c1:1 call.created", "c1:5 call.connected"})
	if _, _, err := o.out.Claim(o.Context(), "none", 1); !errors.Is(err, store.ErrNoEndpoint) {
		o.Errorf("Claim for nobody: %v", err)
	}
}

func testDisabled(o *outboxTest) {
	o.RecordEvents(true)
	o.talk("c1", "alice", "bob")
	o.hook("crm")
	o.talk("c2", "alice", "bob")
	set := func(d store.Disabled) {
		if _, err := o.out.PutEndpoint(o.Context(), "crm", func(e *store.Endpoint) error { e.Disabled = d; return nil }); err != nil {
			o.Fatal(err)
		}
	}
	set(store.Disabled{At: o.now, Reason: "test"})
	o.claim("crm")
	o.reopen()
	o.claim("crm")
	o.talk("c3", "alice", "bob")
	set(store.Disabled{})
	o.talk("c4", "alice", "bob")
	wantSame(o.T, slices.Sorted(slices.Values(labels(o.drain("crm")))), append(whole("c2"), whole("c4")...))
}
