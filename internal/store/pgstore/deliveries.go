package pgstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// lockClass is the class of the advisory locks of endpoints. Claims hold the lock of their endpoint
// together; a replay holds it alone, since it may put something at the head of a lane.
const lockClass = 1885692269

const (
	// sqlShare begins a claim. The statements after it go by indexes, whatever the planner believes of
	// tables that grow and shrink fast.
	sqlShare = `
		SELECT pg_advisory_xact_lock_shared(%d, $1::int), set_config(name, 'off', true)
		FROM unnest(ARRAY['enable_seqscan', 'enable_bitmapscan', 'enable_hashjoin', 'enable_mergejoin', 'enable_sort', 'jit']) AS name`

	// sqlLease leases the heads of lanes. Who leases a head locks its row; and while claims go on
	// nothing is put before a head. So one node at a time has a delivery of a lane. What this node
	// leased and does not hold any more is free: a settlement of it failed, or the answer to a claim
	// was lost. $5 are the calls of which it holds something.
	sqlLease = `
		WITH clock AS MATERIALIZED (SELECT now_ns() AS now),
		head AS (
			SELECT d.call_id, d.seq FROM deliveries AS d
			WHERE d.endpoint = $1 AND d.due_ns <= (SELECT now FROM clock)
			AND (d.until_ns <= (SELECT now FROM clock) OR d.owner = $2) AND d.call_id <> ALL($5::text[])
			AND EXISTS (SELECT FROM endpoints WHERE number = $1 AND id IS NOT NULL AND enabled)
			AND NOT EXISTS (
				SELECT FROM deliveries AS b WHERE b.endpoint = $1 AND b.call_id = d.call_id AND b.seq < d.seq)
			AND NOT EXISTS (
				SELECT FROM deliveries AS b WHERE b.endpoint = $1 AND b.call_id = d.call_id AND b.seq > d.seq
				AND b.until_ns > (SELECT now FROM clock) AND b.owner <> $2)
			ORDER BY d.due_ns, d.seq LIMIT $3 FOR UPDATE OF d SKIP LOCKED),
		taken AS (
			UPDATE deliveries AS d SET owner = $2, until_ns = (SELECT now FROM clock) + $4
			FROM head WHERE d.endpoint = $1 AND d.call_id = head.call_id AND d.seq = head.seq
			RETURNING d.seq, d.due_ns, d.tries)
		SELECT ` + eventColumns + `, taken.tries FROM taken JOIN events AS e ON e.seq = taken.seq ORDER BY taken.due_ns, e.seq`

	// sqlNext is when more will be due: at its time, or when the lease of another node expires.
	sqlNext = `
		WITH clock AS MATERIALIZED (SELECT now_ns() AS now)
		SELECT least(
			(SELECT due_ns FROM deliveries WHERE endpoint = $1 AND due_ns > (SELECT now FROM clock) ORDER BY due_ns LIMIT 1),
			(SELECT min(until_ns) FROM (
				SELECT until_ns, owner FROM deliveries WHERE endpoint = $1 AND due_ns <= (SELECT now FROM clock)
				ORDER BY due_ns, seq LIMIT 1000) AS due
			WHERE until_ns > (SELECT now FROM clock) AND owner <> $2))`
)

// Claim implements store.Outbox. The claims of a process that ends are free when their leases expire.
func (o *outbox) Claim(ctx context.Context, endpoint string, limit int) (due []store.Delivery, next time.Time, err error) {
	e, err := o.number(ctx, endpoint)
	if err != nil {
		return nil, time.Time{}, err
	}
	if !e.Enabled() {
		return nil, time.Time{}, nil
	}
	o.claiming.Lock()
	defer o.claiming.Unlock()
	held := []string{} // Not NULL.
	o.mu.Lock()
	for lane := range o.claimed {
		if lane.Endpoint == e.Number {
			held = append(held, string(lane.Call))
		}
	}
	o.mu.Unlock()
	var ns *int64
	var generation int64
	err = o.store.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		due = nil
		batch := &pgx.Batch{} // One transaction, in which each statement sees what was committed before it.
		batch.Queue(fmt.Sprintf(sqlShare, lockClass), e.Number)
		// Before the events are read: see Stale.
		batch.Queue(`SELECT erasures FROM books`).QueryRow(func(row pgx.Row) error { return row.Scan(&generation) })
		batch.Queue(sqlLease, e.Number, o.owner, limit, int64(leaseTime), held).Query(func(rows pgx.Rows) error {
			due, err = collectDeliveries(rows, e.Number)
			return err
		})
		batch.Queue(sqlNext, e.Number, o.owner).QueryRow(func(row pgx.Row) error { return row.Scan(&ns) })
		return pool.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("claim deliveries: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range due {
		due[i].Generation = generation
		o.claimed[due[i].Lane] = due[i].Event.Seq
	}
	return due, timeOf(ns), nil
}

