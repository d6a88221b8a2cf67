package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// counted is a journal that counts how often the database is read.
type counted struct {
	*journal
	reads atomic.Int64
}

func (c *counted) Ended(ctx context.Context, id call.ID) (call.Call, error) {
	c.reads.Add(1)
	return c.journal.Ended(ctx, id)
}

func (c *counted) EndedOf(ctx context.Context, account call.Account, since time.Time) ([]call.Call, error) {
	c.reads.Add(1)
	return c.journal.EndedOf(ctx, account, since)
}

func (c *counted) Records(ctx context.Context, account call.Account, page store.Page) ([]call.Record, error) {
	c.reads.Add(1)
	return c.journal.Records(ctx, account, page)
}

// madeAt is an id of a call, as a client makes it by its clock.
func madeAt(at time.Time, n int) call.ID {
	ms := at.UnixMilli()
	return call.ID(fmt.Sprintf("%08x-%04x-7000-8000-%012x", ms>>16, ms&0xffff, n))
}

func openCounted(t *testing.T, config Config) (*store.Memory, *counted) {
	t.Helper()
	j, clock, err := openJournal(t.Context(), &config)
	if err != nil {
		t.Fatal(err)
	}
	c := &counted{journal: j}
	s, err := store.Open(t.Context(), c, clock)
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

// done makes a change, which must succeed.
func done(t testing.TB, s store.Store, c call.Call, from uint32) {
	t.Helper()
	results, err := s.Commit(context.Background(), []store.Change{{Call: c, From: from}})
	if err != nil || results[0].Verdict != store.Done {
		t.Fatalf("commit of %s: %+v, %v", c.ID, results, err)
	}
}

// over is a call that has ended.
func over(c call.Call, at time.Time) call.Call {
	c.Rev++
	c.State, c.Media = call.Ended, call.Media{Generation: 1, Rebuild: 1}
	c.Outcome = call.Outcome{Reason: call.Cancelled, EndedAt: at, Kind: call.KindCancelled}
	return c
}

// TestReads: nothing of a call is read from the database before, during and after it,
// also after a restart, by what a node asks for meanwhile.
func TestReads(t *testing.T) {
	config := Config{Path: filepath.Join(t.TempDir(), "peal.db")}
	var former call.ID
	for n := range 2 { // The second finds the calls of the first.
		s, j := openCounted(t, config)
		now := time.Now()
		asked := func(id call.ID, want error) {
			t.Helper()
			if _, err := s.Call(t.Context(), id); !errors.Is(err, want) {
				t.Errorf("Call = %v, want %v", err, want)
			}
			_, err1 := s.CallsOf(t.Context(), "alice", now.Add(-5*time.Minute))
			_, err2 := s.Due(t.Context(), now, 100)
			_, err3 := s.Live(t.Context(), "", 100)
			_, err4 := s.Changed(t.Context(), now.Add(-14*time.Second), "", 100)
			_, err5 := s.Beat(t.Context(), "n1", time.Second)
			if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
				t.Error(err)
			}
		}
		c := ringing(madeAt(now, n), "alice", "bob")
		asked(c.ID, store.ErrNotFound)
		done(t, s, c, 0)
		asked(c.ID, nil)
		done(t, s, over(c, now), c.Rev)
		asked(c.ID, nil)
		if n == 1 {
			asked(former, nil)
		}
		former = c.ID
		if reads := j.reads.Load(); reads != 0 {
			t.Errorf("the database was read %d times", reads)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestOldIDs: the id of a call that ended long ago is found to exist, whatever the
// clock of the client that made it, and also one that was pruned files no second record.
func TestOldIDs(t *testing.T) {
	config := Config{Path: filepath.Join(t.TempDir(), "peal.db")}
	now := time.Now()
	long := now.Add(-time.Hour)
	ids := map[string]call.ID{
		"made in time": madeAt(long, 1), "by a clock that is behind": madeAt(now.Add(-48*time.Hour), 2),
		"by a clock that is ahead": madeAt(now.Add(48*time.Hour), 3), "of any kind": "zz",
	}
	s, _ := openBoth(t, config)
	for name, id := range ids {
		c := ringing(id, call.Account("caller "+name), call.Account("callee "+name))
		done(t, s, c, 0)
		done(t, s, over(c, long), c.Rev)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, _ = openBoth(t, config)
	busy := ringing(madeAt(now, 9), "busy", "other")
	done(t, s, busy, 0)
	for name, id := range ids {
		if c, err := s.Call(t.Context(), id); err != nil || c.Live() {
			t.Errorf("%s: Call = %v", name, err)
		}
		// Among others, whose verdicts it does not change.
		again := ringing(id, call.Account("x"+id), call.Account("y"+id))
		beside := ringing(madeAt(now, 100), call.Account("x"+id), call.Account("y"+id))
		beside.ID += call.ID(name)
		results, err := s.Commit(t.Context(), []store.Change{{Call: again}, {Call: beside}})
		if err != nil || results[0].Verdict != store.Conflict || results[1].Verdict != store.Done {
			t.Errorf("%s: Commit = %+v, %v", name, results, err)
		}
		// Also where its caller is in another call by now.
		taken := ringing(id, "busy", "nobody")
		results, err = s.Commit(t.Context(), []store.Change{{Call: taken}})
		if err != nil || results[0].Verdict != store.Conflict {
			t.Errorf("%s, and busy: Commit = %+v, %v", name, results, err)
		}
	}
	// Pruned, it may be made again, and its record stays.
	if _, err := s.Prune(t.Context(), now, time.Time{}); err != nil {
		t.Fatal(err)
	}
	for name, id := range ids {
		if _, err := s.Call(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s, pruned: Call = %v", name, err)
		}
		c := ringing(id, call.Account("caller "+name), call.Account("callee "+name))
		done(t, s, c, 0)
		done(t, s, over(c, now), c.Rev)
		records, err := s.Records(t.Context(), c.Caller().Account, store.Newest(9))
		if err != nil || len(records) != 1 || !records[0].EndedAt.Equal(long) {
			t.Errorf("%s: records %+v, %v", name, records, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// allocsMost bounds the allocations of the three commits of a call. 900 are those of
// all that a call does.
const allocsMost = 200

func TestAllocations(t *testing.T) {
	s, _ := openBoth(t, Config{Path: filepath.Join(t.TempDir(), "peal.db"), Synchronous: "off"})
	now, n := time.Now(), 0
	got := testing.AllocsPerRun(200, func() {
		n++
		c := ringing(madeAt(now, n), "alice", "bob")
		c.Media.Offer = "v=0 offer"
		results, err := s.Commit(context.Background(), []store.Change{{Call: c}})
		next := c
		next.Rev, next.Media.Answer = 2, "v=0 answer"
		_, err2 := s.Commit(context.Background(), []store.Change{{Call: next, From: 1}})
		_, err3 := s.Commit(context.Background(), []store.Change{{Call: over(next, now), From: 2}})
		if err := errors.Join(err, err2, err3); err != nil || results[0].Verdict != store.Done {
			t.Fatal(err)
		}
	})
	t.Logf("%.0f allocations", got)
	if got > allocsMost {
		t.Errorf("the commits of a call allocate %.0f times, want %d at most", got, allocsMost)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkOpen opens a store with 10,000 live calls, and as many that ended lately.
func BenchmarkOpen(b *testing.B) {
	const calls = 10_000
	config := Config{Path: filepath.Join(b.TempDir(), "peal.db"), Synchronous: "off"}
	s, err := Open(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	for n := range calls {
		c := ringing(madeAt(now, 2*n), call.Account(fmt.Sprint("a", n)), call.Account(fmt.Sprint("b", n)))
		done(b, s, c, 0)
		done(b, s, over(c, now), c.Rev)
		c = ringing(madeAt(now, 2*n+1), call.Account(fmt.Sprint("a", n)), call.Account(fmt.Sprint("b", n)))
		c.Media.Offer, c.Media.Answer = call.SDP(strings.Repeat("a=offered\r\n", 370)), call.SDP(strings.Repeat("a=answered\r\n", 300))
		done(b, s, c, 0)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := Open(b.Context(), config)
		if err != nil {
			b.Fatal(err)
		}
		if live, err := s.Live(b.Context(), "", 2*calls); err != nil || len(live) != calls {
			b.Fatalf("%d live calls, %v", len(live), err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
