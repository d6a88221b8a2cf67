package pgstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/pgstore"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

// batch is a commit of every kind of change: calls that begin, one whose callee is busy, one that
// goes on and one that ends.
func batch(t *testing.T, i int) (before, changes []store.Change) {
	t.Helper()
	create := func(kind string) store.Change {
		name := fmt.Sprint(kind, i)
		return ringing(t, call.ID(name), call.Account("caller-"+name), call.Account("callee-"+name))
	}
	goesOn, ends, begins, busy := create("on"), create("end"), create("new"), create("busy")
	busy = ringing(t, busy.Call.ID, busy.Call.Caller().Account, goesOn.Call.Callee().Account)
	return []store.Change{goesOn, ends}, []store.Change{begins, busy, next(goesOn.Call), hangup(ends.Call)}
}

// TestRoundTrips: a commit is one pipeline with one Sync, however many changes it makes.
func TestRoundTrips(t *testing.T) {
	p, url := newProxy(t, postgres.Shared(t).NewDatabase(t))
	s := openAt(t, url)
	for i := range 3 { // The statements are prepared by the first.
		before, changes := batch(t, i)
		commit(t, s, before...)
		seen := p.count(-1, func() {
			if results, err := s.Commit(t.Context(), changes); err != nil || results[3].Verdict != store.Done {
				t.Errorf("Commit: %+v, %v", results, err)
			}
		})
		last := bytes.LastIndexByte(seen, 'S')
		switch {
		case i == 0:
		case bytes.Count(seen, []byte("S")) != 1 || bytes.ContainsRune(seen, 'H') || bytes.ContainsRune(seen, 'P'):
			t.Errorf("the messages are %s, want one Sync and no Flush or Parse", seen)
		case bytes.Contains(bytes.TrimLeft(seen[:last], "BDE"), []byte("BDE")):
			t.Errorf("the messages are %s, want those of the client to come before those of the server", seen)
		}
	}
}

// TestCut: the connection breaks before any of the messages of a commit, in both directions. What
// was acknowledged is there, and all else is there whole or not at all.
func TestCut(t *testing.T) {
	direct := postgres.Shared(t).NewDatabase(t)
	p, url := newProxy(t, direct)
	s := openAt(t, url)
	watching := openAt(t, direct)
	var lost, hidden int // Commits that failed, and those of them that were made.
	for cut := 0; ; cut++ {
		before, changes := batch(t, cut)
		commit(t, watching, before...)
		var results []store.Result
		var err error
		seen := p.count(cut, func() { results, err = s.Commit(t.Context(), changes) })
		if (err != nil) != (results[0].Err != nil) {
			t.Fatalf("cut before message %d: %v, and results %+v", cut, err, results)
		}
		if want := []store.Verdict{store.Done, store.CalleeBusy, store.Done, store.Done}; err == nil && !slices.EqualFunc(results, want,
			func(r store.Result, v store.Verdict) bool { return r.Verdict == v }) {
			t.Errorf("cut before message %d: results %+v", cut, results)
		}
		stored := made(t, watching, changes)
		if slices.Contains(stored, false) && slices.Contains(stored, true) {
			stored = made(t, watching, changes) // The server went on, and committed between two reads.
		}
		if slices.Contains(stored, false) && (err == nil || slices.Contains(stored, true)) {
			t.Errorf("cut before message %d: %v, and of the changes are stored %v", cut, err, stored)
		}
		wantWhole(t, direct)
		if err != nil {
			lost++
			if stored[0] {
				hidden++
			}
		}
		if len(seen) < cut { // The commit ended before that.
			t.Logf("%d of %d commits failed, of which %d were made", lost, cut, hidden)
			if hidden == 0 || lost == hidden || lost == cut {
				t.Error("the connection was not broken before, in and after the transaction")
			}
			return
		}
	}
}

// made says which changes of a batch are stored.
func made(t *testing.T, s *pgstore.Store, changes []store.Change) (stored []bool) {
	t.Helper()
	for _, c := range changes {
		got, err := s.Call(t.Context(), c.Call.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
		stored = append(stored, err == nil && got.Rev >= c.Call.Rev)
	}
	return stored
}
