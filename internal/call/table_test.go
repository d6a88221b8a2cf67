package call_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/call"
)

// who lists everyone that an input can come from.
var who = []struct {
	name   string
	device call.Device
}{
	{"caller", alice},
	{"caller's other", laptop},
	{"winner", bob}, // While it rings: a ringing device.
	{"loser", phone},
	{"stranger", carol},
}

// inputs makes each input as a device would send it.
var inputs = []struct {
	name string
	make func(d call.Device) call.Input
}{
	{"cancel", func(d call.Device) call.Input { return call.Cancel{Device: d} }},
	{"offer", func(d call.Device) call.Input { return call.Offer{Device: d, Generation: 1, SDP: "v=0 other"} }},
	{"ring", func(d call.Device) call.Input { return call.Ring{Device: d, For: 5e9} }},
	{"stop ringing", func(d call.Device) call.Input { return call.StopRinging{Device: d} }},
	{"accept", func(d call.Device) call.Input { return call.Accept{Device: d, Generation: 1, Answer: "v=0 answer 1"} }},
	{"merge", func(d call.Device) call.Input { return call.Merge{Device: d, Type: call.Video} }},
	{"reject", func(d call.Device) call.Input { return call.Reject{Device: d} }},
	{"answer", func(d call.Device) call.Input { return call.Answer{Device: d, Generation: 1, SDP: "v=0 other"} }},
	{"hangup", func(d call.Device) call.Input { return call.Hangup{Device: d} }},
	{"report", func(d call.Device) call.Input { return call.Report{Device: d, Generation: 1, Up: true} }},
	{"restart", func(d call.Device) call.Input { return call.Restart{Device: d, From: 1} }},
	{"tracks", func(d call.Device) call.Input { return call.SetTracks{Device: d, Tracks: call.Tracks{Audio: true}} }},
	{"switch type", func(d call.Device) call.Input { return call.SwitchType{Device: d, Type: call.Audio} }},
	{"gone", func(d call.Device) call.Input { return call.Gone{Device: d} }},
	{"back", func(d call.Device) call.Input { return call.Back{Device: again(d)} }},
	{"leave", func(d call.Device) call.Input { return call.Leave{Device: d} }},
	{"reload", func(d call.Device) call.Input { return call.Reload{Device: again(d)} }},
	{"supersede", func(d call.Device) call.Input { return call.Supersede{Device: d} }},
	{"kick", func(d call.Device) call.Input { return call.Kick{Device: d} }},
	{"tick", func(call.Device) call.Input { return call.Tick{} }},
	{"terminate", func(call.Device) call.Input { return call.Terminate{} }},
}

var stages = []struct {
	name string
	make func(*testing.T) *world
}{
	{"ringing", ringing}, {"connecting", connecting}, {"connected", connected}, {"ended", ended},
}

// outcome is a step's in one word: what it refused, "-" for nothing, the
// reason it ended with, or the state it left the call in.
func outcome(was call.Call, w *world) string {
	var r call.Refusal
	switch {
	case errors.As(w.err, &r):
		return string(r)
	case w.call.Rev == was.Rev:
		return "-"
	case w.call.State == call.Ended:
		return fmt.Sprint("ends ", w.call.Outcome.Reason)
	case w.call.State != was.State:
		return fmt.Sprint("to ", w.call.State)
	}
	return "noted"
}

