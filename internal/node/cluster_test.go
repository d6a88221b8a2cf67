package node_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// A node whose own lease may have run out judges nobody, however soon after the last answer the
// next one comes: the lease lasts from when the store took it on.
func TestOwnLeaseRanOut(t *testing.T) {
	b := several(t)
	b.connectedElsewhere()
	b.alive = []string{"other"}
	b.wait(10 * time.Second)
	begun := b.now
	b.unheard = true
	b.wait(3500 * time.Millisecond)
	b.step(node.Beaten{Sent: begun, Alive: []string{"n2", "other"}})
	b.wait(3 * time.Second)
	b.step(node.Beaten{Sent: begun.Add(2 * time.Second), Alive: []string{"n2"}})
	b.unheard, b.alive = false, nil
	b.wait(5 * time.Second)
	if c := b.stored(1); !c.Callee().Gone.IsZero() {
		t.Error("the device counts as gone, and the judge's own lease had run out")
	}
	b.wait(10 * time.Second)
	if c := b.stored(1); c.Callee().Gone.IsZero() {
		t.Error("the device went down with its node, and counts as present")
	}
}

// TestSlowAnswerOfABeat: a Beat reaches the store just before an outage, and its answer is slow. So
// two answers come soon one after the other, although the store was away for so long that the lease
// of the other node ran out.
func TestSlowAnswerOfABeat(t *testing.T) {
	b := several(t)
	b.connectedElsewhere()
	b.alive = []string{"other"}
	b.wait(10 * time.Second)
	begun := b.now
	b.unheard = true
	b.wait(1900 * time.Millisecond)
	b.step(node.Beaten{Sent: begun, Alive: []string{"n2", "other"}})
	b.wait(2600 * time.Millisecond)
	b.unheard, b.alive = false, nil
	b.step(node.Beaten{Sent: begun.Add(4 * time.Second), Alive: []string{"n2"}})
	b.wait(5 * time.Second)
	if c := b.stored(1); !c.Callee().Gone.IsZero() {
		t.Error("the device counts as gone, and its node could not reach the store")
	}
}

// connectedElsewhere has the call of answeredElsewhere be connected.
func (b *bench) connectedElsewhere() {
	alice, bob := b.answeredElsewhere()
	b.elsewhere(1, func(*call.Call) call.Input { return call.Report{Device: bob, Generation: 1, Up: true} })
	alice.do(&pealv1.MediaReport{CallId: callID(1), Generation: 1, Up: true})
}

// An answer that comes late says nothing of the nodes that live: a newer one has come.
func TestLateAnswerOfABeat(t *testing.T) {
	b := several(t)
	b.answeredElsewhere()
	b.alive = []string{"other"}
	b.wait(10 * time.Second)
	swept := b.sweeps()
	b.step(node.Beaten{Sent: b.now.Add(-3 * time.Second), Alive: []string{"n2"}})
	b.wait(8 * time.Second)
	if len(*swept) > 0 {
		t.Error("the live calls are swept for a node that lives")
	}
}

// sweeps gives the times, from now on, at which live calls are swept.
func (b *bench) sweeps() *[]time.Duration {
	begun, list := b.now, &[]time.Duration{}
	b.asks = func(r node.Request) {
		if _, sweep := r.(node.ListOrphaned); sweep {
			*list = append(*list, b.now.Sub(begun))
		}
	}
	return list
}

// The node that follows a dead one sweeps the live calls at once, the others a while later; and
// once more, for the sake of what the dead one had sent to the store.
func TestWhoSweeps(t *testing.T) {
	for name, test := range map[string]struct {
		alive, left []string
		want        []time.Duration
	}{
		"the next one":      {[]string{"a", "z"}, []string{"z"}, []time.Duration{2 * time.Second, 18 * time.Second}},
		"the next in a row": {[]string{"m", "z"}, []string{}, []time.Duration{2 * time.Second, 18 * time.Second}},
		"another one":       {[]string{"a", "z"}, []string{"a"}, []time.Duration{6 * time.Second, 18 * time.Second}},
		"nobody died":       {[]string{"a", "z"}, []string{"a", "z"}, []time.Duration{}},
	} {
		t.Run(name, func(t *testing.T) {
			b := several(t)
			b.alive = test.alive
			b.wait(20 * time.Second)
			b.alive = test.left
			swept := b.sweeps()
			b.wait(time.Minute)
			if diff := cmp.Diff(test.want, *swept); diff != "" {
				t.Errorf("swept at (-want +got):\n%s", diff)
			}
		})
	}
}

