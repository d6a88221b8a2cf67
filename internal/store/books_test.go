package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// commitsBeside is a journal that looks whether commits have to wait for it.
type commitsBeside struct {
	*store.Volatile
	memory *store.Memory
	waits  []string
	// erased is how many calls and events were given to Erase, and held how many of them while
	// commits waited.
	erased, held int
}

func (w *commitsBeside) Erase(e store.Erasure) (bool, error) {
	n := len(e.Ended) + len(e.Events)
	if w.erased += n; !w.memory.Idle() {
		w.held += n
	}
	return w.Volatile.Erase(e)
}

func (w *commitsBeside) look(doing string) {
	if !w.memory.Idle() {
		w.waits = append(w.waits, doing)
	}
}

func (w *commitsBeside) PruneBooks(ctx ctx, auditBefore, logOutsBefore time.Time) (int, error) {
	w.look("PruneBooks")
	return w.Volatile.PruneBooks(ctx, auditBefore, logOutsBefore)
}

// TestCommitsBesideBooks: no commit waits for what reads or deletes much of the books.
func TestCommitsBesideBooks(t *testing.T) {
	w := &commitsBeside{Volatile: store.NewVolatile()}
	var err error
	if w.memory, err = store.Open(t.Context(), w, time.Now); err != nil {
		t.Fatal(err)
	}
	if _, err := w.memory.PruneBooks(t.Context(), time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if len(w.waits) > 0 {
		t.Errorf("commits wait for %v", w.waits)
	}
}

// TestCommitsBesideErase: an erasure gives each call to the journal once, and no commit waits for
// those that were there when it began.
func TestCommitsBesideErase(t *testing.T) {
	w := &commitsBeside{Volatile: store.NewVolatile()}
	var err error
	if w.memory, err = store.Open(t.Context(), w, time.Now); err != nil {
		t.Fatal(err)
	}
	const calls = 1203
	w.memory.RecordEvents(true)
	talks(t, w.memory, 0, calls)
	if err := w.memory.Erase(t.Context(), "bob", store.Audit{}); err != nil {
		t.Fatal(err)
	}
	if w.erased != 3*calls || w.held > 0 { // Each has two events.
		t.Errorf("of %d calls %d calls and events were erased, %d of them while commits waited", calls, w.erased, w.held)
	}
}

// searching is a journal that counts the searches of an erasure, and fails at one.
type searching struct {
	*store.Volatile
	ended, events           int
	failsEnded, failsEvents int // 0 for none.
}

func (s *searching) EndedWith(ctx ctx, account call.Account, after store.Ended, limit int) ([]call.ID, store.Ended, error) {
	if s.ended++; s.ended == s.failsEnded {
		return nil, store.Ended{}, errDisk
	}
	return s.Volatile.EndedWith(ctx, account, after, limit)
}

func (s *searching) EventsWith(ctx ctx, account call.Account, after int64, limit int) ([]int64, int64, error) {
	if s.events++; s.events == s.failsEvents {
		return nil, 0, errDisk
	}
	return s.Volatile.EventsWith(ctx, account, after, limit)
}

// TestEraseGoesOn: an erasure that is cut off twice goes on where it was, and finds what came
// meanwhile.
func TestEraseGoesOn(t *testing.T) {
	journal := &searching{Volatile: store.NewVolatile()}
	now := time.Now()
	s, err := store.Open(t.Context(), journal, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	s.RecordEvents(true)
	s.SearchAtMost(100)
	// Each call has two events, and ends 10 s after the one before.
	commit := func(n int, ended time.Time) {
		c := busy(t, n, ended)
		if _, err := s.Commit(t.Context(), []store.Change{{Call: c, Events: call.Events(nil, nil, &c)}}); err != nil {
			t.Fatal(err)
		}
	}
	talk := func(from, n int) {
		for i := from; i < from+n; i++ {
			now = now.Add(10 * time.Second)
			commit(i, now)
		}
	}
	talk(0, 1000)
	for _, step := range []struct {
		failsEnded, failsEvents int
		ended, events           int // The most of each.
	}{
		{failsEnded: 7, ended: 7},               // 600 calls are searched.
		{failsEvents: 16, ended: 6, events: 16}, // The other 400 and the last 6 minutes, and 1500 events.
		{ended: 5, events: 11},                  // What was committed since, and 702 events.
	} {
		journal.ended, journal.events, journal.failsEnded, journal.failsEvents = 0, 0, step.failsEnded, step.failsEvents
		err := s.Erase(t.Context(), "bob", store.Audit{})
		if cut := step.failsEnded+step.failsEvents > 0; errors.Is(err, errDisk) != cut || !cut && err != nil {
			t.Fatalf("Erase = %v", err)
		}
		if journal.ended > step.ended || journal.events > step.events {
			t.Errorf("%+v: %d searches of calls and %d of events", step, journal.ended, journal.events)
		}
		if step.failsEvents > 0 {
			commit(5000, now.Add(-5*time.Minute)) // It took so long.
			talk(1000, 100)                       // Memory drops the calls before.
		}
	}
	if seqs, _, err := journal.Volatile.EventsWith(t.Context(), "bob", 0, 9999); len(seqs) > 0 || err != nil {
		t.Errorf("%d events are left, %v", len(seqs), err)
	}
	if ids, _, err := journal.Volatile.EndedWith(t.Context(), "bob", store.Ended{}, 9999); len(ids) > 0 || err != nil {
		t.Errorf("%d calls are left, %v", len(ids), err)
	}
	if left, err := journal.Searched(t.Context(), s.Alias("bob")); left != (store.Searched{}) || err != nil {
		t.Errorf("%+v is left, %v", left, err)
	}
}

// TestStaleByEventsAlone: an erasure that changes no event leaves claims as they are.
func TestStaleByEventsAlone(t *testing.T) {
	s := store.NewMemory(time.Now)
	put(t, s, "crm", "call.ended")
	talks(t, s, 0, 1)
	due, _, err := s.Outbox().Claim(t.Context(), "crm", 1)
	if err != nil || len(due) != 1 {
		t.Fatalf("Claim = %d, %v", len(due), err)
	}
	for _, step := range []struct {
		account call.Account
		stale   bool
	}{{"carol", false}, {"bob", true}} {
		if err := s.Erase(t.Context(), step.account, store.Audit{}); err != nil {
			t.Fatal(err)
		}
		if stale, err := s.Outbox().Stale(t.Context(), &due[0]); stale != step.stale || err != nil {
			t.Errorf("after the erasure of %s it is stale: %v, %v", step.account, stale, err)
		}
	}
}
