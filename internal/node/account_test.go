package node_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// logOut has a backend log an account out, and gives the answer.
func (b *bench) logOut(account call.Account, device call.DeviceID) node.LoggedOut {
	b.t.Helper()
	b.told = nil
	b.step(node.LogOut{Request: 7, Account: account, Device: device})
	answer, ok := b.told[len(b.told)-1].(node.LoggedOut)
	if !ok || answer.Request != 7 {
		b.t.Fatalf("the backend hears %v", b.told)
	}
	return answer
}

// goodbye is the last event of a device.
func goodbye(t *testing.T, c *client) *pealv1.Goodbye {
	t.Helper()
	events := c.events()
	if len(events) == 0 {
		t.Fatal("no goodbye")
	}
	return events[len(events)-1].GetGoodbye()
}

// An account that is logged out is in no call any more, whatever it did in one, and its
// devices do not connect again.
func TestLogOut(t *testing.T) {
	for name, prepare := range map[string]func(alice, bob *client){
		"while it calls":     func(_, bob *client) { bob.events() },
		"in a call":          func(alice, bob *client) { bob.accept(1); alice.events() },
		"while it is away":   func(alice, bob *client) { bob.accept(1); alice.drop() },
		"while nobody rings": func(_, bob *client) { bob.drop() },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			alice, bob := b.login("alice", "a"), b.login("bob", "b")
			laptop := b.login("alice", "a2")
			alice.invite(1, "bob")
			prepare(alice, bob)
			bob.events()
			devices := 2
			if name == "while it is away" {
				devices = 1
			}
			if answer := b.logOut("alice", ""); answer.Error != nil || answer.Devices != devices {
				t.Errorf("the backend hears %+v", answer)
			}
			if c := b.stored(1); c.Live() || c.Outcome.Reason != call.Kicked || c.Outcome.Actor != "alice" {
				t.Errorf("the call is %+v", c)
			}
			if events := bob.events(); len(events) > 0 {
				want(t, events[len(events)-1].GetCall(), ended, pealv1.Reason_REASON_KICKED, roleIn(b, bob))
			} else if name != "while nobody rings" {
				t.Error("the other side hears nothing")
			}
			if bye := goodbye(t, laptop); bye.GetReconnect() || bye.GetError().GetCode() != string(protocol.LoggedOut) || laptop.closed != "logged_out" {
				t.Errorf("the other device hears %v, and is closed by %q", bye, laptop.closed)
			}
			if answer := b.logOut("alice", ""); answer.Error != nil || answer.Devices != 0 {
				t.Errorf("repeated: %+v", answer)
			}
			b.login("alice", "a")
		})
	}
}

func roleIn(b *bench, c *client) pealv1.Role {
	stored := b.stored(1)
	return pealv1.Role(stored.Role(call.Device{Account: call.Account(c.account), ID: "b"}))
}

// Of a device that is logged out alone the others stay, and what rings on them goes on.
func TestLogOutOneDevice(t *testing.T) {
	b := newBench(t)
	alice, phone, laptop := b.login("alice", "a"), b.login("bob", "phone"), b.login("bob", "laptop")
	alice.invite(1, "bob")
	phone.do(&pealv1.Ringing{CallId: callID(1)})
	laptop.do(&pealv1.Ringing{CallId: callID(1)})
	if answer := b.logOut("bob", "phone"); answer.Error != nil || answer.Devices != 1 {
		t.Errorf("the backend hears %+v", answer)
	}
	if phone.closed != "logged_out" || laptop.closed != "" || b.stored(1).State == call.Ended {
		t.Errorf("closed by %q and %q; the call is %+v", phone.closed, laptop.closed, b.stored(1))
	}
	laptop.events()
	want(t, laptop.accept(1).GetCall(), connecting, 0, callee)
	if answer := b.logOut("bob", "laptop"); answer.Error != nil || b.stored(1).Outcome.Reason != call.Kicked {
		t.Errorf("the backend hears %+v, and the call is %+v", answer, b.stored(1))
	}
}