// sqlRenew makes leases last. A row that is locked is being settled.
const sqlRenew = `
	WITH held AS (
		SELECT d.endpoint, d.call_id, d.seq FROM deliveries AS d
		JOIN unnest($2::bigint[], $3::text[], $4::bigint[]) AS s (endpoint, call_id, seq)
			ON d.endpoint = s.endpoint AND d.call_id = s.call_id AND d.seq = s.seq
		WHERE d.owner = $1 FOR UPDATE OF d SKIP LOCKED)
	UPDATE deliveries AS d SET until_ns = now_ns() + $5 FROM held
	WHERE d.endpoint = held.endpoint AND d.call_id = held.call_id AND d.seq = held.seq`

// renew makes the leases of what is claimed last.
func (o *outbox) renew(ctx context.Context) error {
	var s settlements
	o.mu.Lock()
	for lane, seq := range o.claimed {
		s.endpoints, s.calls, s.seqs = append(s.endpoints, lane.Endpoint), append(s.calls, string(lane.Call)), append(s.seqs, seq)
	}
	o.mu.Unlock()
	if len(s.seqs) == 0 {
		return nil
	}
	_, err := o.store.reads.Exec(ctx, sqlRenew, o.owner, s.endpoints, s.calls, s.seqs, int64(leaseTime))
	if err != nil {
		return fmt.Errorf("renew leases of deliveries: %w", err)
	}
	return nil
}

// Stale implements store.Outbox. An erasure by any node counts.
func (o *outbox) Stale(ctx context.Context, d *store.Delivery) (stale bool, err error) {
	err = o.store.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		return pool.QueryRow(ctx, `SELECT erasures <> $1 FROM books`, d.Generation).Scan(&stale)
	})
	if err != nil {
		return false, fmt.Errorf("count erasures: %w", err)
	}
	return stale, nil
}

func collectDeliveries(rows pgx.Rows, endpoint int64) (due []store.Delivery, err error) {
	defer rows.Close()
	for rows.Next() {
		var d store.Delivery
		if d.Event, err = scanEvent(rows, &d.Tries); err != nil {
			return nil, err
		}
		d.Lane = store.Lane{Endpoint: endpoint, Call: d.Event.Call.ID}
		due = append(due, d)
	}
	return due, rows.Err()
}

