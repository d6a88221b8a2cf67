package call_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/peal-rtc/peal/internal/call"
)

// heard gives the names of the events of each input that the world is given, and of the call's
// beginning.
func heard(w *world, inputs ...call.Input) []string {
	all := []string{names(call.Events(nil, nil, &w.call))}
	for _, in := range inputs {
		before := w.call
		w.do(in)
		all = append(all, names(call.Events(&before, in, &w.call)))
	}
	return all
}

func names(events []call.Event) string {
	var all []string
	for _, e := range events {
		all = append(all, strings.TrimPrefix(e.Kind.String(), "call."))
	}
	return strings.Join(all, " ")
}

func TestEvents(t *testing.T) {
	up := func(d call.Device, generation uint32) call.Input {
		return call.Report{Device: d, Generation: generation, Up: true}
	}
	accept := call.Accept{Device: bob, Generation: 1, Answer: "v=0 answer"}
	for _, test := range []struct {
		name   string
		inputs []call.Input
		want   string // After created, split by commas.
	}{
		{"only the first device that rings", []call.Input{call.Ring{Device: bob}, call.Ring{Device: phone}}, "ringing,"},
		{"a ring that is repeated", []call.Input{call.Ring{Device: bob}, call.Ring{Device: bob, For: time.Second}}, "ringing,"},
		{"a device that stops has rung", []call.Input{call.StopRinging{Device: bob}, call.Ring{Device: phone}}, "ringing,"},
		{"an acceptance without a ring", []call.Input{accept}, "answered"},
		{"a whole call", []call.Input{call.Ring{Device: bob}, accept, up(alice, 1), up(bob, 1), call.Hangup{Device: alice}}, "ringing,answered,,connected,ended"},
		{"an acceptance that is repeated", []call.Input{accept, accept}, "answered,"},
		{"cancelled", []call.Input{call.Ring{Device: bob}, call.Cancel{Device: alice}, call.Cancel{Device: alice}}, "ringing,ended,"},
		{"glare", []call.Input{call.Ring{Device: bob}, call.Merge{Device: bob, Call: "other", Type: call.Audio}}, "ringing,answered merged"},
		{"glare that is repeated", []call.Input{call.Merge{Device: bob, Call: "other"}, call.Merge{Device: bob, Call: "other"}}, "answered merged,"},
		{"a restart before media is up", []call.Input{accept, call.Restart{Device: alice, From: 1}}, "answered,"},
		{"a restart while connected", []call.Input{
			accept, up(alice, 1), up(bob, 1), call.Restart{Device: bob, From: 1}, call.Restart{Device: alice, From: 1}, up(alice, 2), up(bob, 2),
		}, "answered,,connected,reconnecting,,,"},
		{"to audio", []call.Input{accept, call.SwitchType{Device: bob, Type: call.Audio}}, "answered,type"},
		{"to audio and back when both ask", []call.Input{
			accept,
			call.SwitchType{Device: bob, Type: call.Audio},
			call.SwitchType{Device: bob, Type: call.Video},
			call.SwitchType{Device: alice, Type: call.Video},
		}, "answered,type,,type"},
		{"a caller that is lost", []call.Input{call.Gone{Device: alice}, call.Reload{Device: again(alice)}}, ",ended"},
		{"an end that is a repeat", []call.Input{call.Terminate{}, call.Terminate{}}, "ended,"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := heard(begin(t), test.inputs...)
			if want := "created," + test.want; strings.Join(got, ",") != want {
				t.Errorf("events %s\nwant   %s", strings.Join(got, ","), want)
			}
		})
	}
}

func TestMergedEvent(t *testing.T) {
	w := begin(t)
	before := w.call
	in, err := w.call.Meet(call.Invite{ID: "other", Caller: bob, Callee: "alice", Type: call.Video})
	if err != nil {
		t.Fatal(err)
	}
	w.do(in)
	events := call.Events(&before, in, &w.call)
	if len(events) != 2 || events[1] != (call.Event{Kind: call.EventMerged, Merged: "other"}) {
		t.Errorf("events %+v, want the id of the invitation that was merged", events)
	}
}

func TestEventsOfNewCalls(t *testing.T) {
	busy, _, err := call.NewBusy(invitation(), epoch)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(call.Events(nil, nil, &busy)); got != "created ended" {
		t.Errorf("a busy call has %q", got)
	}
	// Nobody was called.
	grave := call.Tombstone(id, alice, call.DefaultTiming(), epoch)
	if got := names(call.Events(nil, nil, &grave)); got != "" {
		t.Errorf("a tombstone has %q", got)
	}
}

func TestEventNames(t *testing.T) {
	var all call.EventKinds
	for k := call.EventCreated; k <= call.EventMerged; k++ {
		all |= 1 << k
		set, err := call.EventsNamed(k.String())
		if err != nil || set != 1<<k || !set.Has(k) || !strings.HasPrefix(k.String(), "call.") {
			t.Errorf("%v names %b, %v", k, set, err)
		}
	}
	for _, names := range [][]string{nil, {"*"}, {"call.*"}, {"call.ended", "*"}} {
		if set, err := call.EventsNamed(names...); err != nil || set != all&^(1<<call.EventReconnecting) {
			t.Errorf("%v names %b, %v", names, set, err)
		}
	}
	if set, err := call.EventsNamed("call.*", "call.reconnecting"); err != nil || set != all {
		t.Errorf("all named: %b, %v", set, err)
	}
	for _, wrong := range []string{"", "call", "call.ende", "call.ended ", "ended", "event(0)"} {
		if set, err := call.EventsNamed("call.ended", wrong); err == nil {
			t.Errorf("%q names %b", wrong, set)
		}
	}
	if got := call.EventKind(99).String(); got != "event(99)" {
		t.Errorf("an unknown kind is %q", got)
	}
}

// TestEventsOnce: whatever happens to a call, it ends once and last, and nothing happens twice that
// can happen once.
func TestEventsOnce(t *testing.T) {
	once := []call.EventKind{call.EventRinging, call.EventAnswered, call.EventConnected, call.EventEnded, call.EventMerged}
	rapid.Check(t, func(t *rapid.T) {
		c, _, err := call.New(invitation(), epoch)
		if err != nil {
			t.Fatal(err)
		}
		now, seq := epoch, uint64(1)
		count := make(map[call.EventKind]int)
		for range rapid.IntRange(1, 40).Draw(t, "inputs") {
			now = now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "ms")) * time.Millisecond)
			in := onPresentConnection(&c, anything(t, c.Media.Generation, &seq))
			before := c
			if c, _, err = call.Step(c, in, now); err != nil || c.Rev == before.Rev {
				continue
			}
			for _, e := range call.Events(&before, in, &c) {
				if count[call.EventEnded] > 0 {
					t.Fatalf("%v after the end", e.Kind)
				}
				count[e.Kind]++
			}
			if (count[call.EventEnded] == 0) != c.Live() {
				t.Fatalf("%d ends of a call in state %d", count[call.EventEnded], c.State)
			}
		}
		for _, k := range once {
			if count[k] > 1 {
				t.Fatalf("%v happened %d times", k, count[k])
			}
		}
	})
}
