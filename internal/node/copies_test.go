package node_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// Of several nodes one may have a copy of a call that is old, since word of a change
// was lost, or is late. What it reads, or tells its devices, may come to nothing on it.

// several is a node that is not the only one.
func several(t *testing.T) *bench {
	b := newBench(t)
	b.several = true
	b.boot()
	return b
}

// otherConn is a connection at another node.
func otherConn(account, device string) call.Device {
	return call.Device{Account: call.Account(account), ID: call.DeviceID(device), Conn: call.Connection{Incarnation: "other", Seq: 7}}
}

// answeredElsewhere has bob/b answer alice, whose call rings here, at another node, and
// no word of that comes.
func (b *bench) answeredElsewhere() (alice *client, bob call.Device) {
	alice = b.login("alice", "a")
	b.login("bob", "b2")
	alice.invite(1, "bob")
	bob = otherConn("bob", "b")
	b.elsewhere(1, func(*call.Call) call.Input { return call.Accept{Device: bob, Generation: 1, Answer: "v=0 answer"} })
	return alice, bob
}

// hearWhileBusy has another node do something, and tell of it, while a commit is on its way.
func (b *bench) hearWhileBusy(alice *client, what call.Input) {
	b.after = func() {
		c := b.elsewhere(1, func(*call.Call) call.Input { return what })
		b.step(node.Heard{Message: bus.Message{Account: "alice", Device: "a", Call: &c, With: call.WithNeeds}})
	}
	alice.do(&pealv1.TrackReport{CallId: callID(1), Tracks: &pealv1.Tracks{Audio: true}})
	alice.events()
}

func (b *bench) hearLogin(who call.Device, at, attempt time.Time, single bool) {
	b.step(node.Heard{Message: bus.Message{Account: who.Account, Login: &bus.Login{Device: who, At: at, Connected: b.now, Attempt: attempt, Single: single}}})
}

func TestBackOnAnOldCopy(t *testing.T) {
	b := newBench(t)
	_, bob := b.answeredElsewhere()
	b.elsewhere(1, func(*call.Call) call.Input { return call.Gone{Device: bob} })
	b.open().do(&pealv1.Hello{Token: "bob", DeviceId: "b", LoginAt: timestamppb.New(b.now)})
	if c := b.stored(1); !c.Callee().Gone.IsZero() {
		t.Error("the device is back, and taken for gone")
	}
}

func TestDeadNodeOnAnOldCopy(t *testing.T) {
	b := newBench(t)
	b.answeredElsewhere()
	b.step(node.Beaten{Sent: b.now, Alive: []string{"n1", "other"}})
	b.wait(5 * time.Second) // The other one dies.
	if c := b.stored(1); c.Callee().Gone.IsZero() {
		t.Error("the device went down with its node, and is taken for present")
	}
}

// A node that is not known to live yet puts nobody into a call: the other nodes would count the
// devices connected to it as dead.
func TestNotKnownToLiveYet(t *testing.T) {
	b := newBench(t)
	b.answeredElsewhere()
	b.several, b.unheard = true, true
	b.boot()
	b.step(node.Received{Conn: b.open().conn, Frame: frame(t, &pealv1.Hello{
		Token: "alice", DeviceId: "a", AttemptAt: timestamppb.New(b.now),
	})})
	c := b.elsewhere(1, func(c *call.Call) call.Input { return call.Gone{Device: c.Caller().Device, Finder: "other"} })
	b.step(node.Heard{Message: bus.Message{Account: "alice", Call: &c}})
	b.hearLogin(otherConn("alice", "a"), b.now, b.now.Add(-time.Second), false)
	if now := b.stored(1); now.Rev != c.Rev {
		t.Errorf("the call is told that the device is back at %v", now.Caller().Device.Conn)
	}
	b.unheard = false
	b.wait(3 * time.Second)
	if now := b.stored(1); !now.Caller().Gone.IsZero() {
		t.Error("once it is known to live the device is still taken for gone")
	}
}

