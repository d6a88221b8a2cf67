package pgstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/pgstore"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

// idAt is the id of a call that a client made at a time.
func idAt(at time.Time, n int) call.ID {
	ms := at.UnixMilli()
	return call.ID(fmt.Sprintf("%08x-%04x-7000-8000-%012x", ms>>16, ms&0xffff, n))
}

// overAt is a call that began and ended at a time.
func overAt(t *testing.T, id call.ID, at time.Time) store.Change {
	t.Helper()
	c := *ringing(t, id, "alice", "bob").Busy
	c.CreatedAt, c.Outcome.EndedAt = at, at
	return store.Change{Call: c}
}

// TestDroppedDays: the records of a day are dropped when all of them are old.
func TestDroppedDays(t *testing.T) {
	url := postgres.Shared(t).NewDatabase(t)
	s := openAt(t, url)
	noon := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	if err := pgstore.AddPartitions(t.Context(), s, noon); err != nil {
		t.Fatal(err)
	}
	const each = 600 // More than a portion.
	var changes []store.Change
	for i := range each {
		changes = append(changes, overAt(t, idAt(noon, i), noon))
	}
	// A call that began late in the day and ended on the next one.
	changes = append(changes, overAt(t, idAt(noon.Add(11*time.Hour), 0), noon.Add(13*time.Hour)), overAt(t, idAt(noon.Add(24*time.Hour), 0), noon.Add(25*time.Hour)))
	commit(t, s, changes...)
	prune := func(calls, records time.Time, want, left int) {
		t.Helper()
		if n, err := s.Prune(t.Context(), calls, records); err != nil || n != want {
			t.Errorf("Prune = %d, %v; want %d", n, err, want)
		}
		for _, account := range []call.Account{"alice", "bob"} {
			records, err := s.Records(t.Context(), account, store.Newest(each+9))
			if err != nil || len(records) != left {
				t.Errorf("%s has %d records, %v; want %d", account, len(records), err, left)
			}
		}
	}
	prune(noon.Add(-time.Hour), noon.Add(12*time.Hour), 0, each+2) // The day is not over.
	prune(noon.Add(-time.Hour), noon.Add(12*time.Hour+1), 0, each+2)
	prune(noon.Add(-time.Hour), noon.Add(13*time.Hour+1), each+1, 1)
	// The calls are still there, and listed.
	if calls, err := s.CallsOf(t.Context(), "bob", time.Time{}); err != nil || len(calls) != each+2 {
		t.Errorf("bob has %d calls, %v", len(calls), err)
	}
	prune(noon.Add(48*time.Hour), time.Time{}, each+2, 1)
	prune(noon.Add(48*time.Hour), noon.Add(72*time.Hour), 1, 0)
	var parties, partitions int
	query(t, url, `SELECT (SELECT count(*) FROM parties), (SELECT count(*) FROM pg_inherits WHERE inhparent = 'records'::regclass)`, &parties, &partitions)
	if parties != 0 || partitions != 15 { // The days to come of both times but two, and the one for other ids.
		t.Errorf("%d parties and %d partitions are left", parties, partitions)
	}
}

// TestPartitionsOfZones: nodes in other time zones name the partitions alike. By local dates a node
// west of Greenwich would take today's partition for tomorrow's, and then fail to add one, since it
// overlaps another.
func TestPartitionsOfZones(t *testing.T) {
	url := postgres.Shared(t).NewDatabase(t)
	s := openAt(t, url)
	noon := time.Date(2046, 3, 4, 12, 0, 0, 0, time.UTC)
	for _, zone := range []*time.Location{time.UTC, time.FixedZone("west", -11*3600), time.FixedZone("east", 13*3600)} {
		if err := pgstore.AddPartitions(t.Context(), s, noon.In(zone)); err != nil {
			t.Errorf("%s: %v", zone, err)
		}
	}
	var n int
	query(t, url, `SELECT count(*) FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
		WHERE inhparent = 'records'::regclass AND c.relname LIKE 'records_2046%'`, &n)
	if n != 9 { // Yesterday, today and a week.
		t.Errorf("%d partitions, want 9", n)
	}
}

// TestIdsAhead: ids whose time is ahead find their day when it comes.
func TestIdsAhead(t *testing.T) {
	url := postgres.Shared(t).NewDatabase(t)
	s := openAt(t, url)
	ahead := time.Date(2046, 3, 4, 12, 0, 0, 0, time.UTC)
	commit(t, s, overAt(t, idAt(ahead, 1), ahead), overAt(t, "c1", ahead))
	count := func(table string) (n int) {
		t.Helper()
		query(t, url, `SELECT count(*) FROM `+table, &n)
		return n
	}
	if n := count("records_other"); n != 2 {
		t.Errorf("%d records of other ids, want 2", n)
	}
	for range 2 {
		if err := pgstore.AddPartitions(t.Context(), s, ahead); err != nil {
			t.Fatal(err)
		}
		if a, b := count("records_20460304"), count("records_other"); a != 1 || b != 1 {
			t.Errorf("%d records of the day and %d of other ids, want 1 and 1", a, b)
		}
	}
	// Where somebody reads the table it is left for later.
	session(t, url, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(t.Context(), `BEGIN; SELECT FROM records`); err != nil {
			return err
		}
		return pgstore.AddPartitions(t.Context(), s, ahead.Add(100*24*time.Hour))
	})
	if records, err := s.Records(t.Context(), "alice", store.Newest(9)); err != nil || len(records) != 2 {
		t.Errorf("records %v, %v", records, err)
	}
}
