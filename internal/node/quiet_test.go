package node_test

import (
	"slices"
	"testing"

	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// mention says something that only a failure is to be answered of.
func (c *client) mention(f *pealv1.ClientFrame) *pealv1.ServerFrame {
	c.id++
	c.b.step(node.Received{Conn: c.conn, Frame: &pealv1.ClientFrame{Id: c.id, Command: f.Command, Quiet: true}})
	for i, r := range c.inbox {
		if r.ReplyTo == c.id {
			c.inbox = append(c.inbox[:i:i], c.inbox[i+1:]...)
			return r
		}
	}
	return nil
}

// A quiet command that succeeds is not answered. What it changes for the device
// as well comes as an event, and a failure, or an end, as ever.
func TestQuiet(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.event()
	rings := &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Ringing{Ringing: &pealv1.Ringing{CallId: callID(1)}}}
	if r := bob.mention(rings); r != nil {
		t.Errorf("a quiet command is answered by %v", r)
	}
	early := &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Candidates{Candidates: &pealv1.Candidates{
		CallId: callID(1), Generation: 1, Candidates: both(),
	}}}
	wantError(t, bob.mention(early), protocol.NotAccepted)
	if r := alice.mention(early); r != nil || len(bob.candidates()) != 2 {
		t.Errorf("quiet candidates are answered by %v", r)
	}
	bob.accept(1)
	alice.events()
	up := &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Media{Media: &pealv1.MediaReport{CallId: callID(1), Generation: 1, Up: true}}}
	if r := alice.mention(up); r != nil {
		t.Errorf("quiet news is answered by %v", r)
	}
	bob.events()
	if r := bob.mention(up); r != nil {
		t.Errorf("quiet news is answered by %v", r)
	}
	// That the call is connected both learn by events.
	want(t, bob.event(), connected, 0, callee)
	want(t, alice.event(), connected, 0, caller)
	alice.hangup(1)
	bob.events()
	late := bob.mention(up)
	if late == nil || late.GetCall().GetCall().GetState() != ended {
		t.Errorf("news of a call that is over is answered by %v", late)
	}
}

// Commits that tell how a device does wait for company, until something waits for them.
func TestPatience(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	b.commits, b.hurried = nil, 0
	bob.do(&pealv1.Ringing{CallId: callID(1)})
	bob.accept(1)
	for _, c := range []*client{alice, bob} {
		c.do(&pealv1.TrackReport{CallId: callID(1), Tracks: &pealv1.Tracks{Audio: true}})
		c.do(&pealv1.MediaReport{CallId: callID(1), Generation: 1, Up: true})
	}
	alice.hangup(1)
	if want := []bool{true, false, true, true, true, true, false}; !slices.Equal(b.commits, want) || b.hurried != 0 {
		t.Errorf("commits are patient: %v, want %v; hurried %d times", b.commits, want, b.hurried)
	}
	alice.invite(2, "bob")
	b.meddle = func() {
		// While that he rings waits for company, he accepts.
		b.busy = false
		b.step(node.Received{Conn: bob.conn, Frame: &pealv1.ClientFrame{Id: 1000, Command: &pealv1.ClientFrame_Accept{
			Accept: &pealv1.Accept{CallId: callID(2), Generation: 1, Answer: "v=0 answer"},
		}}})
		b.busy = true
	}
	bob.do(&pealv1.Ringing{CallId: callID(2)})
	if b.hurried != 1 {
		t.Errorf("what waits for company is hurried %d times, want once", b.hurried)
	}
}