// The welcome tells of what another node does while the device is put back.
func TestWelcomedBesideAChange(t *testing.T) {
	b := several(t)
	alice, bob := b.answeredElsewhere()
	alice.drop()
	b.after = func() {
		c := b.elsewhere(1, func(*call.Call) call.Input { return call.SetTracks{Device: bob, Tracks: call.Tracks{Audio: true}} })
		b.step(node.Heard{Message: bus.Message{Account: "alice", Device: "a", Call: &c}})
	}
	again := b.open()
	w := again.do(&pealv1.Hello{Token: "alice", DeviceId: "a", LoginAt: timestamppb.New(b.now)}).GetWelcome()
	if len(w.GetCalls()) != 1 || !w.Calls[0].Call.Callee.Tracks.Audio {
		t.Errorf("the welcome is %v", w)
	}
	again.quiet()
}

// An answer that comes after newer word of the call takes nothing of that back: a device that no
// longer rings is watched as one in no call.
func TestAnsweredAfterNewerWord(t *testing.T) {
	b := several(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b2")
	alice.invite(1, "bob")
	b.after = func() {
		c := b.elsewhere(1, func(*call.Call) call.Input {
			return call.Accept{Device: otherConn("bob", "b"), Generation: 1, Answer: "v=0 answer"}
		})
		b.step(node.Heard{Message: bus.Message{Account: "bob", Call: &c}})
	}
	bob.do(&pealv1.Ringing{CallId: callID(1)})
	bob.silent = true
	b.wait(15 * time.Second)
	if bob.closed != "" {
		t.Errorf("a device in no call is closed as %q after 15 s", bob.closed)
	}
}

// Whoever has to go, and however that is found out, is in no call afterwards.
func TestNewerLoginOnAnOldCopy(t *testing.T) {
	kicked := func(t *testing.T, b *bench) {
		t.Helper()
		if c := b.stored(1); c.Outcome.Reason != call.Kicked {
			t.Errorf("the call of the older login ends with reason %d", c.Outcome.Reason)
		}
	}
	t.Run("the older one comes back", func(t *testing.T) {
		b := alone(t)
		first := timestamppb.New(b.now)
		b.wait(time.Second)
		b.answeredElsewhere()
		if f := b.open().do(&pealv1.Hello{Token: "bob", DeviceId: "b", LoginAt: first}); f.GetError().GetCode() != "kicked" {
			t.Errorf("the older login comes back with %v", f)
		}
		kicked(t, b)
	})
	t.Run("the older one is away", func(t *testing.T) {
		b := alone(t)
		b.answeredElsewhere()
		b.wait(time.Second)
		b.login("bob", "b3")
		kicked(t, b)
	})
	t.Run("the newer one is elsewhere", func(t *testing.T) {
		b := alone(t)
		alice, bob := b.login("alice", "a"), b.login("bob", "b")
		alice.invite(1, "bob")
		b.elsewhere(1, func(*call.Call) call.Input {
			return call.Accept{Device: otherConn("bob", "b"), Generation: 1, Answer: "v=0 answer"}
		})
		b.wait(time.Second)
		b.hearLogin(otherConn("bob", "b2"), b.now, b.now, true)
		if bob.closed != "kicked" {
			t.Errorf("the older login was closed with %q", bob.closed)
		}
		kicked(t, b)
	})
}

// A late hello of a device at another node takes its place in the call, and is closed:
// the device is here.
func TestLateHelloElsewhere(t *testing.T) {
	for _, wordFirst := range []bool{true, false} {
		b := several(t)
		began := b.now
		alice := b.open()
		alice.account = "alice"
		alice.do(&pealv1.Hello{Token: "alice", DeviceId: "a", Fresh: true, AttemptAt: timestamppb.New(began.Add(time.Second))})
		bob := b.login("bob", "b")
		alice.invite(1, "bob")
		bob.accept(1)
		for _, c := range []*client{alice, bob} {
			c.do(&pealv1.MediaReport{CallId: callID(1), Generation: 1, Up: true})
		}
		late := otherConn("alice", "a")
		if wordFirst {
			b.hearLogin(late, b.now, began, false)
		}
		b.elsewhere(1, func(*call.Call) call.Input { return call.Back{Device: late} })
		b.elsewhere(1, func(*call.Call) call.Input { return call.Gone{Device: late} })
		if !wordFirst {
			b.hearLogin(late, b.now, began, false)
		}
		b.wait(time.Minute)
		if c := b.stored(1); c.State != call.Connected || alice.closed != "" {
			t.Errorf("word first %v: the call is in state %d, reason %d, and the device closed with %q", wordFirst, c.State, c.Outcome.Reason, alice.closed)
		}
	}
}

// A device that knows of a change gets its requests carried out on a copy with that change.
func TestAskedOnAnOldCopy(t *testing.T) {
	b := several(t)
	alice, bob := b.answeredElsewhere()
	b.wait(3 * time.Second)
	b.hearWhileBusy(alice, call.Restart{Device: bob, From: 1})
	if f := alice.do(&pealv1.MediaReport{CallId: callID(1), Generation: 2, Up: true}); f.GetError() != nil {
		t.Fatal(f)
	}
	if c := b.stored(1); !c.Caller().MediaUp {
		t.Error("its media is up, and the call does not know")
	}
}

// The same of candidates: from the acceptance on they are all passed on.
func TestCandidatesOnAnOldCopy(t *testing.T) {
	b := several(t)
	alice := b.login("alice", "a")
	alice.do(&pealv1.Invite{
		CallId: callID(1), Callee: "bob", Type: pealv1.CallType_CALL_TYPE_VIDEO, Offer: "v=0 offer",
		IcePolicy: pealv1.IcePolicy_ICE_POLICY_RELAY_UNTIL_ACCEPT,
	})
	b.hearWhileBusy(alice, call.Accept{Device: otherConn("bob", "b"), Generation: 1, Answer: "v=0 answer"})
	b.published = nil
	own := &pealv1.Candidate{Candidate: "candidate:1 1 udp 2122260223 192.0.2.1 50000 typ host"}
	if f := alice.do(&pealv1.Candidates{CallId: callID(1), Generation: 1, Candidates: []*pealv1.Candidate{own}}); f.GetError() != nil {
		t.Fatal(f)
	}
	if len(b.published) != 1 || b.published[0].Signal == nil || b.published[0].Device != "b" {
		t.Errorf("passed on is %v", b.published)
	}
}

// An account that has answered at another node, and calls somebody else here, ends that call.
func TestCallingSomebodyElseOnAnOldCopy(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	b.elsewhere(1, func(*call.Call) call.Input {
		return call.Accept{Device: otherConn("bob", "b"), Generation: 1, Answer: "v=0 answer"}
	})
	want(t, bob.invite(2, "carol").GetCall(), ringing, 0, caller)
	if c := b.stored(1); c.Outcome.Reason != call.Superseded {
		t.Errorf("the call before ends with reason %d", c.Outcome.Reason)
	}
}

// An invitation whose commit counts as failed is stored later, when no device is there any more.
func TestCommittedLate(t *testing.T) {
	b := several(t)
	alice := b.login("alice", "a")
	b.fault, b.faults = store.Skip, 100
	wantError(t, alice.invite(1, "bob"), protocol.Unavailable)
	b.faults = 0
	alice.drop()
	b.wait(time.Second)
	b.invitedElsewhere("bob", call.Device{
		Account: "alice", ID: "a", Conn: call.Connection{Incarnation: fmt.Sprintf("n%d", b.start), Seq: uint64(alice.conn)},
	})
	b.wait(5 * time.Second)
	if c := b.stored(1); c.Caller().Gone.IsZero() {
		t.Error("it rings for a caller that has left, and is not known to")
	}
}
