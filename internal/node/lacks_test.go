package node_test

import (
	"testing"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// without is a message of another node as it comes: with no description that it does not ask for.
func without(c call.Call, account call.Account) node.Heard {
	m := bus.Message{Account: account, Without: call.WithOffer}
	if c.Media.Answer != "" {
		m.Without |= call.WithAnswer
	}
	c.Media.Offer, c.Media.Answer = "", ""
	m.Call = &c
	return node.Heard{Message: m}
}

// TestAnswerOfALostMessage: the node of the callee dies after it has stored the answer, before it
// sends it. The caller gets the answer with the next change, whose message is without it.
func TestAnswerOfALostMessage(t *testing.T) {
	b := several(t)
	alice := b.login("alice", "a")
	alice.invite(1, "bob")
	alice.events()
	bob := otherConn("bob", "b")
	b.elsewhere(1, func(*call.Call) call.Input { return call.Accept{Device: bob, Generation: 1, Answer: "v=0 answer"} })
	c := b.elsewhere(1, func(*call.Call) call.Input { return call.SetTracks{Device: bob, Tracks: call.Tracks{Audio: true}} })
	b.step(without(c, "alice"))
	u := alice.event()
	if u.GetCall().GetState() != pealv1.CallState_CALL_STATE_CONNECTING || u.GetCall().GetRev() != c.Rev || u.GetAnswer() != "v=0 answer" {
		t.Errorf("the caller is told %v", u)
	}
	// It has the answer now: nothing is read for what comes next.
	b.loads = 0
	c = b.elsewhere(1, func(*call.Call) call.Input { return call.SetTracks{Device: bob, Tracks: call.Tracks{Video: true}} })
	b.step(without(c, "alice"))
	if u := alice.event(); u.GetCall().GetRev() != c.Rev || u.GetAnswer() != "" || b.loads > 0 {
		t.Errorf("the caller is told %v after %d reads", u, b.loads)
	}
}

// TestOfferOfALostMessage: the same of an invitation, whose message is lost.
func TestOfferOfALostMessage(t *testing.T) {
	b := several(t)
	b.alive = []string{"other"}
	bob := b.login("bob", "b")
	c, _, err := call.New(call.Invite{
		ID: call.ID(callID(1)), Caller: otherConn("alice", "a"), Callee: "bob", Type: call.Audio, Offer: "v=0 offer", Timing: call.DefaultTiming(),
	}, b.now)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := b.memory.Commit(t.Context(), []store.Change{{Call: c}}); err != nil || r[0].Verdict != store.Done {
		t.Fatal(r, err)
	}
	c = b.elsewhere(1, func(*call.Call) call.Input { return call.Ring{Device: otherConn("bob", "b2")} })
	b.step(without(c, "bob"))
	u := bob.event()
	if u.GetCall().GetState() != pealv1.CallState_CALL_STATE_RINGING || u.GetOffer() != "v=0 offer" {
		t.Errorf("the callee is told %v", u)
	}
}
