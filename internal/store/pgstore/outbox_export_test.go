package pgstore

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// OpenClocked opens a store that has the database go by a clock, which is read on the goroutine of
// who asks the store.
func OpenClocked(t *testing.T, config Config, clock func() time.Time) *Store {
	t.Helper()
	config.taken = func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		_, err := conn.Exec(ctx, `SELECT set_config('test.now_ns', $1, false)`, fmt.Sprint(clock().UnixNano()))
		return true, err
	}
	s, err := Open(t.Context(), config)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	if _, err := s.reads.Exec(t.Context(), `
		CREATE OR REPLACE FUNCTION now_ns() RETURNS bigint LANGUAGE sql VOLATILE AS $$ SELECT current_setting('test.now_ns')::bigint $$`); err != nil {
		t.Fatal(err)
	}
	return s
}

// Hurry has a store look for what other nodes did, and tend to what waits, without a wait for its
// polls.
func (s *Store) Hurry(ctx context.Context) error {
	if err := s.out.lookAtOthers(ctx); err != nil {
		return err
	}
	if err := s.out.tend(ctx); err != nil {
		return err
	}
	return s.out.disableFull(ctx) // Also where it is not the turn of this node.
}

// CountFull counts what waits for endpoints where it is the turn of this node.
func (s *Store) CountFull(ctx context.Context) error { return s.out.tend(ctx) }

// SetQueueMost lowers store.QueueMost for one store.
func (s *Store) SetQueueMost(most int) { s.out.most = most }

// Query reads one value.
func (s *Store) Query(t testing.TB, into any, query string, args ...any) {
	t.Helper()
	if err := s.reads.QueryRow(t.Context(), query, args...).Scan(into); err != nil {
		t.Fatal(err)
	}
}

// LeaseTime is how long a claim lasts.
const LeaseTime = leaseTime

// LockClass is the class of the advisory locks of endpoints.
const LockClass = lockClass
