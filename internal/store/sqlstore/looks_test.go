package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
)

// put runs a statement on the database, beside the journal.
func put(t *testing.T, j *journal, statement string, args ...any) {
	t.Helper()
	db, err := openConnections(j.path, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// many makes n events with the seqs from 1 on, of which those divisible by rare are of
// call.EventMerged.
func many(t *testing.T, j *journal, n, rare int) {
	t.Helper()
	body, err := stored.Encode(&call.Call{ID: "c1"})
	if err != nil {
		t.Fatal(err)
	}
	put(t, j, `
		WITH RECURSIVE s (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM s WHERE seq < $1)
		INSERT INTO events (seq, call_id, rev, at_ns, kind, filed, body)
		SELECT seq, 'c' || seq, 1, seq * 1000, iif(seq % $2 = 0, $3, $4), 0, $5 FROM s`,
		n, rare, call.EventMerged, call.EventCreated, body)
}

// TestLooks: a read of events looks at so many and no more, and the next one goes on from there.
func TestLooks(t *testing.T) {
	const rare = 7000 // 7000, 14000 and 21000.
	s, j := openBoth(t, Config{Path: filepath.Join(t.TempDir(), "peal.db"), Synchronous: "off"})
	many(t, j, 2*store.LookMost+5000, rare)
	put(t, j, `INSERT INTO dead (endpoint, seq, tries, at_ns, reason) SELECT 1, seq, 1, 1, '' FROM events WHERE seq > 3000`)
	const end = 1 << 40
	for _, test := range []struct {
		after, next int64
		all         bool
		kind        call.EventKind
		limit       int
		seqs        []int64
	}{
		{0, 10_000, true, call.EventMerged, 2, []int64{7000}},
		{0, 7000, true, call.EventMerged, 1, []int64{7000}},
		{10_000, 20_000, true, call.EventMerged, 2, []int64{14_000}},
		{20_000, end, true, call.EventMerged, 2, []int64{21_000}},
		{0, 10_000, true, call.EventEnded, 2, nil},
		{9, 12, true, call.EventCreated, 3, []int64{10, 11, 12}},
		{0, 13_000, false, call.EventMerged, 2, []int64{7000}},
		{13_000, 23_000, false, call.EventMerged, 3, []int64{14_000, 21_000}},
		{23_000, end, false, call.EventMerged, 3, nil},
	} {
		seqs, next, err := j.Choose(t.Context(), store.Portion{Endpoint: 1, After: test.after, Before: end, Kinds: 1 << test.kind, All: test.all, Limit: test.limit})
		if err != nil || next != test.next || len(seqs) != len(test.seqs) {
			t.Errorf("%+v: chosen %v, next %d, %v", test, seqs, next, err)
			continue
		}
		for i := range seqs {
			if seqs[i] != test.seqs[i] {
				t.Errorf("%+v: chosen %v", test, seqs)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestFeedsApart: reads for backends that take long are not in the way of what holds up commits.
func TestFeedsApart(t *testing.T) {
	s, j := openBoth(t, Config{Path: filepath.Join(t.TempDir(), "peal.db"), Synchronous: "off"})
	many(t, j, 9, 2)
	var busy []*sql.Tx
	for j.feeder.Stats().InUse < j.feeder.Stats().MaxOpenConnections {
		tx, err := j.feeder.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		busy = append(busy, tx)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error)
	go func() {
		_, _, err := j.Events(ctx, 0, call.UsualEvents, 9)
		waiting <- err
	}()
	if _, _, err := j.Due(t.Context(), 1, time.Now(), 9); err != nil {
		t.Error(err)
	}
	if _, _, _, err := j.PruneEvents(t.Context(), []int64{1, 2, 3, 4}, 5); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("a feed without a connection ends with %v", err)
	}
	for _, tx := range busy {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
	if events, _, err := j.Events(t.Context(), 0, ^call.EventKinds(0), 9); err != nil || len(events) != 5 {
		t.Errorf("%d events, %v", len(events), err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestPrunable: what nobody waits for is found behind much that waits, and deleting it looks at
// nothing else.
func TestPrunable(t *testing.T) {
	const rare = 7000
	s, j := openBoth(t, Config{Path: filepath.Join(t.TempDir(), "peal.db"), Synchronous: "off"})
	many(t, j, 2*store.LookMost+5000, rare)
	put(t, j, `INSERT INTO endpoints (number, id, body) VALUES (1, 'crm', '{}')`)
	put(t, j, `INSERT INTO deliveries (endpoint, call_id, seq, tries, due_ns) SELECT 1, call_id, seq, 0, 1 FROM events WHERE seq % $1`, rare)
	const end = 1 << 40
	for _, test := range []struct{ after, kept, next, found int64 }{
		{0, 0, 10_000, 1},
		{10_000, 0, 20_000, 1},
		{20_000, 0, end, 1},
		{21_000, 0, end, 0},
		{0, 3, 10_000, 3},
		{0, end, pruneRows, pruneRows},
	} {
		seqs, next, err := j.Prunable(t.Context(), test.after, end, test.kept)
		if err != nil || next != test.next || int64(len(seqs)) != test.found {
			t.Errorf("%+v: found %d, next %d, %v", test, len(seqs), next, err)
		}
	}
	for after, want := range map[int64]int64{0: 1, 6999: 7001, end: 0} {
		if seq, at, err := j.Oldest(t.Context(), 1, after); err != nil || seq != want || at.IsZero() != (want == 0) {
			t.Errorf("the oldest after %d is %d of %v, %v", after, seq, at, err)
		}
	}
	if seq, at, err := j.Oldest(t.Context(), 2, 9); err != nil || seq != store.LookMost+9 || !at.IsZero() {
		t.Errorf("the oldest for nobody is %d of %v, %v", seq, at, err)
	}
	n := 0
	for _, stmt := range j.writer.statements() {
		*stmt = countedStmt{*stmt, &n}
	}
	// The second waits: it does so by now, or was never found.
	if rows, counts, more, err := j.PruneEvents(t.Context(), []int64{7000, 7001}, 0); err != nil || rows != 1 || counts[1].Queued != 0 || more || n != 4 {
		t.Errorf("%d rows deleted, %v, more %v, %v; %d statements", rows, counts, more, err, n)
	}
	if rows, counts, _, err := j.PruneEvents(t.Context(), []int64{1, 2, 7001}, 3); err != nil || rows != 4 || counts[1].Queued != -2 {
		t.Errorf("%d rows deleted, %v, %v", rows, counts, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestSearches: an erasure searches calls and events in portions, and the end of its search is kept.
func TestSearches(t *testing.T) {
	config := Config{Path: filepath.Join(t.TempDir(), "peal.db"), Synchronous: "off"}
	s, j := openBoth(t, config)
	const n = 25
	bodies := make(map[bool][]byte) // By whether the call is one of alice.
	for alice, caller := range map[bool]call.Account{true: "alice", false: "bob"} {
		body, err := stored.Encode(&call.Call{ID: "c", Legs: []call.Leg{{Account: caller}, {Account: "carol"}}})
		if err != nil {
			t.Fatal(err)
		}
		bodies[alice] = body
	}
	for i := range n {
		id, body := string('a'+rune(i)), bodies[i%5 == 0]
		put(t, j, `INSERT INTO events (seq, call_id, rev, at_ns, kind, filed, body) VALUES ($1, $2, 1, 1, 1, 0, $3)`, i+1, id, body)
		put(t, j, `INSERT INTO ended (id, ended_ns, body) VALUES ($1, $2, $3)`, id, i/4, body) // Four end at once.
	}
	var ids []call.ID
	place := store.Ended{}
	for range 2 {
		found, next, err := j.EndedWith(t.Context(), "alice", place, n/2+1)
		if err != nil {
			t.Fatal(err)
		}
		ids, place = append(ids, found...), next
	}
	if none, next, err := j.EndedWith(t.Context(), "alice", place, n); len(none) > 0 || next != place || err != nil {
		t.Errorf("after the last call: %v, %v, %v", none, next, err)
	}
	var seqs []int64
	last := int64(0)
	for range 2 {
		found, next, err := j.EventsWith(t.Context(), "alice", last, n/2+1)
		if err != nil {
			t.Fatal(err)
		}
		seqs, last = append(seqs, found...), next
	}
	if none, next, err := j.EventsWith(t.Context(), "alice", last, n); len(none) > 0 || next != n || err != nil {
		t.Errorf("after the last event: %v, %v, %v", none, next, err)
	}
	if !slices.Equal(ids, []call.ID{"a", "f", "k", "p", "u"}) || !slices.Equal(seqs, []int64{1, 6, 11, 16, 21}) {
		t.Errorf("found %v and %v", ids, seqs)
	}
	want := store.Searched{Ended: time.Unix(7, 8).UTC(), Event: 9}
	for range 2 {
		if _, err := j.Erase(store.Erasure{Account: "alice", Alias: s.Alias("alice"), Searched: want}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s, j = openBoth(t, config)
		if got, err := j.Searched(t.Context(), s.Alias("alice")); got != want || err != nil {
			t.Errorf("searched %+v, %v; want %+v", got, err, want)
		}
		want.Event++
	}
	if err := s.Erase(t.Context(), "alice", store.Audit{}); err != nil {
		t.Fatal(err)
	}
	if got, err := j.Searched(t.Context(), s.Alias("alice")); got != (store.Searched{}) || err != nil {
		t.Errorf("after the erasure: %+v, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
