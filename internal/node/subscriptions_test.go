package node_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// hello says hello on a new connection, whatever comes of it.
func (b *bench) hello(account, device string) *client {
	b.t.Helper()
	c := b.open()
	c.account = account
	c.send(&pealv1.Hello{Token: account, DeviceId: device, Fresh: true})
	return c
}

// welcomed says whether the client has its welcome.
func (c *client) welcomed() (w *pealv1.Welcome) {
	for _, f := range c.inbox {
		if w = f.GetWelcome(); w != nil {
			return w
		}
	}
	return nil
}

// TestHelloWaitsForTheBus: the calls of an account are read when its subscription is in effect,
// so that none falls between.
func TestHelloWaitsForTheBus(t *testing.T) {
	b := several(t)
	b.lateBus = true
	first, second := b.hello("bob", "b1"), b.hello("bob", "b2")
	if first.welcomed() != nil || second.welcomed() != nil || len(b.subscribed) != 1 {
		t.Fatalf("welcome before the subscription is in effect, of %v", b.subscribed)
	}
	b.invitedElsewhere("bob", otherConn("alice", "a"))
	b.wait(time.Second / 2)
	b.step(node.Subscribed{Ticket: b.subscribed[0].Ticket})
	for _, c := range []*client{first, second} {
		if w := c.welcomed(); w == nil || len(w.Calls) != 1 {
			t.Errorf("after the subscription the welcome is %v", w)
		}
	}
	// It is there for those who come later, and says nothing twice.
	third := b.hello("bob", "b3")
	b.step(node.Subscribed{Ticket: b.subscribed[0].Ticket})
	b.wait(2 * time.Second)
	if third.welcomed() == nil || len(b.subscribed) != 1 {
		t.Errorf("a later device has the welcome %v after %d subscriptions", third.welcomed(), len(b.subscribed))
	}
}

// TestHelloWithoutTheBus: where the bus is away a hello waits a second and no longer.
func TestHelloWithoutTheBus(t *testing.T) {
	b := several(t)
	b.lateBus = true
	bob := b.hello("bob", "b")
	b.wait(900 * time.Millisecond)
	if bob.welcomed() != nil {
		t.Fatal("welcome before a second is over")
	}
	b.wait(200 * time.Millisecond)
	if bob.welcomed() == nil {
		t.Fatal("no welcome after a second")
	}
	if !b.node.Idle() {
		t.Error("the node still waits for the subscription")
	}
	b.step(node.Subscribed{Ticket: b.subscribed[0].Ticket})
	bob.inbox = nil
	b.invitedElsewhere("bob", otherConn("alice", "a"))
	b.wait(3 * time.Second)
	if len(bob.inbox) == 0 {
		t.Error("no call by the look for changes")
	}
}

// TestSubscribedAgain: the answer to a subscription that was given up is not matched to the next
// one.
func TestSubscribedAgain(t *testing.T) {
	b := several(t)
	b.lateBus = true
	b.hello("bob", "b").drop()
	bob := b.hello("bob", "b")
	if len(b.subscribed) != 2 {
		t.Fatalf("subscriptions: %v", b.subscribed)
	}
	b.step(node.Subscribed{Ticket: b.subscribed[0].Ticket})
	if bob.welcomed() != nil {
		t.Error("welcome by the answer to the subscription before")
	}
	b.step(node.Subscribed{Ticket: b.subscribed[1].Ticket})
	if bob.welcomed() == nil {
		t.Error("no welcome after the subscription")
	}
}

// TestSubscribedBeforeReady: hellos wait for the start of the node as well.
func TestSubscribedBeforeReady(t *testing.T) {
	b := several(t)
	b.breathless = 1
	b.boot()
	b.lateBus = true
	b.wait(1500 * time.Millisecond)
	bob, carol := b.hello("bob", "b"), b.hello("carol", "c")
	b.step(node.Subscribed{Ticket: b.subscribed[0].Ticket})
	if bob.welcomed() != nil {
		t.Fatal("welcome by a node that is not ready")
	}
	b.wait(600 * time.Millisecond)
	if bob.welcomed() == nil || carol.welcomed() != nil {
		t.Errorf("once the node is ready bob has the welcome %v, and carol, whose subscription is late, %v", bob.welcomed(), carol.welcomed())
	}
	b.wait(time.Second)
	if carol.welcomed() == nil {
		t.Error("no welcome a second after the hello")
	}
}

