package pgstore

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
)

// sqlQueues counts what waits for one endpoint, or for all.
const sqlQueues = `
	SELECT id, waiting.n, (SELECT count(*) FROM dead WHERE endpoint = number), (SELECT at_ns FROM events WHERE seq = waiting.oldest)
	FROM endpoints, LATERAL (SELECT count(*) AS n, min(seq) AS oldest FROM deliveries WHERE endpoint = number) AS waiting
	WHERE CASE $1 WHEN '' THEN id IS NOT NULL ELSE id = $1 END ORDER BY id`

func (o *outbox) queues(ctx context.Context, endpoint string) ([]store.Queue, error) {
	return list(ctx, o.store, "queues", sqlQueues, []any{endpoint}, func(row pgx.CollectableRow) (q store.Queue, err error) {
		var oldest *int64
		err = row.Scan(&q.Endpoint, &q.Queued, &q.Dead, &oldest)
		q.Oldest = timeOf(oldest)
		return q, err
	})
}

// Queues implements store.Outbox.
func (o *outbox) Queues(ctx context.Context) ([]store.Queue, error) { return o.queues(ctx, "") }

// Queue implements store.Outbox.
func (o *outbox) Queue(ctx context.Context, endpoint string) (store.Queue, error) {
	if endpoint == "" {
		return store.Queue{}, store.ErrNoEndpoint
	}
	one, err := o.queues(ctx, endpoint)
	if err == nil && len(one) == 0 {
		err = store.ErrNoEndpoint
	}
	if err != nil {
		return store.Queue{}, err
	}
	return one[0], nil
}

// Dead implements store.Outbox.
func (o *outbox) Dead(ctx context.Context, endpoint string, after int64, limit int) ([]store.DeadLetter, error) {
	e, err := o.number(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	return list(ctx, o.store, "dead letters", `
		SELECT `+eventColumns+`, tries, dead.at_ns, reason FROM dead JOIN events AS e USING (seq)
		WHERE endpoint = $1 AND seq > $2 ORDER BY seq LIMIT $3`, []any{e.Number, after, limit},
		func(row pgx.CollectableRow) (d store.DeadLetter, err error) {
			var at int64
			d.Event, err = scanEvent(row, &d.Tries, &at, &d.Reason)
			d.At = stored.Time(at)
			return d, err
		})
}

// looked is a read of LookMost rows, of which it lists the seqs of some.
type looked struct {
	seqs []int64
	rows int
	last int64 // The seq of the last row; 0 for none.
}

// next is the seq to go on after: end where there are no more rows.
func (l *looked) next(limit int, end int64) int64 {
	switch {
	case len(l.seqs) == limit:
		return l.seqs[limit-1]
	case l.rows == store.LookMost:
		return l.last
	}
	return end
}

// lookFor lists the seqs that a condition chooses of the rows of a query, which has columns of events
// and LookMost rows.
func (o *outbox) lookFor(ctx context.Context, from, where string, limit int, args ...any) (l looked, err error) {
	// All rows are looked at only where a few of them were chosen.
	query := fmt.Sprintf(`
		WITH chosen AS MATERIALIZED (
			SELECT ARRAY(SELECT seq FROM (%[1]s ORDER BY seq LIMIT %[2]d) AS e WHERE %[3]s ORDER BY seq LIMIT %[4]d) AS seqs)
		SELECT seqs, count, coalesce(last, 0) FROM chosen LEFT JOIN LATERAL (
			SELECT count(*) AS count, max(seq) AS last FROM (%[1]s ORDER BY seq LIMIT %[2]d) AS looked WHERE cardinality(seqs) < %[4]d
		) AS looked ON true`, from, store.LookMost, where, limit)
	err = o.store.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		return pool.QueryRow(ctx, query, args...).Scan(&l.seqs, &l.rows, &l.last)
	})
	return l, err
}

// replay is a replay under way.
type replay struct {
	endpoint store.Endpoint
	kinds    call.EventKinds
	all      bool
	after    int64
	before   int64
	room     int           // How many more may wait.
	by       []store.Audit // Not stored yet.
}

