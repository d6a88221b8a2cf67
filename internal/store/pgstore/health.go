package pgstore

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/peal-rtc/peal/internal/call"
)

// Health says how a store does. Any goroutine may use it.
type Health struct{ store *Store }

// Health gives what operators look at.
func (s *Store) Health() Health { return Health{s} }

// Pool is a number of connections to the database.
type Pool struct {
	// Name is what they are for: commits or reads.
	Name string
	// Used are in use, of Most.
	Used, Most int
}

// Pools are those of the store.
func (h Health) Pools() []Pool {
	of := func(name string, pool *pgxpool.Pool) Pool {
		stat := pool.Stat()
		return Pool{name, int(stat.AcquiredConns()), int(stat.MaxConns())}
	}
	return []Pool{of("commits", h.store.commits), of("reads", h.store.reads)}
}

// Retries counts what was tried again, because the database was away or another transaction was
// in the way.
func (h Health) Retries() uint64 { return h.store.retries.Load() }

// Live counts the live calls of all nodes by their state.
func (h Health) Live(ctx context.Context) (map[call.State]int, error) {
	live := make(map[call.State]int)
	err := h.store.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		clear(live)
		rows, err := pool.Query(ctx, `SELECT state, count(*) FROM calls WHERE ended_ns IS NULL GROUP BY state`)
		if err != nil {
			return err
		}
		var state, n int
		_, err = pgx.ForEachRow(rows, []any{&state, &n}, func() error {
			live[call.State(state)] = n
			return nil
		})
		return err
	})
	return live, err
}

// repeat waits before something is tried again, and counts that.
func repeat(ctx context.Context, retries *atomic.Uint64, wait time.Duration) error {
	if err := pause(ctx, wait); err != nil {
		return err
	}
	retries.Add(1)
	return nil
}
