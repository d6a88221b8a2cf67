package node_test

import (
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// A store that is away for longer than a lease lets all leases run out. No node is dead for
// that, until the others have had a lease's time to come back.
func TestStoreAwayIsNobodysDeath(t *testing.T) {
	b := several(t)
	alice, bob := b.answeredElsewhere()
	b.elsewhere(1, func(*call.Call) call.Input { return call.Report{Device: bob, Generation: 1, Up: true} })
	alice.do(&pealv1.MediaReport{CallId: callID(1), Generation: 1, Up: true})
	b.alive = []string{"other"}
	b.wait(10 * time.Second)
	b.unheard = true
	b.wait(9 * time.Second)
	b.unheard, b.alive = false, nil // The other one is slower to come back.
	b.wait(5 * time.Second)
	if c := b.stored(1); !c.Callee().Gone.IsZero() {
		t.Error("the device counts as gone, and the store was away")
	}
	b.alive = []string{"other"}
	b.wait(10 * time.Second)
	if c := b.stored(1); !c.Callee().Gone.IsZero() {
		t.Error("the device counts as gone, and its node is back")
	}
	b.alive = nil
	b.wait(10 * time.Second)
	if c := b.stored(1); c.Callee().Gone.IsZero() {
		t.Error("the device went down with its node, and counts as present")
	}
}

// One sign of life that fails shows that the store was away as well: others may have missed two.
func TestOneFailedBeatIsNobodysDeath(t *testing.T) {
	b := several(t)
	alice, bob := b.answeredElsewhere()
	b.elsewhere(1, func(*call.Call) call.Input { return call.Report{Device: bob, Generation: 1, Up: true} })
	alice.do(&pealv1.MediaReport{CallId: callID(1), Generation: 1, Up: true})
	b.alive = []string{"other"}
	b.wait(10 * time.Second)
	b.breathless, b.alive = 1, nil
	b.wait(8 * time.Second)
	if c := b.stored(1); b.breathless > 0 || !c.Callee().Gone.IsZero() {
		t.Error("the device counts as gone, and the store was away")
	}
	b.wait(10 * time.Second)
	if c := b.stored(1); c.Callee().Gone.IsZero() {
		t.Error("the device went down with its node, and counts as present")
	}
}

// A node that begins cannot know whether the store was away just now.
func TestBootJudgesNobodyAtOnce(t *testing.T) {
	b := newBench(t)
	b.answeredElsewhere()
	b.several = true
	b.boot()
	if w := b.open().do(&pealv1.Hello{Token: "alice", DeviceId: "a"}).GetWelcome(); w == nil {
		t.Fatal("the node does not answer a hello")
	}
	b.wait(4 * time.Second)
	if c := b.stored(1); !c.Callee().Gone.IsZero() {
		t.Error("a node that has just begun takes another one for dead")
	}
	b.wait(6 * time.Second)
	if c := b.stored(1); c.Callee().Gone.IsZero() {
		t.Error("the dead node is never found")
	}
}

// Reads of a store that fails are tried again with pauses, and a short outage only delays.
func TestPausesWhileTheStoreIsAway(t *testing.T) {
	b := newBench(t)
	alice := b.login("alice", "a")
	b.login("bob", "b")
	b.unread, b.loads = 1000, 0
	begun := b.now
	wantError(t, alice.invite(1, "bob"), protocol.Unavailable)
	if took := b.now.Sub(begun); took < 5*time.Second || took > 7*time.Second || b.loads > 12 {
		t.Errorf("refused after %s and %d reads", took, b.loads)
	}
	b.unread, b.loads = 4, 0
	begun = b.now
	want(t, alice.invite(2, "bob").GetCall(), ringing, 0, caller)
	if took := b.now.Sub(begun); took > time.Second {
		t.Errorf("an outage of four reads delays an invitation by %s", took)
	}
}

// Each job that waits behind one that was refused has had its time as well.
func TestRefusedTogether(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	b.fault, b.faults, b.unread = store.Skip, 1000, 1000
	bob.send(&pealv1.Accept{CallId: callID(1), Answer: "v=0 answer", Generation: 1})
	bob.send(&pealv1.Reject{CallId: callID(1)})
	b.wait(6 * time.Second)
	refused := 0
	for _, f := range bob.events() {
		if f.GetError().GetCode() == string(protocol.Unavailable) {
			refused++
		}
	}
	if refused != 2 {
		t.Errorf("%d of 2 commands were refused within 6 s", refused)
	}
}

// A stopping node closes its connections in slices, those in a call last, and keeps its
// lease meanwhile.
func TestStoppingInSlices(t *testing.T) {
	b := newBench(t)
	b.several, b.drain, b.limits.Devices, b.alive = true, 4*time.Second, 100, []string{"other"}
	b.boot()
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.accept(1)
	for n := range 40 {
		b.login("idle", string(rune('a'+n)))
	}
	b.step(node.Stopping{})
	most := b.node.Held().Connections
	beats := b.beats
	for b.node.Held().Connections > 0 {
		before := b.node.Held().Connections
		if alice.closed+bob.closed != "" && before > 2 {
			t.Fatalf("a device in a call is closed, and %d connections are open", before)
		}
		b.wait(500 * time.Millisecond)
		if closed := before - b.node.Held().Connections; closed > most/2 {
			t.Fatalf("%d of %d connections are closed within half a second", closed, before)
		}
		if b.now.Sub(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)) > time.Minute {
			t.Fatal("they are never closed")
		}
	}
	if b.beats == beats {
		t.Error("the node gave up its lease while it was stopping")
	}
	if c := b.stored(1); c.State != call.Connecting || !c.Caller().Gone.IsZero() {
		t.Errorf("the call is in state %d, and the caller gone at %s", c.State, c.Caller().Gone)
	}
}