// Statements that settle what is still leased by this node ($1).
const (
	sqlDelivered = `
		DELETE FROM deliveries AS d USING unnest($2::bigint[], $3::text[], $4::bigint[]) AS s (endpoint, call_id, seq)
		WHERE d.endpoint = s.endpoint AND d.call_id = s.call_id AND d.seq = s.seq AND d.owner = $1`
	sqlReturned = `
		UPDATE deliveries AS d SET owner = '', until_ns = 0 FROM unnest($2::bigint[], $3::text[], $4::bigint[]) AS s (endpoint, call_id, seq)
		WHERE d.endpoint = s.endpoint AND d.call_id = s.call_id AND d.seq = s.seq AND d.owner = $1`
	// What follows of the call waits as long: else it would be in the way of what is due.
	sqlRetry = `
		WITH clock AS MATERIALIZED (SELECT now_ns() AS now),
		head AS (
			SELECT d.endpoint, d.call_id, d.seq, s.wait FROM deliveries AS d
			JOIN unnest($2::bigint[], $3::text[], $4::bigint[], $5::bigint[]) AS s (endpoint, call_id, seq, wait)
				ON d.endpoint = s.endpoint AND d.call_id = s.call_id AND d.seq = s.seq
			WHERE d.owner = $1 FOR UPDATE OF d)
		UPDATE deliveries AS d SET due_ns = (SELECT now FROM clock) + head.wait, tries = d.tries + (d.seq = head.seq)::int,
			owner = CASE d.seq WHEN head.seq THEN '' ELSE d.owner END, until_ns = CASE d.seq WHEN head.seq THEN 0 ELSE d.until_ns END
		FROM head WHERE d.endpoint = head.endpoint AND d.call_id = head.call_id AND d.seq >= head.seq`
	sqlBury = `
		WITH gone AS (
			DELETE FROM deliveries AS d
			USING unnest($2::bigint[], $3::text[], $4::bigint[], $5::text[]) AS s (endpoint, call_id, seq, reason)
			WHERE d.endpoint = s.endpoint AND d.call_id = s.call_id AND d.seq = s.seq AND d.owner = $1
			RETURNING d.endpoint, d.seq, d.tries, s.reason)
		INSERT INTO dead (endpoint, seq, tries, at_ns, reason)
		SELECT endpoint, seq, tries + 1, now, reason FROM gone, (SELECT now_ns() AS now) AS clock
		ON CONFLICT (endpoint, seq) DO UPDATE SET tries = excluded.tries, at_ns = excluded.at_ns, reason = excluded.reason`
)

// settlements are the arguments of a statement that settles.
type settlements struct {
	endpoints, seqs, waits []int64
	calls, reasons         []string
}

// Settle implements store.Outbox. What another node leased meanwhile is left to it.
func (o *outbox) Settle(ctx context.Context, settled []store.Settlement) error {
	defer o.release(settled)
	if len(settled) == 0 {
		return nil
	}
	// All nodes lock rows in one order.
	settled = slices.SortedFunc(slices.Values(settled), func(a, b store.Settlement) int {
		x, y := &a.Delivery, &b.Delivery
		return cmp.Or(cmp.Compare(x.Lane.Endpoint, y.Lane.Endpoint), cmp.Compare(x.Lane.Call, y.Lane.Call), cmp.Compare(x.Event.Seq, y.Event.Seq))
	})
	by := make(map[store.Outcome]*settlements)
	for i := range settled {
		one := &settled[i]
		s := by[one.Outcome]
		if s == nil {
			s = &settlements{}
			by[one.Outcome] = s
		}
		s.endpoints, s.seqs = append(s.endpoints, one.Delivery.Lane.Endpoint), append(s.seqs, one.Delivery.Event.Seq)
		s.waits, s.calls = append(s.waits, int64(one.After)), append(s.calls, string(one.Delivery.Lane.Call))
		s.reasons = append(s.reasons, one.Reason)
	}
	err := o.store.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		batch := &pgx.Batch{}
		if s := by[store.Delivered]; s != nil {
			batch.Queue(sqlDelivered, o.owner, s.endpoints, s.calls, s.seqs)
		}
		if s := by[store.Dead]; s != nil {
			batch.Queue(sqlBury, o.owner, s.endpoints, s.calls, s.seqs, s.reasons)
		}
		if s := by[store.Retry]; s != nil {
			batch.Queue(sqlRetry, o.owner, s.endpoints, s.calls, s.seqs, s.waits)
		}
		if s := by[store.Returned]; s != nil {
			batch.Queue(sqlReturned, o.owner, s.endpoints, s.calls, s.seqs)
		}
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return fmt.Errorf("settle deliveries: %w", err)
	}
	return nil
}

// release ends the claims of deliveries.
func (o *outbox) release(settled []store.Settlement) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range settled {
		d := &settled[i].Delivery
		if o.claimed[d.Lane] == d.Event.Seq {
			delete(o.claimed, d.Lane)
		}
	}
}

// kindsOf are the kinds of events that a replay chooses for an endpoint.
func kindsOf(e *store.Endpoint, what store.Replay) call.EventKinds {
	if what.Kinds != 0 {
		return what.Kinds
	}
	return e.Kinds()
}
