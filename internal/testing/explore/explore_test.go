package explore_test

import (
	"flag"
	"fmt"
	"slices"
	"testing"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/testing/explore"
)

var walkLarge = flag.Bool("large", false, "walk the large scopes as well")

// scopes are the worlds that every run of the tests walks. Each has the faults that
// it names, and no others: all of them come together in the large ones alone.
var scopes = []explore.Scope{
	{
		Name: "two devices answer", Devices: 2,
		Acts:      []explore.Act{explore.Accept, explore.Reject, explore.Cancel},
		Duplicate: 1,
	},
	{
		Name: "two devices, and one dials back", Devices: 2,
		Acts: []explore.Act{explore.Merge, explore.Accept, explore.Answer},
	},
	{
		Name: "two devices, and a restart", Devices: 2,
		Acts: []explore.Act{explore.Accept, explore.Renew, explore.Offer},
	},
	{
		Name: "own time-outs", Devices: 2,
		Acts: []explore.Act{explore.Ring, explore.RingFor, explore.Stop, explore.Accept},
	},
	{
		Name: "own time-outs, and a connection breaks", Devices: 1, Policy: call.RelayUntilAccept,
		Acts: []explore.Act{explore.Ring, explore.RingFor, explore.Stop, explore.Merge, explore.Accept},
		Gone: 1,
	},
	{
		Name: "the caller has two devices", Devices: 1, Second: true,
		Acts: []explore.Act{explore.Accept, explore.Hangup, explore.Kick},
	},
	{
		Name: "late news of ringing", Devices: 1,
		Acts: []explore.Act{explore.Ring, explore.Stop, explore.Merge, explore.Accept, explore.Up, explore.Reject, explore.StrangerIn},
	},
	{
		Name: "a call", Devices: 1,
		Acts: []explore.Act{explore.Accept, explore.Up, explore.Hangup, explore.LeavePage},
		Gone: 1,
	},
	{
		Name: "the server is killed", Devices: 1,
		Acts:    []explore.Act{explore.Ring, explore.Accept, explore.Up},
		Restart: 1,
	},
	{
		Name: "coming back", Devices: 1,
		Acts: []explore.Act{explore.Ring, explore.Accept, explore.Up},
		Gone: 1, Reload: 1, Overlap: 1,
	},
	{
		Name: "media", Devices: 1,
		Acts: []explore.Act{explore.Accept, explore.Up, explore.Down, explore.Renew, explore.Offer, explore.Answer},
	},
	{
		Name: "new connections", Devices: 1,
		Acts: []explore.Act{explore.Accept, explore.Renew, explore.Rebuild, explore.Offer, explore.Answer},
	},
	{
		Name: "types", Devices: 1,
		Acts: []explore.Act{explore.Accept, explore.Up, explore.ToAudio, explore.ToVideo, explore.Tracks},
	},
	{
		Name: "other endings", Devices: 1,
		Acts: []explore.Act{explore.Accept, explore.Up, explore.Supersede, explore.Kick, explore.Terminate, explore.Cancel},
	},
	{
		Name: "the callee blocks the caller, and guesses", Devices: 1, Deaf: true,
		Acts: []explore.Act{explore.Ring, explore.Accept, explore.Merge, explore.Reject, explore.Supersede},
	},
	{
		Name: "a blocked caller", Devices: 1, Deaf: true,
		Acts: []explore.Act{explore.Cancel, explore.Offer, explore.Renew, explore.Kick, explore.LeavePage},
		Gone: 1, Reload: 1,
	},
}

// large are walked by make explore: minutes, and gigabytes of memory. Where five
// faults come together the acts are fewer.
var large = []explore.Scope{
	{
		Name: "two devices ring, with faults of messages and connections", Devices: 2,
		Acts: []explore.Act{explore.Ring, explore.Accept, explore.Reject, explore.Cancel},
		Loss: 1, Duplicate: 1, Gone: 1,
	},
	{
		Name: "two devices ring, with every fault", Devices: 2,
		Acts: []explore.Act{explore.Accept, explore.Cancel},
		Loss: 1, Duplicate: 1, Gone: 1, Reload: 1, Restart: 1,
	},
	{
		Name: "three devices answer", Devices: 3,
		Acts: []explore.Act{explore.Accept, explore.Reject, explore.Cancel},
		Loss: 1, Duplicate: 1, Gone: 1,
	},
	{
		Name: "a call with every fault but doubled messages", Devices: 1,
		Acts: []explore.Act{explore.Ring, explore.Accept, explore.Up, explore.Hangup, explore.LeavePage},
		Loss: 1, Gone: 1, Reload: 1, Restart: 1,
	},
	{
		Name: "a shorter call with every fault", Devices: 1,
		Acts: []explore.Act{explore.Accept, explore.Up, explore.Hangup},
		Loss: 1, Duplicate: 1, Gone: 1, Reload: 1, Restart: 1,
	},
	{
		Name: "the caller has two devices, and a connection breaks", Devices: 1, Second: true,
		Acts: []explore.Act{explore.Accept, explore.Cancel, explore.Hangup, explore.Supersede},
		Gone: 1,
	},
	{
		Name: "media with faults", Devices: 1,
		Acts: []explore.Act{explore.Accept, explore.Up, explore.Down, explore.Renew, explore.Offer, explore.Answer},
		Gone: 1, Reload: 1,
	},
	{
		Name: "new connections with faults", Devices: 1,
		Acts: []explore.Act{explore.Accept, explore.Renew, explore.Rebuild, explore.Offer},
		Gone: 1, Reload: 1,
	},
	{
		Name: "types with faults", Devices: 1,
		Acts:      []explore.Act{explore.Accept, explore.ToAudio, explore.ToVideo, explore.Tracks, explore.Hangup},
		Duplicate: 1, Reload: 1, Gone: 1,
	},
}