// What the node has to do by itself keeps no asker waiting for longer than an outage may last.
func TestRefusedBehindATick(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	b.wait(58 * time.Second)
	b.fault, b.faults, b.unread = store.Skip, 1000, 1000
	b.wait(3 * time.Second) // The call has timed out, and that cannot be stored.
	bob.events()
	bob.send(&pealv1.Reject{CallId: callID(1)})
	b.step(node.Terminate{Request: 1, ID: call.ID(callID(1))})
	b.told = nil
	b.wait(7 * time.Second)
	if events := bob.events(); len(events) != 1 || events[0].GetError().GetCode() != string(protocol.Unavailable) {
		t.Errorf("bob hears %v", events)
	}
	if len(b.told) != 1 || b.told[0].(node.Terminated).Error.GetCode() != string(protocol.Unavailable) {
		t.Errorf("the backend hears %v", b.told)
	}
	b.faults, b.unread = 0, 0
	b.wait(2 * time.Second)
	if c := b.stored(1); c.Outcome.Reason != call.Timeout {
		t.Errorf("the call is in state %d, reason %d", c.State, c.Outcome.Reason)
	}
}

// A stopping node is not done while a job waits for the store to come back.
func TestNotDrainedWhileJobsWait(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.accept(1)
	b.fault, b.faults, b.unread = store.Skip, 1, 1
	alice.send(&pealv1.Hangup{CallId: callID(1)})
	b.step(node.Stopping{})
	if b.node.Idle() {
		t.Error("the node is done, and a hang-up is not")
	}
	b.wait(2 * time.Second)
	if c := b.stored(1); c.Live() || !b.node.Idle() {
		t.Errorf("the call is in state %d, the node idle: %v", c.State, b.node.Idle())
	}
}

// The deadline of a call is kept over an outage.
func TestDeadlineAfterAnOutage(t *testing.T) {
	b := newBench(t)
	alice := b.login("alice", "a")
	b.login("bob", "b")
	b.wait(time.Second) // Calls that are due are looked for at even seconds.
	alice.invite(1, "bob")
	begun := b.now
	b.wait(30 * time.Second)
	b.fault, b.faults, b.unread = store.Skip, 1000, 1000
	wantError(t, alice.do(&pealv1.Cancel{CallId: callID(1)}), protocol.Unavailable)
	b.faults, b.unread = 0, 0
	b.wait(begun.Add(60*time.Second + 100*time.Millisecond).Sub(b.now))
	if c := b.stored(1); c.Outcome.Reason != call.Timeout {
		t.Errorf("after its ring time-out the call is in state %d", c.State)
	}
}

// A read that fails after others have succeeded begins an outage of its own.
func TestOutagesApart(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.accept(1)
	for range 2 {
		b.unread = 1
		// The node reads the call before it refuses.
		wantError(t, alice.do(&pealv1.Candidates{CallId: callID(1), Generation: 2}), protocol.StaleGeneration)
		if b.unread > 0 {
			t.Fatal("nothing was read")
		}
		b.wait(6 * time.Second)
	}
}

// Nor does an outage that was over long ago count for a later failure.
func TestOutageLongAgo(t *testing.T) {
	b := newBench(t)
	alice := b.login("alice", "a")
	b.login("bob", "b")
	alice.invite(1, "bob")
	stale := &pealv1.Candidates{CallId: callID(1), Generation: 2}
	b.unread = 1000
	wantError(t, alice.do(stale), protocol.Unavailable)
	b.unread = 0
	b.wait(20 * time.Second)
	b.unread = 1
	wantError(t, alice.do(stale), protocol.StaleGeneration)
	if b.unread > 0 {
		t.Error("nothing was read")
	}
}
