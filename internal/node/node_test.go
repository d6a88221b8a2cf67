package node_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

const (
	ringing    = pealv1.CallState_CALL_STATE_RINGING
	connecting = pealv1.CallState_CALL_STATE_CONNECTING
	connected  = pealv1.CallState_CALL_STATE_CONNECTED
	ended      = pealv1.CallState_CALL_STATE_ENDED

	caller   = pealv1.Role_ROLE_CALLER
	callee   = pealv1.Role_ROLE_CALLEE
	observer = pealv1.Role_ROLE_OBSERVER
)

// want holds a snapshot to its state, reason and role.
func want(t *testing.T, u *pealv1.CallUpdate, state pealv1.CallState, reason pealv1.Reason, role pealv1.Role) {
	t.Helper()
	c := u.GetCall()
	if c.GetState() != state || c.GetReason() != reason || c.GetRole() != role {
		t.Fatalf("got %v %v %v, want %v %v %v", c.GetState(), c.GetReason(), c.GetRole(), state, reason, role)
	}
}

func wantError(t *testing.T, f *pealv1.ServerFrame, code protocol.Code) {
	t.Helper()
	if got := f.GetError().GetCode(); got != string(code) {
		t.Fatalf("got error %q, want %q", got, code)
	}
}

func TestAnswered(t *testing.T) {
	b := newBench(t)
	alice, bob, phone, carol := b.login("alice", "a"), b.login("bob", "b1"), b.login("bob", "b2"), b.login("carol", "c")

	r := alice.invite(1, "bob")
	want(t, r.GetCall(), ringing, 0, caller)
	if len(r.GetCall().IceServers) == 0 || r.GetCall().Offer != "" {
		t.Errorf("the caller gets %v", r)
	}
	for _, d := range []*client{bob, phone} {
		u := d.event()
		want(t, u, ringing, 0, callee)
		if u.Offer != "v=0 offer" || len(u.IceServers) == 0 || u.Call.RingRemainingMs != 60_000 {
			t.Errorf("a ringing device gets %v", u)
		}
	}
	bob.do(&pealv1.Ringing{CallId: callID(1)})
	alice.quiet() // Whether anyone rings is not the caller's to know.

	want(t, bob.accept(1).GetCall(), connecting, 0, callee)
	u := alice.event()
	want(t, u, connecting, 0, caller)
	if u.Answer != "v=0 answer" {
		t.Errorf("the caller gets the answer %q", u.Answer)
	}
	u = phone.event()
	want(t, u, connecting, 0, observer)
	if u.Offer+u.Answer != "" || len(u.IceServers) > 0 {
		t.Errorf("an observer gets %v", u)
	}
	bob.quiet()

	alice.do(&pealv1.MediaReport{CallId: callID(1), Generation: 1, Up: true})
	bob.event()
	want(t, bob.do(&pealv1.MediaReport{CallId: callID(1), Generation: 1, Up: true}).GetCall(), connected, 0, callee)
	want(t, alice.event(), connected, 0, caller)

	b.wait(42 * time.Second)
	u = bob.hangup(1).GetCall()
	want(t, u, ended, pealv1.Reason_REASON_COMPLETED, callee)
	if u.Call.Record.GetDurationS() != 42 || u.Call.Actor != "bob" || u.Call.ActorDevice != "b1" {
		t.Errorf("the ending is %v", u.Call)
	}
	want(t, alice.event(), ended, pealv1.Reason_REASON_COMPLETED, caller)
	want(t, phone.event(), ended, pealv1.Reason_REASON_COMPLETED, observer)
	carol.quiet()
}

// What a device is to an ended call that it never was in.
const bystander = observer

func TestUnansweredEndings(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	tests := []struct {
		name   string
		end    func(n int)
		reason pealv1.Reason
	}{
		{"cancel", func(n int) { alice.do(&pealv1.Cancel{CallId: callID(n)}) }, pealv1.Reason_REASON_CANCELLED},
		{"reject", func(n int) { bob.do(&pealv1.Reject{CallId: callID(n)}) }, pealv1.Reason_REASON_REJECTED},
		{"time-out", func(int) { b.wait(time.Minute) }, pealv1.Reason_REASON_TIMEOUT},
		{"caller gone", func(int) { alice.drop(); b.wait(11 * time.Second); alice = b.login("alice", "a") }, pealv1.Reason_REASON_LOST},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			alice.invite(i+1, "bob")
			want(t, bob.event(), ringing, 0, callee)
			tt.end(i + 1)
			bob.events()
			want(t, bob.hangup(i+1).GetCall(), ended, tt.reason, bystander)
			alice.events()
			b.wait(time.Minute) // For the quota.
		})
	}
}

