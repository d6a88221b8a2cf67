package node_test

import (
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// departures are the ways in which the connection of a client ends.
var departures = map[string]func(*client){
	"without a word": (*client).drop,
	"says leaving": func(c *client) {
		c.do(&pealv1.Leaving{})
		c.drop()
	},
	"closes by 1001": (*client).leave,
}

// leave ends the connection as a browser does whose page goes away.
func (c *client) leave() {
	delete(c.b.conns, c.conn)
	c.b.step(node.Closed{Conn: c.conn, Leaving: true})
}

// A page that goes away is missed after the shorter grace, by whichever of the two it said so.
func TestLeaving(t *testing.T) {
	for name, depart := range departures {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			alice, bob := b.login("alice", "a"), b.login("bob", "b")
			alice.invite(1, "bob")
			bob.accept(1)
			for _, c := range []*client{alice, bob} {
				c.do(&pealv1.MediaReport{CallId: callID(1), Generation: 1, Up: true})
			}
			alice.do(&pealv1.MediaReport{CallId: callID(1), Generation: 1, Up: false})
			alice.events()
			depart(bob)
			want(t, alice.event(), connected, 0, caller)
			grace := 10 * time.Second
			if name == "without a word" {
				grace = 30 * time.Second
			}
			b.wait(grace - time.Second)
			alice.quiet()
			b.wait(2 * time.Second)
			want(t, alice.event(), ended, pealv1.Reason_REASON_LOST, caller)
		})
	}
}

// A connection that the server has closed leaves nothing: the device has a newer one.
func TestLeavingByAnOldConnection(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.accept(1)
	again := b.open()
	again.do(&pealv1.Hello{Token: "bob", DeviceId: "b"})
	alice.events()
	bob.leave()
	again.drop()
	alice.events()
	b.wait(15 * time.Second) // A page that had left would be lost by now.
	alice.quiet()
}

// A page that is loaded again goes on with its call where it wants to, however it went.
func TestReload(t *testing.T) {
	for way, depart := range departures {
		for name, resume := range map[string]bool{"resumed": true, "forgotten": false} {
			t.Run(way+", "+name, func(t *testing.T) {
				b := newBench(t)
				alice, bob := b.login("alice", "a"), b.login("bob", "b")
				alice.invite(1, "bob")
				bob.accept(1)
				depart(alice)
				bob.events()
				alice = b.open()
				w := alice.do(&pealv1.Hello{Token: "alice", DeviceId: "a", Fresh: true, Resume: resume}).GetWelcome()
				if !resume {
					want(t, w.GetCalls()[0], ended, pealv1.Reason_REASON_LOST, caller)
					want(t, bob.event(), ended, pealv1.Reason_REASON_LOST, callee)
					return
				}
				want(t, w.GetCalls()[0], connecting, 0, caller)
				u := bob.event()
				if u.Call.Generation != 2 || u.Call.RebuildGeneration != 2 || u.Call.Caller.Epoch != 2 || len(u.IceServers) == 0 {
					t.Errorf("the other side hears %v", u)
				}
			})
		}
	}
}