// A node may begin and die while another one cannot reach the store.
func TestSweepAfterAnOutage(t *testing.T) {
	b := several(t)
	b.connectedElsewhere()
	b.alive = []string{"other"}
	b.wait(20 * time.Second)
	b.elsewhere(1, func(c *call.Call) call.Input {
		d := otherConn("bob", "b")
		d.Conn.Incarnation = "unseen"
		return call.Back{Device: d}
	})
	b.unheard = true
	b.wait(9 * time.Second)
	b.unheard = false
	b.wait(10 * time.Second)
	if c := b.stored(1); c.Callee().Gone.IsZero() {
		t.Error("the node of a device lives no more, and the device counts as present")
	}
}

// Deadlines that other nodes left are taken by shares, and later by all.
func TestSharesOfLateCalls(t *testing.T) {
	b := several(t)
	b.alive = []string{"a", "z"}
	b.wait(10 * time.Second)
	const calls = 30
	for n := range calls {
		c, _, err := call.New(call.Invite{
			ID: call.ID(callID(n)), Caller: otherConn(callID(n), "d"), Callee: call.Account("to " + callID(n)),
			Type: call.Audio, Timing: call.DefaultTiming(),
		}, b.now)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := b.memory.Commit(t.Context(), []store.Change{{Call: c}}); err != nil || r[0].Verdict != store.Done {
			t.Fatal(r, err)
		}
	}
	timedOut := func() (n int) {
		for i := range calls {
			if c := b.stored(i); !c.Live() {
				n++
			}
		}
		return n
	}
	b.wait(61 * time.Second)
	if n := timedOut(); n > 0 {
		t.Errorf("%d calls are taken from the nodes that have their devices", n)
	}
	b.wait(2 * time.Second)
	if n := timedOut(); n < calls/6 || n > calls/2 {
		t.Errorf("%d of %d calls are the share of one of three nodes", n, calls)
	}
	b.wait(4 * time.Second)
	if n := timedOut(); n != calls {
		t.Errorf("%d of %d calls are taken, and the other nodes take none", n, calls)
	}
}

// Looks for changes go back a little mostly, and far now and then.
func TestLooksForChanges(t *testing.T) {
	b := several(t)
	b.alive = []string{"a"}
	alice := b.login("alice", "a")
	b.wait(5 * time.Second)
	alice.invite(1, "bob")
	b.wait(20 * time.Second)
	marks, err := b.memory.Changed(t.Context(), time.Time{}, "", 10)
	if err != nil || len(marks) != 1 {
		t.Fatal(marks, err)
	}
	looks := make(map[time.Duration]int)
	b.asks = func(r node.Request) {
		if l, ok := r.(node.ListChanged); ok {
			looks[marks[0].At.Sub(l.Since)]++
		}
	}
	b.wait(40 * time.Second)
	if diff := cmp.Diff(map[time.Duration]int{3 * time.Second: 16, 20 * time.Second: 4}, looks); diff != "" {
		t.Errorf("looks by how far they go back (-want +got):\n%s", diff)
	}
}

// The bus may lose the word of a login that ends another one: it is sent twice.
func TestLoginIsToldTwice(t *testing.T) {
	logins := func(b *bench) (n int) {
		for _, m := range b.published {
			if m.Login != nil {
				n++
			}
		}
		return n
	}
	b := several(t)
	b.single = true
	b.boot()
	b.login("alice", "a")
	b.wait(time.Second)
	if n := logins(b); n != 1 {
		t.Errorf("told %d times at once", n)
	}
	b.wait(4 * time.Second)
	b.wait(time.Minute)
	if n := logins(b); n != 2 {
		t.Errorf("told %d times", n)
	}
	b.published = nil
	b.login("bob", "b").drop()
	b.wait(10 * time.Second)
	if n := logins(b); n != 1 {
		t.Errorf("of a device that has gone it is told %d times", n)
	}
	b.single, b.published = false, nil
	b.boot()
	b.login("alice", "a")
	b.wait(time.Minute)
	if n := logins(b); n != 1 {
		t.Errorf("where any number of devices may be there it is told %d times", n)
	}
}

// A node with nobody beside it sends its devices away at once: they come back to its next start.
func TestStoppingAlone(t *testing.T) {
	b := several(t)
	b.drain = time.Minute
	b.boot()
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	b.step(node.Stopping{})
	if alice.closed == "" || bob.closed == "" {
		t.Error("connections stay open, and there is no other node")
	}
}

