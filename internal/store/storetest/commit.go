package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

func testClaims(t *testing.T, s store.Store) {
	c := ringing(t, "c1", "alice", "bob", 0)
	create(t, s, c)
	wantCall(t, s, c)
	wantClaimed(t, s, "c1", "alice", "bob")
	wantFree(t, s, "carol")
}

func testCallerFirst(t *testing.T, s store.Store) {
	// Both are claimed, by different calls; the callee sorts before the caller
	// and after it.
	create(t, s, ringing(t, "c1", "alice", "bob", 0), ringing(t, "c2", "yves", "zoe", 0))
	for _, test := range []struct {
		caller, callee call.Account
		holder         call.ID
	}{
		{"yves", "alice", "c2"},
		{"alice", "yves", "c1"},
		{"bob", "alice", "c1"},
		{"zoe", "nobody", "c2"},
	} {
		change := store.Change{
			Call: ringing(t, "c3", test.caller, test.callee, 1),
			Busy: busy(t, "c3", test.caller, test.callee, 1),
		}
		commit(t, s, []store.Change{change}, store.Result{Verdict: store.CallerClaimed, Holder: test.holder})
		if _, err := s.Call(t.Context(), "c3"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Call(c3) = %v after CallerClaimed, want ErrNotFound", err)
		}
	}
	wantFree(t, s, "nobody")
	wantRecords(t, s, "yves")
}

func testBusyVariant(t *testing.T, s store.Store) {
	create(t, s, ringing(t, "c1", "alice", "bob", 0))
	// The free caller sorts before the claimed callee, then after it.
	for id, caller := range map[call.ID]call.Account{"c2": "al", "c3": "zoe"} {
		want := busy(t, id, caller, "bob", 1)
		commit(t, s, []store.Change{{Call: ringing(t, id, caller, "bob", 1), Busy: want}},
			store.Result{Verdict: store.CalleeBusy, Holder: "c1"})
		wantCall(t, s, *want)
		wantRecords(t, s, caller, id)
		wantFree(t, s, caller)
	}
	wantRecords(t, s, "bob", "c3", "c2")
	wantClaimed(t, s, "c1", "alice", "bob")

	// The variant is there for a busy callee alone.
	free := ringing(t, "c4", "carol", "dave", 2)
	commit(t, s, []store.Change{{Call: free, Busy: busy(t, "c4", "carol", "dave", 2)}}, done)
	wantCall(t, s, free)
	wantRecords(t, s, "dave")
}

func testBusyWithoutVariant(t *testing.T, s store.Store) {
	create(t, s, ringing(t, "c1", "alice", "bob", 0))
	commit(t, s, []store.Change{{Call: ringing(t, "c2", "carol", "bob", 1)}},
		store.Result{Verdict: store.CalleeBusy, Holder: "c1"})
	if _, err := s.Call(t.Context(), "c2"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Call(c2) = %v, want ErrNotFound", err)
	}
	wantFree(t, s, "carol")
	wantRecords(t, s, "bob")
}

func testRev(t *testing.T, s store.Store) {
	first := ringing(t, "c1", "alice", "bob", 0)
	commit(t, s, []store.Change{{Call: changed(first), From: 1}}, conflict)
	create(t, s, first)
	second := changed(first)
	update(t, s, second)
	wantCall(t, s, second)
	for _, from := range []uint32{1, 3} {
		commit(t, s, []store.Change{{Call: ended(second, 9), From: from}}, conflict)
	}
	wantCall(t, s, second)
	wantRecords(t, s, "alice")
	wantClaimed(t, s, "c1", "alice", "bob")
}

func testExistingID(t *testing.T, s store.Store) {
	c := ringing(t, "c1", "alice", "bob", 0)
	create(t, s, c)
	// A repetition is a conflict although the same call has the claims.
	commit(t, s, []store.Change{{Call: c, Busy: busy(t, "c1", "alice", "bob", 0)}}, conflict)
	// So is another call under the same id, live or ended.
	commit(t, s, []store.Change{{Call: ringing(t, "c1", "carol", "dave", 0)}}, conflict)
	commit(t, s, []store.Change{{Call: *busy(t, "c1", "carol", "dave", 0)}}, conflict)
	wantCall(t, s, c)
	wantFree(t, s, "carol", "dave")
	wantRecords(t, s, "dave")

	last := ended(c, 1)
	update(t, s, last)
	commit(t, s, []store.Change{{Call: c}}, conflict)
	wantCall(t, s, last)
	wantFree(t, s, "alice", "bob")
}