func TestBusy(t *testing.T) {
	b := newBench(t)
	alice, bob, carol := b.login("alice", "a"), b.login("bob", "b"), b.login("carol", "c")
	alice.invite(1, "bob")
	bob.events()
	u := carol.invite(2, "bob").GetCall()
	want(t, u, ended, pealv1.Reason_REASON_BUSY, caller)
	if u.Call.Record.GetKind() != pealv1.RecordKind_RECORD_KIND_BUSY {
		t.Errorf("the record is %v", u.Call.Record)
	}
	// The busy one receives it for its records, and rings for nobody.
	u = bob.event()
	want(t, u, ended, pealv1.Reason_REASON_BUSY, bystander)
	if u.Call.Record.GetCaller() != "carol" {
		t.Errorf("the busy one is told of %v", u.Call)
	}
	// My own account is in a call on another device: no call at all.
	laptop := b.login("alice", "a2")
	wantError(t, laptop.invite(3, "carol"), protocol.BusyElsewhere)
	carol.quiet()
	if _, err := b.memory.Call(context.Background(), call.ID(callID(3))); err == nil {
		t.Error("a call was made of an invitation that was refused")
	}
	alice.hangup(1)
	want(t, carol.invite(4, "bob").GetCall(), ringing, 0, caller)
}

// Whoever rings somebody without pause does not cut that person off: an account
// that is only rung calls by another device, which declines what rings.
func TestWhoIsRungMayCall(t *testing.T) {
	b := newBench(t)
	mallory, bob, laptop, carol := b.login("mallory", "m"), b.login("bob", "b"), b.login("bob", "b2"), b.login("carol", "c")
	mallory.invite(1, "bob")
	bob.events()
	laptop.events()
	want(t, laptop.invite(2, "carol").GetCall(), ringing, 0, caller)
	want(t, mallory.event(), ended, pealv1.Reason_REASON_REJECTED, caller)
	want(t, bob.event(), ended, pealv1.Reason_REASON_REJECTED, bystander)
	want(t, carol.event(), ringing, 0, callee)
	// By the same device as well: a client may have its own view of what rings.
	laptop.hangup(2)
	mallory.invite(3, "bob")
	want(t, laptop.invite(4, "carol").GetCall(), ringing, 0, caller)
}

// Whether the callee rings, is offline or is nobody at all: the caller sees the same.
func TestTheCallerCannotTellWhoIsThere(t *testing.T) {
	seen := func(ring func(b *bench)) string {
		b := newBench(t)
		alice := b.login("alice", "a")
		alice.invite(1, "bob")
		ring(b)
		tracks := &pealv1.TrackReport{CallId: callID(1), Tracks: &pealv1.Tracks{Audio: true}}
		during := alice.do(tracks)
		b.wait(time.Minute)
		var all []string
		for _, f := range append([]*pealv1.ServerFrame{during}, alice.events()...) {
			f.GetCall().Call.CreatedAt, f.GetCall().Call.EndedAt, f.GetCall().Call.Record = nil, nil, nil
			all = append(all, f.String())
		}
		return strings.Join(append(all, b.bodies(alice, 1)), "\n")
	}
	offline := seen(func(*bench) {})
	for name, ring := range map[string]func(b *bench){
		"rings": func(b *bench) { b.login("bob as Bob", "b").do(&pealv1.Ringing{CallId: callID(1)}) },
		"rings on two devices, one of which goes": func(b *bench) {
			phone := b.login("bob as Bob", "b2")
			phone.do(&pealv1.Ringing{CallId: callID(1), RingTimeoutMs: 20_000})
			b.login("bob as Bob", "b").do(&pealv1.Ringing{CallId: callID(1)})
			phone.drop()
		},
	} {
		if got := seen(ring); got != offline {
			t.Errorf("when the callee %s the caller sees\n%s\nand not, as when it is offline,\n%s", name, got, offline)
		}
	}
}

func TestSuperseded(t *testing.T) {
	b := newBench(t)
	alice, bob, carol := b.login("alice", "a"), b.login("bob", "b"), b.login("carol", "c")
	alice.invite(1, "bob")
	bob.events()
	want(t, alice.invite(2, "carol").GetCall(), ringing, 0, caller)
	want(t, bob.event(), ended, pealv1.Reason_REASON_SUPERSEDED, observer)
	want(t, carol.event(), ringing, 0, callee)
}

