package pgstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
)

// expiredFor is how long a lease is kept after it ran out.
const expiredFor = time.Minute

const (
	// sqlBeat prolongs a lease by the clock of the database.
	sqlBeat = `
INSERT INTO leases AS l (incarnation, until_ns, begun_ns, release, format, address, relay)
SELECT $1, now.ns + $2::bigint, now.ns, $3, $4::smallint, $5, $6
FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000) AS now (ns)
ON CONFLICT (incarnation) DO UPDATE SET until_ns = EXCLUDED.until_ns,
	release = EXCLUDED.release, format = EXCLUDED.format, address = EXCLUDED.address, relay = EXCLUDED.relay`

	sqlGiveUp = `DELETE FROM leases WHERE incarnation = $1`

	// sqlForget waits for nobody: what another node forgets is forgotten.
	sqlForget = `
DELETE FROM leases WHERE incarnation IN (
	SELECT incarnation FROM leases WHERE until_ns < (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000 - $1::bigint
	FOR UPDATE SKIP LOCKED)`

	sqlAlive = `
SELECT incarnation FROM leases WHERE until_ns > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000
ORDER BY incarnation`

	sqlNodes = `
SELECT incarnation, until_ns, begun_ns, release, format, address, relay FROM leases ORDER BY incarnation`
)

// Introduce says what Beat writes beside the lease of this node. Without it that is the incarnation
// alone.
func (s *Store) Introduce(node store.Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.node = node
}

// Beat implements store.Store, by one round trip and the clock of the database. A lease that ran out
// is kept for a minute.
func (s *Store) Beat(ctx context.Context, incarnation string, ttl time.Duration) (alive []string, err error) {
	s.mu.Lock()
	node := s.node
	s.mu.Unlock()
	if node.Incarnation != incarnation {
		node = store.Node{Format: int(call.Format)}
	}
	err = s.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		var batch pgx.Batch
		if ttl > 0 {
			batch.Queue(sqlBeat, incarnation, int64(ttl), node.Release, int16(node.Format), node.Address, node.Relay)
		} else {
			batch.Queue(sqlGiveUp, incarnation)
		}
		batch.Queue(sqlForget, int64(expiredFor))
		batch.Queue(sqlAlive).Query(func(rows pgx.Rows) error {
			alive, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
		return pool.SendBatch(ctx, &batch).Close()
	})
	if err != nil {
		return nil, fmt.Errorf("keep lease: %w", err)
	}
	return alive, nil
}

// Nodes lists the leases, in the order of incarnations. One whose Until is past is that of a node
// which has ended, or does not reach the database.
func (s *Store) Nodes(ctx context.Context) ([]store.Node, error) {
	nodes, err := collect(ctx, s, func(row pgx.CollectableRow) (n store.Node, err error) {
		var until, begun int64
		err = row.Scan(&n.Incarnation, &until, &begun, &n.Release, &n.Format, &n.Address, &n.Relay)
		n.Until, n.Begun = stored.Time(until), stored.Time(begun)
		return n, err
	}, sqlNodes)
	if err != nil {
		return nil, fmt.Errorf("read nodes: %w", err)
	}
	return nodes, nil
}