// Every input in every state by everyone who can send it. A row's cells are
// those of who, in order: caller, caller's other device, winner, loser, stranger.
func TestTable(t *testing.T) {
	const (
		cancelled, rejected, completed, lost      = "ends 2", "ends 3", "ends 1", "ends 7"
		superseded, kicked, terminated            = "ends 8", "ends 9", "ends 10"
		wrong, stranger, over, early, late, else_ = "wrong_device", "stranger", "call_ended", "not_accepted", "already_accepted", "answered_elsewhere"
		stale, no                                 = "stale_generation", "-"
	)
	all := func(s string) []string { return []string{s, s, s, s, s} }
	known := func(s string) []string { return []string{s, s, s, s, stranger} }
	sides := func(s string) []string { return []string{s, wrong, s, wrong, stranger} }
	quiet := func(s string) []string { return []string{s, no, s, no, no} }
	want := map[string]map[string][]string{
		"cancel":       {"ringing": {cancelled, wrong, wrong, wrong, stranger}, "connecting": known(late), "connected": known(late), "ended": known(over)},
		"offer":        {"ringing": {stale, wrong, wrong, wrong, stranger}, "connecting": {stale, wrong, wrong, wrong, stranger}, "connected": {stale, wrong, wrong, wrong, stranger}, "ended": known(over)},
		"ring":         {"ringing": {wrong, wrong, "noted", "noted", stranger}, "connecting": all(no), "connected": all(no), "ended": all(no)},
		"stop ringing": {"ringing": {wrong, wrong, "noted", "noted", stranger}, "connecting": all(no), "connected": all(no), "ended": all(no)},
		"accept":       {"ringing": {wrong, wrong, "to 2", "to 2", stranger}, "connecting": {wrong, wrong, no, else_, stranger}, "connected": {wrong, wrong, no, else_, stranger}, "ended": known(over)},
		"merge":        {"ringing": {wrong, wrong, "to 2", "to 2", stranger}, "connecting": {wrong, wrong, no, else_, stranger}, "connected": {wrong, wrong, no, else_, stranger}, "ended": known(over)},
		"reject":       {"ringing": {wrong, wrong, rejected, rejected, stranger}, "connecting": known(late), "connected": known(late), "ended": known(over)},
		"answer":       {"ringing": known(early), "connecting": {wrong, wrong, stale, wrong, stranger}, "connected": {wrong, wrong, stale, wrong, stranger}, "ended": known(over)},
		"hangup":       {"ringing": {cancelled, wrong, rejected, rejected, stranger}, "connecting": sides(completed), "connected": sides(completed), "ended": all(no)},
		"report":       {"ringing": known(early), "connecting": sides("noted"), "connected": sides(no), "ended": all(no)},
		"restart":      {"ringing": {"noted", wrong, wrong, wrong, stranger}, "connecting": sides("noted"), "connected": sides("noted"), "ended": known(over)},
		"tracks":       {"ringing": {"noted", wrong, wrong, wrong, stranger}, "connecting": sides("noted"), "connected": sides("noted"), "ended": all(no)},
		"switch type":  {"ringing": known(early), "connecting": sides("noted"), "connected": sides("noted"), "ended": known(over)},
		"gone":         {"ringing": {"noted", no, "noted", "noted", no}, "connecting": quiet("noted"), "connected": quiet("noted"), "ended": all(no)},
		"back":         {"ringing": {"noted", no, "noted", "noted", no}, "connecting": quiet("noted"), "connected": quiet("noted"), "ended": all(no)},
		"leave":        {"ringing": {"noted", no, no, no, no}, "connecting": quiet("noted"), "connected": quiet("noted"), "ended": all(no)},
		"reload":       {"ringing": {lost, no, "noted", "noted", no}, "connecting": quiet(lost), "connected": quiet(lost), "ended": all(no)},
		"supersede":    {"ringing": {superseded, no, rejected, rejected, no}, "connecting": quiet(superseded), "connected": quiet(superseded), "ended": all(no)},
		"kick":         {"ringing": {kicked, no, "noted", "noted", no}, "connecting": quiet(kicked), "connected": quiet(kicked), "ended": all(no)},
		"tick":         {"ringing": all(no), "connecting": all(no), "connected": all(no), "ended": all(no)},
		"terminate":    {"ringing": all(terminated), "connecting": all(terminated), "connected": all(terminated), "ended": all(no)},
	}
	for _, in := range inputs {
		for _, stage := range stages {
			cells := want[in.name][stage.name]
			if len(cells) != len(who) {
				t.Fatalf("%s × %s has %d cells", in.name, stage.name, len(cells))
			}
			for i, from := range who {
				w := stage.make(t)
				was := w.call
				if got := outcome(was, w.do(in.make(from.device))); got != cells[i] {
					t.Errorf("%s by the %s while %s: %s, want %s", in.name, from.name, stage.name, got, cells[i])
				}
			}
		}
	}
	if rows := call.Rows(); len(rows) != len(inputs) {
		t.Errorf("the table has %d inputs, the test %d", len(rows), len(inputs))
	}
}

// Whatever comes twice in a row changes nothing the second time (S8), and no
// step touches the call that it was given.
func TestRepeats(t *testing.T) {
	for _, stage := range stages {
		for _, in := range inputs {
			for _, from := range who {
				w := stage.make(t)
				before := stage.make(t).call
				was := w.call
				w.do(in.make(from.device))
				if diff := cmp.Diff(before, was); diff != "" {
					t.Fatalf("%s while %s changed its argument:\n%s", in.name, stage.name, diff)
				}
				once, failed := w.call, w.err
				w.do(in.make(from.device))
				if w.call.Rev != once.Rev || len(w.effects) > 0 {
					t.Errorf("%s by the %s while %s: the repeat goes from rev %d to %d", in.name, from.name, stage.name, once.Rev, w.call.Rev)
				}
				// Asking twice for what one got is no mistake.
				if failed == nil && w.err != nil && in.name != "offer" {
					t.Errorf("%s by the %s while %s: the repeat is refused: %v", in.name, from.name, stage.name, w.err)
				}
			}
		}
	}
}
