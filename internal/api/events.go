package api

import (
	"encoding/json"
	"time"

	"github.com/peal-rtc/peal/internal/store"
)

// eventShape is an event as backends receive it, by webhook and by the feed.
type eventShape struct {
	Type      string    `json:"type"`
	ID        string    `json:"id"`
	Timestamp time.Time `json:"timestamp"`
	Data      eventData `json:"data"`
}

type eventData struct {
	// Call is the call after the transition.
	Call callShape `json:"call"`
	// Record is that of call.ended.
	Record *recordShape `json:"record,omitempty"`
	// MergedCallID is the invitation that became the acceptance, of call.merged.
	MergedCallID string `json:"mergedCallId,omitempty"`
}

// Event encodes an event with its id in JSON, as the same bytes each time.
func Event(id string, e *store.Event) ([]byte, error) { return json.Marshal(eventOf(id, e)) }

// eventOf is the event as backends see it, by webhook and by the feed.
func eventOf(id string, e *store.Event) eventShape {
	shape := eventShape{
		Type: e.Kind.String(), ID: id, Timestamp: e.At.UTC(),
		Data: eventData{Call: callOf(e.Call), MergedCallID: string(e.Merged)},
	}
	// The record stands beside the call, and only where the transition filed it.
	shape.Data.Call.Record = nil
	if r, ok := e.Record(); ok {
		record := recordOf(&r)
		shape.Data.Record = &record
	}
	return shape
}
