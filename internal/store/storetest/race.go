package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// racers is how many commit at once.
const racers = 8

func testRacingCreations(t *testing.T, s store.Store) {
	const tries, accounts = 30, 6
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var wg sync.WaitGroup
	for g := range racers {
		random := rand.New(rand.NewPCG(seed, uint64(g)))
		wg.Go(func() {
			for i := range tries {
				a, b := random.IntN(accounts), random.IntN(accounts-1)
				if b >= a {
					b++
				}
				caller, callee := call.Account(fmt.Sprint("a", a)), call.Account(fmt.Sprint("a", b))
				id := call.ID(fmt.Sprintf("c-%d-%d", g, i))
				raceOnce(t, s, ringing(t, id, caller, callee, i), busy(t, id, caller, callee, i))
			}
		})
	}
	wg.Wait()

	// All calls have ended, so whatever happened, each one that was made has
	// one record and nobody is claimed.
	live, err := s.Live(t.Context(), "", 9)
	wantIDs(t, live, err)
	for a := range accounts {
		account := call.Account(fmt.Sprint("a", a))
		calls, err := s.CallsOf(t.Context(), account, epoch)
		if err != nil {
			t.Fatalf("CallsOf: %v", err)
		}
		records, err := s.Records(t.Context(), account, store.Newest(1000))
		if err != nil {
			t.Fatalf("Records: %v", err)
		}
		if len(calls) != len(records) || len(calls) == 0 {
			t.Errorf("%s has %d calls and %d records", account, len(calls), len(records))
		}
		wantFree(t, s, account)
	}
}

// raceOnce makes a call among others, looks whether it has its accounts for
// itself, and ends it.
func raceOnce(t *testing.T, s store.Store, c call.Call, variant *call.Call) {
	results, err := s.Commit(t.Context(), []store.Change{{Call: c, Busy: variant}})
	if err != nil {
		t.Errorf("Commit: %v", err)
		return
	}
	switch r := results[0]; r.Verdict {
	case store.CallerClaimed, store.CalleeBusy:
		if r.Holder == "" || r.Holder == c.ID {
			t.Errorf("%s lost to %q", c.ID, r.Holder)
		}
		return
	case store.Done:
	case store.Conflict:
		t.Errorf("%s exists already", c.ID)
		return
	default:
		t.Errorf("result %+v", r)
		return
	}
	for _, leg := range c.Legs {
		calls, err := s.CallsOf(t.Context(), leg.Account, after(1000))
		if err != nil {
			t.Errorf("CallsOf: %v", err)
			return
		}
		if len(calls) != 1 || calls[0].ID != c.ID {
			t.Errorf("%s is in %d live calls, want %s alone", leg.Account, len(calls), c.ID)
		}
	}
	results, err = s.Commit(t.Context(), []store.Change{{Call: ended(c, 500), From: 1}})
	if err != nil || results[0] != done {
		t.Errorf("end %s: %+v, %v", c.ID, results, err)
	}
}

func testRacingChanges(t *testing.T, s store.Store) {
	const rounds = 20
	c := ringing(t, "c1", "alice", "bob", 0)
	create(t, s, c)
	for range rounds {
		next := changed(c)
		verdicts := make([]store.Verdict, racers)
		var wg sync.WaitGroup
		for g := range racers {
			wg.Go(func() {
				mine := next
				mine.Attachment = fmt.Sprint("by ", g)
				results, err := s.Commit(t.Context(), []store.Change{{Call: mine, From: c.Rev}})
				if err != nil {
					t.Errorf("Commit: %v", err)
					return
				}
				verdicts[g] = results[0].Verdict
			})
		}
		wg.Wait()
		winners := 0
		for g, verdict := range verdicts {
			switch verdict {
			case store.Done:
				winners++
				next.Attachment = fmt.Sprint("by ", g)
			case store.Conflict:
			case store.CallerClaimed, store.CalleeBusy:
				t.Fatalf("verdict %d of a call that exists", verdict)
			default:
				t.Fatalf("no verdict: %d", verdict)
			}
		}
		if winners != 1 {
			t.Fatalf("%d winners of one rev", winners)
		}
		wantCall(t, s, next)
		c = next
	}
}

// testRacingMerge: of a cancellation and a merge of one invitation one is done, whichever comes first.
func testRacingMerge(t *testing.T, s store.Store) {
	for i := range 20 {
		caller, callee := call.Account(fmt.Sprint("caller", i)), call.Account(fmt.Sprint("callee", i))
		c := ringing(t, call.ID(fmt.Sprint("call", i)), caller, callee, 0)
		create(t, s, c)
		took := c
		took.Rev, took.State = 2, call.Connecting
		id := call.ID(fmt.Sprint("invitation", i))
		grave := call.MergedTombstone(id, c.ID, call.DefaultTiming(), epoch)
		changes := []store.Change{
			{Call: took, From: 1, Merged: &grave},
			{Call: call.Tombstone(id, call.Device{Account: callee, ID: "phone"}, call.DefaultTiming(), epoch)},
		}
		var verdicts [2]store.Verdict
		var both sync.WaitGroup
		for k := range changes {
			both.Go(func() {
				results, err := s.Commit(t.Context(), changes[k:k+1])
				if err != nil || results[0].Err != nil {
					t.Errorf("Commit: %v, %+v", err, results)
				}
				verdicts[k] = results[0].Verdict
			})
		}
		both.Wait()
		if verdicts != [2]store.Verdict{store.Done, store.Conflict} && verdicts != [2]store.Verdict{store.Conflict, store.Done} {
			t.Errorf("the merge and the cancellation of %s have the verdicts %v", id, verdicts)
		}
	}
}
