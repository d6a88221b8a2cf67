package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// deaf is the result of a call that was stored deaf.
var deaf = store.Result{Verdict: store.Done, Deaf: true}

func block(t *testing.T, s store.Store, account, blocked call.Account) store.Block {
	t.Helper()
	b, err := s.Block(t.Context(), account, blocked, entry("account.block", string(account), string(blocked), after(0)))
	if err != nil {
		t.Fatalf("Block: %v", err)
	}
	return b
}

func deafened(c call.Call) call.Call {
	c.Deaf = true
	return c
}

func testDeaf(t *testing.T, s store.Store) {
	block(t, s, "bob", "alice")
	c := ringing(t, "c1", "alice", "bob", 0)
	commit(t, s, []store.Change{{Call: c, Busy: busy(t, "c1", "alice", "bob", 0)}}, deaf)
	wantCall(t, s, deafened(c))
	wantClaimed(t, s, "c1", "alice")
	wantFree(t, s, "bob")
	// It is among the calls of its caller, and of nobody else.
	calls, err := s.CallsOf(t.Context(), "alice", time.Time{})
	wantIDs(t, live(calls), err, "c1")
	calls, err = s.CallsOf(t.Context(), "bob", time.Time{})
	wantIDs(t, live(calls), err)
	all, err := s.Live(t.Context(), "", 9)
	wantIDs(t, all, err, "c1")
	for account, want := range map[call.Account][]call.ID{"alice": {"c1"}, "bob": {"c1"}, "carol": nil} {
		got, err := s.Naming(t.Context(), account)
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, got, want)
	}
	marks, err := s.Changed(t.Context(), time.Time{}, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range marks {
		if m.Call == "c1" && (m.Caller != "alice" || m.Callee != "") {
			t.Errorf("the mark of a deaf call is %+v", m)
		}
	}
	// A second call is refused for the sake of the first, before any look at blocks.
	commit(t, s, []store.Change{{Call: ringing(t, "c2", "alice", "bob", 0)}}, store.Result{Verdict: store.CallerClaimed, Holder: "c1"})
	// The other direction is not blocked, nor is anybody else.
	create(t, s, ringing(t, "c3", "bob", "carol", 0))
	create(t, s, ringing(t, "c4", "dave", "erin", 0))
}

// live leaves out what has ended.
func live(calls []call.Call) (live []call.Call) {
	for _, c := range calls {
		if c.Live() {
			live = append(live, c)
		}
	}
	return live
}

func testDeafEnds(t *testing.T, s store.Store) {
	block(t, s, "bob", "alice")
	c := deafened(ringing(t, "c1", "alice", "bob", 0))
	commit(t, s, []store.Change{{Call: c}}, deaf)
	over := ended(changed(c), 5)
	update(t, s, changed(c))
	update(t, s, over)
	wantCall(t, s, over)
	wantFree(t, s, "alice", "bob")
	wantRecords(t, s, "alice", "c1")
	wantRecords(t, s, "bob")
	want, _ := over.Record()
	records, err := s.Records(t.Context(), "alice", store.Newest(9))
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, records, []call.Record{want})
	// The id opens no place in the list of the callee.
	create(t, s, *busy(t, "c0", "carol", "bob", 1))
	if records, err := s.Records(t.Context(), "bob", store.Page{Call: "c1", Limit: 9}); err != nil || len(records) > 0 {
		t.Errorf("beside the record of a deaf call there are %v, %v", records, err)
	}
	of, err := s.CallsOf(t.Context(), "bob", after(4))
	wantIDs(t, of, err)
	of, err = s.CallsOf(t.Context(), "alice", after(4))
	wantIDs(t, of, err, "c1")
	// It is pruned as any other.
	if rows, err := s.Prune(t.Context(), after(100), after(100)); err != nil || rows == 0 {
		t.Errorf("pruned %d, %v", rows, err)
	}
	wantRecords(t, s, "alice")
}

func testDeafWhileBusy(t *testing.T, s store.Store) {
	create(t, s, ringing(t, "c1", "bob", "carol", 0))
	block(t, s, "bob", "alice")
	c := ringing(t, "c2", "alice", "bob", 1)
	commit(t, s, []store.Change{{Call: c, Busy: busy(t, "c2", "alice", "bob", 1)}}, deaf)
	wantCall(t, s, deafened(c))
	wantClaimed(t, s, "c1", "bob", "carol")
	wantClaimed(t, s, "c2", "alice")
	wantRecords(t, s, "alice")
	wantRecords(t, s, "bob")
}

