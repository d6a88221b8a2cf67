package node_test

import (
	"slices"
	"testing"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

const (
	hostCandidate  = "candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host generation 0"
	relayCandidate = "candidate:2 1 udp 41885439 203.0.113.5 49152 typ relay raddr 192.0.2.7 rport 50000 generation 0"
	relayDiscreet  = "candidate:2 1 udp 41885439 203.0.113.5 49152 typ relay raddr 0.0.0.0 rport 0 generation 0"
)

func both() []*pealv1.Candidate {
	return []*pealv1.Candidate{{Candidate: hostCandidate}, {Candidate: relayCandidate}}
}

// candidates are those that a client was given since the last look.
func (c *client) candidates() (got []string) {
	for _, f := range c.events() {
		for _, x := range f.GetCandidates().GetCandidates() {
			got = append(got, x.Candidate)
		}
	}
	return got
}

// A policy keeps the addresses of either side from the other, whoever asks for
// it and whatever the clients send; the stricter one holds.
func TestPolicy(t *testing.T) {
	const (
		any     = pealv1.IcePolicy_ICE_POLICY_UNSPECIFIED
		until   = pealv1.IcePolicy_ICE_POLICY_RELAY_UNTIL_ACCEPT
		only    = pealv1.IcePolicy_ICE_POLICY_RELAY_ONLY
		hidden  = 0
		visible = 1
	)
	for _, tt := range []struct {
		server       call.Policy
		asked, holds pealv1.IcePolicy
		rings, talks int // What passes before the acceptance, and after.
	}{
		{call.AnyAddress, any, any, visible, visible},
		{call.AnyAddress, until, until, hidden, visible},
		{call.AnyAddress, only, only, hidden, hidden},
		{call.RelayUntilAccept, any, until, hidden, visible},
		{call.RelayUntilAccept, only, only, hidden, hidden},
		{call.RelayOnly, any, only, hidden, hidden},
		{call.RelayOnly, until, only, hidden, hidden},
	} {
		b := newBench(t)
		b.policy = tt.server
		b.boot()
		alice, bob := b.login("alice", "a"), b.login("bob", "b")
		r := alice.do(&pealv1.Invite{
			CallId: callID(1), Callee: "bob", Type: pealv1.CallType_CALL_TYPE_AUDIO, Offer: "v=0 offer", IcePolicy: tt.asked,
		})
		want(t, r.GetCall(), ringing, 0, caller)
		told := bob.event().Call.IcePolicy
		if got := r.GetCall().Call.IcePolicy; got != tt.holds || told != tt.holds {
			t.Errorf("server %d, asked %v: the sides are told %v and %v, want %v", tt.server, tt.asked, got, told, tt.holds)
		}
		check := func(when string, got []string, as int) {
			t.Helper()
			wanted := []string{relayDiscreet}
			if as == visible {
				wanted = []string{hostCandidate, relayCandidate}
			}
			if !slices.Equal(got, wanted) {
				t.Errorf("server %d, asked %v, %s: got %q, want %q", tt.server, tt.asked, when, got, wanted)
			}
		}
		alice.do(&pealv1.Candidates{CallId: callID(1), Generation: 1, Candidates: both()})
		check("ringing", bob.candidates(), tt.rings)
		bob.do(&pealv1.Accept{CallId: callID(1), Answer: "v=0 answer", Generation: 1, Candidates: both()})
		check("accepted", alice.candidates(), tt.talks)
		alice.do(&pealv1.Candidates{CallId: callID(1), Generation: 1, Candidates: both()})
		check("talking", bob.candidates(), tt.talks)
	}
}

// Where only relayed candidates pass and there are none, nothing is sent.
func TestPolicyPassesNothingEmpty(t *testing.T) {
	b := newBench(t)
	b.policy = call.RelayOnly
	b.boot()
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.event()
	r := alice.do(&pealv1.Candidates{CallId: callID(1), Generation: 1, Candidates: both()[:1]})
	if r.GetDone() == nil {
		t.Errorf("the answer is %v", r)
	}
	bob.quiet()
}

// What cannot be kept is not promised.
func TestPolicyWithoutARelay(t *testing.T) {
	b := newBench(t)
	b.relayless = true
	b.boot()
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	wantError(t, alice.do(&pealv1.Invite{
		CallId: callID(1), Callee: "bob", Type: pealv1.CallType_CALL_TYPE_AUDIO, Offer: "v=0 offer",
		IcePolicy: pealv1.IcePolicy_ICE_POLICY_RELAY_ONLY,
	}), protocol.NoRelay)
	bob.quiet()
	want(t, alice.invite(1, "bob").GetCall(), ringing, 0, caller)
}

// When both call each other the stricter of what they ask for holds.
func TestPolicyOfGlare(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.event()
	r := bob.do(&pealv1.Invite{
		CallId: callID(2), Callee: "alice", Type: pealv1.CallType_CALL_TYPE_AUDIO, Offer: "v=0 offer",
		IcePolicy: pealv1.IcePolicy_ICE_POLICY_RELAY_ONLY,
	})
	if got := r.GetCall().Call.IcePolicy; r.GetCall().MergedInto != callID(1) || got != pealv1.IcePolicy_ICE_POLICY_RELAY_ONLY {
		t.Errorf("merged into %q with %v", r.GetCall().MergedInto, got)
	}
}

// The candidates of an acceptance follow its answer to the caller. Those of a device that comes too
// late go nowhere, and it gets one error.
func TestCandidatesOfAnAcceptance(t *testing.T) {
	b := newBench(t)
	alice, bob, phone := b.login("alice", "a"), b.login("bob", "b1"), b.login("bob", "b2")
	alice.invite(1, "bob")
	bob.events()
	phone.events()
	accept := &pealv1.Accept{CallId: callID(1), Answer: "v=0 answer", Generation: 1, Candidates: both()}
	want(t, bob.do(accept).GetCall(), connecting, 0, callee)
	seen := alice.events()
	if len(seen) != 2 || seen[0].GetCall().GetAnswer() == "" || len(seen[1].GetCandidates().GetCandidates()) != 2 {
		t.Errorf("the caller sees %v", seen)
	}
	bob.quiet()
	phone.events()
	late := &pealv1.Accept{CallId: callID(1), Answer: "v=0 late", Generation: 1, Candidates: both()}
	wantError(t, phone.do(late), protocol.AnsweredElsewhere)
	alice.quiet()
	phone.quiet()
}

// Only the two people in the call learn what media flow by.
func TestPathIsTold(t *testing.T) {
	b := newBench(t)
	alice, bob, carol := b.login("alice", "a"), b.login("bob", "b"), b.login("carol", "c")
	alice.invite(1, "bob")
	bob.accept(1)
	report := &pealv1.MediaReport{CallId: callID(1), Generation: 1, Up: true, Path: pealv1.MediaPath_MEDIA_PATH_RELAY_TLS}
	b.told = nil
	carol.do(report)
	if len(b.told) > 0 {
		t.Errorf("a stranger has the log say %v", b.told)
	}
	alice.do(report)
	bob.do(report)
	moved, _ := b.told[0].(node.Moved)
	if moved.CallerPath != pealv1.MediaPath_MEDIA_PATH_RELAY_TLS || moved.CalleePath != moved.CallerPath || moved.From != call.Connecting {
		t.Errorf("told: %+v", b.told)
	}
}

// Of candidates for a call that the device has nothing to do with nothing stays.
func TestCandidatesOfNoCallLeaveNothing(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.events()
	calls := b.node.Held().Calls
	wantError(t, alice.do(&pealv1.Candidates{CallId: callID(7), Generation: 1, Candidates: both()}), protocol.NoSuchCall)
	if n := b.node.Held().Calls; n != calls {
		t.Errorf("%d calls are held, %d were before", n, calls)
	}
}
