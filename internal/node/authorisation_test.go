package node_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

var update = flag.Bool("update", false, "write the files in testdata anew")

// people are those who may say something about a call of alice's with bob.
var people = []struct{ name, account, device string }{
	{"caller", "alice", "a1"},
	{"caller's other", "alice", "a2"},
	{"callee", "bob", "b1"},
	{"callee's other", "bob", "b2"},
	{"stranger", "eve", "e1"},
}

// nobodies are those who have no welcome: by the token of their hello, if they
// say one, and why they are closed.
var nobodies = []struct {
	name, token string
	closed      protocol.Code
}{
	{"who says no hello", "", ""},
	{"whose token has expired", "old", protocol.TokenExpired},
	{"whose token is by another key", "bad", protocol.BadToken},
}

// states are those of the call.
var states = []string{"ringing", "answered", "connected", "ended"}

// said is what is said of every command, by its name in the schema; of one about
// a call it is that call.
var said = map[string]proto.Message{
	"hello":        &pealv1.Hello{Token: "alice", DeviceId: "a1", Fresh: true},
	"ping":         &pealv1.Ping{},
	"invite":       &pealv1.Invite{CallId: callID(1), Callee: "bob", Type: pealv1.CallType_CALL_TYPE_AUDIO, Offer: "v=0 another"},
	"ringing":      &pealv1.Ringing{CallId: callID(1)},
	"ring_timeout": &pealv1.RingTimeout{CallId: callID(1)},
	"accept":       &pealv1.Accept{CallId: callID(1), Answer: "v=0 another", Generation: 1},
	"reject":       &pealv1.Reject{CallId: callID(1)},
	"cancel":       &pealv1.Cancel{CallId: callID(1)},
	"hangup":       &pealv1.Hangup{CallId: callID(1)},
	"offer":        &pealv1.Offer{CallId: callID(1), Generation: 1, Sdp: "v=0 another"},
	"answer":       &pealv1.Answer{CallId: callID(1), Generation: 1, Sdp: "v=0 another"},
	"candidates":   &pealv1.Candidates{CallId: callID(1), Generation: 1, Candidates: []*pealv1.Candidate{{Candidate: "candidate:1"}}},
	"media":        &pealv1.MediaReport{CallId: callID(1), Generation: 1, Up: true},
	"restart":      &pealv1.Restart{CallId: callID(1), FromGeneration: 1},
	"tracks":       &pealv1.TrackReport{CallId: callID(1), Tracks: &pealv1.Tracks{Audio: true}},
	"leaving":      &pealv1.Leaving{},
	"authenticate": &pealv1.Authenticate{Token: "alice"},
	"logout":       &pealv1.Logout{},
	"switch_type":  &pealv1.SwitchType{CallId: callID(1), Type: pealv1.CallType_CALL_TYPE_AUDIO},
	"list_records": &pealv1.ListRecords{},
}

// names are the commands of the schema, each of which has something said of it.
func names(t *testing.T) (all []string) {
	t.Helper()
	for _, c := range commands() {
		name := string(c.Name())
		if said[name] == nil {
			t.Fatalf("nothing is said of the command %s", name)
		}
		if of := c.Message().Fields().ByName("call_id"); of != nil && said[name].ProtoReflect().Get(of).String() != callID(1) {
			t.Fatalf("what is said of %s is not about the call", name)
		}
		all = append(all, name)
	}
	return all
}

// Every command × who says it × the state of the call: what the answer is, and what comes of the
// call. A stranger is sent nothing but answers, which say that there is no such call; a stranger
// that guesses its id, which is a UUID, learns from an invitation by it that it is taken, and
// nothing else.
func TestAuthorisation(t *testing.T) {
	var out strings.Builder
	for _, state := range states {
		fmt.Fprintf(&out, "## %s\n", state)
		for _, name := range names(t) {
			fmt.Fprintln(&out, name)
			for who := range people {
				fmt.Fprintf(&out, "  %-14s  %s\n", people[who].name, outcome(t, state, who, name))
			}
		}
	}
	keep(t, "testdata/authorisation.txt", []byte(out.String()))
}