// stopping is a node that stops slowly, with a call between two devices.
func stopping(t *testing.T) (b *bench, alice, bob *client) {
	b = several(t)
	b.drain, b.alive, b.limits.Devices = 20*time.Second, []string{"other"}, 100
	b.boot()
	b.wait(10 * time.Second)
	alice, bob = b.login("alice", "a"), b.login("bob", "b")
	alice.invite(1, "bob")
	bob.accept(1)
	for n := range 100 {
		b.login(fmt.Sprint("idle", n), "d")
	}
	b.step(node.Stopping{})
	return b, alice, bob
}

// While a node stops it serves those that are still there.
func TestServesWhileStopping(t *testing.T) {
	b, alice, bob := stopping(t)
	alice.events()
	b.elsewhere(1, func(*call.Call) call.Input {
		return call.SetTracks{Device: call.Device{Account: "bob", ID: "b"}, Tracks: call.Tracks{Audio: true}}
	})
	b.wait(3 * time.Second)
	if all := alice.events(); len(all) != 1 || !all[0].GetCall().GetCall().GetCallee().GetTracks().GetAudio() {
		t.Errorf("the caller hears %v of what another node did", all)
	}
	bob.drop()
	if c := b.stored(1); c.Callee().Gone.IsZero() {
		t.Error("a device that went by itself counts as present")
	}
	b.wait(30 * time.Second)
	if alice.closed != "shutting_down" {
		t.Errorf("the caller's connection ends as %q", alice.closed)
	}
	if c := b.stored(1); !c.Caller().Gone.IsZero() {
		t.Error("a device that was sent elsewhere counts as gone at once")
	}
}

// The order in which connections are closed has nothing to do with that of their beginnings.
func TestStoppingInRandomOrder(t *testing.T) {
	b, _, _ := stopping(t)
	var order []node.ConnID
	open := sortedConns(b)
	for len(open) > 2 {
		b.wait(100 * time.Millisecond)
		left := sortedConns(b)
		for _, id := range open {
			if !slices.Contains(left, id) {
				order = append(order, id)
			}
		}
		open = left
	}
	inOrder := 0
	for i := range order[1:] {
		if order[i] < order[i+1] {
			inOrder++
		}
	}
	if inOrder < len(order)/4 || inOrder > len(order)*3/4 {
		t.Errorf("%d of %d are closed after one that began earlier", inOrder, len(order))
	}
}

func sortedConns(b *bench) (list []node.ConnID) {
	for id := range b.conns {
		list = append(list, id)
	}
	slices.Sort(list)
	return list
}

// A device that joins a call while its node stops is closed last as well.
func TestCallWhileStopping(t *testing.T) {
	b := several(t)
	b.drain, b.alive, b.limits.Devices = 4*time.Second, []string{"other"}, 100
	b.boot()
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	for n := range 36 {
		b.login(fmt.Sprint("idle", n), "d")
	}
	b.step(node.Stopping{})
	if alice.closed+bob.closed != "" {
		t.Fatal("they are of the first slice: this test needs other names")
	}
	alice.invite(1, "bob")
	bob.accept(1)
	for alice.closed+bob.closed == "" {
		b.wait(100 * time.Millisecond)
	}
	if n := b.node.Held().Connections; n > 2 {
		t.Errorf("they are closed before %d others", n)
	}
}

// newer makes the call 1 at another node, in a format that this one does not know.
func newer(b *bench, caller call.Device) call.Call {
	c, _, err := call.New(call.Invite{
		ID: call.ID(callID(1)), Caller: caller, Callee: "bob", Type: call.Audio, Timing: call.DefaultTiming(), Format: call.Format + 1,
	}, b.now)
	if err != nil {
		b.t.Fatal(err)
	}
	if r, err := b.memory.Commit(b.t.Context(), []store.Change{{Call: c}}); err != nil || r[0].Verdict != store.Done {
		b.t.Fatal(r, err)
	}
	b.step(node.Heard{Message: bus.Message{Account: "bob", Call: &c, With: call.WithNeeds}})
	return c
}