// Replay implements store.Outbox.
func (o *outbox) Replay(ctx context.Context, endpoint string, what store.Replay, by ...store.Audit) (queued int, err error) {
	e, err := o.number(ctx, endpoint)
	if err != nil {
		return 0, err
	}
	r := replay{endpoint: e, kinds: kindsOf(&e, what), all: what.All, after: seqAt(what.From) - 1, before: math.MaxInt64, by: by}
	if !what.To.IsZero() {
		r.before = seqAt(what.To)
	}
	var waiting int
	err = o.store.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		return pool.QueryRow(ctx, `SELECT count(*) FROM deliveries WHERE endpoint = $1`, e.Number).Scan(&waiting)
	})
	if err != nil {
		return 0, fmt.Errorf("count deliveries: %w", err)
	}
	r.room = o.most - waiting
	for r.after < r.before {
		from := `SELECT seq, kind FROM events WHERE seq > $1 AND seq < $2`
		args := []any{r.after, r.before, int64(r.kinds)}
		if !r.all {
			from = `SELECT seq, kind FROM dead JOIN events USING (seq) WHERE endpoint = $4 AND seq > $1 AND seq < $2`
			args = append(args, e.Number)
		}
		// This looks at many events: nobody waits for it.
		l, err := o.lookFor(ctx, from, `($3::bigint >> e.kind::int) & 1 = 1`, pruneRows, args...)
		if err != nil {
			return queued, fmt.Errorf("choose events: %w", err)
		}
		n, err := o.requeue(ctx, &r, l.seqs)
		queued += n
		if err != nil {
			return queued, err
		}
		r.after = l.next(pruneRows, r.before)
	}
	if len(r.by) == 0 {
		return queued, nil
	}
	err = o.store.write(ctx, func(ctx context.Context, tx pgx.Tx) error { return fileAll(ctx, tx, r.by) })
	if err != nil {
		return queued, fmt.Errorf("file replay: %w", err)
	}
	return queued, nil
}

// sqlRequeue queues events again, those of $2 that are still there, and where $3 is not set still
// given up. Each is due no later than what follows it, which would be in the way, and no earlier
// than what it follows.
const sqlRequeue = `
	WITH clock AS MATERIALIZED (SELECT now_ns() AS now),
	again AS (DELETE FROM dead WHERE endpoint = $1 AND seq = ANY($2) RETURNING seq)
	INSERT INTO deliveries (endpoint, call_id, seq, tries, due_ns)
	SELECT $1, call_id, seq, 0, greatest(
		least(now, (SELECT due_ns FROM deliveries AS later
			WHERE later.endpoint = $1 AND later.call_id = e.call_id AND later.seq > e.seq ORDER BY later.seq LIMIT 1)),
		(SELECT due_ns FROM deliveries AS former
			WHERE former.endpoint = $1 AND former.call_id = e.call_id AND former.seq < e.seq ORDER BY former.seq DESC LIMIT 1))
	FROM events AS e, clock
	WHERE seq = ANY($2) AND ($3 OR seq IN (SELECT seq FROM again)) AND EXISTS (SELECT FROM endpoints WHERE number = $1 AND id IS NOT NULL)
	ORDER BY seq ON CONFLICT DO NOTHING`

// requeue queues the first of the chosen events, as many as there is room for.
func (o *outbox) requeue(ctx context.Context, r *replay, seqs []int64) (queued int, err error) {
	for len(seqs) > 0 {
		if r.room <= 0 {
			return queued, store.ErrQueueFull
		}
		some := seqs[:min(len(seqs), r.room)]
		var n int
		err := o.store.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1::int, $2::int)`, lockClass, r.endpoint.Number); err != nil {
				return err
			}
			var there bool
			if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM endpoints WHERE number = $1 AND id IS NOT NULL)`, r.endpoint.Number).Scan(&there); err != nil {
				return err
			}
			if !there {
				return store.ErrNoEndpoint
			}
			done, err := tx.Exec(ctx, sqlRequeue, r.endpoint.Number, some, r.all)
			if n = int(done.RowsAffected()); err != nil {
				return err
			}
			return fileAll(ctx, tx, r.by)
		})
		if err != nil {
			return queued, fmt.Errorf("replay events: %w", err)
		}
		if n > 0 {
			o.mu.Lock()
			o.Announce()
			o.mu.Unlock()
		}
		r.by = nil
		queued, r.room, seqs = queued+n, r.room-n, seqs[len(some):]
	}
	return queued, nil
}

// seqAt is the least seq of events that are committed at a time or later.
func seqAt(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMicro()
}