func testDeafBusy(t *testing.T, s store.Store) {
	block(t, s, "bob", "alice")
	commit(t, s, []store.Change{{Call: ringing(t, "c1", "alice", "bob", 0)}}, deaf)
	// Bob calls alice, whose call he does not hear: he hears that she is busy, and she hears nothing.
	want := busy(t, "c2", "bob", "alice", 1)
	commit(t, s, []store.Change{{Call: ringing(t, "c2", "bob", "alice", 1), Busy: want}},
		store.Result{Verdict: store.CalleeBusy, Holder: "c1", Deaf: true})
	wantCall(t, s, deafened(*want))
	wantRecords(t, s, "bob", "c2")
	wantRecords(t, s, "alice")
	wantFree(t, s, "bob")
	// She hears of anybody else.
	commit(t, s, []store.Change{{Call: ringing(t, "c3", "carol", "alice", 1), Busy: busy(t, "c3", "carol", "alice", 1)}},
		store.Result{Verdict: store.CalleeBusy, Holder: "c1"})
	wantRecords(t, s, "alice", "c3")
}

func testDeafInBatch(t *testing.T, s store.Store) {
	block(t, s, "bob", "alice")
	commit(t, s, []store.Change{
		{Call: ringing(t, "c1", "alice", "bob", 0)},
		{Call: ringing(t, "c2", "carol", "bob", 0)},
		{Call: ringing(t, "c3", "alice", "dave", 0)},
	}, deaf, done, store.Result{Verdict: store.CallerClaimed, Holder: "c1"})
	commit(t, s, []store.Change{
		{Call: ended(deafened(ringing(t, "c1", "alice", "bob", 0)), 1), From: 1},
		{Call: ringing(t, "c4", "alice", "bob", 2), Busy: busy(t, "c4", "alice", "bob", 2)},
		{Call: ended(ringing(t, "c2", "carol", "bob", 0), 1), From: 1},
		{Call: ringing(t, "c5", "bob", "alice", 2), Busy: busy(t, "c5", "bob", "alice", 2)},
	}, done, deaf, done, store.Result{Verdict: store.CalleeBusy, Holder: "c4", Deaf: true})
	wantClaimed(t, s, "c4", "alice")
	wantFree(t, s, "bob")
}

func testBlockLater(t *testing.T, s store.Store) {
	c := ringing(t, "c1", "alice", "bob", 0)
	create(t, s, c)
	block(t, s, "bob", "alice")
	update(t, s, changed(c))
	wantCall(t, s, changed(c))
	wantClaimed(t, s, "c1", "alice", "bob")
	over := ended(changed(c), 1)
	update(t, s, over)
	wantRecords(t, s, "bob", "c1")

	c = ringing(t, "c2", "alice", "bob", 2)
	commit(t, s, []store.Change{{Call: c}}, deaf)
	if err := s.Unblock(t.Context(), "bob", "alice", store.Audit{}); err != nil {
		t.Fatal(err)
	}
	// The one that is live stays deaf, the next rings.
	update(t, s, ended(deafened(c), 3))
	wantRecords(t, s, "bob", "c1")
	create(t, s, ringing(t, "c3", "alice", "bob", 4))
	wantClaimed(t, s, "c3", "bob")
}