// A call of a newer format is shown and never stepped.
func TestNewerFormat(t *testing.T) {
	b := several(t)
	b.alive = []string{"other"}
	b.wait(10 * time.Second)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	made := newer(b, otherConn("alice", "a"))
	want(t, bob.event(), ringing, 0, callee)
	wantError(t, bob.accept(1), protocol.Unavailable)
	wantError(t, bob.do(&pealv1.Ringing{CallId: callID(1)}), protocol.Unavailable)
	wantError(t, alice.do(&pealv1.Cancel{CallId: callID(1)}), protocol.Unavailable)
	wantError(t, bob.invite(2, "alice"), protocol.Unavailable) // It would answer the call.
	b.told = nil
	b.step(node.Terminate{Request: 1, ID: made.ID})
	if len(b.told) != 1 || b.told[0].(node.Terminated).Error.GetCode() != string(protocol.Unavailable) {
		t.Errorf("the backend hears %v", b.told)
	}
	// The hello of the device that is in the call has it step.
	again := b.open()
	wantError(t, again.do(&pealv1.Hello{Token: "alice", DeviceId: "a", LoginAt: timestamppb.New(b.now)}), protocol.Unavailable)

	// Neither its deadline nor the death of its node makes this node step it, nor read it for ever.
	b.loads, b.alive = 0, nil
	b.wait(90 * time.Second)
	if c := b.stored(1); c.Rev != 1 || b.loads > 40 {
		t.Errorf("the call is at rev %d, and was read %d times", c.Rev, b.loads)
	}
	bob.events()
	b.elsewhere(1, func(c *call.Call) call.Input { return call.Hangup{Device: c.Caller().Device} })
	b.wait(3 * time.Second)
	want(t, bob.event(), ended, pealv1.Reason_REASON_CANCELLED, bystander)
}

// A device here that such a call counts as gone is not put back again and again.
func TestNewerFormatOfADeviceHere(t *testing.T) {
	b := several(t)
	b.login("alice", "a")
	b.login("bob", "b")
	c := newer(b, call.Device{Account: "alice", ID: "a", Conn: call.Connection{Incarnation: "n2", Seq: 1}})
	b.loads = 0
	c = b.elsewhere(1, func(c *call.Call) call.Input { return call.Gone{Device: c.Caller().Device} })
	b.step(node.Heard{Message: bus.Message{Account: "alice", Call: &c}})
	b.wait(5 * time.Second)
	if now := b.stored(1); now.Rev != c.Rev || b.loads > 5 {
		t.Errorf("the call is at rev %d, was at %d, and was read %d times", now.Rev, c.Rev, b.loads)
	}
}

// New calls have the newest format that all nodes know.
func TestFormatOfNewCalls(t *testing.T) {
	for _, test := range []struct{ own, lowest, want uint8 }{{2, 1, 1}, {2, 2, 2}, {2, 3, 2}, {0, 9, call.Format}} {
		b := several(t)
		b.format, b.lowest = test.own, test.lowest
		b.boot()
		alice := b.login("alice", "a")
		bob := b.login("bob", "b")
		want(t, alice.invite(1, "bob").GetCall(), ringing, 0, caller)
		want(t, bob.accept(1).GetCall(), connecting, 0, callee)
		if c := b.stored(1); c.Format != test.want || c.State != call.Connecting {
			t.Errorf("the call is in format %d and state %d, want format %d", c.Format, c.State, test.want)
		}
	}
}

// TestFormatAfterAnOutage: a node that was cut off for longer than a lease does not know which nodes
// have started since, so it writes what those of the release before know.
func TestFormatAfterAnOutage(t *testing.T) {
	for _, test := range []struct {
		away        time.Duration
		lowest, own uint8
		want        uint8
	}{{3 * time.Second, 2, 2, 2}, {8 * time.Second, 2, 2, 1}, {8 * time.Second, 1, 2, 1}, {8 * time.Second, 1, 1, 1}} {
		b := several(t)
		b.format, b.lowest = test.own, test.lowest
		b.boot()
		alice := b.login("alice", "a")
		b.login("bob", "b")
		b.wait(10 * time.Second)
		b.unheard = true
		b.wait(test.away)
		want(t, alice.invite(1, "bob").GetCall(), ringing, 0, caller)
		if c := b.stored(1); c.Format != test.want {
			t.Errorf("%s after an answer of a Beat a call is in format %d, want %d (%+v)", test.away, c.Format, test.want, test)
		}
	}
}

// The time that a store takes to fail counts as time of its outage.
func TestStoreTakesItsTimeToFail(t *testing.T) {
	b := newBench(t)
	alice := b.login("alice", "a")
	b.login("bob", "b")
	b.unread, b.slowFailure = 1000, 5*time.Second
	begun := b.now
	alice.send(&pealv1.Invite{CallId: callID(1), Callee: "bob", Type: pealv1.CallType_CALL_TYPE_AUDIO, Offer: "v=0 offer"})
	if all := alice.events(); len(all) != 1 || all[0].GetError().GetCode() != string(protocol.Unavailable) {
		t.Errorf("after %s the caller hears %v", b.now.Sub(begun), all)
	}
}
