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

// sqlNumber numbers the events of a transaction: see number_events.
const sqlNumber = `SELECT number_events($1, $2)`

// sqlEvents stores the events of the changes that were made, with a delivery for each endpoint that
// is to have one. What follows what is being retried waits as long. Calls are looked up row by row, as
// in the statements before it.
const sqlEvents = `
	WITH numbers AS (
		SELECT split_part(text, ',', 1)::bigint AS first, split_part(text, ',', 2)::bigint AS at_ns
		FROM (SELECT current_setting('peal.events', true) AS text) AS set WHERE text <> ''),
	made AS (
		SELECT first + row_number() OVER (ORDER BY place) - 1 AS seq, at_ns, c.id, c.rev, e.kind, nullif(e.merged, '') AS merged,
			e.kind = $7 AND c.id = ANY(coalesce(nullif(current_setting('peal.filed', true), ''), '{}')::text[]) AS filed, c.caller, c.callee, c.body
		FROM numbers, unnest($2::text[], $3::bigint[], $4::boolean[], $5::smallint[], $6::text[])
			WITH ORDINALITY AS e (id, rev, live, kind, merged, place)
		CROSS JOIN LATERAL (
			SELECT id, rev, caller, callee, body FROM calls
			WHERE calls.id = e.id AND attempt = $1 AND calls.rev = e.rev AND (ended_ns IS NULL) = e.live OFFSET 0) AS c),
	stored AS (
		INSERT INTO events (seq, xid, call_id, rev, at_ns, kind, merged, filed, caller, callee, body)
		SELECT seq, pg_current_xact_id(), id, rev, at_ns, kind, merged, filed, caller, callee, body FROM made RETURNING seq),
	queued AS (
		INSERT INTO deliveries (endpoint, call_id, seq, tries, due_ns)
		SELECT number, made.id, seq, 0, greatest(at_ns, coalesce((
			SELECT due_ns FROM deliveries AS head WHERE head.endpoint = number AND head.call_id = made.id ORDER BY head.seq LIMIT 1), 0))
		FROM made JOIN endpoints ON endpoints.id IS NOT NULL AND enabled AND (kinds >> made.kind::int) & 1 = 1)
	SELECT coalesce(max(seq), 0) FROM stored`

// numberEvents begins the batch of a wave: the numbers of its events are given before anything else
// of the transaction is done. See number_events.
func (s *Store) numberEvents(batch *pgx.Batch, made []outcome) {
	n := 0
	for i := range made {
		n += len(made[i].events)
	}
	if n > 0 {
		batch.Queue(sqlNumber, int64(n), s.out.recorded())
	}
}

// queueEvents stores the events of outcomes, those that numberEvents had. It comes after the
// statements that make the changes: a change was made where the row of its call has the attempt of
// this transaction.
func (t *transaction) queueEvents(made []outcome) {
	var ids, merged []string
	var revs []int64
	var live []bool
	var kinds []int16
	for i := range made {
		c := made[i].call
		for _, e := range made[i].events {
			ids, revs, live = append(ids, string(c.ID)), append(revs, int64(c.Rev)), append(live, c.Live())
			kinds, merged = append(kinds, int16(e.Kind)), append(merged, string(e.Merged))
		}
	}
	if len(ids) > 0 {
		t.batch.Queue(sqlEvents, t.attempt, ids, revs, live, kinds, merged, int16(call.EventEnded)).
			QueryRow(func(row pgx.Row) error { return row.Scan(&t.newest) })
	}
}

const eventColumns = `e.seq, e.call_id, e.at_ns, e.kind, coalesce(e.merged, ''), e.filed, e.body`

// scanEvent reads an event and what follows it in a row.
func scanEvent(row pgx.Row, more ...any) (e store.Event, err error) {
	var id, merged string
	var at int64
	var kind int16
	var body []byte
	into := []any{&e.Seq, &id, &at, &kind, &merged, &e.Filed, &body}
	if err := row.Scan(append(into, more...)...); err != nil {
		return store.Event{}, err
	}
	c, err := stored.Decode(call.ID(id), body, nil)
	if err != nil {
		return store.Event{}, err
	}
	e.At, e.Kind, e.Merged, e.Call = stored.Time(at), call.EventKind(kind), call.ID(merged), &c
	return e, nil
}

// sqlFeed lists events. It is one statement, and so of one snapshot: what is shown in it is there to be
// listed. All rows are looked at only where a few of them were chosen.
const sqlFeed = `
	WITH shown AS MATERIALIZED (SELECT shown_event($1) AS seq),
	chosen AS MATERIALIZED (
		SELECT seq FROM (SELECT seq, kind FROM events WHERE seq > $2 AND seq <= (SELECT seq FROM shown) ORDER BY seq LIMIT $3) AS looked
		WHERE ($4::bigint >> kind::int) & 1 = 1 ORDER BY seq LIMIT $5),
	looked AS MATERIALIZED (
		SELECT count(*) AS count, coalesce(max(seq), 0) AS last FROM (
			SELECT seq FROM events WHERE seq > $2 AND seq <= (SELECT seq FROM shown) ORDER BY seq LIMIT $3) AS looked
		WHERE (SELECT count(*) FROM chosen) < $5)
	SELECT (SELECT seq FROM shown), count, last, ` + eventColumns + `
	FROM looked LEFT JOIN (chosen JOIN events AS e USING (seq)) ON true ORDER BY e.seq`

// Events implements store.Outbox.
func (o *outbox) Events(ctx context.Context, after int64, kinds call.EventKinds, limit int) (events []store.Event, next int64, err error) {
	known := o.sight()
	var shown, last int64
	var looked int
	err = o.store.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		events = nil
		rows, err := pool.Query(ctx, sqlFeed, known.newest, after, store.LookMost, int64(kinds), limit)
		if err != nil {
			return err
		}
		events, err = collectEvents(rows, &shown, &looked, &last)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list events: %w", err)
	}
	o.saw(known, shown)
	switch {
	case len(events) == limit && limit > 0:
		next = events[limit-1].Seq
	case looked == store.LookMost:
		next = last
	default:
		// All that was shown was looked at, and all that is shown by now may be more.
		next = max(after, shown)
	}
	return events, next, nil
}

// collectEvents reads events, each behind the same numbers. A row without an event has the numbers
// alone.
func collectEvents(rows pgx.Rows, numbers ...any) (events []store.Event, err error) {
	defer rows.Close()
	for rows.Next() {
		if rows.RawValues()[len(numbers)] == nil {
			return nil, scanOnly(rows, numbers)
		}
		e, err := scanEvent(behind{rows, numbers})
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, rows.Err()
}

// behind is a row in which numbers come before the columns of an event.
type behind struct {
	pgx.Row
	numbers []any
}

func (b behind) Scan(into ...any) error {
	return b.Row.Scan(append(b.numbers[:len(b.numbers):len(b.numbers)], into...)...)
}

// scanOnly reads the first columns of a row.
func scanOnly(rows pgx.Rows, numbers []any) error {
	all := make([]any, len(rows.FieldDescriptions()))
	copy(all, numbers)
	if err := rows.Scan(all...); err != nil {
		return err
	}
	rows.Close()
	return rows.Err()
}

// timeOf is the time that a column keeps; zero for NULL.
func timeOf(ns *int64) time.Time {
	if ns == nil {
		return time.Time{}
	}
	return stored.Time(*ns)
}
