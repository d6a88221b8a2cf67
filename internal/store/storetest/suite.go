// Package storetest is the suite that every store passes.
//
// It has no state of its own. Each test opens a fresh store.
package storetest

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// Run tests the stores that open makes. Each is empty, has a clock that goes
// on by itself, and is closed by open's own cleanup.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, store.Store)
	}{
		{"a new call claims both accounts", testClaims},
		{"the caller's claim comes before the callee's", testCallerFirst},
		{"a busy variant replaces the call", testBusyVariant},
		{"a busy callee without a variant stores nothing", testBusyWithoutVariant},
		{"a change needs the stored rev", testRev},
		{"an id exists once", testExistingID},
		{"an end frees the claims and files one record", testEnd},
		{"an ended call never changes", testEndedIsFinal},
		{"a tombstone claims and files nothing", testTombstone},
		{"a merged invitation leaves a tombstone", testMerged},
		{"a record is filed once per id for ever", testRecordOnce},
		{"changes of a batch are independent", testIndependent},
		{"changes of one call are made in order", testOrder},
		{"a blocked caller's call is deaf", testDeaf},
		{"a deaf call ends for its caller alone", testDeafEnds},
		{"a deaf call is never busy", testDeafWhileBusy},
		{"a callee is busy with its own deaf call unheard", testDeafBusy},
		{"a deaf call and its like in one batch", testDeafInBatch},
		{"a block concerns later calls", testBlockLater},
		{"blocks of an account", testBlocks},
		{"an erased account and its blocks", testEraseBlocks},
		{"racing blocks and calls", testRacingBlocks},
		{"what cannot be a call is refused alone", testInvalid},
		{"an empty batch is no work", testEmptyBatch},
		{"a call comes back as it was", testRoundTrip},
		{"a call kept is nobody else's", testDeepCopy},
		{"no such call", testNotFound},
		{"calls of an account", testCallsOf},
		{"due calls", testDue},
		{"live calls", testLive},
		{"live calls of dead nodes", testOrphaned},
		{"changed calls", testChanged},
		{"records of an account", testRecords},
		{"records of a connected call", testRecordFields},
		{"pruning", testPrune},
		{"pruning more than one portion", testPruneMany},
		{"keys", testKeys},
		{"the audit", testTrail},
		{"log-outs", testLogOuts},
		{"pruning the books", testPruneBooks},
		{"an erased account", testErase},
		{"an erased account with many calls", testEraseMany},
		{"leases", testBeat},
		{"a lease runs out", testLeaseRunsOut},
		{"the clock", testNow},
		{"a done context", testContext},
		{"racing creations", testRacingCreations},
		{"racing changes of one call", testRacingChanges},
		{"a racing cancellation and merge", testRacingMerge},
		{"a commit that fails", testSkipped},
		{"a commit that is done but fails", testHidden},
		{"a commit that takes its time", testDelayed},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// epoch is when the calls of these tests begin. Its odd nanoseconds show
// whether a store keeps them.
var epoch = time.Date(2026, 3, 4, 5, 6, 7, 89_012_345, time.UTC)

// after is a time of these tests.
func after(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

// ringing is a new call that began some seconds after the epoch.
func ringing(t *testing.T, id call.ID, caller, callee call.Account, seconds int) call.Call {
	t.Helper()
	c, _, err := call.New(invite(id, caller, callee), after(seconds))
	if err != nil {
		t.Fatalf("make call: %v", err)
	}
	return c
}

// busy is what the same call comes to when the callee is in another.
func busy(t *testing.T, id call.ID, caller, callee call.Account, seconds int) *call.Call {
	t.Helper()
	c, _, err := call.NewBusy(invite(id, caller, callee), after(seconds))
	if err != nil {
		t.Fatalf("make busy call: %v", err)
	}
	return &c
}

func invite(id call.ID, caller, callee call.Account) call.Invite {
	return call.Invite{
		ID: id, Callee: callee, Type: call.Video, Offer: "v=0", Timing: call.DefaultTiming(),
		Caller: call.Device{Account: caller, ID: "phone", Conn: call.Connection{Incarnation: "n1", Seq: 7}},
	}
}

// changed is the next rev of a call.
func changed(c call.Call) call.Call {
	c.Rev++
	c.Until = c.Until.Add(time.Second)
	return c
}

// ended is the call cancelled some seconds after the epoch.
func ended(c call.Call, seconds int) call.Call {
	c.Rev++
	c.State = call.Ended
	c.Until = time.Time{}
	c.Media = call.Media{Generation: 1, Rebuild: 1}
	c.Outcome = call.Outcome{
		Reason: call.Cancelled, Actor: c.Caller().Account, Device: c.Caller().Device.ID,
		EndedAt: after(seconds), Kind: call.KindCancelled,
	}
	return c
}

// commit makes changes and wants these results.
func commit(t *testing.T, s store.Store, changes []store.Change, want ...store.Result) {
	t.Helper()
	got, err := s.Commit(t.Context(), changes)
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("results (-want +got):\n%s", diff)
	}
}

// create makes a new call, which must succeed.
func create(t *testing.T, s store.Store, calls ...call.Call) {
	t.Helper()
	for _, c := range calls {
		commit(t, s, []store.Change{{Call: c}}, done)
	}
}

// update makes a call, which must be one rev behind, what it is.
func update(t *testing.T, s store.Store, c call.Call) {
	t.Helper()
	commit(t, s, []store.Change{{Call: c, From: c.Rev - 1}}, done)
}

var (
	done     = store.Result{Verdict: store.Done}
	conflict = store.Result{Verdict: store.Conflict}
)

// wantCall wants a call to be stored just so.
func wantCall(t *testing.T, s store.Store, want call.Call) {
	t.Helper()
	got, err := s.Call(t.Context(), want.ID)
	if err != nil {
		t.Fatalf("Call(%s): %v", want.ID, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("stored call (-want +got):\n%s", diff)
	}
}

// wantIDs wants a listing of these calls in this order.
func wantIDs(t *testing.T, calls []call.Call, err error, want ...call.ID) {
	t.Helper()
	if err != nil {
		t.Fatalf("list calls: %v", err)
	}
	var got []call.ID
	for _, c := range calls {
		got = append(got, c.ID)
	}
	wantSame(t, got, want)
}

// wantRecords wants an account to have records of these calls, newest first.
func wantRecords(t *testing.T, s store.Store, account call.Account, want ...call.ID) {
	t.Helper()
	records, err := s.Records(t.Context(), account, store.Newest(100))
	if err != nil {
		t.Fatalf("Records(%s): %v", account, err)
	}
	var got []call.ID
	for _, r := range records {
		got = append(got, r.Call)
	}
	wantSame(t, got, want)
}

// wantFree wants no call to claim these accounts.
func wantFree(t *testing.T, s store.Store, accounts ...call.Account) {
	t.Helper()
	for _, account := range accounts {
		c := probe(t, account)
		create(t, s, c)
		c = ended(c, 1)
		c.Outcome.Kind = 0 // Files no record, which the test might count.
		update(t, s, c)
	}
}

// wantClaimed wants a call to claim these accounts.
func wantClaimed(t *testing.T, s store.Store, holder call.ID, accounts ...call.Account) {
	t.Helper()
	for _, account := range accounts {
		commit(t, s, []store.Change{{Call: probe(t, account)}},
			store.Result{Verdict: store.CallerClaimed, Holder: holder})
	}
}

// probe is a new call of an account to nobody.
func probe(t *testing.T, account call.Account) call.Call {
	t.Helper()
	return ringing(t, call.ID("probe-"+rand.Text()), account, "nobody-"+account, 0)
}

func wantSame[T any](t *testing.T, got, want []T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
}
