package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/pgstore"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

// receiver is a backend that looks at what is under way: one delivery of a call at a time, and the
// first arrivals of a call in order.
type receiver struct {
	mu      sync.Mutex // Guards what follows.
	flying  map[call.ID]int64
	arrived map[call.ID][]int64
	faults  []string
}

func (r *receiver) begin(d store.Delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, seq := d.Lane.Call, d.Event.Seq
	if other, ok := r.flying[id]; ok {
		r.faults = append(r.faults, fmt.Sprintf("%s: %d is claimed while %d is under way", id, seq, other))
	}
	r.flying[id] = seq
	if slices.Contains(r.arrived[id], seq) {
		return
	}
	if n := len(r.arrived[id]); n > 0 && r.arrived[id][n-1] > seq {
		r.faults = append(r.faults, fmt.Sprintf("%s: %d comes after %d", id, seq, r.arrived[id][n-1]))
	}
	r.arrived[id] = append(r.arrived[id], seq)
}

func (r *receiver) end(d store.Delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.flying, d.Lane.Call)
}

func (r *receiver) count() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, seqs := range r.arrived {
		n += len(seqs)
	}
	return n
}

// deliver claims and settles until nothing waits.
func (r *receiver) deliver(ctx context.Context, s *pgstore.Store, done <-chan struct{}) error {
	for {
		due, _, err := s.Outbox().Claim(ctx, "crm", 1+rand.IntN(5))
		if err != nil {
			return err
		}
		var settled []store.Settlement
		for _, d := range due {
			r.begin(d)
			one := store.Settlement{Delivery: d, Outcome: store.Delivered}
			switch rand.IntN(6) {
			case 0:
				one.Outcome = store.Returned
			case 1:
				one.Outcome = store.Retry
			}
			settled = append(settled, one)
		}
		<-time.After(time.Duration(rand.IntN(3)) * time.Millisecond)
		for _, d := range due {
			r.end(d)
		}
		if err := s.Outbox().Settle(ctx, settled); err != nil {
			return err
		}
		select {
		case <-done:
			if len(due) == 0 {
				return nil
			}
		default:
		}
	}
}

// TestClaimsOfNodes: two nodes claim deliveries of one endpoint, while calls go on and events are
// replayed. Never has one of them a delivery of a call while the other has one.
func TestClaimsOfNodes(t *testing.T) {
	const calls = 30
	a, b := pair(t)
	hook(t, a, "crm")
	r := &receiver{flying: make(map[call.ID]int64), arrived: make(map[call.ID][]int64)}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var writers, claimers sync.WaitGroup
	done := make(chan struct{})
	for i, s := range []*pgstore.Store{a, b} {
		writers.Go(func() {
			for n := range calls {
				talk(t, s, call.ID(fmt.Sprintf("c%d-%d", i, n)))
				if n%5 == 4 {
					if _, err := s.Outbox().Replay(ctx, "crm", store.Replay{All: true}); err != nil {
						t.Errorf("Replay: %v", err)
					}
				}
			}
		})
		for range 2 {
			claimers.Go(func() {
				if err := r.deliver(ctx, s, done); err != nil {
					t.Errorf("node %d: %v", i, err)
				}
			})
		}
	}
	writers.Wait()
	close(done)
	claimers.Wait()
	for _, fault := range r.faults {
		t.Error(fault)
	}
	if n := r.count(); n != 2*calls*3 {
		t.Errorf("%d of %d events arrived", n, 2*calls*3)
	}
	var deadlocks int
	a.Query(t, &deadlocks, `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`)
	if deadlocks != 0 {
		t.Errorf("%d deadlocks", deadlocks)
	}
}

// clocked opens a database twice, both by one clock.
func clocked(t *testing.T) (a, b *pgstore.Store, now *time.Time) {
	t.Helper()
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	open := clockedAt(t, postgres.Shared(t).NewDatabase(t), &at)
	return open(), open(), &at
}

// clockedAt opens stores of a database by a clock.
func clockedAt(t *testing.T, url string, now *time.Time) (open func() *pgstore.Store) {
	return func() *pgstore.Store {
		t.Helper()
		s := pgstore.OpenClocked(t, pgstore.Config{URL: url}, func() time.Time { return *now })
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		return s
	}
}