// Every state within the scopes keeps the invariants, and together they come to
// every row of the state machine's table and every reason of an ending.
func TestScopes(t *testing.T) {
	rows := map[string]bool{}
	ends := map[call.Reason]bool{}
	all := scopes
	if *walkLarge {
		all = slices.Concat(scopes, large)
	}
	for _, s := range all {
		r, err := explore.Run(s)
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		t.Log(r)
		for row := range r.Rows {
			rows[row] = true
		}
		for reason := range r.Ends {
			ends[reason] = true
		}
	}
	inputs := []call.Input{
		call.Cancel{},
		call.Offer{},
		call.Ring{},
		call.StopRinging{},
		call.Accept{},
		call.Merge{},
		call.Reject{},
		call.Answer{},
		call.Hangup{},
		call.Report{},
		call.Restart{},
		call.SetTracks{},
		call.SwitchType{},
		call.Gone{},
		call.Back{},
		call.Leave{},
		call.Reload{},
		call.Supersede{},
		call.Kick{},
		call.Tick{},
		call.Terminate{},
	}
	var missed []string
	for _, in := range inputs {
		for _, state := range []string{"ringing", "connecting", "connected", "ended"} {
			if row := fmt.Sprintf("%T × %s", in, state)[len("call."):]; !rows[row] {
				missed = append(missed, row)
			}
		}
	}
	// Nothing is ever due in a call that has ended.
	missed = slices.DeleteFunc(missed, func(row string) bool { return row == "Tick × ended" })
	t.Logf("rows=%d of %d", len(rows), 4*len(inputs)-1)
	if len(missed) > 0 {
		t.Errorf("the scopes do not come to: %v", missed)
	}
	for reason := call.Completed; reason <= call.Terminated; reason++ {
		if reason != call.Busy && !ends[reason] { // Busy is how a call is made, not how it goes on.
			t.Errorf("no call ended with reason %d", reason)
		}
	}
}

// glares are worlds of several calls.
var glares = []explore.Glare{
	{
		Name:  "two call each other",
		Dials: []explore.Dial{{From: "a1", To: "b"}, {From: "b1", To: "a"}},
	},
	{
		Name:   "two call each other, give up, hang up, and send again",
		Dials:  []explore.Dial{{From: "a1", To: "b"}, {From: "b1", To: "a"}},
		Cancel: true, Hangup: true, Time: true, Duplicate: 1,
	},
	{
		Name:   "two call each other, and another device answers",
		Dials:  []explore.Dial{{From: "a1", To: "b"}, {From: "b1", To: "a"}},
		Others: []call.DeviceID{"b2"},
		Cancel: true, Accept: true, Hangup: true,
	},
	{
		Name:   "two at two nodes call each other, give up and hang up",
		Dials:  []explore.Dial{{From: "a1", To: "b"}, {From: "b1", To: "a"}},
		Cancel: true, Accept: true, Hangup: true, Apart: true,
	},
	{
		Name:   "calling someone else",
		Dials:  []explore.Dial{{From: "a1", To: "b"}, {From: "a1", To: "c"}},
		Others: []call.DeviceID{"b1"},
		Cancel: true, Accept: true, Hangup: true, Duplicate: 1,
	},
	{
		Name:   "three in a circle",
		Dials:  []explore.Dial{{From: "a1", To: "b"}, {From: "b1", To: "c"}, {From: "c1", To: "a"}},
		Accept: true, Loss: 1,
	},
	{
		Name:   "two devices of one call another, who calls back",
		Dials:  []explore.Dial{{From: "a1", To: "b"}, {From: "a2", To: "b"}, {From: "b1", To: "a"}},
		Cancel: true, Accept: true,
	},
	{
		Name:   "two call each other, and one blocks the other meanwhile",
		Dials:  []explore.Dial{{From: "a1", To: "b"}, {From: "b1", To: "a"}},
		Others: []call.DeviceID{"b2"},
		Block:  explore.Block{From: "a", By: "b"},
		Cancel: true, Accept: true, Hangup: true,
	},
	{
		Name:   "somebody blocked calls who is called by another, at two nodes",
		Dials:  []explore.Dial{{From: "a1", To: "b"}, {From: "c1", To: "b"}},
		Others: []call.DeviceID{"b1"},
		Block:  explore.Block{From: "a", By: "b"},
		Cancel: true, Accept: true, Apart: true,
	},
}

// Calls that meet leave everybody in one call at most, answer every invitation,
// and make one call of two that cross.
func TestGlare(t *testing.T) {
	for _, g := range glares {
		r, err := explore.RunGlare(g)
		if err != nil {
			t.Errorf("%s: %v", g.Name, err)
		}
		t.Log(r)
	}
}
