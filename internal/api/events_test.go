package api_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/api"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// TestEvent: what backends receive of an event, the same bytes each time. Descriptions are no part
// of it, and the record stands beside the call, where the transition filed it.
func TestEvent(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123_000_000, time.FixedZone("", 3600))
	ended := &call.Call{
		ID: "c1", Rev: 4, State: call.Ended, Type: call.Video, Attachment: "order 7", CreatedAt: at,
		Legs:    []call.Leg{{Account: "alice"}, {Account: "bob"}},
		Media:   call.Media{Offer: "v=0 offer"},
		Outcome: call.Outcome{Reason: call.Cancelled, Actor: "alice", EndedAt: at.Add(time.Second), Kind: call.KindCancelled},
	}
	live := ended.Clone()
	live.State, live.Outcome = call.Connecting, call.Outcome{}
	for name, test := range map[string]struct {
		event  store.Event
		want   []string // The keys of data.
		record bool
	}{
		"ended":   {store.Event{At: at, Kind: call.EventEnded, Call: ended, Filed: true}, []string{"call", "record"}, true},
		"unfiled": {store.Event{At: at, Kind: call.EventEnded, Call: ended}, []string{"call"}, false},
		"merged":  {store.Event{At: at, Kind: call.EventMerged, Merged: "c2", Call: &live}, []string{"call", "mergedCallId"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := api.Event("evt_7", &test.event)
			if err != nil {
				t.Fatal(err)
			}
			again, err := api.Event("evt_7", &test.event)
			if err != nil || !bytes.Equal(text, again) {
				t.Errorf("first %s, then %s, %v", text, again, err)
			}
			var got struct {
				Type, ID, Timestamp string
				Data                map[string]any
			}
			if err := json.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
			if got.Type != test.event.Kind.String() || got.ID != "evt_7" || got.Timestamp != "2026-03-01T11:00:00.123Z" {
				t.Errorf("%s", text)
			}
			var keys []string
			for _, key := range []string{"call", "mergedCallId", "record"} {
				if got.Data[key] != nil {
					keys = append(keys, key)
				}
			}
			inside := got.Data["call"].(map[string]any)
			if diff := cmp.Diff(test.want, keys); diff != "" || inside["record"] != nil || inside["attachment"] != "order 7" || bytes.Contains(text, []byte("v=0")) {
				t.Errorf("%s\n%s", text, diff)
			}
		})
	}
}
