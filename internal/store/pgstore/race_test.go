package pgstore_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/pgstore"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

// nodes is how many stores have the same database.
const nodes = 4

// TestContended: nodes commit batches of the same calls and accounts, each in another order.
func TestContended(t *testing.T) {
	const rounds, most = 40, 14
	url := postgres.Shared(t).NewDatabase(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	stores := make([]*pgstore.Store, nodes)
	for i := range stores {
		stores[i] = openAt(t, url)
	}
	var all sync.WaitGroup
	for i, s := range stores {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		all.Go(func() {
			for round := range rounds {
				live, err := s.Live(t.Context(), "", 100)
				if err != nil {
					t.Errorf("Live: %v", err)
					return
				}
				changes := contended(t, random, round, live)
				random.Shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
				changes = changes[:min(most, len(changes))]
				results, err := s.Commit(t.Context(), changes)
				if err != nil {
					t.Errorf("Commit: %v", err)
					return
				}
				for k, r := range results {
					if r.Err != nil || r.Verdict == 0 {
						t.Errorf("%s from %d: %+v", changes[k].Call.ID, changes[k].From, r)
					}
				}
			}
		})
	}
	all.Wait()
	wantWhole(t, url)
	for _, s := range stores { // Their sessions report what they counted when they end.
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	wantNoDeadlock(t, url)
}

// contended are the changes that nodes try at about the same time: of the calls that live, and new
// ones of the same accounts.
func contended(t *testing.T, random *rand.Rand, round int, live []call.Call) (changes []store.Change) {
	const accounts = 8
	for _, c := range live {
		if random.IntN(3) == 0 {
			changes = append(changes, hangup(c))
		} else {
			changes = append(changes, next(c))
		}
	}
	for i := range 10 {
		caller := (round + i) % accounts
		callee := (caller + 1 + i%(accounts-1)) % accounts
		id := call.ID(fmt.Sprintf("c-%d-%d", round, i))
		changes = append(changes, ringing(t, id, call.Account(fmt.Sprint("a", caller)), call.Account(fmt.Sprint("a", callee))))
	}
	return changes
}

// wantNoDeadlock wants the database to have counted none.
func wantNoDeadlock(t *testing.T, url string) {
	t.Helper()
	var deadlocks, commits int
	query(t, url, `SELECT deadlocks, xact_commit FROM pg_stat_database WHERE datname = current_database()`, &deadlocks, &commits)
	if deadlocks != 0 || commits < nodes {
		t.Errorf("%d deadlocks in %d transactions", deadlocks, commits)
	}
}

// TestCreatedTwice: nodes create one id at once, as when a client repeats its invitation by
// another node, with the same and with other accounts. One wins, and nothing is left of the others.
func TestCreatedTwice(t *testing.T) {
	const ids = 60
	url := postgres.Shared(t).NewDatabase(t)
	var all sync.WaitGroup
	begin := make(chan struct{})
	verdicts := make([][nodes]store.Verdict, ids)
	for i := range nodes {
		s := openAt(t, url)
		all.Go(func() {
			<-begin
			for id := range ids {
				caller, callee := call.Account(fmt.Sprint("caller", id)), call.Account(fmt.Sprint("callee", id))
				if id%2 == 0 {
					caller, callee = caller+call.Account(fmt.Sprint("-", i)), callee+call.Account(fmt.Sprint("-", i))
				}
				r, err := s.Commit(t.Context(), []store.Change{ringing(t, call.ID(fmt.Sprint("c", id)), caller, callee)})
				if err != nil || r[0].Err != nil {
					t.Errorf("Commit: %v, %v", r, err)
				}
				verdicts[id][i] = r[0].Verdict
			}
		})
	}
	close(begin)
	all.Wait()
	for id, of := range verdicts {
		slices.Sort(of[:])
		if of != [nodes]store.Verdict{store.Done, store.Conflict, store.Conflict, store.Conflict} {
			t.Errorf("c%d came to %v", id, of)
		}
	}
	var claims int
	if query(t, url, `SELECT count(*) FROM claims`, &claims); claims != 2*ids {
		t.Errorf("%d claims of %d calls", claims, ids)
	}
	wantWhole(t, url)
}
