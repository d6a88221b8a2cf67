package call_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/call"
)

// Each reason, from each state that it can end, with the record it files.
func TestReasonsAndRecords(t *testing.T) {
	tests := []struct {
		name   string
		w      *world
		reason call.Reason
		kind   call.Kind
		length time.Duration
	}{
		{"completed", connected(t).wait(42*time.Second + 900*time.Millisecond).do(call.Hangup{Device: bob}), call.Completed, call.KindCompleted, 42 * time.Second},
		{"completed while someone asks for video", connected(t).do(call.SwitchType{Device: bob, Type: call.Audio}, call.SwitchType{Device: bob, Type: call.Video}).do(call.Hangup{Device: alice}), call.Completed, call.KindCompleted, 0},
		{"completed before media", connecting(t).wait(3 * time.Second).do(call.Hangup{Device: bob}), call.Completed, call.KindCompleted, 0},
		{"cancelled", ringing(t).do(call.Cancel{Device: alice}), call.Cancelled, call.KindCancelled, 0},
		{"hung up by the caller while it rings", ringing(t).do(call.Hangup{Device: alice}), call.Cancelled, call.KindCancelled, 0},
		{"rejected", ringing(t).do(call.Reject{Device: phone}), call.Rejected, call.KindRejected, 0},
		{"hung up by the callee while it rings", ringing(t).do(call.Hangup{Device: bob}), call.Rejected, call.KindRejected, 0},
		{"timeout", ringing(t).wait(time.Minute), call.Timeout, call.KindTimeout, 0},
		{"failed", connecting(t).wait(20 * time.Second), call.Failed, call.KindCompleted, 0},
		{"lost while ringing", ringing(t).do(call.Gone{Device: alice}).wait(10 * time.Second), call.Lost, call.KindCancelled, 0},
		{"lost in the call", connected(t).do(call.Report{Device: alice, Generation: 1}, call.Gone{Device: bob}).wait(30 * time.Second), call.Lost, call.KindCompleted, 30 * time.Second},
		{"superseded while ringing", ringing(t).do(call.Supersede{Device: alice}), call.Superseded, call.KindCancelled, 0},
		{"the callee calls somebody else by a device that rings", ringing(t).do(call.Supersede{Device: bob}), call.Rejected, call.KindRejected, 0},
		{"the callee calls somebody else by a device that does not", begin(t).do(call.Supersede{Device: phone}), call.Rejected, call.KindRejected, 0},
		{"superseded in the call", connected(t).do(call.Supersede{Device: bob}), call.Superseded, call.KindCompleted, 0},
		{"kicked while ringing", ringing(t).do(call.Kick{Device: alice}), call.Kicked, call.KindCancelled, 0},
		{"kicked in the call", connecting(t).do(call.Kick{Device: bob}), call.Kicked, call.KindCompleted, 0},
		{"ended by an operator while ringing", ringing(t).do(call.Terminate{}), call.Terminated, call.KindCancelled, 0},
		{"ended by an operator in the call", connected(t).do(call.Terminate{}), call.Terminated, call.KindCompleted, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.w.t = t
			tt.w.want(call.Ended, tt.reason).wantKind(tt.kind, tt.length)
			if m := tt.w.call.Media; m.Offer != "" || m.Answer != "" {
				t.Error("descriptions outlive the call")
			}
			if tt.w.call.Ask.By != "" {
				t.Error("an ask outlives the call")
			}
			if _, ok := tt.w.call.Deadline(); ok {
				t.Error("an ended call has a deadline")
			}
		})
	}
}

func TestBusy(t *testing.T) {
	c, _, err := call.NewBusy(invitation(), epoch)
	if err != nil {
		t.Fatal(err)
	}
	w := world{t: t, call: c}
	w.want(call.Ended, call.Busy).wantKind(call.KindBusy, 0)
	if c.Outcome.Actor != "bob" || c.Media.Offer != "" {
		t.Errorf("got %+v", c)
	}
}

func TestTombstone(t *testing.T) {
	c := call.Tombstone(id, alice, call.DefaultTiming(), epoch)
	w := world{t: t, call: c}
	w.want(call.Ended, call.Cancelled)
	if _, ok := c.Record(); ok {
		t.Error("a call that never was has a record")
	}
	if c.Role(alice) != call.CallerRole || c.Role(bob) != call.Outsider {
		t.Error("the tombstone is not its caller's alone")
	}
}

func TestSelfCall(t *testing.T) {
	in := invitation()
	in.Callee = "alice"
	if _, _, err := call.New(in, epoch); !errors.Is(err, call.SelfCall) {
		t.Errorf("got %v", err)
	}
}