func TestGlare(t *testing.T) {
	b := newBench(t)
	alice, bob, phone := b.login("alice", "a"), b.login("bob", "b"), b.login("bob", "b2")
	alice.invite(1, "bob")
	bob.events()
	phone.events()
	u := bob.invite(2, "alice").GetCall()
	want(t, u, connecting, 0, callee)
	if u.MergedInto != callID(1) || u.Call.CallId != callID(1) || u.Offer != "v=0 offer" || len(u.IceServers) == 0 {
		t.Fatalf("the second invitation is answered by %v", u)
	}
	want(t, alice.event(), connecting, 0, caller)
	want(t, phone.event(), connecting, 0, observer)
	// Repeated, as after a lost answer, it says the same.
	if again := bob.invite(2, "alice").GetCall(); again.MergedInto != callID(1) {
		t.Errorf("repeated, it is answered by %v", again)
	}
	bob.do(&pealv1.Answer{CallId: callID(1), Generation: 1, Sdp: "v=0 late"})
	if u := alice.event(); u.Answer != "v=0 late" {
		t.Errorf("the first caller gets %v", u)
	}
	if live, _ := b.memory.Live(context.Background(), "", 10); len(live) != 1 {
		t.Errorf("%d live calls, want 1", len(live))
	}
}

// An invitation that was merged calls nobody, however late a copy of it arrives: see ADR 42.
func TestLateCopyOfMergedInvitation(t *testing.T) {
	b := newBench(t)
	alice, bob, carol := b.login("alice", "a"), b.login("bob", "b"), b.login("carol", "c")
	alice.invite(1, "bob")
	bob.events()
	bob.invite(2, "alice")
	alice.hangup(1)
	alice.events()
	bob.events()
	copied := bob.invite(2, "alice").GetCall()
	if copied.MergedInto != callID(1) || copied.Call.State != ended {
		t.Errorf("a late copy is answered by %v", copied)
	}
	if rung := alice.events(); len(rung) > 0 {
		t.Errorf("the late copy sends %v", rung)
	}
	if live, _ := b.memory.Live(context.Background(), "", 10); len(live) > 0 {
		t.Errorf("%d live calls, want none", len(live))
	}
	// A cancellation that crossed the merge is answered as for an invitation that never arrived.
	if u := bob.do(&pealv1.Cancel{CallId: callID(2)}).GetCall().GetCall(); u.GetState() != ended || u.GetCallId() != callID(2) {
		t.Errorf("the cancellation is answered by %v", u)
	}
	wantError(t, carol.invite(2, "bob"), protocol.CallIDTaken)
}

func TestRefusals(t *testing.T) {
	b := newBench(t)
	alice, bob, carol := b.login("alice", "a"), b.login("bob", "b"), b.login("carol", "c")
	wantError(t, alice.invite(1, "alice"), protocol.SelfCall)
	wantError(t, alice.hangup(9), protocol.NoSuchCall)
	alice.invite(2, "bob")
	bob.events()
	for name, f := range map[string]*pealv1.ServerFrame{
		"hangup":     carol.hangup(2),
		"cancel":     carol.do(&pealv1.Cancel{CallId: callID(2)}),
		"accept":     carol.accept(2),
		"answer":     carol.do(&pealv1.Answer{CallId: callID(2), Generation: 1, Sdp: "v=0"}),
		"candidates": carol.do(&pealv1.Candidates{CallId: callID(2), Generation: 1}),
	} {
		if f.GetError().GetCode() != string(protocol.NoSuchCall) || f.GetCall() != nil {
			t.Errorf("a stranger's %s is answered by %v", name, f)
		}
	}
	wantError(t, carol.invite(2, "bob"), protocol.CallIDTaken)
	wantError(t, bob.do(&pealv1.Cancel{CallId: callID(2)}), protocol.WrongDevice)
	wantError(t, alice.accept(2), protocol.WrongDevice)
	want(t, bob.accept(2).GetCall(), connecting, 0, callee)
	late := alice.do(&pealv1.Cancel{CallId: callID(2)})
	wantError(t, late, protocol.AlreadyAccepted)
	want(t, late.GetCall(), connecting, 0, caller)
	bob.hangup(2)
	late = alice.do(&pealv1.Cancel{CallId: callID(2)})
	wantError(t, late, protocol.CallEnded)
	want(t, late.GetCall(), ended, pealv1.Reason_REASON_COMPLETED, caller)
}

