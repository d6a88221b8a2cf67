package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// looked is a journal that counts long reads, and sees whether commits wait for them.
type looked struct {
	*store.Volatile
	store   *store.Memory
	looks   int
	holding bool
}

func (w *looked) look() {
	w.looks++
	w.holding = w.holding || w.store.Writing()
}

func (w *looked) Choose(ctx ctx, p store.Portion) ([]int64, int64, error) {
	w.look()
	return w.Volatile.Choose(ctx, p)
}

func (w *looked) Prunable(ctx ctx, after, shown, kept int64) ([]int64, int64, error) {
	w.look()
	return w.Volatile.Prunable(ctx, after, shown, kept)
}

func (w *looked) Oldest(ctx ctx, endpoint, after int64) (int64, time.Time, error) {
	w.look()
	return w.Volatile.Oldest(ctx, endpoint, after)
}

func openLooked(t *testing.T) *looked {
	t.Helper()
	w := &looked{Volatile: store.NewVolatile()}
	var err error
	if w.store, err = store.Open(t.Context(), w, time.Now); err != nil {
		t.Fatal(err)
	}
	return w
}

// crowd commits n calls at once, each with an event that it was created and one that it ended.
func crowd(t *testing.T, s *store.Memory, n int) {
	t.Helper()
	changes := make([]store.Change, n)
	for i := range changes {
		c, _, err := call.NewBusy(call.Invite{
			ID: call.ID(fmt.Sprintf("m%05d", i)), Callee: "bob", Type: call.Audio, Timing: call.DefaultTiming(),
			Caller: call.Device{Account: "alice", ID: "phone"},
		}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		changes[i] = store.Change{Call: c, Events: call.Events(nil, nil, &c)}
	}
	if _, err := s.Commit(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
}

// TestReplayHoldsNobodyUp: a replay looks for its events in portions, while others commit.
func TestReplayHoldsNobodyUp(t *testing.T) {
	w := openLooked(t)
	w.store.RecordEvents(true)
	crowd(t, w.store, store.LookMost/2+1)
	put(t, w.store, "crm")
	for _, test := range []struct {
		what         store.Replay
		queued, most int
	}{
		{store.Replay{All: true, Kinds: 1 << call.EventMerged}, 0, 2},
		{store.Replay{All: true, Kinds: 1 << call.EventEnded}, store.LookMost/2 + 1, 12},
		{store.Replay{}, 0, 1},
	} {
		w.looks = 0
		n, err := w.store.Outbox().Replay(t.Context(), "crm", test.what)
		if err != nil || n != test.queued {
			t.Errorf("Replay = %d, %v; want %d", n, err, test.queued)
		}
		if w.holding || w.looks == 0 || w.looks > test.most {
			t.Errorf("%d looks, want %d at most; commits wait for one: %v", w.looks, test.most, w.holding)
		}
	}
}

// TestPruneHoldsNobodyUp: what is to be deleted is looked for in portions, while others commit, also
// where most of it waits for an endpoint.
func TestPruneHoldsNobodyUp(t *testing.T) {
	w := openLooked(t)
	now := time.Now()
	var err error
	if w.store, err = store.Open(t.Context(), w, func() time.Time { return now }); err != nil {
		t.Fatal(err)
	}
	put(t, w.store, "crm", "call.ended")
	const n = 9
	talks(t, w.store, 0, n)
	w.store.RecordEvents(true)
	put(t, w.store, "crm", "call.merged")
	crowd(t, w.store, store.LookMost/2)
	now = now.Add(store.KeepEvents + time.Minute)
	if rows, err := w.store.Outbox().Prune(t.Context()); err != nil || rows != store.LookMost+n {
		t.Errorf("%d rows, %v", rows, err)
	}
	if w.holding || w.looks != 2 {
		t.Errorf("%d looks; commits wait for one: %v", w.looks, w.holding)
	}
	if got := queued(t, w.store); got["crm"] != n {
		t.Errorf("there wait %v", got)
	}
}

// TestQueuesLookOnce: a queue that is read again and again looks at each event once.
func TestQueuesLookOnce(t *testing.T) {
	w := openLooked(t)
	put(t, w.store, "crm", "call.ended")
	want := func(looks, queued int, oldest time.Time) {
		t.Helper()
		w.looks = 0
		queues, err := w.store.Outbox().Queues(t.Context())
		if err != nil || len(queues) != 1 || queues[0].Queued != queued || !queues[0].Oldest.Equal(oldest) || w.looks != looks {
			t.Errorf("%d looks for %+v, %v; want %d for %d since %v", w.looks, queues, err, looks, queued, oldest)
		}
	}
	want(0, 0, time.Time{})
	talks(t, w.store, 0, 1)
	first, last, err := events(t, w.store)
	if err != nil {
		t.Fatal(err)
	}
	want(1, 1, last.At)
	put(t, w.store, "crm", "call.merged")
	crowd(t, w.store, store.LookMost/2+9)
	put(t, w.store, "crm", "call.ended")
	talks(t, w.store, 1, 1)
	want(1, 2, last.At)
	due, _, err := w.store.Outbox().Claim(t.Context(), "crm", 1)
	if err != nil || len(due) != 1 {
		t.Fatalf("Claim = %d, %v", len(due), err)
	}
	if err := w.store.Outbox().Settle(t.Context(), []store.Settlement{{Delivery: due[0], Outcome: store.Delivered}}); err != nil {
		t.Fatal(err)
	}
	_, newest, err := events(t, w.store)
	if err != nil {
		t.Fatal(err)
	}
	want(2, 1, newest.At)
	want(1, 1, newest.At)
	if n, err := w.store.Outbox().Replay(t.Context(), "crm", store.Replay{All: true, Kinds: 1 << call.EventCreated, To: last.At.Add(time.Microsecond)}); err != nil || n != 1 {
		t.Fatalf("Replay = %d, %v", n, err)
	}
	want(1, 2, first.At)
}

// events gives the oldest event and the newest.
func events(t *testing.T, s *store.Memory) (first, last store.Event, err error) {
	t.Helper()
	for after := int64(0); after < s.Outbox().Newest(); {
		var page []store.Event
		if page, after, err = s.Outbox().Events(t.Context(), after, ^call.EventKinds(0), store.LookMost); err != nil || len(page) == 0 {
			return first, last, err
		}
		if first.Seq == 0 {
			first = page[0]
		}
		last = page[len(page)-1]
	}
	return first, last, nil
}
