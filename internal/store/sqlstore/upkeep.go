package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

const (
	sqlLeave = `DELETE FROM leases WHERE incarnation = $1 OR until_ns <= $2`
	sqlLease = `INSERT INTO leases (incarnation, until_ns) VALUES ($1, $2)`
	sqlAlive = `SELECT incarnation FROM leases ORDER BY incarnation`

	sqlPruneCalls = `
		DELETE FROM calls WHERE id IN
			(SELECT id FROM calls WHERE ended_ns < $1 ORDER BY ended_ns LIMIT $2)`
	sqlPruneRecords = `
		DELETE FROM records WHERE call_id IN
			(SELECT call_id FROM records WHERE ended_ns < $1 ORDER BY ended_ns LIMIT $2)`
)

// pruneRows is how many rows go in one transaction: commits wait for no more
// than that.
const pruneRows = 500

// Beat implements store.Store.
func (s *Store) Beat(ctx context.Context, incarnation string, ttl time.Duration) (alive []string, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) (err error) {
		now := s.clock()
		if _, err := tx.StmtContext(ctx, s.write.leave).ExecContext(ctx, incarnation, unixNano(now)); err != nil {
			return err
		}
		if ttl > 0 {
			if _, err := tx.StmtContext(ctx, s.write.lease).ExecContext(ctx, incarnation, unixNano(now.Add(ttl))); err != nil {
				return err
			}
		}
		alive, err = list(ctx, tx.StmtContext(ctx, s.write.alive), scan[string])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("keep lease: %w", named(err))
	}
	return alive, nil
}

// Prune implements store.Store.
func (s *Store) Prune(ctx context.Context, callsBefore, recordsBefore time.Time) (int, error) {
	calls, err := s.prune(ctx, sqlPruneCalls, callsBefore)
	if err != nil {
		return calls, fmt.Errorf("prune calls: %w", named(err))
	}
	records, err := s.prune(ctx, sqlPruneRecords, recordsBefore)
	if err != nil {
		return calls + records, fmt.Errorf("prune records: %w", named(err))
	}
	return calls + records, nil
}

func (s *Store) prune(ctx context.Context, query string, before time.Time) (rows int, err error) {
	for {
		done, err := s.writer.ExecContext(ctx, query, unixNano(before), pruneRows)
		if err != nil {
			return rows, err
		}
		n, err := done.RowsAffected()
		if err != nil {
			return rows, err
		}
		rows += int(n)
		if n < pruneRows {
			return rows, nil
		}
	}
}