func claim(t *testing.T, s *pgstore.Store, want int) ([]store.Delivery, time.Time) {
	t.Helper()
	due, next, err := s.Outbox().Claim(t.Context(), "crm", 9)
	if err != nil || len(due) != want {
		t.Fatalf("Claim = %d, %v; want %d", len(due), err, want)
	}
	return due, next
}

func settle(t *testing.T, s *pgstore.Store, due []store.Delivery, outcome store.Outcome) {
	t.Helper()
	var settled []store.Settlement
	for _, d := range due {
		settled = append(settled, store.Settlement{Delivery: d, Outcome: outcome, After: time.Hour, Reason: "it fails"})
	}
	if err := s.Outbox().Settle(t.Context(), settled); err != nil {
		t.Fatalf("Settle: %v", err)
	}
}

func wantQueue(t *testing.T, s *pgstore.Store, queued, dead int) {
	t.Helper()
	queues, err := s.Outbox().Queues(t.Context())
	if err != nil || len(queues) != 1 || queues[0].Queued != queued || queues[0].Dead != dead {
		t.Errorf("Queues = %+v, %v; want %d and %d", queues, err, queued, dead)
	}
}

// TestDeadClaimer: what a node claimed that died is another's when the lease expires. Where the first
// lives after all, what it says of the delivery counts for nothing.
func TestDeadClaimer(t *testing.T) {
	a, b, now := clocked(t)
	hook(t, a, "crm")
	commitAll(t, a, invited(t, "c1", "alice", "bob"))
	due, _ := claim(t, a, 1)
	begun := *now
	if _, next := claim(t, b, 0); !next.Equal(begun.Add(pgstore.LeaseTime)) {
		t.Errorf("the next claim is at %v; want %v", next, begun.Add(pgstore.LeaseTime))
	}
	*now = begun.Add(pgstore.LeaseTime - time.Second)
	claim(t, b, 0)
	*now = begun.Add(pgstore.LeaseTime)
	taken, _ := claim(t, b, 1)
	claim(t, a, 0)
	for _, outcome := range []store.Outcome{store.Delivered, store.Dead, store.Retry, store.Returned} {
		settle(t, a, due, outcome)
		wantQueue(t, a, 1, 0)
		claim(t, a, 0)
	}
	settle(t, b, taken, store.Delivered)
	wantQueue(t, a, 0, 0)
}

// TestLateSettlement: a lease that expired and was taken by nobody still counts.
func TestLateSettlement(t *testing.T) {
	a, _, now := clocked(t)
	hook(t, a, "crm")
	commitAll(t, a, invited(t, "c1", "alice", "bob"))
	due, _ := claim(t, a, 1)
	*now = now.Add(2 * pgstore.LeaseTime)
	settle(t, a, due, store.Delivered)
	wantQueue(t, a, 0, 0)
}

