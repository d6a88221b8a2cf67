package node_test

import (
	"testing"

	"github.com/peal-rtc/peal/internal/node"
)

// TestInspect: an inspection tells the calls of the node, how far its copies and its devices are,
// and nothing of calls that were not asked for.
func TestInspect(t *testing.T) {
	b := newBench(t)
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	b.login("carol", "c")
	alice.invite(1, "bob")
	bob.events()
	inspect := func(in node.Inspect) node.Inspection {
		t.Helper()
		b.told = nil
		b.step(in)
		answer, ok := b.told[len(b.told)-1].(node.Inspected)
		if !ok || answer.Request != in.Request {
			t.Fatalf("the answer is %v", b.told)
		}
		return answer.State
	}
	got := inspect(node.Inspect{Request: 5})
	if !got.Ready || got.Connections != 3 || got.Calls != 1 || len(got.Queues) != 1 || len(got.Devices) != 2 {
		t.Fatalf("it holds %+v", got)
	}
	q := got.Queues[0]
	if q.State != "ringing" || q.Rev == 0 || q.Deadline.IsZero() || q.Holders != 2 || q.Jobs != 0 || q.Busy {
		t.Errorf("the call is %+v", q)
	}
	for i, account := range []string{"alice", "bob"} {
		if d := got.Devices[i]; string(d.Account) != account || d.Greeting || d.Calls[q.Call] != q.Rev {
			t.Errorf("a device is %+v", d)
		}
	}
	if one := inspect(node.Inspect{Request: 6, Call: q.Call}); len(one.Queues) != 1 || len(one.Devices) != 2 {
		t.Errorf("of the call it holds %+v", one)
	}
	if other := inspect(node.Inspect{Request: 7, Call: "other"}); len(other.Queues) != 0 || len(other.Devices) != 0 || other.Calls != 1 {
		t.Errorf("of another call it holds %+v", other)
	}
}
