package node_test

import (
	"slices"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// beside is a node that knows that there is another.
func beside(t *testing.T) *bench {
	b := newBench(t)
	b.several, b.alive = true, []string{"other"}
	b.boot()
	return b
}

// hearAsk has another node ask about an account that has just come to it.
func (b *bench) hearAsk(account, device string) {
	who := otherConn(account, device)
	b.step(node.Heard{Message: bus.Message{Account: who.Account, Login: &bus.Login{Device: who, At: b.now, Connected: b.now, Asks: true}}})
}

// sent takes the messages about calls, and the signals, that were sent for an account.
func (b *bench) sent(account call.Account) (calls, signals int) {
	for _, m := range b.published {
		switch {
		case m.Account != account:
		case m.Call != nil:
			calls++
		case m.Signal != nil:
			signals++
		}
	}
	b.published = nil
	return calls, signals
}

var host = &pealv1.Candidate{Candidate: "candidate:1 1 udp 2122260223 192.0.2.1 50000 typ host"}

// TestSentToNobody: what all devices of an account have heard here is not sent, until another node
// has the account as well; then it is, with what was withheld a moment ago.
func TestSentToNobody(t *testing.T) {
	b := beside(t)
	alice := b.login("alice", "a")
	b.login("bob", "b")
	b.published = nil
	alice.invite(1, "bob")
	alice.do(&pealv1.Candidates{CallId: callID(1), Generation: 1, Candidates: []*pealv1.Candidate{host}})
	if calls, signals := b.sent("bob"); calls+signals > 0 {
		t.Errorf("%d calls and %d signals are sent to nobody", calls, signals)
	}
	b.hearAsk("bob", "b2")
	if len(b.published) == 0 || b.published[len(b.published)-1].Login == nil {
		t.Errorf("the node that asks has no answer: %v", b.published)
	}
	if calls, signals := b.sent("bob"); calls != 1 || signals != 1 {
		t.Errorf("%d calls and %d signals are sent late, want one each", calls, signals)
	}
	b.hearAsk("bob", "b2")
	if calls, signals := b.sent("bob"); calls+signals > 0 {
		t.Errorf("%d calls and %d signals are sent again", calls, signals)
	}
	alice.hangup(1)
	if calls, _ := b.sent("bob"); calls != 1 {
		t.Errorf("the end of the call is sent %d times, want once", calls)
	}
}

// TestWithheldTooLong: what another node reads in the store when the account comes to it is not sent.
func TestWithheldTooLong(t *testing.T) {
	b := beside(t)
	alice := b.login("alice", "a")
	b.login("bob", "b")
	alice.invite(1, "bob")
	b.wait(6 * time.Second)
	b.published = nil
	b.hearAsk("bob", "b2")
	if calls, _ := b.sent("bob"); calls > 0 {
		t.Errorf("%d calls are sent after seconds", calls)
	}
}

// TestSentToStrangers: what is for an account without a device here is sent, and so is what is for
// a device that is not here.
func TestSentToStrangers(t *testing.T) {
	b := beside(t)
	alice := b.login("alice", "a")
	b.published = nil
	alice.invite(1, "bob")
	if calls, _ := b.sent("bob"); calls != 1 {
		t.Errorf("the invitation is sent %d times, want once", calls)
	}
	b.login("bob", "b").drop()
	b.published = nil
	alice.hangup(1)
	if calls, _ := b.sent("bob"); calls != 1 {
		t.Errorf("to an account that has left the end is sent %d times, want once", calls)
	}
}

// TestAskedAgain: after the bus was away it is not known who has what. All is sent until the
// others were asked again.
func TestAskedAgain(t *testing.T) {
	b := beside(t)
	alice := b.login("alice", "a")
	b.login("bob", "b")
	b.hearAsk("alice", "a2")
	b.published = nil
	b.step(node.Reconnected{})
	asked := map[call.Account]int{}
	for _, m := range b.published {
		if m.Login != nil && m.Login.Asks {
			asked[m.Account]++
		}
	}
	if asked["alice"] != 1 || asked["bob"] != 1 {
		t.Errorf("asked about %v", asked)
	}
	b.published = nil
	alice.invite(1, "bob")
	alice.hangup(1)
	if calls, _ := b.sent("alice"); calls > 0 {
		t.Errorf("%d messages for an account that nobody else has any more", calls)
	}
}

// TestAskedOnce: a device asks about its account where it is the first of it.
func TestAskedOnce(t *testing.T) {
	b := beside(t)
	b.published = nil
	first, second := b.login("bob", "b1"), b.login("bob", "b2")
	first.drop()
	second.drop()
	b.login("bob", "b1")
	var asks []bool
	for _, m := range b.published {
		asks = append(asks, m.Login.Asks)
	}
	if !slices.Equal(asks, []bool{true, false, true}) {
		t.Errorf("the logins ask %v", asks)
	}
}

// TestTrimmed: messages have the descriptions that are asked for, and say which they lack.
func TestTrimmed(t *testing.T) {
	b := beside(t)
	alice := b.login("alice", "a")
	alice.invite(1, "bob")
	bob := otherConn("bob", "b")
	answered := b.elsewhere(1, func(*call.Call) call.Input { return call.Accept{Device: bob, Generation: 1, Answer: "v=0 answer"} })
	b.step(node.Heard{Message: bus.Message{Account: "alice", Device: "a", Call: &answered, With: call.WithAnswer}})
	alice.do(&pealv1.TrackReport{CallId: callID(1), Tracks: &pealv1.Tracks{Audio: true}})
	alice.do(&pealv1.Restart{CallId: callID(1), FromGeneration: 1})
	alice.do(&pealv1.Offer{CallId: callID(1), Generation: 2, Sdp: "v=0 again"})
	var got []string
	for _, m := range b.published {
		if m.Call == nil || m.Account != "bob" {
			continue
		}
		got = append(got, string(m.Call.Media.Offer)+"|"+string(m.Call.Media.Answer)+"|"+[]string{"", "offer", "answer", "both"}[m.Without])
	}
	want := []string{"v=0 offer||", "||both", "||", "v=0 again||"}
	if len(got) != len(want) {
		t.Fatalf("sent %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("message %d has %q, want %q", i, got[i], want[i])
		}
	}
	if stored := b.stored(1); stored.Media.Offer != "v=0 again" {
		t.Errorf("stored is the offer %q", stored.Media.Offer)
	}
}

// TestPartOfACall: a message without descriptions leaves those of the same generation, and where
// the node does not have them it reads the call.
func TestPartOfACall(t *testing.T) {
	for _, missed := range []bool{false, true} {
		b := beside(t)
		alice := b.login("alice", "a")
		alice.invite(1, "bob")
		bob := otherConn("bob", "b")
		tell := func(c call.Call, with call.Attachments) {
			c.Media.Offer = ""
			without := call.WithOffer
			if with&call.WithAnswer == 0 {
				c.Media.Answer = ""
				without |= call.WithAnswer
			}
			b.step(node.Heard{Message: bus.Message{Account: "alice", Device: "a", Call: &c, With: with, Without: without}})
		}
		answered := b.elsewhere(1, func(*call.Call) call.Input { return call.Accept{Device: bob, Generation: 1, Answer: "v=0 answer"} })
		if !missed {
			tell(answered, call.WithAnswer)
			if u := alice.event(); u.Answer != "v=0 answer" {
				t.Errorf("alice is given the answer %q", u.Answer)
			}
		}
		loads := b.loads
		tell(b.elsewhere(1, func(*call.Call) call.Input { return call.Report{Device: bob, Generation: 1, Up: true} }), 0)
		alice.do(&pealv1.TrackReport{CallId: callID(1), Tracks: &pealv1.Tracks{Audio: true}})
		m := b.stored(1).Media
		if m.Offer != "v=0 offer" || m.Answer != "v=0 answer" {
			t.Errorf("where the acceptance was missed is %v, stored are %q and %q", missed, m.Offer, m.Answer)
		}
		if read := b.loads > loads; read != missed {
			t.Errorf("where the acceptance was missed is %v, the call was read: %v", missed, read)
		}

		again := b.elsewhere(1, func(*call.Call) call.Input { return call.Restart{Device: bob, From: 1} })
		b.step(node.Heard{Message: bus.Message{Account: "alice", Device: "a", Call: &again, With: call.WithServers}})
		alice.do(&pealv1.TrackReport{CallId: callID(1), Tracks: &pealv1.Tracks{Audio: true, AudioMuted: true}})
		if m := b.stored(1).Media; m.Generation != 2 || m.Offer != "" || m.Answer != "" {
			t.Errorf("stored in generation %d are %q and %q of the one before", m.Generation, m.Offer, m.Answer)
		}
	}
}