func testEnd(t *testing.T, s store.Store) {
	c := ringing(t, "c1", "alice", "bob", 0)
	create(t, s, c, ringing(t, "c2", "carol", "dave", 0))
	wantRecords(t, s, "alice")
	last := ended(c, 5)
	update(t, s, last)
	wantCall(t, s, last)
	record, _ := last.Record()
	for _, account := range []call.Account{"alice", "bob"} {
		got, err := s.Records(t.Context(), account, store.Newest(100))
		if err != nil {
			t.Fatalf("Records(%s): %v", account, err)
		}
		wantSame(t, got, []call.Record{record})
	}
	wantFree(t, s, "alice", "bob")
	wantClaimed(t, s, "c2", "carol", "dave")
}

func testEndedIsFinal(t *testing.T, s store.Store) {
	c := ringing(t, "c1", "alice", "bob", 0)
	create(t, s, c)
	last := ended(c, 5)
	update(t, s, last)
	again := ended(last, 6)
	commit(t, s, []store.Change{{Call: again, From: last.Rev}}, conflict)
	revived := changed(c)
	revived.Rev = last.Rev + 1
	commit(t, s, []store.Change{{Call: revived, From: last.Rev}}, conflict)
	wantCall(t, s, last)
	wantRecords(t, s, "alice", "c1")
	wantFree(t, s, "alice", "bob")
}

func testTombstone(t *testing.T, s store.Store) {
	device := call.Device{Account: "alice", ID: "phone"}
	tombstone := call.Tombstone("c1", device, call.DefaultTiming(), epoch)
	create(t, s, tombstone)
	wantCall(t, s, tombstone)
	wantRecords(t, s, "alice")
	commit(t, s, []store.Change{{Call: ringing(t, "c1", "alice", "bob", 1)}}, conflict)
	wantFree(t, s, "alice", "bob")

	// It is stored while its caller is in another call, too.
	create(t, s, ringing(t, "c2", "alice", "bob", 2))
	create(t, s, call.Tombstone("c3", device, call.DefaultTiming(), epoch))
	wantClaimed(t, s, "c2", "alice", "bob")
}

func testRecordOnce(t *testing.T, s store.Store) {
	c := ringing(t, "c1", "alice", "bob", 0)
	create(t, s, c)
	first := ended(c, 5)
	update(t, s, first)
	if _, err := s.Prune(t.Context(), after(6), time.Time{}); err != nil {
		t.Fatalf("Prune: %v", err)
	}
	create(t, s, c)
	update(t, s, ended(c, 50))
	want, _ := first.Record()
	got, err := s.Records(t.Context(), "alice", store.Newest(100))
	if err != nil {
		t.Fatalf("Records: %v", err)
	}
	wantSame(t, got, []call.Record{want})
}

func testIndependent(t *testing.T, s store.Store) {
	create(t, s, ringing(t, "c1", "alice", "bob", 0))
	commit(t, s, []store.Change{
		{Call: ringing(t, "c2", "carol", "dave", 0)},
		{Call: ringing(t, "c3", "alice", "erin", 0)},
		{Call: ringing(t, "c1", "erin", "frank", 0)},
		{Call: ringing(t, "c4", "erin", "bob", 0), Busy: busy(t, "c4", "erin", "bob", 0)},
		{Call: changed(ringing(t, "c5", "erin", "frank", 0)), From: 1},
		{Call: ringing(t, "c6", "erin", "carol", 0)},
		{Call: ringing(t, "c7", "frank", "erin", 0)},
	},
		done,
		store.Result{Verdict: store.CallerClaimed, Holder: "c1"},
		conflict,
		store.Result{Verdict: store.CalleeBusy, Holder: "c1"},
		conflict,
		store.Result{Verdict: store.CalleeBusy, Holder: "c2"},
		done,
	)
	live, err := s.Live(t.Context(), "", 100)
	wantIDs(t, live, err, "c1", "c2", "c7")
	wantRecords(t, s, "erin", "c4")
}

func testOrder(t *testing.T, s store.Store) {
	first := ringing(t, "c1", "alice", "bob", 0)
	second := changed(first)
	last := ended(second, 5)
	next := ringing(t, "c2", "bob", "alice", 6)
	commit(t, s, []store.Change{
		{Call: second, From: 1}, // Not there yet.
		{Call: first},
		{Call: second, From: 1},
		{Call: last, From: 1}, // Stale within the batch.
		{Call: last, From: 2},
		{Call: next}, // The accounts are free by now.
	}, conflict, done, done, conflict, done, done)
	wantCall(t, s, last)
	wantCall(t, s, next)
	wantRecords(t, s, "alice", "c1")
	wantClaimed(t, s, "c2", "alice", "bob")
}

