package admin

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// EventType is what happened.
type EventType string

// The types. A newer server may have more: leave those alone.
const (
	CallCreated      EventType = "call.created"
	CallRinging      EventType = "call.ringing"
	CallAnswered     EventType = "call.answered"
	CallConnected    EventType = "call.connected"
	CallReconnecting EventType = "call.reconnecting"
	CallType         EventType = "call.type"
	CallEnded        EventType = "call.ended"
	CallMerged       EventType = "call.merged"
	// WebhookTest is of TestWebhook alone.
	WebhookTest EventType = "webhook.test"

	// AllEvents asks for all types but CallReconnecting.
	AllEvents EventType = "*"
)

// Event is a change of a call, as webhooks and the feed have it.
type Event struct {
	// ID is the same each time an event comes: it may come more than once.
	ID   string    `json:"id"`
	Type EventType `json:"type"`
	// Time is when the change was committed.
	Time time.Time `json:"timestamp"`
	Data Data      `json:"data"`
}

// Data is what an event is about.
type Data struct {
	// Call is the call as the change left it. Keep the one with the highest Rev. It is nil in a
	// WebhookTest.
	Call *Call `json:"call"`
	// Record is of CallEnded.
	Record *Record `json:"record"`
	// MergedCallID is of CallMerged: the invitation in the other direction that became the answer.
	MergedCallID string `json:"mergedCallId"`
}

// Place is where the event is in the feed: EventFilter.After goes on behind it.
func (e Event) Place() string { return strings.TrimPrefix(e.ID, "evt_") }

// FromNow is the place in the feed behind all events that there are.
const FromNow = "now"

// feedWait is how long the server holds a request of the feed: less than a client's usual timeout.
const feedWait = 20 * time.Second

// EventFilter says which events to read. Its zero value means all that are kept, but for
// CallReconnecting.
type EventFilter struct {
	// After is the Place of the last event that was dealt with, or FromNow. Empty begins with the
	// oldest event that is kept: they are kept for 7 days.
	After string
	// Types are the types to read; none means AllEvents.
	Types []EventType
	// Limit is how many events one request gets, 1 to 500; 0 means 100.
	Limit int
}

// Events reads the feed of events in the order of their commits, and waits for more: the loop goes
// on until you leave it or the context ends. It survives lost connections and restarts of the
// server, without losing an event.
//
//	for event, err := range c.Events(ctx, admin.EventFilter{After: place}) {
//		if err != nil {
//			log.Print(err)
//			continue
//		}
//		… // Deal with it, and keep event.Place() together with what it changed.
//	}
//
// An error that may pass is given after the usual tries: continue the loop to try on, or leave it.
// After any other error, and after that of the context, the loop ends by itself.
func (c *Client) Events(ctx context.Context, f EventFilter) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		query := url.Values{"after": {cmp.Or(f.After, "0")}, "wait": {strconv.Itoa(int(feedWait / time.Second))}}
		var types []string
		for _, one := range f.Types {
			types = append(types, string(one))
		}
		if types != nil {
			query.Set("types", strings.Join(types, ","))
		}
		if f.Limit != 0 {
			query.Set("limit", strconv.Itoa(f.Limit))
		}
		for {
			page, err := c.feed(ctx, query)
			if err != nil {
				wait, passes := passing(err)
				if !yield(Event{}, err) || !passes || sleep(ctx, max(wait, firstWait)) != nil {
					return
				}
				continue
			}
			for _, event := range page.Events {
				if !yield(event, nil) {
					return
				}
			}
			query.Set("after", page.Next)
		}
	}
}

type feedPage struct {
	Events []Event `json:"events"`
	Next   string  `json:"next"`
}

func (c *Client) feed(ctx context.Context, query url.Values) (feedPage, error) {
	var page feedPage
	err := c.do(ctx, request{method: http.MethodGet, path: "/events", query: query}, &page)
	if err == nil && page.Next == "" {
		err = errors.New("admin: GET /events: the answer has no next: it is not from Peal's feed")
	}
	return page, err
}
