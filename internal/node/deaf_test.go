package node_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// block has bob block alice.
func (b *bench) block() {
	b.t.Helper()
	if _, err := b.memory.Block(b.t.Context(), "bob", "alice", store.Audit{}); err != nil {
		b.t.Fatal(err)
	}
}

// surroundings are what bob does while alice calls him: whatever that is, she must not see it.
type surroundings struct {
	name string
	// before is done before she calls, and meanwhile while her first call rings.
	before, meanwhile func(*bench)
}

// offline is the callee that all others must look like.
var offline = surroundings{name: "offline"}

// blockers are callees who block alice.
var blockers = []surroundings{
	{"away", (*bench).block, nil},
	{"idle", func(b *bench) {
		b.block()
		b.login("bob", "b1")
		b.login("bob", "b2")
	}, nil},
	{"in a call", func(b *bench) {
		b.block()
		bob, carol := b.login("bob", "b1"), b.login("carol", "c")
		carol.invite(90, "bob")
		bob.accept(90)
	}, nil},
	{"rung by another", func(b *bench) {
		b.block()
		b.login("bob", "b1")
		b.login("carol", "c").invite(90, "bob")
	}, nil},
	{"calling another", func(b *bench) {
		b.block()
		b.login("bob", "b1").invite(90, "carol")
	}, nil},
	{"coming and going", (*bench).block, func(b *bench) {
		bob := b.login("bob", "b1")
		bob.drop()
		b.login("bob", "b2")
	}},
	{"calling her", func(b *bench) {
		b.block()
		b.login("bob", "b1")
	}, func(b *bench) {
		bob := b.login("bob", "b2")
		want(b.t, bob.invite(91, "alice").GetCall(), ended, pealv1.Reason_REASON_BUSY, caller)
	}},
	{"guessing the id of her call", (*bench).block, func(b *bench) {
		bob := b.login("bob", "b1")
		for _, command := range []any{
			&pealv1.Ringing{CallId: callID(1)}, &pealv1.Accept{CallId: callID(1), Answer: "v=0 answer", Generation: 1},
			&pealv1.Reject{CallId: callID(1)}, &pealv1.Hangup{CallId: callID(1)}, &pealv1.Cancel{CallId: callID(1)},
			&pealv1.Candidates{CallId: callID(1), Generation: 1, Candidates: both()},
		} {
			wantError(b.t, bob.do(command), protocol.NoSuchCall)
		}
		bob.quiet()
	}},
}

// seer notes all that alice is sent, as it is on the wire, to the byte.
type seer struct {
	*bench
	clients []*client
	seen    []string
}

func (s *seer) login(device string) *client {
	c := s.open()
	c.account = "alice"
	s.clients = append(s.clients, c)
	s.do(c, &pealv1.Hello{Token: "alice", DeviceId: device, Fresh: true})
	return c
}

// do has a client ask for something, and notes what that comes to for all of hers.
func (s *seer) do(c *client, command any) *pealv1.ServerFrame {
	f := c.do(command)
	s.note(fmt.Sprintf("%T", command), f)
	s.look()
	return f
}

func (s *seer) note(what string, f *pealv1.ServerFrame) {
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(f)
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := prototext.MarshalOptions{}.Marshal(f)
	if err != nil {
		s.t.Fatal(err)
	}
	s.seen = append(s.seen, fmt.Sprintf("%s: %s %x", what, text, wire))
}

// look notes what came unasked.
func (s *seer) look() {
	for i, c := range s.clients {
		for _, f := range c.events() {
			s.note(fmt.Sprintf("device %d", i), f)
		}
	}
}

func (s *seer) pass(d time.Duration) {
	s.wait(d)
	s.look()
}

func (s *seer) calls(c *client, n int) *pealv1.ServerFrame {
	return s.do(c, &pealv1.Invite{CallId: callID(n), Callee: "bob", Type: pealv1.CallType_CALL_TYPE_VIDEO, Offer: "v=0 offer", Attachment: "hello"})
}