// TestReconnected: once the bus is back the node looks at once for what it missed, also where it
// is looking.
func TestReconnected(t *testing.T) {
	b := several(t)
	bob := b.login("bob", "b")
	b.wait(3 * time.Second)
	b.invitedElsewhere("bob", otherConn("alice", "a"))
	bob.quiet()
	b.step(node.Reconnected{})
	if len(bob.events()) == 0 {
		t.Error("the look after a reconnect finds no call")
	}
	// While the node looks, the next look waits for the end of that one.
	looks := func(effects []node.Effect) (tickets []node.Ticket) {
		for _, e := range effects {
			if l, ok := e.(node.ListChanged); ok {
				tickets = append(tickets, l.Ticket)
			}
		}
		return tickets
	}
	first := looks(b.node.Step(b.now, node.Reconnected{}))
	if meanwhile := looks(b.node.Step(b.now, node.Reconnected{})); len(first) != 1 || len(meanwhile) != 0 {
		t.Fatalf("the node looks %d times, and %d times beside that", len(first), len(meanwhile))
	}
	next := looks(b.node.Step(b.now, node.ListedChanged{Ticket: first[0]}))
	if len(next) != 1 {
		t.Fatalf("after that the node looks %d times", len(next))
	}
	if more := looks(b.node.Step(b.now, node.ListedChanged{Ticket: next[0]})); len(more) != 0 {
		t.Errorf("the node goes on looking %d times", len(more))
	}
}

// TestNobodyElse: a node that is alone tells nobody of calls, until it learns of another.
func TestNobodyElse(t *testing.T) {
	calls := func(b *bench) (n int) {
		for _, m := range b.published {
			if m.Call != nil {
				n++
			}
		}
		b.published = nil
		return n
	}
	b := several(t)
	alice := b.login("alice", "a")
	made := 0
	oneCall := func() {
		made++
		alice.invite(made, fmt.Sprint("bob", made))
		alice.hangup(made)
	}
	if oneCall(); calls(b) == 0 {
		t.Error("a node that has just begun tells of no call, and others may have begun with it")
	}
	b.wait(3 * time.Second)
	b.login("carol", "c")
	if oneCall(); len(b.published) == 0 || calls(b) > 0 {
		t.Fatal("a node that is alone has to tell of its login, and of no call")
	}
	for what, learn := range map[string]func(){
		"a beat":          func() { b.alive = []string{"other"}; b.wait(2 * time.Second) },
		"a message":       func() { b.step(node.Heard{Message: bus.Message{Account: "zoe", LoggedOut: true}}) },
		"a failed beat":   func() { b.breathless = 1; b.wait(2 * time.Second) },
		"no beat so long": func() { b.unheard = true; b.wait(7 * time.Second) },
	} {
		b.unheard, b.alive = false, nil
		b.wait(10 * time.Second)
		b.published = nil
		oneCall()
		if n := calls(b); n > 0 {
			t.Fatalf("before %s the node tells %d times", what, n)
		}
		learn()
		oneCall()
		if calls(b) == 0 {
			t.Errorf("after %s the node tells of no call", what)
		}
	}
}

// TestSingleLoginIsRepeated: word of a login that may be the only one is sent once more.
func TestSingleLoginIsRepeated(t *testing.T) {
	for _, single := range []bool{true, false} {
		b := several(t)
		b.single = single
		b.boot()
		b.published = nil
		b.login("bob", "b")
		b.login("carol", "c").drop()
		b.wait(10 * time.Second)
		var told []call.Account
		for _, m := range b.published {
			if m.Login != nil && m.Login.Single == single {
				told = append(told, m.Account)
			}
		}
		want := []call.Account{"bob", "carol", "bob"}
		if !single {
			want = want[:2]
		}
		if !slices.Equal(told, want) {
			t.Errorf("with single login %v logins are told of %v, want %v", single, told, want)
		}
	}
}