func testBlocks(t *testing.T, s store.Store) {
	list := func(account, after call.Account, limit int) (names []call.Account) {
		t.Helper()
		all, err := s.Blocks(t.Context(), account, after, limit)
		if err != nil {
			t.Fatalf("Blocks: %v", err)
		}
		for _, b := range all {
			if b.Account != account || b.Since.IsZero() {
				t.Errorf("a block of %s is %+v", account, b)
			}
			names = append(names, b.Blocked)
		}
		return names
	}
	wantSame(t, list("bob", "", 9), nil)
	first := block(t, s, "bob", "carol")
	for _, name := range []call.Account{"alice", "dave", "Zoe"} {
		block(t, s, "bob", name)
	}
	block(t, s, "carol", "bob")
	wantSame(t, list("bob", "", 9), []call.Account{"Zoe", "alice", "carol", "dave"})
	wantSame(t, list("bob", "alice", 1), []call.Account{"carol"})
	wantSame(t, list("carol", "", 9), []call.Account{"bob"})
	// A repetition gives the block that there is.
	if again := block(t, s, "bob", "carol"); again != first {
		t.Errorf("blocked again: %+v, first %+v", again, first)
	}
	if got, err := s.Blocks(t.Context(), "bob", "alice", 1); err != nil || got[0] != first {
		t.Errorf("listed as %+v (%v), first %+v", got, err, first)
	}
	for range 2 {
		if err := s.Unblock(t.Context(), "bob", "carol", entry("account.unblock", "bob", "carol", after(1))); err != nil {
			t.Fatalf("Unblock: %v", err)
		}
		wantSame(t, list("bob", "", 9), []call.Account{"Zoe", "alice", "dave"})
	}
	if err := s.Unblock(t.Context(), "bob", "nobody", entry("account.unblock", "bob", "nobody", after(2))); err != nil {
		t.Errorf("Unblock: %v", err)
	}
	wantTrail(t, s, "account.unblock bob nobody", "account.unblock bob carol", "account.unblock bob carol", "account.block bob carol",
		"account.block carol bob", "account.block bob Zoe", "account.block bob dave", "account.block bob alice", "account.block bob carol")
}

// testEraseBlocks: of an account that is erased no block is left, and no call that it did not
// hear.
func testEraseBlocks(t *testing.T, s store.Store) {
	block(t, s, "alice", "bob")
	block(t, s, "carol", "alice")
	block(t, s, "carol", "bob")
	c := ringing(t, "c1", "bob", "alice", 0)
	commit(t, s, []store.Change{{Call: c}}, deaf)
	alias := s.Alias("alice")
	if err := s.Erase(t.Context(), "alice", entry("account.erase", string(alias), "", after(2))); !errors.Is(err, store.ErrInCall) {
		t.Errorf("while a call names it: %v", err)
	}
	update(t, s, ended(deafened(c), 1))
	if err := s.Erase(t.Context(), "alice", entry("account.erase", string(alias), "", after(2))); err != nil {
		t.Fatal(err)
	}
	records, err := s.Records(t.Context(), "bob", store.Newest(9))
	if err != nil || len(records) != 1 || records[0].Callee != alias {
		t.Errorf("bob has %+v, %v", records, err)
	}
	if c, err := s.Call(t.Context(), "c1"); err != nil || c.Names("alice") || !c.Names(alias) {
		t.Errorf("the call is %+v, %v", c, err)
	}
	for account, want := range map[call.Account]int{"alice": 0, "carol": 1} {
		if list, err := s.Blocks(t.Context(), account, "", 9); err != nil || len(list) != want {
			t.Errorf("%s blocks %v, %v", account, list, err)
		}
	}
	create(t, s, ringing(t, "c2", "bob", "alice", 3))
}

// A call that is made after Block has returned is deaf, one before it is not.
func testRacingBlocks(t *testing.T, s store.Store) {
	var racing sync.WaitGroup
	begin := make(chan struct{})
	for i := range 20 {
		bob, alice := call.Account(fmt.Sprint("bob", i)), call.Account(fmt.Sprint("alice", i))
		rings, late := ringing(t, call.ID(fmt.Sprint("c", i)), alice, bob, 0), ringing(t, call.ID(fmt.Sprint("d", i)), "late-"+alice, bob, 0)
		racing.Go(func() {
			<-begin
			if r, err := s.Commit(t.Context(), []store.Change{{Call: rings}}); err != nil || r[0].Verdict != store.Done {
				t.Errorf("Commit = %+v, %v", r, err)
			}
		})
		racing.Go(func() {
			<-begin
			_, err1 := s.Block(t.Context(), bob, alice, store.Audit{})
			_, err2 := s.Block(t.Context(), bob, "late-"+alice, store.Audit{})
			if err := errors.Join(err1, err2); err != nil {
				t.Errorf("Block: %v", err)
			}
			if r, err := s.Commit(t.Context(), []store.Change{{Call: late}}); err != nil || r[0] != deaf {
				t.Errorf("a call after the block = %+v, %v", r, err)
			}
		})
	}
	close(begin)
	racing.Wait()
}