// outcome has one say a command in a state of the call.
func outcome(t *testing.T, state string, who int, name string) string {
	t.Helper()
	b := newBench(t)
	clients := make([]*client, len(people))
	for i, p := range people {
		clients[i] = b.login(p.account, p.device)
	}
	stranger := clients[len(clients)-1]
	b.bring(clients[0], clients[2], state)
	stranger.quiet()
	for _, c := range clients {
		c.events()
	}
	before := b.stored(1)
	f := clients[who].do(proto.Clone(said[name]))
	answer := "done"
	if f.Error != nil {
		answer = f.Error.Code
	}
	now := b.stored(1)
	if clients[who] == stranger {
		if now.Rev != before.Rev || strings.Contains(f.String(), callID(1)) || f.GetCall() != nil || !strangersMay(name, answer) {
			t.Errorf("a stranger who says %s in a call that is %s is answered %v", name, state, f)
		}
		for _, u := range stranger.events() {
			if name != "logout" || u.GetGoodbye() == nil {
				t.Errorf("a stranger who says %s in a call that is %s is sent %v", name, state, u)
			}
		}
	}
	stranger.quiet()
	switch {
	case now.Rev == before.Rev:
		return answer
	case !now.Live():
		return fmt.Sprintf("%s, ends it by reason %d", answer, now.Outcome.Reason)
	case now.State != before.State:
		return fmt.Sprintf("%s, to state %d", answer, now.State)
	}
	return answer + ", changes it"
}

// strangersMay says whether a stranger may be answered so.
func strangersMay(name, answer string) bool {
	switch {
	case name == "invite":
		return answer == string(protocol.CallIDTaken)
	case said[name].ProtoReflect().Descriptor().Fields().ByName("call_id") != nil:
		return answer == string(protocol.NoSuchCall)
	}
	return true // It is about the stranger itself.
}

// bring brings call 1 of two devices to a state.
func (b *bench) bring(caller, callee *client, state string) {
	b.t.Helper()
	caller.invite(1, "bob")
	if state == "ringing" {
		return
	}
	callee.accept(1)
	if state == "connected" {
		for _, c := range []*client{caller, callee} {
			c.do(&pealv1.MediaReport{CallId: callID(1), Generation: 1, Up: true})
		}
	}
	if state == "ended" {
		caller.hangup(1)
	}
}

// A device without a welcome does nothing and learns nothing, whatever it says: its
// commands are refused, and once its hello has been, not even that.
func TestNobodies(t *testing.T) {
	for _, who := range nobodies {
		for _, state := range states {
			for _, name := range names(t) {
				b := newBench(t)
				nobody := b.open()
				nobody.talks = true
				if who.token != "" {
					wantError(t, nobody.do(&pealv1.Hello{Token: who.token, DeviceId: "a1"}), who.closed)
				}
				if nobody.closed != string(who.closed) {
					t.Fatalf("%s is closed as %q", who.name, nobody.closed)
				}
				b.bring(b.login("alice", "a1"), b.login("bob", "b1"), state)
				nobody.quiet()
				if who.token == "" && name == "hello" {
					continue // Who it is good for is welcomed.
				}
				before := b.stored(1)
				b.step(node.Received{Conn: nobody.conn, Frame: nobody.frame(name)})
				heard := nobody.events()
				if b.stored(1).Rev != before.Rev {
					t.Errorf("%s says %s, and the call that is %s changes", who.name, name, state)
				}
				switch {
				case who.token != "" && len(heard) == 0:
				case who.token == "" && len(heard) == 1 && heard[0].GetError().GetCode() == string(protocol.HelloRequired):
				case who.token == "" && len(heard) == 1 && name == "ping" && heard[0].GetPong() != nil:
				default:
					t.Errorf("%s says %s while the call is %s, and is sent %v", who.name, name, state, heard)
				}
			}
		}
	}
}

// frame is the next one of a client, with what is said of a command.
func (c *client) frame(name string) *pealv1.ClientFrame {
	c.b.t.Helper()
	c.id++
	f := frame(c.b.t, proto.Clone(said[name]))
	f.Id = c.id
	return f
}
