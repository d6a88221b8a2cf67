package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/storetest"
)

func TestOutbox(t *testing.T) {
	storetest.RunOutbox(t, func(t *testing.T, now func() time.Time) func() storetest.Sender {
		journal := store.NewVolatile()
		return func() storetest.Sender {
			m, err := store.Open(context.Background(), journal, now)
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
	})
}

// busy is a call that ended as busy, with two events.
func busy(t *testing.T, n int, now time.Time) call.Call {
	t.Helper()
	c, _, err := call.NewBusy(call.Invite{
		ID: call.ID(fmt.Sprintf("t%05d", n)), Callee: "bob", Type: call.Audio, Timing: call.DefaultTiming(),
		Caller: call.Device{Account: "alice", ID: "phone"},
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// talks makes calls that are busy at once, each with two events.
func talks(t *testing.T, s *store.Memory, from, n int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		c := busy(t, i, time.Now())
		r, err := s.Commit(t.Context(), []store.Change{{Call: c, Events: call.Events(nil, nil, &c)}})
		if err != nil || r[0].Verdict != store.Done {
			t.Fatalf("Commit = %+v, %v", r, err)
		}
	}
}

func put(t *testing.T, s *store.Memory, id string, events ...string) {
	t.Helper()
	_, err := s.Outbox().PutEndpoint(t.Context(), id, func(e *store.Endpoint) error {
		e.URL, e.Events, e.Disabled = "https://example.com", events, store.Disabled{}
		e.Rotate("secret", time.Now(), 0)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func queued(t *testing.T, s *store.Memory) map[string]int {
	t.Helper()
	queues, err := s.Outbox().Queues(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]int)
	for _, q := range queues {
		all[q.Endpoint] = q.Queued
	}
	return all
}

// deliver claims and settles all that is due, and says how much that was.
func deliver(t *testing.T, s *store.Memory, id string) (n int) {
	t.Helper()
	for {
		due, _, err := s.Outbox().Claim(t.Context(), id, 64)
		if err != nil {
			t.Fatal(err)
		}
		if len(due) == 0 {
			return n
		}
		n += len(due)
		settled := make([]store.Settlement, len(due))
		for i := range due {
			settled[i] = store.Settlement{Delivery: due[i], Outcome: store.Delivered}
		}
		if err := s.Outbox().Settle(t.Context(), settled); err != nil {
			t.Fatal(err)
		}
	}
}

// An endpoint for which too much waits is disabled: calls go on, and so do other endpoints. What it
// missed can be replayed.
func TestQueueFull(t *testing.T) {
	const most = 10
	s := store.NewMemory(time.Now)
	s.QueueAtMost(most)
	put(t, s, "slow")
	put(t, s, "quick")
	for i := range 4 * most {
		talks(t, s, i, 1)
		deliver(t, s, "quick")
	}
	all := s.Outbox().Endpoints()
	if all[1].Disabled.Reason != store.QueueFull || all[1].Disabled.At.IsZero() || !all[0].Enabled() {
		t.Fatalf("endpoints %+v", all)
	}
	if got := queued(t, s); got["slow"] != most || got["quick"] != 0 {
		t.Errorf("there wait %v", got)
	}
	if n := deliver(t, s, "slow"); n != 0 {
		t.Errorf("%d were given to a disabled endpoint", n)
	}
	if n, err := s.Outbox().Replay(t.Context(), "slow", store.Replay{All: true}); n != 0 || !errors.Is(err, store.ErrQueueFull) {
		t.Errorf("Replay = %d, %v", n, err)
	}
	put(t, s, "slow")
	if n := deliver(t, s, "slow"); n != most {
		t.Errorf("%d were delivered after all", n)
	}
	// As much as there is room for.
	n, err := s.Outbox().Replay(t.Context(), "slow", store.Replay{All: true})
	if n != most || !errors.Is(err, store.ErrQueueFull) {
		t.Errorf("Replay = %d, %v", n, err)
	}
	if n := deliver(t, s, "slow"); n != most {
		t.Errorf("%d were replayed", n)
	}
}

// What is more than memory holds is read from the journal, and nothing is left out or comes twice.
func TestMoreThanFresh(t *testing.T) {
	s := store.NewMemory(time.Now)
	put(t, s, "crm", "call.ended")
	talks(t, s, 0, store.FreshMost)
	taken, _, err := s.Outbox().Claim(t.Context(), "crm", 3)
	if err != nil || len(taken) != 3 {
		t.Fatalf("Claim = %d, %v", len(taken), err)
	}
	talks(t, s, store.FreshMost, 10)
	if n := deliver(t, s, "crm"); n != store.FreshMost+10-3 {
		t.Errorf("%d were delivered", n)
	}
	var back []store.Settlement
	for _, d := range taken {
		back = append(back, store.Settlement{Delivery: d, Outcome: store.Returned})
	}
	if err := s.Outbox().Settle(t.Context(), back); err != nil {
		t.Fatal(err)
	}
	if n := deliver(t, s, "crm"); n != 3 {
		t.Errorf("%d were delivered after all", n)
	}
	talks(t, s, 2*store.FreshMost, 2)
	if n := deliver(t, s, "crm"); n != 2 {
		t.Errorf("%d were delivered at last", n)
	}
}

func (s *spoilt) Settle(now time.Time, settled []store.Settlement) (map[int64]store.Counts, error) {
	if s.append != nil {
		return nil, s.append(nil, func([]store.Entry) error { return nil })
	}
	return s.Volatile.Settle(now, settled)
}

// What could not be settled is due again, and what is committed without its events being stored is
// no event.
func TestOutboxNotStored(t *testing.T) {
	journal := &spoilt{Volatile: store.NewVolatile()}
	s, err := store.Open(t.Context(), journal, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "crm", "call.created")
	talks(t, s, 0, 1)
	fails := func([]store.Entry, func([]store.Entry) error) error {
		return fmt.Errorf("%w: %w", store.ErrNotDone, errDisk)
	}
	journal.append = fails
	due, _, err := s.Outbox().Claim(t.Context(), "crm", 9)
	if err != nil || len(due) != 1 {
		t.Fatalf("Claim = %d, %v", len(due), err)
	}
	if err := s.Outbox().Settle(t.Context(), []store.Settlement{{Delivery: due[0], Outcome: store.Delivered}}); !errors.Is(err, errDisk) {
		t.Errorf("Settle = %v", err)
	}
	c := newCall(t, "c1", "carol", "dave", time.Now())
	changed := s.Outbox().Changed()
	if _, err := s.Commit(t.Context(), []store.Change{{Call: c, Events: call.Events(nil, nil, &c)}}); !errors.Is(err, errDisk) {
		t.Errorf("Commit = %v", err)
	}
	select {
	case <-changed:
		t.Error("somebody is woken for an event that is not there")
	default:
	}
	journal.append = nil
	if got := queued(t, s); got["crm"] != 1 {
		t.Errorf("there wait %v", got)
	}
	if n := deliver(t, s, "crm"); n != 1 {
		t.Errorf("%d were delivered", n)
	}
	// After an error that leaves open what is stored nothing is given out.
	journal.append = func([]store.Entry, func([]store.Entry) error) error { return errDisk }
	if _, err := s.Commit(t.Context(), []store.Change{{Call: c}}); !errors.Is(err, store.ErrFailed) {
		t.Errorf("Commit = %v", err)
	}
	out := s.Outbox()
	_, _, err1 := out.Claim(t.Context(), "crm", 1)
	_, _, err2 := out.Events(t.Context(), 0, call.UsualEvents, 1)
	_, err3 := out.Queues(t.Context())
	_, err4 := out.Dead(t.Context(), "crm", 0, 1)
	_, err5 := out.Replay(t.Context(), "crm", store.Replay{})
	_, err6 := out.PutEndpoint(t.Context(), "crm", func(*store.Endpoint) error { return nil })
	err7 := out.DeleteEndpoint(t.Context(), "crm")
	err8 := out.Settle(t.Context(), []store.Settlement{{Delivery: due[0], Outcome: store.Delivered}})
	for i, err := range []error{err1, err2, err3, err4, err5, err6, err7, err8} {
		if !errors.Is(err, store.ErrFailed) {
			t.Errorf("what is asked as number %d is answered with %v", i+1, err)
		}
	}
}

func (s *spoilt) PutEndpoint(e *store.Endpoint, by ...store.Audit) error {
	if s.put != nil {
		return s.put
	}
	if s.append != nil {
		return s.append(nil, func([]store.Entry) error { return nil })
	}
	return s.Volatile.PutEndpoint(e, by...)
}

// An endpoint that cannot be disabled gets no more all the same.
func TestQueueFullNotStored(t *testing.T) {
	journal := &spoilt{Volatile: store.NewVolatile()}
	s, err := store.Open(t.Context(), journal, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "crm", "call.ended")
	s.QueueAtMost(2)
	journal.append = func(batch []store.Entry, append func([]store.Entry) error) error {
		if batch == nil {
			return fmt.Errorf("%w: %w", store.ErrNotDone, errDisk)
		}
		return append(batch)
	}
	talks(t, s, 0, 5)
	if got := queued(t, s); got["crm"] != 2 || !s.Outbox().Endpoints()[0].Enabled() {
		t.Errorf("there wait %v for %+v", got, s.Outbox().Endpoints())
	}
	journal.append = nil
	talks(t, s, 5, 1)
	if s.Outbox().Endpoints()[0].Enabled() {
		t.Error("it is not disabled when it can be")
	}
}

// An endpoint that missed an event, and cannot be disabled, misses all that follow: what is delivered
// has no hole.
func TestQueueFullNoHole(t *testing.T) {
	journal := &spoilt{Volatile: store.NewVolatile()}
	s, err := store.Open(t.Context(), journal, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "crm", "call.ended")
	s.QueueAtMost(2)
	journal.put = fmt.Errorf("%w: %w", store.ErrNotDone, errDisk)
	talks(t, s, 0, 2)
	if n := deliver(t, s, "crm"); n != 2 {
		t.Errorf("%d were delivered", n)
	}
	talks(t, s, 2, 2) // It missed none as yet.
	talks(t, s, 4, 1) // Now it has.
	if n := deliver(t, s, "crm"); n != 2 {
		t.Errorf("%d were delivered", n)
	}
	talks(t, s, 5, 1)
	if n := deliver(t, s, "crm"); n != 0 {
		t.Errorf("%d were delivered after one that was not", n)
	}
	journal.put = nil
	if _, err := s.Outbox().PutEndpoint(t.Context(), "crm", func(e *store.Endpoint) error { e.FailingSince = time.Now(); return nil }); err != nil {
		t.Fatal(err)
	}
	talks(t, s, 6, 1)
	if e := s.Outbox().Endpoints()[0]; e.Disabled.Reason != store.QueueFull || queued(t, s)["crm"] != 0 {
		t.Errorf("%v wait for %+v", queued(t, s), e)
	}
	put(t, s, "crm", "call.ended")
	talks(t, s, 7, 1)
	if n := deliver(t, s, "crm"); n != 1 {
		t.Errorf("%d were delivered when it is enabled again", n)
	}
}

// slow is a journal on which something happens while it is read.
type slow struct {
	*store.Volatile
	meanwhile func()
}

func (s *slow) Due(ctx ctx, endpoint int64, now time.Time, limit int) ([]store.Delivery, time.Time, error) {
	due, next, err := s.Volatile.Due(ctx, endpoint, now, limit)
	if s.meanwhile != nil {
		s.meanwhile()
	}
	return due, next, err
}

// What is settled while the journal is read is not given out by the reading.
func TestSettledWhileRead(t *testing.T) {
	journal := &slow{Volatile: store.NewVolatile()}
	s, err := store.Open(t.Context(), journal, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "crm", "call.created")
	claim := func(want int) []store.Delivery {
		t.Helper()
		due, _, err := s.Outbox().Claim(t.Context(), "crm", 9)
		if err != nil || len(due) != want {
			t.Fatalf("Claim = %d, %v; want %d", len(due), err, want)
		}
		return due
	}
	settle := func(due []store.Delivery, o store.Outcome) {
		t.Helper()
		var settled []store.Settlement
		for _, d := range due {
			settled = append(settled, store.Settlement{Delivery: d, Outcome: o})
		}
		if err := s.Outbox().Settle(t.Context(), settled); err != nil {
			t.Fatal(err)
		}
	}
	talks(t, s, 0, 2)
	settle(claim(2), store.Returned) // From now on the journal is read.
	due := claim(2)
	journal.meanwhile = func() {
		settle(due[:1], store.Delivered) // Claimed before the reading: one waits still.
		journal.meanwhile = nil
	}
	claim(0)
	journal.meanwhile = func() {
		journal.meanwhile = nil
		settle(due[1:], store.Delivered) // Now nothing waits, and memory serves again,
		talks(t, s, 2, 1)                // with this one.
	}
	settle(claim(1), store.Delivered)
	claim(0)
	if got := queued(t, s); got["crm"] != 0 {
		t.Errorf("there wait %v", got)
	}
}

// Many goroutines may use an outbox. Nothing is delivered twice while nothing fails.
func TestOutboxRaces(t *testing.T) {
	const calls = 100
	s := store.NewMemory(time.Now)
	put(t, s, "crm")
	var delivered atomic.Int64
	var makers, takers sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		takers.Go(func() {
			for {
				n := deliver(t, s, "crm")
				delivered.Add(int64(n))
				select {
				case <-stop:
					if n == 0 {
						return
					}
				default:
				}
			}
		})
	}
	for g := range 3 {
		makers.Go(func() { talks(t, s, g*calls, calls) })
	}
	makers.Wait()
	close(stop)
	takers.Wait()
	if n := delivered.Load(); n != 3*calls*2 {
		t.Errorf("%d of %d events delivered", n, 3*calls*2)
	}
	if got := queued(t, s); got["crm"] != 0 {
		t.Errorf("there wait %v", got)
	}
}

// requeues is a journal that notes how many audit entries come with each portion of a replay.
type requeues struct {
	*store.Volatile
	entries []int
}

func (r *requeues) Requeue(p store.Portion, seqs []int64, now time.Time, by ...store.Audit) (store.Counts, error) {
	r.entries = append(r.entries, len(by))
	return r.Volatile.Requeue(p, seqs, now, by...)
}

// TestReplayAudited: the first portion of a replay is stored with the audit entry.
func TestReplayAudited(t *testing.T) {
	journal := &requeues{Volatile: store.NewVolatile()}
	s, err := store.Open(t.Context(), journal, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "crm", "call.ended")
	talks(t, s, 0, 501)
	deliver(t, s, "crm")
	if n, err := s.Outbox().Replay(t.Context(), "crm", store.Replay{All: true}, store.Audit{Request: "it"}); n != 501 || err != nil {
		t.Errorf("Replay = %d, %v", n, err)
	}
	if trail, err := s.Trail(t.Context(), 0, 9); len(trail) != 1 || err != nil || !slices.Equal(journal.entries, []int{1, 0}) {
		t.Errorf("portions come with %v entries; the audit has %v, %v", journal.entries, trail, err)
	}
}