// sqlUnwanted says of an event e that it waits for no endpoint, and was given up for none.
const sqlUnwanted = `
	NOT EXISTS (SELECT FROM endpoints JOIN deliveries AS d ON d.endpoint = number AND d.call_id = e.call_id AND d.seq = e.seq WHERE id IS NOT NULL)
	AND NOT EXISTS (SELECT FROM endpoints JOIN dead AS d ON d.endpoint = number AND d.seq = e.seq WHERE id IS NOT NULL)`

// pruneLock is the advisory lock of pruning, beside that of number_events.
const pruneLock = 2

// Prune implements store.Outbox. One node at a time prunes: where another does, this one stops.
func (o *outbox) Prune(ctx context.Context) (rows int, err error) {
	var now int64
	err = o.store.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		return pool.QueryRow(ctx, `SELECT now_ns()`).Scan(&now)
	})
	if err != nil {
		return 0, fmt.Errorf("read clock: %w", err)
	}
	shown, kept := seqAt(stored.Time(now).Add(-store.KeepEvents)), seqAt(stored.Time(now).Add(-store.KeepUndelivered))
	for after := int64(0); after < shown; {
		l, err := o.lookFor(ctx, `SELECT seq, call_id FROM events WHERE seq > $1 AND seq < $2`,
			`e.seq < $3 OR `+sqlUnwanted, pruneRows, after, shown, kept)
		if err != nil {
			return rows, fmt.Errorf("find old events: %w", err)
		}
		after = l.next(pruneRows, shown)
		if len(l.seqs) == 0 {
			continue
		}
		n, other, err := o.prune(ctx, func(ctx context.Context, tx pgx.Tx) (int, error) { return pruneEvents(ctx, tx, l.seqs, kept) })
		rows += n
		if err != nil || other {
			return rows, err
		}
	}
	for n := 1; n > 0; rows += n {
		var other bool
		if n, other, err = o.prune(ctx, pruneLeft); err != nil || other {
			return rows, err
		}
	}
	return rows, nil
}

// prune deletes one portion. Other says that another node prunes.
func (o *outbox) prune(ctx context.Context, portion func(context.Context, pgx.Tx) (int, error)) (rows int, other bool, err error) {
	if err := ctx.Err(); err != nil {
		return 0, false, err
	}
	err = o.store.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var mine bool
		err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock(1885692268, $1)`, pruneLock).Scan(&mine)
		if rows, other = 0, !mine; err != nil || other {
			return err
		}
		rows, err = portion(ctx, tx)
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("prune events: %w", err)
	}
	return rows, other, nil
}

// pruneEvents deletes events: those below kept with their deliveries, and the others where they are
// still unwanted.
func pruneEvents(ctx context.Context, tx pgx.Tx, seqs []int64, kept int64) (rows int, err error) {
	for _, query := range []string{
		`DELETE FROM deliveries AS d USING events AS e, endpoints
			WHERE e.seq = ANY($1) AND e.seq < $2 AND d.endpoint = number AND d.call_id = e.call_id AND d.seq = e.seq`,
		`DELETE FROM dead AS d USING endpoints WHERE d.endpoint = number AND d.seq = ANY($1) AND d.seq < $2`,
		`DELETE FROM events AS e WHERE e.seq = ANY($1) AND (e.seq < $2 OR` + sqlUnwanted + `)`,
	} {
		done, err := tx.Exec(ctx, query, seqs, kept)
		if err != nil {
			return 0, err
		}
		rows += int(done.RowsAffected())
	}
	return rows, nil
}

// pruneLeft deletes a portion of what deleted endpoints left. A commit that was under way when one
// was deleted may have queued something after that, so it is remembered for an hour.
func pruneLeft(ctx context.Context, tx pgx.Tx) (rows int, err error) {
	for _, query := range []string{
		`DELETE FROM deliveries WHERE (endpoint, call_id, seq) IN (SELECT endpoint, call_id, seq FROM endpoints
			JOIN deliveries ON endpoint = number WHERE id IS NULL LIMIT $1)`,
		`DELETE FROM dead WHERE (endpoint, seq) IN (SELECT endpoint, seq FROM endpoints JOIN dead ON endpoint = number WHERE id IS NULL LIMIT $1)`,
	} {
		done, err := tx.Exec(ctx, query, pruneRows)
		if err != nil {
			return 0, err
		}
		rows += int(done.RowsAffected())
	}
	if rows > 0 {
		return rows, nil
	}
	_, err = tx.Exec(ctx, `DELETE FROM endpoints WHERE id IS NULL AND gone_ns < now_ns() - $1`, int64(time.Hour))
	return 0, err
}
