package node_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

func alone(t *testing.T) *bench {
	b := newBench(t)
	b.single = true
	b.boot()
	return b
}

// The newer login wins: the older device is out of its call and logged out, the other person is
// notified, and the new device is free at once.
func TestSingleLogin(t *testing.T) {
	b := alone(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.events()
	bob.accept(1)
	alice.events()

	b.wait(time.Second)
	phone := b.login("bob", "b2")
	if bob.closed != "kicked" {
		t.Errorf("the older device was closed with %q", bob.closed)
	}
	u := alice.event()
	want(t, u, ended, pealv1.Reason_REASON_KICKED, caller)
	if u.Call.Actor != "bob" || u.Call.ActorDevice != "b" {
		t.Errorf("ended by %s/%s", u.Call.Actor, u.Call.ActorDevice)
	}
	want(t, phone.invite(2, "alice").GetCall(), ringing, 0, caller)
}

// A call that rings on the older device rings on, for the newer one.
func TestSingleLoginWhileRinging(t *testing.T) {
	b := alone(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.do(&pealv1.Ringing{CallId: callID(1)})
	phone := b.open()
	w := phone.do(&pealv1.Hello{Token: "bob", DeviceId: "b2", Fresh: true}).GetWelcome()
	if len(w.GetCalls()) != 1 {
		t.Fatalf("welcomed with %v", w)
	}
	want(t, w.Calls[0], ringing, 0, callee)
	want(t, phone.accept(1).GetCall(), connecting, 0, callee)
}

// What a device that is away left going ends as well, before the welcome.
func TestSingleLoginOverAnAbsentDevice(t *testing.T) {
	b := alone(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.accept(1)
	alice.events()
	bob.drop()
	want(t, alice.event(), connecting, 0, caller)
	phone := b.open()
	w := phone.do(&pealv1.Hello{Token: "bob", DeviceId: "b2", Fresh: true}).GetWelcome()
	if len(w.GetCalls()) != 1 {
		t.Fatalf("welcomed with %v", w)
	}
	want(t, w.Calls[0], ended, pealv1.Reason_REASON_KICKED, observer)
	want(t, alice.event(), ended, pealv1.Reason_REASON_KICKED, caller)
}

// A client that was away while another took its place does not push that one out.
func TestSingleLoginReconnect(t *testing.T) {
	b := alone(t)
	bob := b.open()
	first := bob.do(&pealv1.Hello{Token: "bob", DeviceId: "b", Fresh: true}).GetWelcome().GetLoginAt()
	bob.drop()
	b.wait(time.Second)
	again := b.open()
	w := again.do(&pealv1.Hello{Token: "bob", DeviceId: "b", LoginAt: first}).GetWelcome()
	if !w.GetLoginAt().AsTime().Equal(first.AsTime()) {
		t.Errorf("a reconnect is told that it logged in at %v, not %v", w.GetLoginAt(), first)
	}
	again.drop()
	b.wait(time.Second)
	phone := b.login("bob", "b2")
	late := b.open()
	if f := late.do(&pealv1.Hello{Token: "bob", DeviceId: "b", LoginAt: first}); f.GetError().GetCode() != "kicked" {
		t.Errorf("the older login comes back with %v", f)
	}
	if phone.closed != "" {
		t.Errorf("the newer login was closed with %q", phone.closed)
	}
	// A page that reloads is a new login; what it says of old ones does not count.
	b.wait(time.Second)
	fresh := b.open()
	if fresh.do(&pealv1.Hello{Token: "bob", DeviceId: "b", Fresh: true, LoginAt: first}).GetWelcome() == nil {
		t.Error("a new login is refused")
	}
	if phone.closed != "kicked" {
		t.Errorf("the older login was closed with %q", phone.closed)
	}
}

// A client that comes back with an older login leaves alone what a newer one,
// which is away for a moment, left going.
func TestSingleLoginReconnectWhileTheNewerIsAway(t *testing.T) {
	b := alone(t)
	alice := b.login("alice", "a")
	bob := b.open()
	first := bob.do(&pealv1.Hello{Token: "bob", DeviceId: "b", Fresh: true}).GetWelcome().GetLoginAt()
	bob.drop()
	b.wait(time.Second)
	phone := b.login("bob", "b2")
	alice.invite(1, "bob")
	phone.accept(1)
	phone.drop()
	back := b.open()
	w := back.do(&pealv1.Hello{Token: "bob", DeviceId: "b", LoginAt: first}).GetWelcome()
	if len(w.GetCalls()) != 1 {
		t.Fatalf("welcomed with %v", w)
	}
	want(t, w.Calls[0], connecting, 0, observer)
}

// A device that is refused because a newer login took its place is not in the call
// that it made at a node which had not heard of that.
func TestSingleLoginEndsWhatWasMadeTooLate(t *testing.T) {
	b := alone(t)
	first := timestamppb.New(b.now)
	b.wait(time.Second)
	alice, phone := b.login("alice", "a"), b.login("bob", "b2")
	b.invitedElsewhere("alice", call.Device{Account: "bob", ID: "b", Conn: call.Connection{Incarnation: "dead", Seq: 1}})
	late := b.open()
	if f := late.do(&pealv1.Hello{Token: "bob", DeviceId: "b", LoginAt: first}); f.GetError().GetCode() != "kicked" {
		t.Fatalf("the older login comes back with %v", f)
	}
	want(t, alice.event(), ended, pealv1.Reason_REASON_KICKED, observer)
	want(t, phone.event(), ended, pealv1.Reason_REASON_KICKED, observer)
}

// Without the setting logins leave each other alone, unless a token asks.
func TestSingleLoginByToken(t *testing.T) {
	b := newBench(t)
	desk, phone := b.login("bob", "b1"), b.login("bob", "b2")
	if desk.closed+phone.closed != "" {
		t.Fatalf("closed with %q %q", desk.closed, phone.closed)
	}
	only := b.open()
	if only.do(&pealv1.Hello{Token: "bob alone", DeviceId: "b3", Fresh: true}).GetWelcome() == nil {
		t.Fatal("not welcome")
	}
	if desk.closed != "kicked" || phone.closed != "kicked" {
		t.Errorf("closed with %q %q", desk.closed, phone.closed)
	}
	b.wait(time.Second)
	other := b.login("bob", "b4")
	if only.closed != "kicked" || other.closed != "" {
		t.Errorf("the one that wants to be alone was closed with %q", only.closed)
	}
}

// With single login the number of devices does not matter.
func TestSingleLoginWithinTheDeviceLimit(t *testing.T) {
	b := newBench(t)
	b.single, b.limits.Devices = true, 1
	b.boot()
	b.login("bob", "b1")
	b.wait(time.Second)
	b.login("bob", "b2")
}

// Logins at other nodes count alike, in whatever order news of them comes.
func TestSingleLoginAcrossNodes(t *testing.T) {
	b := several(t)
	b.single = true
	b.boot()
	bob := b.login("bob", "b")
	at := b.now
	b.wait(time.Second)
	elsewhere := call.Device{Account: "bob", ID: "b2", Conn: call.Connection{Incarnation: "other", Seq: 1}}
	hear := func(at time.Time) {
		b.published = nil
		b.step(node.Heard{Message: bus.Message{Account: "bob", Login: &bus.Login{Device: elsewhere, At: at, Single: true}}})
	}
	hear(at.Add(-time.Second))
	if bob.closed != "" {
		t.Fatalf("an older login elsewhere closes this one with %q", bob.closed)
	}
	if len(b.published) != 1 || b.published[0].Login == nil || b.published[0].Login.Device.ID != "b" || !b.published[0].Login.At.Equal(at) {
		t.Errorf("the other node is told %v", b.published)
	}
	hear(b.now)
	if bob.closed != "kicked" {
		t.Errorf("a newer login elsewhere closes this one with %q", bob.closed)
	}
}

func TestListRecords(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	for n := 1; n <= 3; n++ {
		alice.invite(n, "bob")
		b.wait(time.Second)
		alice.hangup(n)
		b.wait(time.Minute)
	}
	bob.events()
	list := func(q *pealv1.ListRecords) (ids []string, more bool) {
		t.Helper()
		l := bob.do(q).GetRecords()
		if l == nil {
			t.Fatalf("no list for %v", q)
		}
		for _, r := range l.Records {
			ids = append(ids, r.CallId)
		}
		return ids, l.More
	}
	wantIDs := func(q *pealv1.ListRecords, wantMore bool, want ...int) {
		t.Helper()
		got, more := list(q)
		ok := len(got) == len(want) && more == wantMore
		for i := range want {
			ok = ok && got[i] == callID(want[i])
		}
		if !ok {
			t.Errorf("%v gives %v, more %v; want %v, %v", q, got, more, want, wantMore)
		}
	}
	wantIDs(&pealv1.ListRecords{}, false, 3, 2, 1)
	wantIDs(&pealv1.ListRecords{Limit: 2}, true, 3, 2)
	wantIDs(&pealv1.ListRecords{Limit: 3}, false, 3, 2, 1)
	wantIDs(&pealv1.ListRecords{Limit: 2, From: &pealv1.ListRecords_BeforeCall{BeforeCall: callID(2)}}, false, 1)
	wantIDs(&pealv1.ListRecords{Limit: 1, From: &pealv1.ListRecords_AfterCall{AfterCall: callID(1)}}, true, 2)
	middle := timestamppb.New(b.now.Add(-2*time.Minute - 30*time.Second))
	wantIDs(&pealv1.ListRecords{From: &pealv1.ListRecords_Since{Since: middle}}, false, 2, 3)
	wantIDs(&pealv1.ListRecords{From: &pealv1.ListRecords_Before{Before: middle}}, false, 1)
	if l := b.login("carol", "c").do(&pealv1.ListRecords{}).GetRecords(); l == nil || len(l.Records) > 0 {
		t.Errorf("a stranger is given %v", l)
	}
}

func TestSwitchType(t *testing.T) {
	b := newBench(t)
	alice, bob, phone := b.login("alice", "a"), b.login("bob", "b"), b.login("bob", "b2")
	alice.invite(1, "bob")
	to := func(c *client, kind pealv1.CallType) *pealv1.ServerFrame {
		return c.do(&pealv1.SwitchType{CallId: callID(1), Type: kind})
	}
	const audio, video = pealv1.CallType_CALL_TYPE_AUDIO, pealv1.CallType_CALL_TYPE_VIDEO
	wantError(t, to(alice, audio), "not_accepted")
	bob.accept(1)
	for _, c := range []*client{alice, bob, phone} {
		c.events()
	}
	if c := to(bob, audio).GetCall().GetCall(); c.GetType() != audio {
		t.Errorf("the type is %v", c.GetType())
	}
	if c := alice.event().Call; c.Type != audio {
		t.Errorf("the other side is told of %v", c.Type)
	}
	if c := to(bob, video).GetCall().GetCall(); c.GetType() != audio || c.GetVideoAskedBy() != "bob" {
		t.Errorf("the ask is answered by %v", c)
	}
	if c := alice.event().Call; c.VideoAskedBy != "bob" || c.VideoAskRemainingMs != 30_000 {
		t.Errorf("the one asked is told %v", c)
	}
	phone.quiet()
	if c := to(alice, video).GetCall().GetCall(); c.GetType() != video || c.GetVideoAskedBy() != "" {
		t.Errorf("agreeing is answered by %v", c)
	}
	if c := bob.event().Call; c.Type != video {
		t.Errorf("the one who asked is told of %v", c.Type)
	}
	wantError(t, to(phone, audio), "wrong_device")
}

// A hello that is late must not push out the newer connection of its device, at
// this node or another. Where that seems to be much newer its clock was set.
func TestLateHello(t *testing.T) {
	b := several(t)
	hello := func(attempt time.Time) *client {
		c := b.open()
		c.account = "alice"
		c.do(&pealv1.Hello{Token: "alice", DeviceId: "a", Fresh: true, AttemptAt: timestamppb.New(attempt)})
		return c
	}
	began := b.now
	newer := hello(began.Add(time.Second))
	late := hello(began)
	if newer.closed != "" || late.closed != string(protocol.Replaced) {
		t.Errorf("after a late hello the newer connection is closed as %q, the late one as %q", newer.closed, late.closed)
	}
	newest := hello(began.Add(2 * time.Second))
	if newer.closed != string(protocol.Replaced) || newest.closed != "" {
		t.Errorf("after a newer hello the older connection is closed as %q, the newer one as %q", newer.closed, newest.closed)
	}
	set := hello(began.Add(-time.Hour))
	if set.closed != "" || newest.closed != string(protocol.Replaced) {
		t.Errorf("after a clock was set the older connection is closed as %q, the newer one as %q", newest.closed, set.closed)
	}

	// Word of a late hello at another node is answered by word of the newer one.
	b.published = nil
	elsewhere := bus.Login{
		Device: call.Device{Account: "alice", ID: "a", Conn: call.Connection{Incarnation: "other", Seq: 7}},
		At:     b.now.Add(time.Minute), Connected: b.now.Add(time.Minute), Attempt: began.Add(-time.Hour - time.Second),
	}
	b.step(node.Heard{Message: bus.Message{Account: "alice", Login: &elsewhere}})
	if set.closed != "" || len(b.published) != 1 || b.published[0].Login == nil || b.published[0].Login.Device.Conn.Incarnation == "other" {
		t.Errorf("word of a late hello closes as %q and is answered by %v", set.closed, b.published)
	}
}