func TestCancelBeforeInvite(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	want(t, alice.do(&pealv1.Cancel{CallId: callID(1)}).GetCall(), ended, pealv1.Reason_REASON_CANCELLED, caller)
	u := alice.invite(1, "bob").GetCall()
	want(t, u, ended, pealv1.Reason_REASON_CANCELLED, caller)
	if u.Call.Record != nil {
		t.Errorf("a call that never was has the record %v", u.Call.Record)
	}
	bob.quiet()
}

func TestCandidates(t *testing.T) {
	b := newBench(t)
	alice, bob, phone := b.login("alice", "a"), b.login("bob", "b"), b.login("bob", "b2")
	send := func(c *client, names ...string) *pealv1.ServerFrame {
		m := &pealv1.Candidates{CallId: callID(1), Generation: 1}
		for _, n := range names {
			m.Candidates = append(m.Candidates, &pealv1.Candidate{Candidate: n})
		}
		return c.do(m)
	}
	got := func(c *client) int {
		n := 0
		for _, f := range c.events() {
			n += len(f.GetCandidates().GetCandidates())
		}
		return n
	}
	alice.invite(1, "bob")
	send(alice, "x", "y")
	if got(bob) != 2 || got(phone) != 2 {
		t.Error("the ringing devices lack the caller's candidates")
	}
	wantError(t, send(bob, "z"), protocol.NotAccepted)
	alice.quiet()
	bob.accept(1)
	alice.events()
	phone.events()
	send(bob, "z")
	send(alice, "x", "y")
	if got(alice) != 1 || got(bob) != 2 || got(phone) != 0 {
		t.Error("after the acceptance candidates pass between the two devices alone")
	}
	wantError(t, send(phone, "z"), protocol.WrongDevice)
	for i := range b.limits.Candidates - 2 {
		send(alice, "x", fmt.Sprint(i))
		b.wait(100 * time.Millisecond)
	}
	wantError(t, send(alice, "one more"), protocol.LimitExceeded)
	if send(alice, "x").GetDone() == nil {
		t.Error("a candidate may be sent again")
	}
}

// A commit whose result is unknown is read back before anyone hears of it.
func TestUnknownCommits(t *testing.T) {
	for name, fault := range map[string]store.Fault{"not done": store.Skip, "done": store.Hide} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			alice, bob := b.login("alice", "a"), b.login("bob", "b")
			b.fault, b.faults = fault, 1
			want(t, alice.invite(1, "bob").GetCall(), ringing, 0, caller)
			u := bob.event()
			want(t, u, ringing, 0, callee)
			if u.Offer == "" {
				t.Error("the offer is missing")
			}
			b.faults = 1
			want(t, bob.accept(1).GetCall(), connecting, 0, callee)
			events := alice.events()
			if len(events) == 0 || events[len(events)-1].GetCall().GetAnswer() == "" {
				t.Errorf("the caller hears %v", events)
			}
			b.faults = 1
			alice.hangup(1)
			if events := bob.events(); events[len(events)-1].GetCall().GetCall().GetState() != ended {
				t.Errorf("the callee hears %v", events)
			}
			if r, _ := b.memory.Records(context.Background(), "bob", store.Newest(9)); len(r) != 1 {
				t.Errorf("%d records, want 1", len(r))
			}
		})
	}
}

func TestStoreDown(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	b.fault, b.faults = store.Skip, 100
	f := alice.invite(1, "bob")
	wantError(t, f, protocol.Unavailable)
	if !f.Error.Retry {
		t.Error("the client is not told to try again")
	}
	bob.quiet()
	b.faults = 0
	want(t, alice.invite(1, "bob").GetCall(), ringing, 0, caller)
	want(t, bob.event(), ringing, 0, callee)
	// What the node has to do by itself it tries until it is done.
	b.faults = 100
	alice.drop()
	b.wait(5 * time.Second)
	b.faults = 0
	b.wait(15 * time.Second)
	events := bob.events()
	want(t, events[len(events)-1].GetCall(), ended, pealv1.Reason_REASON_LOST, observer)
}