// goes has alice do things, each with a call to bob, beside whatever he does.
var goes = map[string]func(s *seer, a *client, meanwhile func()){
	"says all that there is, and the time runs out": func(s *seer, a *client, meanwhile func()) {
		s.calls(a, 1)
		meanwhile()
		s.calls(a, 1) // A repetition.
		for _, command := range []any{
			&pealv1.Candidates{CallId: callID(1), Generation: 1, Candidates: both()},
			&pealv1.Candidates{CallId: callID(1), Generation: 2, Candidates: both()},
			&pealv1.Offer{CallId: callID(1), Generation: 1, Sdp: "v=0 another"},
			&pealv1.Restart{CallId: callID(1), FromGeneration: 1},
			&pealv1.Offer{CallId: callID(1), Generation: 2, Sdp: "v=0 another"},
			&pealv1.TrackReport{CallId: callID(1), Tracks: &pealv1.Tracks{Audio: true}},
			&pealv1.MediaReport{CallId: callID(1), Generation: 2, Up: true},
			&pealv1.SwitchType{CallId: callID(1), Type: pealv1.CallType_CALL_TYPE_AUDIO},
			&pealv1.Answer{CallId: callID(1), Generation: 2, Sdp: "v=0 answer"},
			&pealv1.Ringing{CallId: callID(1)}, &pealv1.RingTimeout{CallId: callID(1)},
			&pealv1.Accept{CallId: callID(1), Answer: "v=0 answer", Generation: 2}, &pealv1.Reject{CallId: callID(1)},
			&pealv1.ListRecords{},
		} {
			s.do(a, command)
		}
		s.pass(30 * time.Second)
		s.login("a2") // Sees the call in its welcome.
		s.pass(time.Minute)
		s.do(a, &pealv1.Hangup{CallId: callID(1)})
		s.do(a, &pealv1.ListRecords{})
		s.login("a3") // Sees how it ended.
	},
	"gives up": func(s *seer, a *client, meanwhile func()) {
		s.calls(a, 1)
		s.pass(3 * time.Second)
		meanwhile()
		s.do(a, &pealv1.Cancel{CallId: callID(1)})
		s.do(a, &pealv1.ListRecords{})
	},
	"gives up before the invitation comes": func(s *seer, a *client, _ func()) {
		s.do(a, &pealv1.Cancel{CallId: callID(1)})
		s.calls(a, 1)
		s.do(a, &pealv1.ListRecords{})
	},
	"loses the connection, and comes back": func(s *seer, a *client, meanwhile func()) {
		s.calls(a, 1)
		meanwhile()
		a.drop()
		s.pass(5 * time.Second)
		a = s.open()
		s.clients = append(s.clients, a)
		s.do(a, &pealv1.Hello{Token: "alice", DeviceId: "a1"})
		s.pass(time.Minute)
	},
	"loses the connection for good": func(s *seer, a *client, meanwhile func()) {
		s.login("a2")
		s.calls(a, 1)
		meanwhile()
		a.drop()
		s.pass(20 * time.Second)
	},
	"loads the page again, and goes on": func(s *seer, a *client, meanwhile func()) {
		s.calls(a, 1)
		meanwhile()
		a.drop()
		a = s.open()
		s.clients = append(s.clients, a)
		s.do(a, &pealv1.Hello{Token: "alice", DeviceId: "a1", Fresh: true, Resume: true})
		s.do(a, &pealv1.Cancel{CallId: callID(1)})
	},
	"calls somebody else": func(s *seer, a *client, meanwhile func()) {
		s.calls(a, 1)
		meanwhile()
		s.do(a, &pealv1.Invite{CallId: callID(2), Callee: "erin", Type: pealv1.CallType_CALL_TYPE_AUDIO, Offer: "v=0 offer"})
		s.pass(2 * time.Minute)
	},
	"calls with two devices": func(s *seer, a *client, meanwhile func()) {
		other := s.login("a2")
		s.calls(a, 1)
		meanwhile()
		s.calls(other, 2)
		s.do(a, &pealv1.Logout{})
		s.pass(time.Second)
		s.calls(other, 3)
	},
	"calls, and another calls her": func(s *seer, a *client, meanwhile func()) {
		s.calls(a, 1)
		meanwhile()
		s.bench.login("erin", "e").invite(5, "alice")
		s.look()
	},
	"is rung, and calls": func(s *seer, a *client, meanwhile func()) {
		s.bench.login("erin", "e").invite(5, "alice")
		s.look()
		s.calls(a, 1)
		meanwhile()
		s.pass(2 * time.Minute)
	},
	"calls too often": func(s *seer, a *client, meanwhile func()) {
		for n := range 12 {
			s.calls(a, n+1)
			if n == 0 {
				meanwhile()
			}
			s.do(a, &pealv1.Cancel{CallId: callID(n + 1)})
			s.pass(7 * time.Second)
		}
	},
	"lets it ring long, again and again": func(s *seer, a *client, meanwhile func()) {
		for n := range 8 {
			s.calls(a, n+1)
			if n == 0 {
				meanwhile()
			}
			s.pass(20 * time.Second)
			s.do(a, &pealv1.Cancel{CallId: callID(n + 1)})
			s.pass(10 * time.Second)
		}
	},
	"does not know whether it is called": func(s *seer, a *client, meanwhile func()) {
		s.fault, s.faults = store.Hide, 1
		s.calls(a, 1)
		meanwhile()
		s.fault, s.faults = store.Skip, 1
		s.do(a, &pealv1.Restart{CallId: callID(1), FromGeneration: 1})
		s.pass(time.Minute)
	},
}

// see is what alice sees.
func see(t *testing.T, c surroundings, limits protocol.Limits, do func(*seer, *client, func())) []string {
	t.Helper()
	b := newBench(t)
	b.limits = limits
	b.boot()
	s := &seer{bench: b}
	a := s.login("a1")
	if c.before != nil {
		c.before(b)
	}
	do(s, a, func() {
		if c.meanwhile != nil {
			c.meanwhile(b)
		}
		s.look()
	})
	return s.seen
}

