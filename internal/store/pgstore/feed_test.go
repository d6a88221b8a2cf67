package pgstore_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/pgstore"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

// patience is how long a test waits for what should be there soon.
const patience = 10 * time.Second

// allKinds are all events.
const allKinds = ^call.EventKinds(0)

// invited is a change that begins a call.
func invited(t testing.TB, id call.ID, caller, callee call.Account) store.Change {
	t.Helper()
	c, _, err := call.New(call.Invite{
		ID: id, Callee: callee, Type: call.Video, Offer: "v=0", Timing: call.DefaultTiming(),
		Caller: call.Device{Account: caller, ID: "phone", Conn: call.Connection{Incarnation: "n1", Seq: 7}},
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return store.Change{Call: c, Events: call.Events(nil, nil, &c)}
}

// stepped is a change of a call.
func stepped(t testing.TB, was *call.Call, in call.Input) store.Change {
	t.Helper()
	c, _, err := call.Step(*was, in, time.Now())
	if err != nil || c.Rev == was.Rev {
		t.Fatalf("step by %T: rev %d, %v", in, c.Rev, err)
	}
	return store.Change{Call: c, From: was.Rev, Events: call.Events(was, in, &c)}
}

// commitAll makes changes.
func commitAll(t testing.TB, s *pgstore.Store, changes ...store.Change) {
	t.Helper()
	results, err := s.Commit(t.Context(), changes)
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	for i, r := range results {
		if r.Verdict != store.Done {
			t.Fatalf("change %d: %+v", i, r)
		}
	}
}

// talk makes a call of three events, in three commits.
func talk(t testing.TB, s *pgstore.Store, id call.ID) {
	t.Helper()
	change := invited(t, id, call.Account("caller of "+id), call.Account("callee of "+id))
	commitAll(t, s, change)
	for _, in := range []call.Input{
		call.Ring{Device: call.Device{Account: change.Call.Callee().Account, ID: "tablet"}}, call.Cancel{Device: change.Call.Caller().Device},
	} {
		was := change.Call
		change = stepped(t, &was, in)
		commitAll(t, s, change)
	}
}

func feed(t testing.TB, s *pgstore.Store) (list []string) {
	t.Helper()
	events, _, err := s.Outbox().Events(t.Context(), 0, allKinds, 10_000)
	if err != nil {
		t.Fatalf("Events: %v", err)
	}
	for _, e := range events {
		list = append(list, fmt.Sprintf("%s:%d %v", e.Call.ID, e.Call.Rev, e.Kind))
	}
	return list
}

func wantFeed(t testing.TB, s *pgstore.Store, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, feed(t, s)); diff != "" {
		t.Errorf("feed (-want +got):\n%s", diff)
	}
}

// pair opens a database twice, as two nodes do.
func pair(t testing.TB) (a, b *pgstore.Store) {
	t.Helper()
	url := postgres.Shared(t).NewDatabase(t) + "&lock_timeout=20s&statement_timeout=20s"
	return openAt(t, url), openAt(t, url)
}

// TestLaterNumberFirst: of two transactions that are open at once, the one with the later numbers
// commits first. Nobody who reads the feed in order misses the events of the other.
func TestLaterNumberFirst(t *testing.T) {
	url := postgres.Shared(t).NewDatabase(t) + "&lock_timeout=20s&statement_timeout=20s"
	a, b := openAt(t, url), openAt(t, url)
	a.RecordEvents(true)
	b.RecordEvents(true)
	first := invited(t, "first", "alice", "bob")
	commitAll(t, a, first)
	wantFeed(t, a, "first:1 call.created")
	seen := a.Outbox().Newest()

	// Somebody else holds a row that the change of the first call needs.
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	held, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held.Exec(t.Context(), `SELECT FROM calls WHERE id = 'first' FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		commitAll(t, a, stepped(t, &first.Call, call.Cancel{Device: first.Call.Caller().Device}))
	}()
	waitForLocks(t, b, 1)
	changed := b.Outbox().Changed()
	commitAll(t, b, invited(t, "second", "carol", "dave"))
	<-changed // This node told itself, though nobody may see the event yet.
	for _, s := range []*pgstore.Store{a, b} {
		wantFeed(t, s, "first:1 call.created")
		if newest := s.Outbox().Newest(); newest != seen {
			t.Errorf("the newest is %d, and the feed ends with %d", newest, seen)
		}
	}
	changed = b.Outbox().Changed()
	if err := held.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-done
	select {
	case <-changed: // The poll saw that both are shown.
	case <-time.After(patience):
		t.Error("who waits is not told of what is shown by now")
	}
	for _, s := range []*pgstore.Store{a, b} {
		wantFeed(t, s, "first:1 call.created", "first:2 call.ended", "second:1 call.created")
	}
}

// waitForLocks waits until a number of locks are waited for.
func waitForLocks(t testing.TB, s *pgstore.Store, want int) {
	t.Helper()
	for begun, found := time.Now(), 0; found < want; {
		if time.Since(begun) > patience {
			t.Fatalf("%d of %d wait for a lock", found, want)
		}
		s.Query(t, &found, `SELECT count(*) FROM pg_locks WHERE NOT granted`)
	}
}

// TestNumbersAfterRestore: a database that is restored from a backup numbers events above those that it
// numbered after the backup. Of one that was dumped and loaded elsewhere, where transactions have
// lower ids, the feed shows the events all the same.
func TestNumbersAfterRestore(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	open := clockedAt(t, postgres.Shared(t).NewDatabase(t), &now)
	s := open()
	s.RecordEvents(true)
	commitAll(t, s, invited(t, "c1", "alice", "bob"))
	last := s.Outbox().Newest()
	// As the backup had it.
	s.Query(t, new(int64), `SELECT setval('event_seqs', 5)`)
	s.Query(t, new(int64), `WITH gone AS (DELETE FROM events RETURNING 1) SELECT count(*) FROM gone`)
	now = now.Add(time.Microsecond)
	commitAll(t, s, invited(t, "c2", "carol", "dave"))
	if newest := s.Outbox().Newest(); newest <= last {
		t.Errorf("%d is numbered after %d", newest, last)
	}
	s.Query(t, new(int64), `WITH all_events AS (UPDATE events SET xid = '999999999999' RETURNING 1) SELECT count(*) FROM all_events`)
	elsewhere := open()
	wantFeed(t, elsewhere)
	now = now.Add(10*time.Minute + time.Second)
	wantFeed(t, elsewhere, "c2:1 call.created")
}

// follower reads the feed as a backend does, until it has a number of events.
func follower(ctx context.Context, out store.Outbox, want int) (seqs []int64, err error) {
	after := int64(0)
	for {
		changed := out.Changed()
		events, next, err := out.Events(ctx, after, allKinds, 50)
		if err != nil {
			return seqs, err
		}
		for _, e := range events {
			seqs = append(seqs, e.Seq)
		}
		if len(seqs) >= want {
			return seqs, nil
		}
		if after = next; len(events) > 0 || after < out.Newest() {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return seqs, fmt.Errorf("%d of %d events: %w", len(seqs), want, ctx.Err())
		}
	}
}

// TestFeedOfNodes: four writers on two nodes commit, and who follows the feed on either node has
// each event once, in order.
func TestFeedOfNodes(t *testing.T) {
	const calls = 40
	a, b := pair(t)
	a.RecordEvents(true)
	b.RecordEvents(true)
	var writers, followers sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	followed := make([][]int64, 2)
	for i, s := range []*pgstore.Store{a, b} {
		followers.Go(func() {
			var err error
			if followed[i], err = follower(ctx, s.Outbox(), 4*calls*3); err != nil {
				t.Errorf("node %d: %v", i, err)
			}
		})
		for w := range 2 {
			writers.Go(func() {
				for n := range calls {
					talk(t, s, call.ID(fmt.Sprintf("c%d-%d-%d", i, w, n)))
				}
			})
		}
	}
	writers.Wait()
	followers.Wait()
	events, _, err := a.Outbox().Events(t.Context(), 0, allKinds, 10_000)
	if err != nil || len(events) != 4*calls*3 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	var all []int64
	for _, e := range events {
		all = append(all, e.Seq)
	}
	if !slices.IsSorted(all) {
		t.Error("the feed is not in order")
	}
	for i := range followed {
		if diff := cmp.Diff(all, followed[i]); diff != "" {
			t.Errorf("who followed node %d (-want +got):\n%s", i, diff)
		}
	}
}

// TestEndpointOfOther: an endpoint counts for the events of all nodes at once, and soon all nodes
// know it.
func TestEndpointOfOther(t *testing.T) {
	a, b := pair(t)
	talk(t, b, "c1") // Nobody asks.
	hook(t, a, "crm")
	changed := b.Outbox().Changed()
	talk(t, b, "c2")
	wantFeed(t, b, "c2:1 call.created", "c2:2 call.ringing", "c2:3 call.ended")
	if queues, err := a.Outbox().Queues(t.Context()); err != nil || len(queues) != 1 || queues[0].Queued != 3 {
		t.Errorf("Queues = %+v, %v", queues, err)
	}
	due, _, err := b.Outbox().Claim(t.Context(), "crm", 9) // Also before it has seen the endpoint.
	if err != nil || len(due) != 1 {
		t.Errorf("Claim = %d, %v", len(due), err)
	}
	for len(b.Outbox().Endpoints()) != 1 {
		select {
		case <-changed:
			changed = b.Outbox().Changed()
		case <-time.After(patience):
			t.Fatal("the other node does not see the endpoint")
		}
	}
	if err := b.Outbox().DeleteEndpoint(t.Context(), "crm"); err != nil {
		t.Fatal(err)
	}
	if err := a.Hurry(t.Context()); err != nil || len(a.Outbox().Endpoints()) != 0 {
		t.Errorf("the endpoints are %+v, %v", a.Outbox().Endpoints(), err)
	}
	talk(t, a, "c3")
	wantFeed(t, a, "c2:1 call.created", "c2:2 call.ringing", "c2:3 call.ended")
}

// hook makes an endpoint.
func hook(t testing.TB, s *pgstore.Store, id string) {
	t.Helper()
	if err := putHook(t, s, id); err != nil {
		t.Fatalf("PutEndpoint: %v", err)
	}
}

func putHook(t testing.TB, s *pgstore.Store, id string) error {
	_, err := s.Outbox().PutEndpoint(t.Context(), id, func(e *store.Endpoint) error {
		e.URL = "https://example.com/" + id
		e.Rotate("secret of "+id, time.Now(), 0)
		return nil
	})
	return err
}
