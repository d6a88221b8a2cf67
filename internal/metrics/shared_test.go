package metrics

import (
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/store"
)

// TestSharedCall: two nodes that commit the steps of one call by turns count each of them once, and
// both tell how many calls are live as the store does.
func TestSharedCall(t *testing.T) {
	one, other := New(true), New(true)
	for _, m := range []*Metrics{one, other} {
		s := sources()
		s.Shared = func() Shared { return Shared{Live: map[call.State]int{call.Connected: 7}} }
		m.Watch(s)
	}
	now := time.Unix(1_800_000_000, 0)
	c := call.Call{ID: callID, Type: call.Audio, CreatedAt: now}
	step := func(by, hears *Metrics, state call.State, after time.Duration) {
		c.State = state
		was := c.Rev
		c.Rev++
		by.Committed(now.Add(after), 0, []store.Change{{Call: c, From: was}}, []store.Result{{Verdict: store.Done}})
		told := c
		hears.Told(now.Add(after), node.Heard{Message: bus.Message{Call: &told}})
	}
	step(one, other, call.Ringing, 0)
	step(other, one, call.Connecting, 3*time.Second)
	c.ConnectedAt = now.Add(5 * time.Second)
	step(one, other, call.Connected, 5*time.Second)
	c.Outcome = call.Outcome{Reason: call.Completed, Kind: call.KindCompleted, EndedAt: now.Add(65 * time.Second)}
	step(other, one, call.Ended, 65*time.Second)
	want(t, text(t, one),
		`peal_calls_started_total{type="audio"} 1`, `peal_call_answer_seconds_count{type="audio"} 0`, `peal_call_setup_seconds_sum{type="audio"} 2`,
		`peal_calls_total{kind="completed",reason="completed",type="audio"} 0`, `peal_calls_live{state="connected"} 7`, `peal_calls_live{state="ringing"} 0`)
	want(t, text(t, other),
		`peal_calls_started_total{type="audio"} 0`, `peal_call_answer_seconds_sum{type="audio"} 3`, `peal_call_setup_seconds_count{type="audio"} 0`,
		`peal_calls_total{kind="completed",reason="completed",type="audio"} 1`, `peal_call_seconds_sum{type="audio"} 60`)
	if n := len(one.calls.live) + len(other.calls.live); n != 0 {
		t.Errorf("%d are remembered after the end", n)
	}
}