// A device that was refused because the store was away goes on receiving updates of its call: also
// those of another node meanwhile.
func TestToldAfterStoreDown(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.accept(1)
	bob.events()
	b.elsewhere(1, func(c *call.Call) call.Input { return call.Restart{Device: c.Caller().Device, From: 1} })
	b.unread = 100
	wantError(t, bob.do(&pealv1.Answer{CallId: callID(1), Generation: 2, Sdp: "v=0 answer"}), protocol.Unavailable)
	bob.quiet()
	b.unread = 0
	up := &pealv1.MediaReport{CallId: callID(1), Generation: 1, Up: true}
	if r := bob.mention(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Media{Media: up}}); r != nil {
		t.Errorf("the report is answered by %v", r)
	}
	if c := bob.event().GetCall(); c.GetGeneration() != 2 {
		t.Errorf("bob hears of generation %d", c.GetGeneration())
	}
}

// What another node tells does not take the place of reading what a commit came to:
// no device here has received that.
func TestToldByAnotherNodeMeanwhile(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.events()
	b.fault, b.faults, b.unread = store.Hide, 1, 100
	wantError(t, bob.accept(1), protocol.Unavailable)
	ended := b.elsewhere(1, func(c *call.Call) call.Input { return call.Hangup{Device: c.Caller().Device} })
	b.step(node.Heard{Message: bus.Message{Account: "alice", Device: "a", Call: &ended}})
	b.unread = 0
	b.wait(2 * time.Second)
	for _, c := range []*client{alice, bob} {
		events := c.events()
		if len(events) == 0 || events[len(events)-1].GetCall().GetCall().GetReason() != pealv1.Reason_REASON_COMPLETED {
			t.Errorf("%v hears %v", c, events)
		}
	}
	if held := b.node.Held(); held.Calls != 0 {
		t.Errorf("the node holds %+v, and no call is live", held)
	}
}

// A node that dies takes no call with it; graces count from the next start.
func TestRestart(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.accept(1)
	alice.do(&pealv1.MediaReport{CallId: callID(1), Generation: 1, Up: true})
	bob.do(&pealv1.MediaReport{CallId: callID(1), Generation: 1, Up: true})
	b.now = b.now.Add(5 * time.Minute) // Longer than any grace.
	b.boot()
	b.wait(20 * time.Second)
	alice = b.open()
	w := alice.do(&pealv1.Hello{Token: "alice", DeviceId: "a"}).GetWelcome()
	want(t, w.GetCalls()[0], connected, 0, caller)
	b.wait(11 * time.Second)
	alice.quiet() // Its media is up: the other side's connection may yet come back.
	b.wait(10 * time.Second)
	u := alice.event()
	want(t, u, ended, pealv1.Reason_REASON_LOST, caller)
	if u.Call.Actor != "bob" {
		t.Errorf("%s was lost, want bob", u.Call.Actor)
	}
}

func TestLogoutEndsTheCallAndOnlyItsOwn(t *testing.T) {
	b := newBench(t)
	alice, bob, phone := b.login("alice", "a"), b.login("bob", "b"), b.login("bob", "b2")
	alice.invite(1, "bob")
	phone.events()
	phone.do(&pealv1.Logout{})
	alice.quiet() // It rings on at the other device.
	want(t, bob.accept(1).GetCall(), connecting, 0, callee)
	alice.events()
	bob.do(&pealv1.Logout{})
	want(t, alice.event(), ended, pealv1.Reason_REASON_COMPLETED, caller)
	if bob.closed != string(protocol.LoggedOut) {
		t.Errorf("closed as %q", bob.closed)
	}
}

func TestQuota(t *testing.T) {
	b := newBench(t)
	alice := b.login("alice", "a")
	for i := range b.limits.PairPerMin {
		alice.invite(i, "bob")
		alice.hangup(i)
	}
	f := alice.invite(90, "bob")
	wantError(t, f, protocol.RateLimited)
	if f.Error.RetryAfterMs == 0 {
		t.Error("the client is not told when to try again")
	}
	for i := range b.limits.InvitesPerMin - b.limits.PairPerMin {
		n := 10 + i
		alice.invite(n, "callee"+string(rune('a'+i)))
		alice.hangup(n)
	}
	wantError(t, alice.invite(91, "zoe"), protocol.RateLimited)
	b.wait(time.Minute)
	want(t, alice.invite(92, "bob").GetCall(), ringing, 0, caller)
}