// The first to be applied wins; the late one hears how it is.
func TestRaces(t *testing.T) {
	accept := call.Accept{Device: bob, Generation: 1, Answer: "v=0"}
	ringing(t).do(call.Cancel{Device: alice}, accept).refused(call.CallEnded).want(call.Ended, call.Cancelled)
	ringing(t).do(accept, call.Cancel{Device: alice}).refused(call.AlreadyAccepted).want(call.Connecting, 0)
	ringing(t).do(call.Reject{Device: phone}, accept).refused(call.CallEnded).want(call.Ended, call.Rejected)
	ringing(t).do(accept, call.Reject{Device: phone}).refused(call.AlreadyAccepted).want(call.Connecting, 0)
	ringing(t).do(accept, call.Accept{Device: phone, Generation: 1, Answer: "v=0"}).refused(call.AnsweredElsewhere)
	ringing(t).wait(time.Minute).do(accept).refused(call.CallEnded).want(call.Ended, call.Timeout)
	w := ringing(t)
	w.now = w.now.Add(time.Minute)
	w.do(accept, call.Tick{}).want(call.Connecting, 0) // The tick was late.
	ringing(t).do(call.Cancel{Device: alice}, call.Reject{Device: bob}).refused(call.CallEnded)
}

func TestOwnRingTimeouts(t *testing.T) {
	// One device's own time-out stops that one; the call rings on.
	w := begin(t).do(call.Ring{Device: bob, For: 5 * time.Second}, call.Ring{Device: phone}).wait(5*time.Second).want(call.Ringing, 0)
	if len(w.effects) != 1 || w.effects[0].Device != "b1" {
		t.Errorf("told: %v", w.effects)
	}
	if !w.call.RingEnd(bob).Stopped || w.call.RingEnd(phone).Stopped {
		t.Error("the wrong device stopped")
	}
	w.do(call.Accept{Device: bob, Generation: 1, Answer: "v=0"}).refused(call.RingStopped)
	w.do(call.Ring{Device: bob})
	if !w.call.RingEnd(bob).Stopped {
		t.Error("a device that stopped rings again")
	}
	// Nobody rings any more, and the caller does not learn that somebody did: for it the
	// call rings as long as for a callee who is offline.
	revs := w.call.RevFor("alice")
	w.do(call.StopRinging{Device: phone}).want(call.Ringing, 0)
	if len(w.effects) != 1 || w.effects[0].Device != "b2" || w.call.RevFor("alice") != revs {
		t.Errorf("told: %v, rev %d and before %d", w.effects, w.call.RevFor("alice"), revs)
	}
	w.wait(55*time.Second).want(call.Ended, call.Timeout)
	begin(t).do(call.Ring{Device: bob, For: 5 * time.Second}, call.Gone{Device: bob}).wait(30*time.Second).want(call.Ringing, 0)
	// By a late tick both are over, and the caller's rev tells of the end.
	w = begin(t).do(call.Ring{Device: bob, For: 5 * time.Second})
	shown := w.call.RevFor("alice")
	if w.late(time.Minute).want(call.Ended, call.Timeout); w.call.RevFor("alice") <= shown {
		t.Errorf("the end has rev %d for the caller, who was shown %d", w.call.RevFor("alice"), shown)
	}
	// A device's own time-out cannot outlast the call's.
	begin(t).do(call.Ring{Device: bob, For: 100 * time.Second}).wait(time.Minute).want(call.Ended, call.Timeout)
	// The caller's own.
	in := invitation()
	in.Ring = 20 * time.Second
	c, _, err := call.New(in, epoch)
	if err != nil {
		t.Fatal(err)
	}
	(&world{t: t, call: c, now: epoch}).wait(20*time.Second).want(call.Ended, call.Timeout)
}

// Who makes up device ids fills no call with them. One that is away makes room.
func TestRingersAreBounded(t *testing.T) {
	ring := func(i int) call.Ring {
		return call.Ring{Device: call.Device{Account: "bob", ID: call.DeviceID(fmt.Sprint("made up ", i))}}
	}
	w := begin(t)
	for i := range 3 * call.RingersMost {
		w.do(ring(i))
	}
	if n := len(w.call.Callee().Ringers); n != call.RingersMost {
		t.Errorf("%d ringers, at most %d", n, call.RingersMost)
	}
	w.do(call.StopRinging{Device: ring(99).Device})
	if n := len(w.call.Callee().Ringers); n != call.RingersMost {
		t.Errorf("%d ringers once one more has stopped", n)
	}
	w.do(call.Gone{Device: ring(3).Device}, ring(77))
	if n := len(w.call.Callee().Ringers); n != call.RingersMost || w.call.Callee().Ringers[n-1].Device.ID != "made up 77" {
		t.Errorf("%d ringers, the last one %v", n, w.call.Callee().Ringers[n-1])
	}
}