// An invitation that is under way when its account is logged out ends as well.
func TestLogOutDuringAnInvitation(t *testing.T) {
	b := newBench(t)
	alice := b.login("alice", "a")
	b.login("bob", "b")
	b.after = func() { b.step(node.LogOut{Request: 7, Account: "alice"}) }
	alice.send(&pealv1.Invite{CallId: callID(1), Callee: "bob", Type: pealv1.CallType_CALL_TYPE_AUDIO, Offer: "v=0 offer"})
	if c := b.stored(1); c.Live() || c.Outcome.Reason != call.Kicked {
		t.Errorf("the call is %+v", c)
	}
}

// While the store is away the backend hears so, and repeats it.
func TestLogOutWhileTheStoreIsAway(t *testing.T) {
	b := newBench(t)
	alice := b.login("alice", "a")
	alice.invite(1, "bob")
	b.unlisted = true
	if answer := b.logOut("alice", ""); answer.Error.GetCode() != string(protocol.Unavailable) || alice.closed != "logged_out" {
		t.Errorf("the backend hears %+v, and the device is closed by %q", answer, alice.closed)
	}
	b.unlisted = false
	if answer := b.logOut("alice", ""); answer.Error != nil {
		t.Errorf("repeated: %+v", answer)
	}
	if c := b.stored(1); c.Live() || c.Outcome.Reason != call.Kicked {
		t.Errorf("the call is %+v", c)
	}
}

// The devices at other nodes hear of it by the bus.
func TestLogOutAtAnotherNode(t *testing.T) {
	b := several(t)
	phone, laptop := b.login("alice", "phone"), b.login("alice", "laptop")
	b.step(node.Heard{Message: bus.Message{Account: "alice", Device: "phone", LoggedOut: true}})
	if phone.closed != "logged_out" || laptop.closed != "" {
		t.Errorf("closed by %q and %q", phone.closed, laptop.closed)
	}
	b.step(node.Heard{Message: bus.Message{Account: "alice", LoggedOut: true}})
	if laptop.closed != "logged_out" {
		t.Errorf("closed by %q", laptop.closed)
	}
}

// A backend sees the devices of an account, and what they do.
func TestDescribe(t *testing.T) {
	b := newBench(t)
	begun := b.now
	alice, bob := b.login("alice", "a"), b.open()
	b.wait(time.Second)
	bob.do(&pealv1.Hello{Token: "bob", DeviceId: "b", Fresh: true, Client: "peal-js/0.1.0"})
	describe := func(account call.Account) []node.Connected {
		t.Helper()
		b.told = nil
		b.step(node.Describe{Request: 3, Account: account})
		return b.told[len(b.told)-1].(node.Described).Devices
	}
	holds := func(account call.Account, want ...node.Connected) {
		t.Helper()
		if diff := cmp.Diff(want, describe(account)); diff != "" {
			t.Errorf("of %s (-want +got):\n%s", account, diff)
		}
	}
	holds("carol")
	holds("bob", node.Connected{ID: "b", Client: "peal-js/0.1.0", Since: begun.Add(time.Second)})
	alice.invite(1, "bob")
	one := call.ID(callID(1))
	holds("alice", node.Connected{ID: "a", Since: begun, Call: one})
	holds("bob", node.Connected{ID: "b", Client: "peal-js/0.1.0", Since: begun.Add(time.Second), Rings: []call.ID{one}})
	bob.accept(1)
	holds("bob", node.Connected{ID: "b", Client: "peal-js/0.1.0", Since: begun.Add(time.Second), Call: one})
	alice.hangup(1)
	holds("bob", node.Connected{ID: "b", Client: "peal-js/0.1.0", Since: begun.Add(time.Second)})
	bob.drop()
	holds("bob")
}
