package sqlstore

import (
	"path/filepath"
	"testing"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
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
	body, err := encode(&call.Call{ID: "c1"})
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
