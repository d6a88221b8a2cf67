package device

import (
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// bench is a device on a bench: what it is given, and what it does of it.
type bench struct {
	*Device
	now    time.Time
	socket Socket
	did    []Effect
}

func newBench(c Config) *bench {
	c.ID = "d1"
	b := &bench{Device: New(c), now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	b.login()
	return b
}

func (b *bench) step(in Input) {
	b.now = b.now.Add(time.Millisecond)
	b.did = append(b.did, b.Step(b.now, in)...)
}

func (b *bench) login(calls ...*pealv1.CallUpdate) {
	b.socket++
	b.step(Login{})
	b.step(GotToken{Token: "t"})
	b.step(Opened{b.socket})
	b.tell(&pealv1.ServerFrame{Body: &pealv1.ServerFrame_Welcome{Welcome: &pealv1.Welcome{Account: "bob", Calls: calls}}})
}

func (b *bench) tell(f *pealv1.ServerFrame) { b.step(Received{b.socket, f}) }

// sent are the ids of the frames that something is asked for by, oldest first.
func (b *bench) sent(asks func(*pealv1.ClientFrame) bool) (ids []uint32) {
	for _, e := range b.did {
		if s, ok := e.(Send); ok && asks(s.Frame) {
			ids = append(ids, s.Frame.Id)
		}
	}
	return ids
}

func (b *bench) hangups(id string) int {
	return len(b.sent(func(f *pealv1.ClientFrame) bool { return f.GetHangup().GetCallId() == id }))
}

func (b *bench) rang(id string) (n int) {
	for _, e := range b.did {
		if in, ok := e.(Incoming); ok && in.Update.Call.CallId == id {
			n++
		}
	}
	return n
}

func newsOf(id string, state pealv1.CallState, role pealv1.Role) *pealv1.CallUpdate {
	return &pealv1.CallUpdate{Call: &pealv1.Call{
		CallId: id, Rev: 1, State: state, Role: role, Generation: 1,
		Caller: &pealv1.Party{Account: "alice"}, Callee: &pealv1.Party{Account: "bob"},
	}}
}

// Who cancels an invitation of which there is no word yet does not want the call either
// that it becomes.
func TestCancelThatMeetsAMerge(t *testing.T) {
	b := newBench(Config{})
	b.step(Invite{Ticket: 1, Invite: &pealv1.Invite{CallId: "own", Callee: "alice"}})
	b.step(Cancel{Ticket: 2, Call: "own"})
	invites := b.sent(func(f *pealv1.ClientFrame) bool { return f.GetInvite() != nil })
	theirs := newsOf("theirs", pealv1.CallState_CALL_STATE_CONNECTING, pealv1.Role_ROLE_CALLEE)
	theirs.MergedInto = "theirs"
	b.tell(&pealv1.ServerFrame{ReplyTo: invites[0], Body: &pealv1.ServerFrame_Call{Call: theirs}})
	if n := b.hangups("theirs"); n != 1 || b.Call() != nil {
		t.Errorf("the call that it became is hung up %d times, the device is in %v", n, b.Call())
	}
}

// A merge that does not say into which call is an answer like any other.
func TestMergeWithoutACall(t *testing.T) {
	b := newBench(Config{})
	b.step(Invite{Ticket: 1, Invite: &pealv1.Invite{CallId: "own", Callee: "alice"}})
	invites := b.sent(func(f *pealv1.ClientFrame) bool { return f.GetInvite() != nil })
	b.tell(&pealv1.ServerFrame{ReplyTo: invites[0], Body: &pealv1.ServerFrame_Call{Call: &pealv1.CallUpdate{MergedInto: "theirs"}}})
	if id := b.Call().GetCallId(); id != "own" {
		t.Errorf("the device is in %q", id)
	}
}

// A program that restarted leaves a call that its earlier request created, unless its login resumes
// it.
func TestCallOfTheProgramBefore(t *testing.T) {
	late := newsOf("late", pealv1.CallState_CALL_STATE_RINGING, pealv1.Role_ROLE_CALLER)
	for _, test := range []struct {
		name            string
		resume, welcome bool // Whether the welcome tells of it, or news.
		hungUp          int
	}{
		{"nothing is resumed", false, false, 1},
		{"it comes after the welcome", true, false, 1},
		{"it is resumed", true, true, 0},
	} {
		b := newBench(Config{Resume: test.resume})
		if test.welcome {
			b.tell(&pealv1.ServerFrame{Body: &pealv1.ServerFrame_Goodbye{Goodbye: &pealv1.Goodbye{Error: &pealv1.Error{Code: "kicked"}}}})
			b.login(late)
		}
		for range 2 {
			b.tell(&pealv1.ServerFrame{Body: &pealv1.ServerFrame_Call{Call: late}})
		}
		if n := b.hangups("late"); n != test.hungUp || (b.Call() != nil) != test.welcome {
			t.Errorf("%s: it is hung up %d times, the device is in %v", test.name, n, b.Call())
		}
	}
}

// An invitation that was given up and merged, of which the network lost the answer, does not
// put anybody into a call that rings meanwhile: only who has answered is in it.
func TestInACallWithoutAnAnswer(t *testing.T) {
	for _, answers := range []bool{false, true} {
		b := newBench(Config{})
		b.tell(&pealv1.ServerFrame{Body: &pealv1.ServerFrame_Call{Call: newsOf("rings", pealv1.CallState_CALL_STATE_RINGING, pealv1.Role_ROLE_CALLEE)}})
		if answers {
			b.step(Accept{Ticket: 1, Accept: &pealv1.Accept{CallId: "rings", Generation: 1}})
		}
		on := newsOf("rings", pealv1.CallState_CALL_STATE_CONNECTING, pealv1.Role_ROLE_CALLEE)
		on.Call.Rev = 2
		b.tell(&pealv1.ServerFrame{Body: &pealv1.ServerFrame_Call{Call: on}})
		if n := b.hangups("rings"); (n == 0) != answers || (b.Call() != nil) != answers {
			t.Errorf("answered %t: it is hung up %d times, the device is in %v", answers, n, b.Call())
		}
	}
}

// What rang when a login ended rings for the next one, if it still does.
func TestRingsForTheNextLogin(t *testing.T) {
	b := newBench(Config{})
	rings := newsOf("rings", pealv1.CallState_CALL_STATE_RINGING, pealv1.Role_ROLE_CALLEE)
	b.tell(&pealv1.ServerFrame{Body: &pealv1.ServerFrame_Call{Call: rings}})
	b.tell(&pealv1.ServerFrame{Body: &pealv1.ServerFrame_Goodbye{Goodbye: &pealv1.Goodbye{Error: &pealv1.Error{Code: "kicked"}}}})
	if b.Call() != nil || b.State() != Offline {
		t.Fatalf("logged out it is %v, in %v", b.State(), b.Call())
	}
	b.login(rings)
	if n := b.rang("rings"); n != 2 {
		t.Errorf("it rang %d times", n)
	}
}

// A login that the server ends takes its call with it, for the reason that the record has.
func TestEndedWithTheLogin(t *testing.T) {
	for _, code := range []string{"kicked", "logged_out", "token_revoked"} {
		b := newBench(Config{})
		b.tell(&pealv1.ServerFrame{Body: &pealv1.ServerFrame_Call{Call: newsOf("rings", pealv1.CallState_CALL_STATE_RINGING, pealv1.Role_ROLE_CALLEE)}})
		b.tell(&pealv1.ServerFrame{Body: &pealv1.ServerFrame_Goodbye{Goodbye: &pealv1.Goodbye{Error: &pealv1.Error{Code: code}}}})
		ends := slices.Collect(b.ends("rings"))
		if len(ends) != 1 || ends[0] != ReasonKicked {
			t.Errorf("%s: the call ended for %v", code, ends)
		}
	}
}

func (b *bench) ends(id string) iter.Seq[Reason] {
	return func(yield func(Reason) bool) {
		for _, e := range b.did {
			if in, ok := e.(Ended); ok && in.Call == id && !yield(in.End.Reason) {
				return
			}
		}
	}
}
