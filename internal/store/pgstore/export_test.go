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