// A blocked caller is sent the same bytes at the same times as one whose callee is offline,
// whatever the callee does.
func TestBlockedLooksLikeOffline(t *testing.T) {
	for what, do := range goes {
		expected := see(t, offline, protocol.DefaultLimits(), do)
		for _, c := range blockers {
			t.Run(what+", he is "+c.name, func(t *testing.T) {
				if diff := cmp.Diff(expected, see(t, c, protocol.DefaultLimits(), do)); diff != "" {
					t.Errorf("she can tell (-offline +blocked):\n%s", diff)
				}
			})
		}
	}
}

// The same where the limit of what one callee is rung is below those of the caller.
func TestBlockedCallerMeetsTheLimitOfTheCallee(t *testing.T) {
	limits := protocol.DefaultLimits()
	limits.InvitesPerMin, limits.PairPerMin, limits.RingsPerMin = 100, 100, 4
	do := func(s *seer, a *client, _ func()) {
		for n := range 20 {
			s.calls(a, n+1)
			s.do(a, &pealv1.Cancel{CallId: callID(n + 1)})
			s.pass(time.Duration(n) * time.Second)
		}
	}
	expected := see(t, offline, limits, do)
	for _, c := range blockers[:2] {
		if diff := cmp.Diff(expected, see(t, c, limits, do)); diff != "" {
			t.Errorf("%s: she can tell (-offline +blocked):\n%s", c.name, diff)
		}
	}
}

// Calls of somebody blocked take nothing from what others may ring the callee.
func TestBlockedCallerSpendsNothing(t *testing.T) {
	b := newBench(t)
	b.limits.InvitesPerMin, b.limits.PairPerMin, b.limits.RingsPerMin = 100, 100, 4
	b.boot()
	b.block()
	alice, carol, bob := b.login("alice", "a"), b.login("carol", "c"), b.login("bob", "b")
	for n := range 3 {
		want(t, alice.invite(n, "bob").GetCall(), ringing, 0, caller)
		alice.hangup(n)
	}
	for n := range 4 {
		want(t, carol.invite(10+n, "bob").GetCall(), ringing, 0, caller)
		want(t, bob.event(), ringing, 0, callee)
		carol.hangup(10 + n)
		bob.events()
	}
	wantError(t, carol.invite(20, "bob"), protocol.RateLimited)
}

// The callee sees nothing: no frame, no record, no call in a welcome, and is busy for nobody.
func TestBlockedCallerIsNotHeard(t *testing.T) {
	for what, do := range goes {
		t.Run(what, func(t *testing.T) {
			b := newBench(t)
			b.several, b.alive = true, []string{"other"}
			b.boot()
			b.block()
			s := &seer{bench: b}
			a := s.login("a1")
			bob := b.login("bob", "b1")
			b.published = nil
			do(s, a, func() {
				bob.quiet()
				if calls := b.login("bob", "b2").do(&pealv1.ListRecords{}).GetRecords().GetRecords(); len(calls) > 0 {
					t.Errorf("bob has records: %v", calls)
				}
				c := b.open()
				if w := c.do(&pealv1.Hello{Token: "bob", DeviceId: "b3", Fresh: true}).GetWelcome(); len(w.GetCalls()) > 0 {
					t.Errorf("bob is told of %v", w.Calls)
				}
				c.drop()
				dave := b.login("dave", "d")
				want(t, dave.invite(95, "bob").GetCall(), ringing, 0, caller)
				dave.hangup(95)
				bob.events()
			})
			bob.quiet()
			c := b.login("bob", "b4")
			for _, r := range c.do(&pealv1.ListRecords{}).GetRecords().GetRecords() {
				if r.Caller != "dave" {
					t.Errorf("bob has the record %v", r)
				}
			}
			for _, m := range b.published {
				if m.Account == "" || m.Account == "bob" && m.Call != nil && m.Call.Caller().Account == "alice" {
					t.Errorf("other nodes hear, for %q, of %v", m.Account, m)
				}
			}
		})
	}
}

// A call that rings already rings on when its caller is blocked, and the next one is deaf.
func TestBlockWhileItRings(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.event()
	b.block()
	want(t, bob.accept(1).GetCall(), connecting, 0, callee)
	want(t, alice.event(), connecting, 0, caller)
	want(t, bob.hangup(1).GetCall(), ended, pealv1.Reason_REASON_COMPLETED, callee)
	alice.events()
	want(t, alice.invite(2, "bob").GetCall(), ringing, 0, caller)
	bob.quiet()
}

// Somebody may call whom it blocks, who is in no other call, and answers.
func TestCallingWhomOneBlocks(t *testing.T) {
	b := newBench(t)
	b.block()
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	want(t, bob.invite(1, "alice").GetCall(), ringing, 0, caller)
	want(t, alice.event(), ringing, 0, callee)
	// Hers meets his, and is the acceptance of it.
	r := alice.invite(2, "bob").GetCall()
	if r.GetMergedInto() != callID(1) {
		t.Fatalf("merged into %q", r.GetMergedInto())
	}
	want(t, bob.event(), connecting, 0, caller)
	if c := b.stored(1); c.Deaf || c.State != call.Connecting {
		t.Errorf("the call is %+v", c)
	}
}