func TestStopping(t *testing.T) {
	b := newBench(t)
	alice := b.login("alice", "a")
	b.step(node.Stopping{})
	events := alice.events()
	bye := events[len(events)-1].GetGoodbye()
	if !bye.GetReconnect() || bye.GetError().GetCode() != string(protocol.ShuttingDown) || b.node.Held().Connections != 0 {
		t.Errorf("got %v, %d connections left", bye, b.node.Held().Connections)
	}
	if late := b.open(); late.closed != string(protocol.ShuttingDown) {
		t.Errorf("a late connection is closed as %q", late.closed)
	}
}

// The same device connecting again takes the place of its older connection,
// and of its call; another device does not.
func TestReplaced(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.accept(1)
	alice.events()
	again := b.open()
	w := again.do(&pealv1.Hello{Token: "alice", DeviceId: "a"}).GetWelcome()
	want(t, w.GetCalls()[0], connecting, 0, caller)
	if alice.closed != string(protocol.Replaced) {
		t.Errorf("the older connection is closed as %q", alice.closed)
	}
	if other := b.login("alice", "a2"); again.closed != "" || other.closed != "" {
		t.Error("another device of the account takes a place")
	}
	b.wait(15 * time.Second)
	want(t, bob.hangup(1).GetCall(), ended, pealv1.Reason_REASON_COMPLETED, callee)
}

func TestTooManyDevices(t *testing.T) {
	b := newBench(t)
	for i := range b.limits.Devices {
		b.login("alice", fmt.Sprint("a", i))
	}
	more := b.open()
	wantError(t, more.do(&pealv1.Hello{Token: "alice", DeviceId: "more"}), protocol.TooManyDevices)
	if more.closed != string(protocol.TooManyDevices) {
		t.Errorf("closed as %q", more.closed)
	}
	b.login("alice", "a0") // One that takes a place is not one more.
	b.login("bob", "b")
}

// A silent connection is found, and its call begins the grace.
func TestSilentDevice(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.accept(1)
	alice.events()
	bob.silent = true
	b.wait(11 * time.Second)
	if bob.closed != "silent" {
		t.Fatalf("closed as %q", bob.closed)
	}
	u := alice.event()
	want(t, u, connecting, 0, caller)
	if u.Call.Callee.Present {
		t.Error("the other side is not told that it is gone")
	}
}

// A call that ends while it is read for a hello is not sent as one that rings, and
// nothing of it is kept.
func TestEndedWhileGreeted(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.open()
	alice.invite(1, "bob")
	rings := b.stored(1)
	hello := &pealv1.Hello{Token: "bob", DeviceId: "b", Fresh: true}
	var list node.List
	for _, e := range b.node.Step(b.now, node.Received{Conn: bob.conn, Frame: &pealv1.ClientFrame{Id: 1, Command: &pealv1.ClientFrame_Hello{Hello: hello}}}) {
		if l, ok := e.(node.List); ok {
			list = l
		}
	}
	alice.do(&pealv1.Cancel{CallId: callID(1)})
	b.step(node.Listed{Ticket: list.Ticket, Calls: []call.Call{rings}})
	got := bob.events()
	if len(got) != 2 || len(got[0].GetWelcome().GetCalls()) != 0 || got[1].GetCall().GetCall().GetState() != ended {
		t.Errorf("bob is told %v", got)
	}
	if held := b.node.Held(); held.Calls != 0 {
		t.Errorf("the node holds %+v, and no call is live", held)
	}
}

// A connection that dies while its device is being greeted is noticed all the
// same, though the call has taken the device back.
func TestGoneWhileGreeted(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.accept(1)
	bob.drop()
	alice.events()
	bob = b.open()
	b.meddle = bob.drop
	b.step(node.Received{Conn: bob.conn, Frame: &pealv1.ClientFrame{Id: 1, Command: &pealv1.ClientFrame_Hello{
		Hello: &pealv1.Hello{Token: "bob", DeviceId: "b"},
	}}})
	if b.meddle != nil {
		t.Fatal("the call was not told that the device is back")
	}
	events := alice.events()
	if len(events) == 0 || events[len(events)-1].GetCall().GetCall().GetCallee().GetPresent() {
		t.Errorf("the other side hears %v", events)
	}
}

