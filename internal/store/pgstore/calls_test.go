package pgstore_test

import (
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/pgstore"
)

// begun is when the calls of these tests begin.
var begun = time.Date(2026, 3, 4, 5, 6, 7, 89_012_345, time.UTC)

func invite(id call.ID, caller, callee call.Account) call.Invite {
	return call.Invite{
		ID: id, Callee: callee, Type: call.Video, Offer: "v=0", Timing: call.DefaultTiming(),
		Caller: call.Device{Account: caller, ID: "phone", Conn: call.Connection{Incarnation: "n1", Seq: 7}},
	}
}

// ringing is a creation, with the busy call that replaces it where the callee is busy.
func ringing(t testing.TB, id call.ID, caller, callee call.Account) store.Change {
	t.Helper()
	c, _, err := call.New(invite(id, caller, callee), begun)
	if err != nil {
		t.Fatalf("make call: %v", err)
	}
	busy, _, err := call.NewBusy(invite(id, caller, callee), begun)
	if err != nil {
		t.Fatalf("make busy call: %v", err)
	}
	return store.Change{Call: c, Busy: &busy}
}

// next is a change of a call that goes on.
func next(c call.Call) store.Change {
	c = c.Clone()
	c.Rev++
	c.Media.Answer += "a"
	return store.Change{Call: c, From: c.Rev - 1}
}

// hangup is the end of a call.
func hangup(c call.Call) store.Change {
	c = c.Clone()
	c.Rev++
	c.State, c.Until, c.Media = call.Ended, time.Time{}, call.Media{Generation: 1, Rebuild: 1}
	c.Outcome = call.Outcome{Reason: call.Cancelled, Actor: c.Caller().Account, EndedAt: begun.Add(time.Minute), Kind: call.KindCancelled}
	return store.Change{Call: c, From: c.Rev - 1}
}

// commit makes changes, all of which must be done.
func commit(t testing.TB, s *pgstore.Store, changes ...store.Change) {
	t.Helper()
	results, err := s.Commit(t.Context(), changes)
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	if slices.ContainsFunc(results, func(r store.Result) bool { return r.Verdict != store.Done }) {
		t.Fatalf("results %+v", results)
	}
}

// query reads one row from a database.
func query(t testing.TB, url, sql string, into ...any) {
	t.Helper()
	session(t, url, func(conn *pgx.Conn) error { return conn.QueryRow(t.Context(), sql).Scan(into...) })
}

// wantWhole wants every call of a database to have exactly what belongs to it: claims and
// descriptions while it lives, and after that a place in the lists of both and a record.
func wantWhole(t testing.TB, url string) {
	t.Helper()
	for what, sql := range map[string]string{
		"live calls without a claim of a side": `SELECT count(*) FROM calls c, unnest(ARRAY[c.caller, c.callee]) AS a WHERE c.ended_ns IS NULL
			AND NOT EXISTS (SELECT FROM claims k WHERE k.account = a AND k.call_id = c.id)`,
		"claims without a live call": `SELECT count(*) FROM claims k WHERE NOT EXISTS (
			SELECT FROM calls c WHERE c.id = k.call_id AND c.ended_ns IS NULL AND k.account IN (c.caller, c.callee))`,
		"live calls without descriptions": `SELECT count(*) FROM calls c WHERE c.ended_ns IS NULL AND NOT EXISTS (SELECT FROM descriptions d WHERE d.call_id = c.id AND NOT is_answer)`,
		"descriptions without a live call": `SELECT count(*) FROM descriptions d WHERE NOT EXISTS (
			SELECT FROM calls c WHERE c.id = d.call_id AND c.ended_ns IS NULL)`,
		"ended calls without a record": `SELECT count(*) FROM calls c WHERE c.ended_ns IS NOT NULL AND NOT EXISTS (
			SELECT FROM records r WHERE r.call_id = c.id AND r.ended_ns = c.ended_ns AND r.caller = c.caller AND r.callee = c.callee)`,
		"records without an ended call": `SELECT count(*) FROM records r WHERE NOT EXISTS (SELECT FROM calls c WHERE c.id = r.call_id AND c.ended_ns = r.ended_ns)`,
		"ended calls that a side does not list": `SELECT count(*) FROM calls c, unnest(ARRAY[c.caller, c.callee]) AS a WHERE c.ended_ns IS NOT NULL
			AND NOT EXISTS (SELECT FROM parties p WHERE p.account = a AND p.ended_ns = c.ended_ns AND p.call_id = c.id)`,
		"places in lists without an ended call": `SELECT count(*) FROM parties p WHERE NOT EXISTS (
			SELECT FROM calls c WHERE c.id = p.call_id AND c.ended_ns = p.ended_ns AND p.account IN (c.caller, c.callee))`,
	} {
		var n int
		if query(t, url, sql, &n); n != 0 {
			t.Errorf("%d %s", n, what)
		}
	}
}
