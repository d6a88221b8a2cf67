package node_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"

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

// said is every command about a call.
var said = []any{
	&pealv1.Ringing{CallId: callID(1)},
	&pealv1.RingTimeout{CallId: callID(1)},
	&pealv1.Accept{CallId: callID(1), Answer: "v=0 another", Generation: 1},
	&pealv1.Reject{CallId: callID(1)},
	&pealv1.Cancel{CallId: callID(1)},
	&pealv1.Hangup{CallId: callID(1)},
	&pealv1.Offer{CallId: callID(1), Generation: 1, Sdp: "v=0 another"},
	&pealv1.Answer{CallId: callID(1), Generation: 1, Sdp: "v=0 another"},
	&pealv1.Candidates{CallId: callID(1), Generation: 1, Candidates: []*pealv1.Candidate{{Candidate: "candidate:1"}}},
	&pealv1.MediaReport{CallId: callID(1), Generation: 1, Up: true},
	&pealv1.Restart{CallId: callID(1), FromGeneration: 1},
	&pealv1.TrackReport{CallId: callID(1), Tracks: &pealv1.Tracks{Audio: true}},
	&pealv1.SwitchType{CallId: callID(1), Type: pealv1.CallType_CALL_TYPE_AUDIO},
	&pealv1.Invite{CallId: callID(1), Callee: "bob", Type: pealv1.CallType_CALL_TYPE_AUDIO, Offer: "v=0 another"},
}

// Every command × who says it × the state of the call: what the answer is, and
// what comes of the call. A stranger never learns anything.
func TestAuthorisation(t *testing.T) {
	var out strings.Builder
	for _, state := range []string{"ringing", "answered", "ended"} {
		fmt.Fprintf(&out, "## %s\n", state)
		for _, command := range said {
			fmt.Fprintf(&out, "%s\n", strings.TrimPrefix(fmt.Sprintf("%T", command), "*pealv1."))
			for who := range people {
				fmt.Fprintf(&out, "  %-14s  %s\n", people[who].name, outcome(t, state, who, command))
			}
		}
	}
	keep(t, "testdata/authorisation.txt", []byte(out.String()))
}

// outcome has one say a command about a call in a state.
func outcome(t *testing.T, state string, who int, command any) string {
	t.Helper()
	b := newBench(t)
	clients := make([]*client, len(people))
	for i, p := range people {
		clients[i] = b.login(p.account, p.device)
	}
	clients[0].invite(1, "bob")
	if state != "ringing" {
		clients[2].accept(1)
	}
	if state == "ended" {
		clients[0].hangup(1)
	}
	for _, c := range clients {
		c.events()
	}
	before := b.stored(1)
	f := clients[who].do(command)
	answer := "done"
	if f.Error != nil {
		answer = f.Error.Code
	}
	stranger := clients[len(clients)-1]
	stranger.quiet()
	if clients[who] == stranger && (f.Error == nil || f.Body != nil || b.stored(1).Rev != before.Rev) {
		t.Errorf("a stranger who says %T in a call that is %s is answered %v", command, state, f)
	}
	switch now := b.stored(1); {
	case now.Rev == before.Rev:
		return answer
	case !now.Live():
		return fmt.Sprintf("%s, ends it by reason %d", answer, now.Outcome.Reason)
	case now.State != before.State:
		return fmt.Sprintf("%s, to state %d", answer, now.State)
	}
	return answer + ", changes it"
}