// What a program asked for takes effect when it has been started again, and welcomed: it
// hears of the call that it is in.
func TestStartedAgainWhileTheInvitationIsMade(t *testing.T) {
	b := newBench(t)
	alice := b.login("alice", "a")
	before := alice
	b.meddle = func() {
		b.busy = false // The store takes its time.
		before.drop()
		alice = b.login("alice", "a")
		b.busy = true
	}
	b.step(node.Received{Conn: before.conn, Frame: &pealv1.ClientFrame{Id: 9, Command: &pealv1.ClientFrame_Invite{
		Invite: &pealv1.Invite{CallId: callID(1), Callee: "bob", Type: pealv1.CallType_CALL_TYPE_VIDEO, Offer: "v=0 offer"},
	}}})
	if c := b.stored(1); !c.Caller().Gone.IsZero() {
		t.Error("the call takes the device for gone")
	}
	want(t, alice.event(), ringing, 0, caller)
}

// A connection may end, as a newer one of its device takes its place, while the calls of that are
// read: a program that was started again counts as such all the same, and receives its call once.
func TestBackBeforeTheConnectionBeforeIsGone(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		b := newBench(t)
		alice, bob := b.login("alice", "a"), b.login("bob", "b")
		alice.invite(1, "bob")
		bob.accept(1)
		bob.events()
		b.slowLists = true
		again := b.open()
		w := again.do(&pealv1.Hello{Token: "alice", DeviceId: "a", Fresh: fresh, Resume: fresh}).GetWelcome()
		if alice.closed != "replaced" || len(w.GetCalls()) != 1 {
			t.Fatalf("the connection before is closed with %q, and the welcome is %v", alice.closed, w)
		}
		again.quiet()
		generation := uint32(1)
		if fresh {
			generation = 2
		}
		events := bob.events()
		last := events[len(events)-1].GetCall().GetCall()
		if w.Calls[0].Call.Generation != generation || last.GetGeneration() != generation || !last.GetCaller().GetPresent() {
			t.Errorf("fresh %v: the welcome tells of %v, and the other side hears %v", fresh, w.Calls[0].Call, last)
		}
	}
}

// Another node counted this one as dead and gave a call Gone for its device: the device is here,
// and this node gives Back to the call.
func TestTakenForDead(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.accept(1)
	alice.events()
	buried := b.elsewhere(1, func(c *call.Call) call.Input { return call.Gone{Device: c.Callee().Device, Finder: "another"} })
	b.step(node.Heard{Message: bus.Message{Account: "alice", Device: "a", Call: &buried}})
	events := alice.events()
	if c := events[len(events)-1].GetCall().GetCall(); !c.GetCallee().GetPresent() || c.GetRev() != buried.Rev+1 {
		t.Errorf("the other side hears %v", c)
	}
}