// TestSettlementFails: where a settlement fails the delivery is due again, for this node at once.
func TestSettlementFails(t *testing.T) {
	a, b, _ := clocked(t)
	hook(t, a, "crm")
	commitAll(t, a, invited(t, "c1", "alice", "bob"))
	due, _ := claim(t, a, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Outbox().Settle(ctx, []store.Settlement{{Delivery: due[0], Outcome: store.Delivered}}); err == nil {
		t.Fatal("Settle succeeds without time")
	}
	claim(t, b, 0)
	again, _ := claim(t, a, 1)
	settle(t, a, again, store.Delivered)
	wantQueue(t, a, 0, 0)
}

// TestEndpointsMost: also when several nodes make endpoints at once there are no more than the most.
func TestEndpointsMost(t *testing.T) {
	a, b := pair(t)
	var makers sync.WaitGroup
	var mu sync.Mutex
	made, refused := 0, 0
	for i, s := range []*pgstore.Store{a, b, a, b} {
		makers.Go(func() {
			for n := range 8 {
				err := putHook(t, s, fmt.Sprintf("e%d-%d", i, n))
				mu.Lock()
				switch {
				case err == nil:
					made++
				case errors.Is(err, store.ErrEndpoints):
					refused++
				default:
					t.Errorf("PutEndpoint: %v", err)
				}
				mu.Unlock()
			}
		})
	}
	makers.Wait()
	if made != store.EndpointsMost || refused != 32-store.EndpointsMost {
		t.Errorf("%d were made and %d refused", made, refused)
	}
	for _, s := range []*pgstore.Store{a, b} {
		if err := s.Hurry(t.Context()); err != nil || len(s.Outbox().Endpoints()) != store.EndpointsMost {
			t.Errorf("a node knows %d endpoints, %v", len(s.Outbox().Endpoints()), err)
		}
	}
}

// TestQueueFull: an endpoint for which too much waits is disabled by any node, and the others see it.
func TestQueueFull(t *testing.T) {
	a, b := pair(t)
	a.SetQueueMost(5)
	hook(t, a, "crm")
	talk(t, b, "c1")
	if err := a.Hurry(t.Context()); err != nil || !a.Outbox().Endpoints()[0].Enabled() {
		t.Errorf("disabled by 3 deliveries, %v", err)
	}
	talk(t, b, "c2")
	if err := errors.Join(a.Hurry(t.Context()), b.Hurry(t.Context())); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*pgstore.Store{a, b} {
		if e := s.Outbox().Endpoints()[0]; e.Disabled.Reason != store.QueueFull {
			t.Errorf("it is %+v", e)
		}
	}
	talk(t, b, "c3")
	wantQueue(t, a, 6, 0)
	if n, err := a.Outbox().Replay(t.Context(), "crm", store.Replay{All: true}); n != 0 || !errors.Is(err, store.ErrQueueFull) {
		t.Errorf("Replay = %d, %v", n, err)
	}
}

// TestCountedInTurn: one node counts what waits at a time, and another one 5 s later.
func TestCountedInTurn(t *testing.T) {
	a, b, now := clocked(t)
	hook(t, a, "crm")
	if err := a.CountFull(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.SetQueueMost(3)
	talk(t, a, "c1")
	for _, test := range []struct {
		wait    time.Duration
		enabled bool
	}{{4 * time.Second, true}, {2 * time.Second, false}} {
		*now = now.Add(test.wait)
		if err := b.CountFull(t.Context()); err != nil {
			t.Fatal(err)
		}
		var enabled bool
		if b.Query(t, &enabled, `SELECT enabled FROM endpoints`); enabled != test.enabled {
			t.Errorf("after %v it is enabled: %v", test.wait, enabled)
		}
	}
}

// TestBooksVersion: each node sees that another changed keys or log-outs.
func TestBooksVersion(t *testing.T) {
	a, b := pair(t)
	if a.Alias("alice") != b.Alias("alice") {
		t.Error("two nodes have two aliases")
	}
	last := int64(-1)
	news := func(what string, want bool) {
		t.Helper()
		version, err := b.BooksVersion(t.Context())
		if err != nil || (version != last) != want {
			t.Errorf("%s: version %d after %d, %v", what, version, last, err)
		}
		last = version
	}
	news("at the start", true)
	audit := store.Audit{At: time.Now(), Key: store.CommandKey, Action: "test"}
	if err := a.AddKey(t.Context(), store.Key{ID: "app", Hash: []byte("h"), Scopes: []string{"read"}, Created: time.Now()}, audit); err != nil {
		t.Fatal(err)
	}
	news("a key", true)
	if err := errors.Join(a.UseKeys(t.Context(), map[string]time.Time{"app": time.Now()}), a.File(t.Context(), audit)); err != nil {
		t.Fatal(err)
	}
	news("its use", false)
	if err := a.RevokeKey(t.Context(), "app", audit); err != nil {
		t.Fatal(err)
	}
	news("its end", true)
	if err := a.LogOut(t.Context(), a.Alias("alice"), time.Now(), audit); err != nil {
		t.Fatal(err)
	}
	news("a log-out", true)
}

// TestLeftIsFound: what a node had claimed that died wakes who delivers on the others.
func TestLeftIsFound(t *testing.T) {
	a, b, now := clocked(t)
	hook(t, a, "crm")
	commitAll(t, a, invited(t, "c1", "alice", "bob"))
	if err := b.Hurry(t.Context()); err != nil {
		t.Fatal(err)
	}
	claim(t, a, 1)
	for _, test := range []struct {
		wait time.Duration
		want bool
	}{{pgstore.LeaseTime - time.Second, false}, {time.Second, true}} {
		changed := b.Outbox().Changed()
		*now = now.Add(test.wait)
		if err := b.Hurry(t.Context()); err != nil {
			t.Fatal(err)
		}
		select {
		case <-changed:
			if !test.want {
				t.Error("woken while the lease lasts")
			}
		default:
			if test.want {
				t.Error("not woken when the lease has expired")
			}
		}
	}
}
