package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return store.NewMemory(time.Now) })
}

// Opened again before each read: what is replayed is what was committed.
func TestReplayed(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		return &reopening{Store: nil, journal: store.NewVolatile(), t: t}
	})
}

// spoilt is a journal whose appends a test decides about.
type spoilt struct {
	*store.Volatile
	append func(batch []store.Entry, store func([]store.Entry) error) error
	reads  int
	put    error // Of each PutEndpoint.
}

func (s *spoilt) Append(batch []store.Entry) error {
	if s.append == nil {
		return s.Volatile.Append(batch)
	}
	return s.append(batch, s.Volatile.Append)
}

var errDisk = errors.New("the disk fails")

func newCall(t *testing.T, id call.ID, caller, callee call.Account, at time.Time) call.Call {
	t.Helper()
	c, _, err := call.New(call.Invite{
		ID: id, Callee: callee, Type: call.Audio, Timing: call.DefaultTiming(),
		Caller: call.Device{Account: caller, ID: "phone", Conn: call.Connection{Incarnation: "n1", Seq: 7}},
	}, at)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func over(c call.Call, at time.Time) call.Call {
	c.Rev++
	c.State = call.Ended
	c.Outcome = call.Outcome{Reason: call.Cancelled, EndedAt: at, Kind: call.KindCancelled}
	return c
}

func mustCommit(t *testing.T, s store.Store, c call.Call, from uint32) {
	t.Helper()
	r, err := s.Commit(t.Context(), []store.Change{{Call: c, From: from}})
	if err != nil || r[0].Verdict != store.Done {
		t.Fatalf("commit of %s: %+v, %v", c.ID, r, err)
	}
}

// While the journal writes, nobody sees what it writes.
func TestUnseenBeforeStored(t *testing.T) {
	journal := &spoilt{Volatile: store.NewVolatile()}
	s, err := store.Open(t.Context(), journal, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	journal.append = func(batch []store.Entry, append func([]store.Entry) error) error {
		if c, err := s.Call(t.Context(), batch[0].Call.ID); err == nil && c.Rev == batch[0].Call.Rev {
			t.Errorf("rev %d of %s is seen before it is stored", c.Rev, c.ID)
		}
		return append(batch)
	}
	c := newCall(t, "c1", "alice", "bob", time.Now())
	mustCommit(t, s, c, 0)
	mustCommit(t, s, over(c, time.Now()), 1)
}

// A batch that was not stored has changed nothing, and the next one is made.
func TestNotStored(t *testing.T) {
	journal := &spoilt{Volatile: store.NewVolatile()}
	s, err := store.Open(t.Context(), journal, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	first := newCall(t, "c1", "alice", "bob", time.Now())
	mustCommit(t, s, first, 0)
	journal.append = func([]store.Entry, func([]store.Entry) error) error {
		return fmt.Errorf("%w: %w", store.ErrNotDone, errDisk)
	}
	second := newCall(t, "c2", "alice", "carol", time.Now())
	results, err := s.Commit(t.Context(), []store.Change{{Call: over(first, time.Now()), From: 1}, {Call: second}})
	if !errors.Is(err, store.ErrNotDone) || errors.Is(err, store.ErrFailed) || len(results) != 2 || !errors.Is(results[1].Err, errDisk) {
		t.Fatalf("Commit = %+v, %v", results, err)
	}
	if c, err := s.Call(t.Context(), "c1"); err != nil || !c.Live() {
		t.Errorf("Call = %v, %v", c.State, err)
	}
	journal.append = nil
	if r, err := s.Commit(t.Context(), []store.Change{{Call: second}}); err != nil || r[0].Verdict != store.CallerClaimed {
		t.Errorf("Commit = %+v, %v; want that alice is in her call", r, err)
	}
	mustCommit(t, s, over(first, time.Now()), 1)
	mustCommit(t, s, second, 0)
}

// Once nobody knows what the journal holds nothing is done or told, and what it holds
// is there when it is opened again.
func TestUnknownEndsAll(t *testing.T) {
	for name, stored := range map[string]bool{"stored": true, "not stored": false} {
		t.Run(name, func(t *testing.T) {
			journal := &spoilt{Volatile: store.NewVolatile()}
			s, err := store.Open(t.Context(), journal, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			mustCommit(t, s, newCall(t, "c1", "alice", "bob", time.Now()), 0)
			appends := 0
			journal.append = func(batch []store.Entry, append func([]store.Entry) error) error {
				if appends++; stored {
					return errors.Join(append(batch), errDisk)
				}
				return errDisk
			}
			for range 2 {
				r, err := s.Commit(t.Context(), []store.Change{{Call: newCall(t, "c2", "carol", "dave", time.Now())}})
				if !errors.Is(err, store.ErrFailed) || !errors.Is(err, errDisk) || !errors.Is(r[0].Err, store.ErrFailed) {
					t.Errorf("Commit = %+v, %v", r, err)
				}
			}
			if appends != 1 {
				t.Errorf("the journal was written to %d times", appends)
			}
			_, err1 := s.Call(t.Context(), "c1")
			_, err2 := s.CallsOf(t.Context(), "alice", time.Now())
			_, err3 := s.Due(t.Context(), time.Now(), 9)
			_, err4 := s.Live(t.Context(), "", 9)
			_, err5 := s.Changed(t.Context(), time.Time{}, "", 9)
			_, err6 := s.Records(t.Context(), "alice", store.Newest(9))
			_, err7 := s.Beat(t.Context(), "n1", time.Second)
			_, err8 := s.Prune(t.Context(), time.Time{}, time.Time{})
			for i, err := range []error{err1, err2, err3, err4, err5, err6, err7, err8} {
				if !errors.Is(err, store.ErrFailed) {
					t.Errorf("what is asked as number %d is answered with %v", i+1, err)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			again, err := store.Open(t.Context(), journal.Volatile, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := again.Call(t.Context(), "c1"); err != nil {
				t.Errorf("after a restart: %v", err)
			}
			if _, err := again.Call(t.Context(), "c2"); (err == nil) != stored {
				t.Errorf("after a restart: %v", err)
			}
		})
	}
}

func (s *spoilt) EndedOf(ctx ctx, account call.Account, since time.Time) ([]call.Call, error) {
	s.reads++
	return s.Volatile.EndedOf(ctx, account, since)
}

// A store that was closed answers nothing.
func TestClosed(t *testing.T) {
	s, err := store.Open(t.Context(), store.NewVolatile(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	c := newCall(t, "c1", "alice", "bob", time.Now())
	mustCommit(t, s, c, 0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Call(t.Context(), "c1"); err == nil {
		t.Error("it answers")
	}
	if _, err := s.Commit(t.Context(), []store.Change{{Call: over(c, time.Now()), From: 1}}); err == nil {
		t.Error("it commits")
	}
}

// Calls that ended long ago are in the journal alone, which is asked only for those.
func TestForgotten(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	journal := &spoilt{Volatile: store.NewVolatile()}
	s, err := store.Open(t.Context(), journal, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	begin := now
	for _, id := range []call.ID{"c1", "c2", "c3"} {
		c := newCall(t, id, "alice", "bob", now)
		mustCommit(t, s, c, 0)
		mustCommit(t, s, over(c, now), 1)
		now = now.Add(store.KeepEnded/2 + time.Second)
	}
	all := func(since time.Time, reads, want int) {
		t.Helper()
		before := journal.reads
		calls, err := s.CallsOf(t.Context(), "alice", since)
		if err != nil || len(calls) != want || journal.reads-before != reads {
			t.Errorf("CallsOf = %d calls, %v, with %d reads; want %d with %d", len(calls), err, journal.reads-before, want, reads)
		}
	}
	all(begin, 1, 3)
	all(begin.Add(time.Second), 0, 2)
	all(now.Add(-5*time.Minute), 0, 1)
	for _, id := range []call.ID{"c1", "c3"} {
		if c, err := s.Call(t.Context(), id); err != nil || c.Live() {
			t.Errorf("Call(%s) = %v", id, err)
		}
		r, err := s.Commit(t.Context(), []store.Change{{Call: newCall(t, id, "x", "y", now)}})
		if err != nil || r[0].Verdict != store.Conflict {
			t.Errorf("%s again: %+v, %v", id, r, err)
		}
	}
}