// What a device asked by its connection before took effect when it was here already:
// it asks again, and is back.
func TestAskingAgainByANewerConnection(t *testing.T) {
	b := newBench(t)
	bob := b.login("bob", "b")
	before := call.Device{Account: "bob", ID: "b", Conn: call.Connection{Incarnation: "dead", Seq: 1}}
	c, _, err := call.New(call.Invite{
		ID: call.ID(callID(1)), Callee: "bob", Type: call.Audio, Timing: call.DefaultTiming(),
		Caller: call.Device{Account: "alice", ID: "a", Conn: call.Connection{Incarnation: "dead", Seq: 2}},
	}, b.now)
	if err != nil {
		t.Fatal(err)
	}
	c.Rev = 0
	for _, in := range []call.Input{call.Accept{Device: before, Generation: 1, Answer: "v=0 answer"}, call.Gone{Device: before}} {
		if c, _, err = call.Step(c, in, b.now); err != nil {
			t.Fatal(err)
		}
	}
	c.Rev = 1
	if r, err := b.memory.Commit(t.Context(), []store.Change{{Call: c}}); err != nil || r[0].Verdict != store.Done {
		t.Fatal(r, err)
	}
	want(t, bob.accept(1).GetCall(), connecting, 0, callee)
	if c, err = b.memory.Call(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	if l := c.Callee(); !l.Gone.IsZero() || l.Device == before {
		t.Errorf("the device is taken for gone: %+v", *l)
	}
}

// A welcome tells of the latest calls that have ended, and no more: anybody may make
// many with an account.
func TestWelcomeIsBounded(t *testing.T) {
	b := newBench(t)
	b.limits.InvitesPerMin, b.limits.PairPerMin, b.limits.RingsPerMin = 1000, 1000, 1000
	b.boot()
	alice := b.login("alice", "a")
	for n := 1; n <= 40; n++ {
		alice.do(&pealv1.Invite{CallId: callID(n), Callee: "bob", Type: pealv1.CallType_CALL_TYPE_AUDIO, Offer: "v=0", Attachment: "read this"})
		alice.do(&pealv1.Cancel{CallId: callID(n)})
		b.wait(time.Second)
	}
	alice.do(&pealv1.Invite{CallId: callID(41), Callee: "bob", Type: pealv1.CallType_CALL_TYPE_AUDIO, Offer: "v=0", Attachment: "read this"})
	bob := b.open()
	w := bob.do(&pealv1.Hello{Token: "bob", DeviceId: "b"}).GetWelcome()
	if len(w.GetCalls()) != 33 {
		t.Fatalf("the welcome tells of %d calls", len(w.GetCalls()))
	}
	for i, u := range w.Calls {
		attachment := ""
		if i == 32 {
			attachment = "read this"
		}
		if u.Call.CallId != callID(9+i) || u.Call.Attachment != attachment {
			t.Errorf("%d is %s with %q", i, u.Call.CallId, u.Call.Attachment)
		}
	}
}

// An invitation that was refused because the store was away may have been committed all
// the same. Its client may never ask again, so the node itself ends the call.
func TestRefusedInvitationHoldsNobody(t *testing.T) {
	b := newBench(t)
	alice, bob, carol := b.login("alice", "a"), b.login("bob", "b"), b.login("carol", "c")
	b.fault, b.faults, b.after = store.Hide, 1, func() { b.unread = 100 }
	wantError(t, alice.invite(1, "bob"), protocol.Unavailable)
	b.unread = 0
	b.wait(2 * time.Second)
	for _, f := range bob.events() {
		if f.GetCall().GetCall().GetState() != ended {
			t.Errorf("the callee rings for an invitation that was refused: %v", f)
		}
	}
	want(t, carol.invite(2, "bob").GetCall(), ringing, 0, caller)
	carol.hangup(2)
	want(t, alice.invite(3, "bob").GetCall(), ringing, 0, caller)
	alice.hangup(3)
	if held := b.node.Held(); held.Calls != 0 {
		t.Errorf("the node holds %+v, and no call is live", held)
	}
}

// A client that repeats the invitation, as the error asks, gets its call.
func TestRefusedInvitationIsRepeated(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	b.fault, b.faults, b.after = store.Hide, 1, func() { b.unread = 100 }
	wantError(t, alice.invite(1, "bob"), protocol.Unavailable)
	wantError(t, alice.invite(1, "bob"), protocol.Unavailable)
	b.unread = 0
	want(t, alice.invite(1, "bob").GetCall(), ringing, 0, caller)
	want(t, bob.event(), ringing, 0, callee)
	b.wait(5 * time.Second)
	bob.quiet()
	want(t, bob.accept(1).GetCall(), connecting, 0, callee)
}

// A backend ends a call in any state, hears how it ended, and hears the same when it repeats that.
func TestTerminate(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	terminate := func(n int) node.Terminated {
		t.Helper()
		b.told = nil
		b.step(node.Terminate{Request: 7, ID: call.ID(callID(n))})
		answer, ok := b.told[len(b.told)-1].(node.Terminated)
		if !ok || answer.Request != 7 {
			t.Fatalf("the backend hears %v", b.told)
		}
		return answer
	}
	if answer := terminate(1); answer.Error.GetCode() != string(protocol.NoSuchCall) || answer.Call != nil {
		t.Errorf("no call: %+v", answer)
	}
	alice.invite(1, "bob")
	bob.accept(1)
	alice.events()
	first := terminate(1)
	if first.Error != nil || first.Call.Outcome.Reason != call.Terminated {
		t.Errorf("the call ended as %+v", first)
	}
	for _, c := range []*client{alice, bob} {
		events := c.events()
		want(t, events[len(events)-1].GetCall(), ended, pealv1.Reason_REASON_SERVER, roleOf(c))
	}
	if second := terminate(1); second.Error != nil || second.Call.Outcome != first.Call.Outcome || second.Call.Rev != first.Call.Rev {
		t.Errorf("repeated: %+v", second)
	}
	b.unread = 1000
	b.told = nil
	b.step(node.Terminate{Request: 8, ID: call.ID(callID(2))})
	b.wait(6 * time.Second)
	if answer, ok := b.told[len(b.told)-1].(node.Terminated); !ok || answer.Error.GetCode() != string(protocol.Unavailable) {
		t.Errorf("while the store is away: %v", b.told)
	}
}

func roleOf(c *client) pealv1.Role {
	if c.account == "alice" {
		return caller
	}
	return callee
}