func TestGraces(t *testing.T) {
	noMedia := call.Report{Device: alice, Generation: 1}
	// The caller while it rings: 10 s, unless it is back.
	ringing(t).do(call.Gone{Device: alice}).wait(9*time.Second).want(call.Ringing, 0).
		do(call.Back{Device: again(alice)}).wait(30*time.Second).want(call.Ringing, 0)
	// In a call: 30 s, 10 s after leaving.
	connected(t).do(noMedia, call.Gone{Device: bob}).wait(29*time.Second).want(call.Connected, 0).wait(time.Second).want(call.Ended, call.Lost)
	connected(t).do(noMedia, call.Leave{Device: bob}, call.Gone{Device: bob}).wait(10*time.Second).want(call.Ended, call.Lost)
	// That it left once is forgotten when it is back.
	connected(t).do(noMedia, call.Leave{Device: bob}, call.Gone{Device: bob}, call.Back{Device: again(bob)}, call.Gone{Device: again(bob)}).
		wait(29*time.Second).want(call.Connected, 0)
	// Held to 40 s while the other side has media, and not a moment longer than it has.
	connected(t).do(call.Gone{Device: bob}).wait(39*time.Second).want(call.Connected, 0).wait(time.Second).want(call.Ended, call.Lost)
	connected(t).do(call.Gone{Device: bob}).wait(35*time.Second).do(noMedia).wait(0).want(call.Ended, call.Lost)
	// When both vanish nobody has media to report.
	w := connected(t).do(call.Gone{Device: alice}).wait(5*time.Second).do(call.Gone{Device: bob}).wait(25*time.Second).want(call.Ended, call.Lost)
	if w.call.Outcome.Actor != "alice" {
		t.Errorf("%s is named, want the first to go", w.call.Outcome.Actor)
	}
	// News of an old connection is no news.
	connected(t).do(call.Back{Device: again(bob)}, call.Gone{Device: bob}).wait(time.Minute).want(call.Connected, 0)
	// A late tick comes to what was due first.
	ringing(t).do(call.Gone{Device: alice}).late(time.Hour).want(call.Ended, call.Lost)
	w = ringing(t).wait(55 * time.Second)
	w.do(call.Gone{Device: alice}).late(time.Hour).want(call.Ended, call.Timeout)
	connecting(t).do(call.Gone{Device: bob}).late(time.Hour).want(call.Ended, call.Failed)
}

// After a crash graces restart, and the wait for media too: no device could send anything
// meanwhile.
func TestCrash(t *testing.T) {
	w := connecting(t)
	w.now = w.now.Add(10 * time.Minute)
	w.do(call.Gone{Device: alice, Finder: "n2"}, call.Gone{Device: bob, Finder: "n2"}).wait(19*time.Second).want(call.Connecting, 0)
	w = connected(t).do(call.Gone{Device: alice}, call.Gone{Device: bob})
	w.now = w.now.Add(10 * time.Minute)
	w.do(call.Gone{Device: alice, Finder: "n2"}, call.Gone{Device: bob, Finder: "n2"}).wait(29*time.Second).want(call.Connected, 0).
		wait(time.Second).want(call.Ended, call.Lost)
}

// Each death counts once, whoever else finds it; and again where who found it dies.
func TestCrashCountsOnce(t *testing.T) {
	for _, bothGone := range []func(*testing.T) *world{connecting, connected} {
		w := bothGone(t).do(call.Gone{Device: alice, Finder: "n2"}, call.Gone{Device: bob, Finder: "n2"}).wait(10 * time.Second)
		rev := w.call.Rev
		w.do(call.Gone{Device: alice, Finder: "n3"}, call.Gone{Device: bob, Finder: "n3"}, call.Gone{Device: alice, Finder: "n3", Former: "n1"})
		if w.call.Rev != rev {
			t.Errorf("rev went from %d to %d", rev, w.call.Rev)
		}
		at, _ := w.call.Deadline()
		w.do(call.Gone{Device: alice, Finder: "n3", Former: "n2"}, call.Gone{Device: bob, Finder: "n3", Former: "n2"})
		if later, _ := w.call.Deadline(); later.Sub(at) != 10*time.Second {
			t.Errorf("the deadline went from %s to %s", at, later)
		}
		w.do(call.Back{Device: again(alice)}, call.Gone{Device: again(alice), Finder: "n4"})
		if w.call.Caller().Finder != "n4" {
			t.Errorf("the caller is %+v", w.call.Caller())
		}
	}
}

