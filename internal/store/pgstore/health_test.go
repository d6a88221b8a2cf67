package pgstore_test

import (
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// TestHealth looks at a store that does something.
func TestHealth(t *testing.T) {
	s := open(t)
	c, _, err := call.New(call.Invite{
		ID: "019a0000-0000-7000-8000-000000000001", Caller: call.Device{Account: "alice", ID: "a"}, Callee: "bob",
		Type: call.Audio, Offer: "o", Timing: call.DefaultTiming(),
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if results, err := s.Commit(t.Context(), []store.Change{{Call: c}}); err != nil || results[0].Verdict != store.Done {
		t.Fatalf("%v, %v", results, err)
	}
	h := s.Health()
	if live, err := h.Live(t.Context()); err != nil || len(live) != 1 || live[call.Ringing] != 1 {
		t.Errorf("live are %v, %v", live, err)
	}
	for _, pool := range h.Pools() {
		if pool.Name == "" || pool.Most < 1 || pool.Used > pool.Most {
			t.Errorf("a pool is %+v", pool)
		}
	}
	if n := h.Retries(); n != 0 {
		t.Errorf("%d retries", n)
	}
}