func testInvalid(t *testing.T, s store.Store) {
	c := ringing(t, "c1", "alice", "bob", 0)
	lonely := c
	lonely.ID, lonely.Legs = "c2", c.Legs[:1]
	wrong := ringing(t, "c3", "alice", "bob", 0)
	results, err := s.Commit(t.Context(), []store.Change{
		{Call: lonely},
		{Call: wrong, Busy: &wrong},
		{Call: wrong, Busy: busy(t, "c4", "alice", "bob", 0)},
		{Call: ended(wrong, 1), From: 1, Busy: busy(t, "c3", "alice", "bob", 0)},
		{Call: c},
	})
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	for i, r := range results[:4] {
		if r.Err == nil || r.Verdict != 0 {
			t.Errorf("result %d is %+v, want an error and no verdict", i, r)
		}
	}
	wantSame(t, results[4:], []store.Result{done})
	live, err := s.Live(t.Context(), "", 100)
	wantIDs(t, live, err, "c1")
}

func testEmptyBatch(t *testing.T, s store.Store) {
	commit(t, s, nil)
}

func testContext(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	results, err := s.Commit(ctx, []store.Change{{Call: ringing(t, "c1", "alice", "bob", 0)}})
	wantUnknown(t, results, err, context.Canceled, 1)
	// The next commit does not suffer from it.
	create(t, s, ringing(t, "c2", "alice", "bob", 0))
}

// wantUnknown wants n results that all leave the outcome open.
func wantUnknown(t *testing.T, results []store.Result, err, want error, n int) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("Commit errs with %v, want %v", err, want)
	}
	if len(results) != n {
		t.Fatalf("%d results, want %d", len(results), n)
	}
	for i, r := range results {
		if r.Verdict != 0 || !errors.Is(r.Err, want) {
			t.Errorf("result %d is %+v, want no verdict and %v", i, r, want)
		}
	}
}

// testMerged: an invitation that a call took in leaves a tombstone of its id, in the same commit.
func testMerged(t *testing.T, s store.Store) {
	first := ringing(t, "c1", "alice", "bob", 0)
	create(t, s, first)
	took := first
	took.Rev, took.State = 2, call.Connecting
	grave := call.MergedTombstone("c2", "c1", call.DefaultTiming(), after(1))
	// One after the other in a batch, the id of the tombstone is taken at once.
	cancelled := call.Tombstone("c2", call.Device{Account: "bob", ID: "phone"}, call.DefaultTiming(), after(1))
	commit(t, s, []store.Change{{Call: took, From: 1, Merged: &grave}, {Call: cancelled}}, done, conflict)
	wantCall(t, s, took)
	wantCall(t, s, grave)
	for _, account := range []call.Account{"alice", "bob"} {
		calls, err := s.CallsOf(t.Context(), account, time.Time{})
		if err != nil || len(calls) != 1 {
			t.Errorf("CallsOf(%q) = %d calls, %v; want 1", account, len(calls), err)
		}
	}
	// A copy of the invitation calls nobody, also when the call has ended.
	last := ended(took, 5)
	update(t, s, last)
	commit(t, s, []store.Change{{Call: ringing(t, "c2", "bob", "alice", 6)}}, conflict)
	wantFree(t, s, "alice", "bob")
	wantRecords(t, s, "bob", last.ID)

	// Where the invitation was cancelled before, the call does not take it in.
	second := ringing(t, "c3", "alice", "bob", 10)
	create(t, s, second, call.Tombstone("c4", call.Device{Account: "bob", ID: "phone"}, call.DefaultTiming(), after(10)))
	took = second
	took.Rev, took.State = 2, call.Connecting
	grave = call.MergedTombstone("c4", "c3", call.DefaultTiming(), after(11))
	commit(t, s, []store.Change{{Call: took, From: 1, Merged: &grave}}, conflict)
	wantCall(t, s, second)

	// What no store takes.
	for _, wrong := range []store.Change{
		{Call: ringing(t, "c5", "carol", "dave", 20), Merged: &grave},
		{Call: took, From: 1, Merged: &took},
	} {
		if results, err := s.Commit(t.Context(), []store.Change{wrong}); err == nil && results[0].Err == nil {
			t.Errorf("a store takes %s with the merged %s", wrong.Call.ID, wrong.Merged.ID)
		}
	}
}