func TestReload(t *testing.T) {
	w := connected(t).do(call.Gone{Device: alice}, call.Reload{Device: again(alice), Resume: true}).want(call.Connected, 0)
	m := w.call.Media
	if m.Generation != 2 || m.Rebuild != 2 || m.Offer != "" || m.Answer != "" || w.call.Caller().MediaUp || w.call.Callee().MediaUp {
		t.Errorf("media is %+v", m)
	}
	if w.call.Caller().Epoch != 2 || w.call.Caller().Device != again(alice) {
		t.Errorf("the leg is %+v", w.call.Caller())
	}
	// The old connection may not be known to be gone yet.
	connected(t).do(call.Reload{Device: again(bob)}).want(call.Ended, call.Lost)
	// A ringing device that reloads just rings again.
	w = ringing(t).do(call.Reload{Device: again(bob)}, call.Ring{Device: again(bob)}).want(call.Ringing, 0)
	w.do(call.Accept{Device: again(bob), Generation: 1, Answer: "v=0"}).want(call.Connecting, 0)
}

func TestGenerations(t *testing.T) {
	w := connected(t).do(call.Restart{Device: bob, From: 1}, call.Restart{Device: alice, From: 1})
	if w.call.Media.Generation != 2 || w.call.Media.Rebuild != 1 {
		t.Fatalf("two requests for one generation gave %+v", w.call.Media)
	}
	w.do(call.Offer{Device: alice, Generation: 1, SDP: "v=0 old"}).refused(call.StaleGeneration)
	w.do(call.Answer{Device: bob, Generation: 2, SDP: "v=0 early"}).refused(call.StaleGeneration)
	w.do(call.Offer{Device: alice, Generation: 2, SDP: "v=0 offer 2"})
	if len(w.effects) != 1 || w.effects[0].Device != "b1" || w.effects[0].With&call.WithOffer == 0 {
		t.Errorf("the offer is told by %v", w.effects)
	}
	w.do(call.Answer{Device: bob, Generation: 2, SDP: "v=0 answer 2"}, call.Answer{Device: bob, Generation: 2, SDP: "v=0 second"}).refused(call.StaleGeneration)
	w.do(call.Report{Device: bob, Generation: 1, Up: true})
	if w.call.Callee().MediaUp {
		t.Error("a report of an old generation counts")
	}
	// New connections that are needed since before a restart are needed still, once.
	w = connected(t).do(call.Restart{Device: bob, From: 1}, call.Restart{Device: alice, From: 1, Rebuild: true})
	if m := w.call.Media; m.Generation != 3 || m.Rebuild != 3 {
		t.Errorf("new connections asked for beside a restart gave %+v", m)
	}
	for _, from := range []uint32{1, 2, 4} {
		if m := w.do(call.Restart{Device: alice, From: from, Rebuild: true}).call.Media; m.Generation != 3 {
			t.Errorf("new connections that are there already, asked for from %d, gave %+v", from, m)
		}
	}
	// An offer renewed while it rings: the acceptance holds, its answer does not.
	w = ringing(t).do(call.Restart{Device: alice, From: 1, Rebuild: true}, call.Offer{Device: alice, Generation: 2, SDP: "v=0 offer 2"})
	if w.effects[0].Device != "" {
		t.Errorf("while it rings the offer is for all devices, got %v", w.effects)
	}
	w.do(call.Accept{Device: bob, Generation: 1, Answer: "v=0 old"}).want(call.Connecting, 0)
	if w.call.Media.Answer != "" || w.call.Needs(bob)&call.WithOffer == 0 {
		t.Errorf("media is %+v", w.call.Media)
	}
}

func TestGlareIsVideoOnlyIfBothAsked(t *testing.T) {
	for _, tt := range []struct{ first, second, want call.Type }{
		{call.Video, call.Video, call.Video}, {call.Video, call.Audio, call.Audio}, {call.Audio, call.Video, call.Audio}, {call.Other, call.Audio, call.Other},
	} {
		w := ringing(t)
		w.call.Type = tt.first
		if w.do(call.Merge{Device: bob, Type: tt.second}).call.Type != tt.want {
			t.Errorf("%d and %d make %d, want %d", tt.first, tt.second, w.call.Type, tt.want)
		}
	}
}

