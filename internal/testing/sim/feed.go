package sim

import (
	"context"
	"fmt"
	"reflect"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// feed holds the events to the commits that they tell of (W1, W4), and what arrives at the backend
// to the events (W2, W3).
type feed struct {
	w *world
	// want are the events of commits that were not compared yet, and last is the newest that was.
	want []wanted
	last int64
	// ended is the event of each call's end.
	ended map[call.ID]int64
	// merged are the invitations that became the answer to another call.
	merged map[call.ID]bool
	// arrived are the events that each endpoint has had, and latest is the newest of each call.
	arrived map[arrival]bool
	latest  map[latestOf]int64
	// again are kinds that were replayed to an endpoint, beside what it asks for.
	again map[string]call.EventKinds
}

type wanted struct {
	kind call.EventKind
	call call.Call
}

type arrival struct {
	endpoint string
	seq      int64
}

type latestOf struct {
	endpoint string
	call     call.ID
}

func newFeed(w *world) *feed {
	return &feed{
		w: w, ended: make(map[call.ID]int64), merged: make(map[call.ID]bool), arrived: make(map[arrival]bool), latest: make(map[latestOf]int64),
		again: make(map[string]call.EventKinds),
	}
}

// made notes the events that a transition has. By the two states alone glare is an answer.
func (f *feed) made(was *call.Call, known bool, c *call.Call) {
	want := func(k call.EventKind, really bool) {
		if really {
			after := c.Clone()
			after.Media.Offer, after.Media.Answer = "", ""
			f.want = append(f.want, wanted{k, after})
		}
	}
	if !known {
		_, filed := c.Record()
		if f.merged[c.ID] && exists(c) {
			f.w.violate("W1: the call %s is made after it was merged", c.ID)
		}
		want(call.EventCreated, exists(c))
		want(call.EventEnded, filed)
		return
	}
	answered := c.State == call.Connecting || c.State == call.Connected
	want(call.EventRinging, c.State == call.Ringing && len(was.Legs[1].Ringers) == 0 && len(c.Legs[1].Ringers) > 0)
	want(call.EventAnswered, was.State == call.Ringing && answered)
	want(call.EventConnected, was.State != call.Connected && c.State == call.Connected)
	want(call.EventReconnecting, was.State == call.Connected && c.State == call.Connected && c.Media.Generation != was.Media.Generation)
	want(call.EventType, was.State != call.Ringing && answered && c.Type != was.Type)
	want(call.EventEnded, c.State == call.Ended)
}

// exists refuses tombstones. A device cancels an invitation while a node merges it, and the
// cancellation arrives at another node, which has never heard of the invitation: it commits a
// tombstone beside the merged call, and the device hangs that up when it gets an update of it.
func exists(c *call.Call) bool {
	_, filed := c.Record()
	return c.Live() || filed
}

// compare holds the events that are stored to those that were committed: there are no others, and
// none is missing.
func (f *feed) compare(out store.Outbox) {
	events, _, err := out.Events(context.Background(), f.last, ^call.EventKinds(0), 1<<20)
	if err != nil {
		return // The store is to be opened again.
	}
	for i := range events {
		e := &events[i]
		f.last = e.Seq
		if e.Kind == call.EventMerged {
			if n := i - 1; n < 0 || events[n].Kind != call.EventAnswered || events[n].Call.Rev != e.Call.Rev || e.Merged == "" {
				f.w.violate("W1: %s does not follow an answer", nameOfEvent(e))
			}
			if c, made := f.w.audit.calls[e.Merged]; made && exists(&c) {
				f.w.violate("W1: the call %s was made and is merged", e.Merged)
			}
			f.merged[e.Merged] = true
			continue
		}
		if len(f.want) == 0 {
			f.w.violate("W1: %s tells of no commit", nameOfEvent(e))
			return
		}
		want := f.want[0]
		f.want = f.want[1:]
		if e.Kind != want.kind || !reflect.DeepEqual(*e.Call, want.call) {
			f.w.violate("W1: %s comes where rev %d of %s was committed, %v", nameOfEvent(e), want.call.Rev, want.call.ID, want.kind)
		}
		f.ends(e, &want.call)
	}
	if len(f.want) > 0 {
		f.w.violate("W1: rev %d of %s was committed and has no %v", f.want[0].call.Rev, f.want[0].call.ID, f.want[0].kind)
	}
}

// ends holds W4: one end of each call, with its record. S3 holds that to the record that is filed.
func (f *feed) ends(e *store.Event, c *call.Call) {
	record, filed := e.Record()
	if e.Kind != call.EventEnded {
		if filed {
			f.w.violate("W4: %s has a record", nameOfEvent(e))
		}
		return
	}
	if first := f.ended[c.ID]; first != 0 {
		f.w.violate("W4: %s is the second end of a call after %d", nameOfEvent(e), first)
	}
	f.ended[c.ID] = e.Seq
	if want, _ := c.Record(); !filed || record != want {
		f.w.violate("W4: %s has the record %+v, and it is %+v", nameOfEvent(e), record, want)
	}
}

func nameOfEvent(e *store.Event) string {
	return fmt.Sprintf("event %d, %v of rev %d of %s", e.Seq, e.Kind, e.Call.Rev, e.Call.ID)
}

// arrives holds W3 for what an endpoint has. A kind that was replayed and that it does not ask for
// may come long after what followed it.
func (f *feed) arrives(endpoint string, e *store.Event) {
	f.w.trace("%s arrives at %s", nameOfEvent(e), endpoint)
	lane := latestOf{endpoint, e.Call.ID}
	if f.arrived[arrival{endpoint, e.Seq}] {
		return
	}
	f.arrived[arrival{endpoint, e.Seq}] = true
	asked := f.asked(endpoint)
	switch {
	case !asked.Has(e.Kind) && !f.again[endpoint].Has(e.Kind):
		f.w.violate("%s comes to %s, which has not asked for it", nameOfEvent(e), endpoint)
	case asked.Has(e.Kind) && e.Seq < f.latest[lane]:
		f.w.violate("W3: %s comes to %s after %d", nameOfEvent(e), endpoint, f.latest[lane])
	}
	if asked.Has(e.Kind) {
		f.latest[lane] = e.Seq
	}
}

func (f *feed) asked(endpoint string) call.EventKinds {
	kinds, err := call.EventsNamed(endpointEvents[endpoint]...)
	if err != nil {
		f.w.violate("%v", err)
	}
	return kinds
}

func (f *feed) replayed(endpoint string, kinds call.EventKinds) { f.again[endpoint] |= kinds }

// drained holds W2 when nothing waits any more: each event arrived or was given up.
func (f *feed) drained(out store.Outbox) {
	ctx := context.Background()
	var events []store.Event
	for after := int64(0); after < out.Newest(); {
		page, next, err := out.Events(ctx, after, ^call.EventKinds(0), store.LookMost)
		if err != nil {
			f.w.violate("cannot read the feed: %v", err)
		}
		events, after = append(events, page...), next
	}
	queues, err := out.Queues(ctx)
	if err != nil {
		f.w.violate("cannot read the queues: %v", err)
	}
	f.w.result.Delivered = len(f.arrived)
	for _, q := range queues {
		if q.Queued != 0 {
			f.w.violate("W2: %d deliveries still wait for %s", q.Queued, q.Endpoint)
		}
		letters, err := out.Dead(ctx, q.Endpoint, 0, 1<<20)
		if err != nil {
			f.w.violate("cannot read what was given up: %v", err)
		}
		dead := make(map[int64]bool, len(letters))
		for i := range letters {
			dead[letters[i].Event.Seq] = true
		}
		for i := range events {
			e := &events[i]
			if f.asked(q.Endpoint).Has(e.Kind) && !f.arrived[arrival{q.Endpoint, e.Seq}] && !dead[e.Seq] {
				f.w.violate("W2: %s never arrives at %s", nameOfEvent(e), q.Endpoint)
			}
		}

	}
}
