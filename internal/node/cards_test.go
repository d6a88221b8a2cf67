package node_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// shown is how the parties of a call are shown, and those of its record where it has one.
func shown(t *testing.T, u *pealv1.CallUpdate) string {
	t.Helper()
	c := u.GetCall()
	if len(c.GetParties()) != 2 || c.Parties[0].Name != c.Caller.Name || c.Parties[1].Name != c.Callee.Name {
		t.Fatalf("parties, caller and callee differ: %v", c)
	}
	var all []string
	for _, p := range c.Parties {
		all = append(all, one(p))
	}
	for _, p := range c.GetRecord().GetParties() {
		all = append(all, "filed "+one(p))
	}
	return strings.Join(all, ", ")
}

func one(p interface {
	GetAccount() string
	GetName() string
	GetAvatar() string
},
) string {
	return fmt.Sprintf("%s=%s %s", p.GetAccount(), p.GetName(), strings.TrimPrefix(p.GetAvatar(), "https://example.com/"))
}

func wantShown(t *testing.T, u *pealv1.CallUpdate, parties string) {
	t.Helper()
	if got := shown(t, u); got != parties {
		t.Fatalf("got %s, want %s", got, parties)
	}
}

// The callee's devices see the caller's name at once. The caller sees the callee's once
// the call is accepted: that of the device that accepted.
func TestCardsOfACall(t *testing.T) {
	b := newBench(t)
	alice, bob, phone := b.login("alice as Alice", "a"), b.login("bob as Bob", "b1"), b.login("bob as Bobby", "b2")
	wantShown(t, alice.invite(1, "bob").GetCall(), "alice=Alice Alice, bob= ")
	for _, d := range []*client{bob, phone} {
		wantShown(t, d.event(), "alice=Alice Alice, bob= ")
	}
	bob.do(&pealv1.Ringing{CallId: callID(1)})
	// A device that logs in later sees the same.
	late := b.open().do(&pealv1.Hello{Token: "bob", DeviceId: "b3", Fresh: true}).GetWelcome().GetCalls()
	if len(late) != 1 {
		t.Fatalf("the welcome tells of %v", late)
	}
	wantShown(t, late[0], "alice=Alice Alice, bob= ")

	const on = "alice=Alice Alice, bob=Bobby Bobby"
	wantShown(t, phone.accept(1).GetCall(), on)
	wantShown(t, alice.event(), on)
	wantShown(t, bob.event(), on)

	// A renewed token counts from the next call on.
	alice.do(&pealv1.Authenticate{Token: "alice as Ms. Example"})
	phone.do(&pealv1.Authenticate{Token: "bob"})
	wantShown(t, phone.accept(1).GetCall(), on)
	const filed = on + ", filed alice=Alice Alice, filed bob=Bobby Bobby"
	wantShown(t, alice.hangup(1).GetCall(), filed)
	wantShown(t, phone.event(), filed)
	list := alice.do(&pealv1.ListRecords{}).GetRecords().GetRecords()
	if len(list) != 1 || one(list[0].Parties[0]) != "alice=Alice Alice" || one(list[0].Parties[1]) != "bob=Bobby Bobby" {
		t.Errorf("the records are %v", list)
	}

	wantShown(t, alice.invite(2, "bob").GetCall(), "alice=Ms. Example Ms. Example, bob= ")
	wantShown(t, phone.accept(2).GetCall(), "alice=Ms. Example Ms. Example, bob= ")
}

// A callee that does not accept stays unknown, also in the record.
func TestCardOfACalleeThatDoesNotAccept(t *testing.T) {
	for name, end := range map[string]func(b *bench, alice, bob *client){
		"rejected":  func(_ *bench, _, bob *client) { bob.do(&pealv1.Reject{CallId: callID(1)}) },
		"hung up":   func(_ *bench, _, bob *client) { bob.hangup(1) },
		"cancelled": func(_ *bench, alice, _ *client) { alice.do(&pealv1.Cancel{CallId: callID(1)}) },
		"timed out": func(b *bench, _, _ *client) { b.wait(time.Minute) },
	} {
		b := newBench(t)
		alice, bob := b.login("alice as Alice", "a"), b.login("bob as Bob", "b")
		alice.invite(1, "bob")
		bob.do(&pealv1.Ringing{CallId: callID(1)})
		end(b, alice, bob)
		want := "alice=Alice Alice, bob= , filed alice=Alice Alice, filed bob= "
		if got := shown(t, alice.hangup(1).GetCall()); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// Where two call each other, both are known: each has called.
func TestCardsOfGlare(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice as Alice", "a"), b.login("bob as Bob", "b")
	alice.invite(1, "bob")
	bob.events()
	wantShown(t, bob.invite(2, "alice").GetCall(), "alice=Alice Alice, bob=Bob Bob")
	wantShown(t, alice.event(), "alice=Alice Alice, bob=Bob Bob")
}

// A call that finds the callee busy shows its caller alone.
func TestCardsOfBusy(t *testing.T) {
	b := newBench(t)
	alice, bob, carol := b.login("alice", "a"), b.login("bob as Bob", "b"), b.login("carol as Carol", "c")
	alice.invite(1, "bob")
	bob.accept(1)
	wantShown(t, carol.invite(2, "bob").GetCall(), "carol=Carol Carol, bob= , filed carol=Carol Carol, filed bob= ")
}