// S5 and S6: which device receives what, and what no device receives before the acceptance.
func TestSignals(t *testing.T) {
	type route struct {
		account call.Account
		device  call.DeviceID
		err     error
	}
	check := func(w *world, from call.Device, want route) {
		t.Helper()
		a, d, err := w.call.SignalTo(from)
		if (route{a, d, err}) != want {
			t.Errorf("candidates of %s/%s go to %s/%s, %v; want %v", from.Account, from.ID, a, d, err, want)
		}
	}
	check(ringing(t), alice, route{"bob", "", nil})
	check(ringing(t), bob, route{err: call.NotAccepted})
	check(ringing(t), laptop, route{err: call.WrongDevice})
	check(ringing(t), carol, route{err: call.Stranger})
	check(connecting(t), alice, route{"bob", "b1", nil})
	check(connecting(t), bob, route{"alice", "a1", nil})
	check(connecting(t), phone, route{err: call.WrongDevice})
	check(ended(t), alice, route{err: call.CallEnded})
	for _, e := range ringing(t).effects {
		if e.With&call.WithAnswer != 0 {
			t.Errorf("an answer is told while it rings: %v", e)
		}
	}
	// The caller is not to learn whether anybody rings.
	if w := begin(t).do(call.Ring{Device: bob}); len(w.effects) != 0 {
		t.Errorf("ringing is told to %v", w.effects)
	}
}

func TestRoles(t *testing.T) {
	for name, tt := range map[string]struct {
		w    *world
		want map[call.Device]call.Role
	}{
		"ringing":  {ringing(t), map[call.Device]call.Role{alice: call.CallerRole, laptop: call.Observer, bob: call.CalleeRole, phone: call.CalleeRole, carol: call.Outsider}},
		"answered": {connecting(t), map[call.Device]call.Role{alice: call.CallerRole, laptop: call.Observer, bob: call.CalleeRole, phone: call.Observer, carol: call.Outsider}},
	} {
		for d, want := range tt.want {
			if got := tt.w.call.Role(d); got != want {
				t.Errorf("%s: %s/%s is %d, want %d", name, d.Account, d.ID, got, want)
			}
		}
	}
}

// A call survives storage as it is.
func TestRoundTrip(t *testing.T) {
	for _, stage := range stages {
		was := stage.make(t).do(call.Gone{Device: bob}).call
		text, err := json.Marshal(was)
		if err != nil {
			t.Fatal(err)
		}
		var back call.Call
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(was, back); diff != "" {
			t.Errorf("%s:\n%s", stage.name, diff)
		}
	}
}

// The caller's card is that of the invitation, the callee's that of the acceptance, and
// nothing changes them after that.
func TestCards(t *testing.T) {
	cards := func(w *world) []call.Card { return []call.Card{w.call.Caller().Card, w.call.Callee().Card} }
	invite := invitation()
	invite.Card = call.Card{Name: "Alice", Avatar: "https://example.com/a"}
	c, _, err := call.New(invite, epoch)
	if err != nil {
		t.Fatal(err)
	}
	theirs := call.Card{Name: "Bob"}
	w := &world{t: t, call: c, now: epoch}
	w.do(call.Ring{Device: bob}, call.Back{Device: again(alice)})
	if diff := cmp.Diff([]call.Card{invite.Card, {}}, cards(w)); diff != "" {
		t.Fatalf("while it rings (-want +got):\n%s", diff)
	}
	w.do(call.Accept{Device: phone, Generation: 1, Answer: "v=0", Card: theirs})
	w.do(call.Accept{Device: phone, Generation: 1, Card: call.Card{Name: "Robert"}}, call.Accept{Device: bob, Generation: 1, Card: call.Card{Name: "Bobby"}})
	w.do(call.Back{Device: again(phone)}, call.Hangup{Device: again(alice)})
	if diff := cmp.Diff([]call.Card{invite.Card, theirs}, cards(w)); diff != "" {
		t.Fatalf("at the end (-want +got):\n%s", diff)
	}
	if r, ok := w.call.Record(); !ok || r.CallerCard != invite.Card || r.CalleeCard != theirs {
		t.Errorf("the record is %+v", r)
	}

	back := call.Invite{Caller: bob, Callee: "alice", Card: theirs}
	in, err := c.Meet(back)
	if err != nil {
		t.Fatal(err)
	}
	w = &world{t: t, call: c, now: epoch}
	if diff := cmp.Diff([]call.Card{invite.Card, theirs}, cards(w.do(in))); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
}
