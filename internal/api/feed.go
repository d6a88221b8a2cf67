package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/webhook"
)

// Limits of the feed.
const (
	feedWaitMost    = 30 * time.Second
	feedWaitersMost = 100
	// feedPause is the least time between two looks of one waiter: most commits may have events of
	// other types.
	feedPause = 100 * time.Millisecond
)

// fromNow is the value of after for the events from now on.
const fromNow = "now"

// places limits how many requests do something at a time.
type places chan struct{}

func (p places) enter() bool {
	select {
	case p <- struct{}{}:
		return true
	default:
		return false
	}
}

func (p places) leave() { <-p }

// feedPage is what the feed is asked for.
type feedPage struct {
	after int64
	kinds call.EventKinds
	limit int
	wait  time.Duration
}

// listEvents lists events above a seq, in the order of their commits. Where there are none yet it waits
// for some, as long as the request says.
func (b *backend) listEvents(w http.ResponseWriter, q *http.Request) {
	p, ok := b.feedPage(w, q)
	if !ok {
		return
	}
	events, err := b.look(q.Context(), &p)
	if err == nil && len(events) == 0 && p.wait > 0 {
		if b.isStopping() {
			deny(w, protocol.Unavailable, "the server is stopping: ask again")
			return
		}
		if !b.waiters.enter() {
			w.Header().Set("Retry-After", "1")
			deny(w, tooManyRequests, "%d requests wait for events, which is the most: ask again without wait, or later", feedWaitersMost)
			return
		}
		defer b.waiters.leave()
		outlast(w, p.wait+backendTimeout)
		events, err = b.await(q.Context(), &p)
	}
	if err != nil {
		b.unavailable(w, q, err)
		return
	}
	answer := struct {
		Events []eventShape `json:"events"`
		Next   string       `json:"next"`
	}{make([]eventShape, len(events)), strconv.FormatInt(p.after, 10)}
	for i := range events {
		answer.Events[i] = eventOf(webhook.EventID(events[i].Seq), &events[i])
	}
	reply(w, answer)
}

// outlast extends the server's deadline for writing, which is for requests that are answered at once.
// The deadline for reading ends with the request.
func outlast(w http.ResponseWriter, d time.Duration) {
	// This fails only on a connection without deadlines, which needs none.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d))
}

// look lists events, and moves after past all events that it looked at.
func (b *backend) look(ctx context.Context, p *feedPage) ([]store.Event, error) {
	events, next, err := b.Outbox.Events(ctx, p.after, p.kinds, p.limit)
	if err != nil {
		return nil, err
	}
	p.after = next
	return events, nil
}

// await looks until there is something, the wait is over, or the server stops.
func (b *backend) await(ctx context.Context, p *feedPage) ([]store.Event, error) {
	enough := time.NewTimer(p.wait)
	defer enough.Stop()
	ready := make(chan struct{})
	close(ready)
	for {
		// Take the channel before the look, so that no commit falls between.
		changed, pause := b.Outbox.Changed(), time.NewTimer(feedPause)
		events, err := b.look(ctx, p)
		if err != nil || len(events) > 0 {
			return events, err
		}
		if p.after < b.Outbox.Newest() {
			changed = ready // There is more to look at.
		}
		for range 2 { // A change, and the pause.
			select {
			case <-changed:
				changed = nil
			case <-pause.C:
			case <-enough.C:
				return nil, nil
			case <-b.Stopping:
				return nil, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
}

func (b *backend) isStopping() bool {
	select {
	case <-b.Stopping:
		return true
	default:
		return false
	}
}

// feedPage reads the query of the feed.
func (b *backend) feedPage(w http.ResponseWriter, q *http.Request) (p feedPage, ok bool) {
	query, ok := queryOf(w, q, "after", "types", "limit", "wait")
	if !ok {
		return feedPage{}, false
	}
	if p.limit, ok = limitOf(w, query); !ok {
		return feedPage{}, false
	}
	var err error
	switch text := query.Get("after"); text {
	case "":
	case fromNow:
		p.after = b.Outbox.Newest()
	default:
		if p.after, err = strconv.ParseInt(text, 10, 64); err != nil || p.after < 0 {
			deny(w, protocol.BadRequest, "after=%s: send the value of next in the answer before, 0 for the oldest event that is kept, or now", text)
			return feedPage{}, false
		}
	}
	p.kinds = call.UsualEvents
	if query.Has("types") {
		if p.kinds, err = call.EventsNamed(strings.Split(query.Get("types"), ",")...); err != nil {
			deny(w, protocol.BadRequest, "types: %s", err)
			return feedPage{}, false
		}
	}
	if text := query.Get("wait"); text != "" {
		most := int(feedWaitMost / time.Second)
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 0 || seconds > most {
			deny(w, protocol.BadRequest, "wait=%s: send a number of seconds from 0 to %d", text, most)
			return feedPage{}, false
		}
		p.wait = time.Duration(seconds) * time.Second
	}
	return p, true
}
