package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
)

// The queries of events and deliveries. A bit chooses each kind of an event.
const (
	eventColumns = `events.seq, events.call_id, events.at_ns, kind, merged, filed, body`
	sqlFeed      = `
		SELECT ` + eventColumns + ` FROM (` + sqlLook + `) AS looked CROSS JOIN events ON events.seq = looked.seq
		WHERE ($4 >> kind) & 1 LIMIT $5`
	sqlDue = `
		SELECT ` + eventColumns + `, tries FROM deliveries AS d JOIN events ON events.seq = d.seq
		WHERE endpoint = $1 AND due_ns <= $2 AND NOT EXISTS
			(SELECT 1 FROM deliveries AS b WHERE b.endpoint = d.endpoint AND b.call_id = d.call_id AND b.seq < d.seq)
		ORDER BY due_ns, d.seq LIMIT $3`
	sqlNext = `SELECT due_ns FROM deliveries WHERE endpoint = $1 AND due_ns > $2 ORDER BY due_ns LIMIT 1`
	sqlDead = `
		SELECT ` + eventColumns + `, tries, dead.at_ns, reason FROM dead JOIN events ON events.seq = dead.seq
		WHERE endpoint = $1 AND dead.seq > $2 ORDER BY dead.seq LIMIT $3`
	// What one read looks at, by the seqs of events. An outer query with a LIMIT stops early.
	sqlLook     = `SELECT seq FROM events WHERE seq > $1 AND seq < $2 ORDER BY seq LIMIT $3`
	sqlLookDead = `SELECT seq FROM dead WHERE endpoint = $4 AND seq > $1 AND seq < $2 ORDER BY seq LIMIT $3`
	sqlChosen   = `
		SELECT looked.seq FROM (%s) AS looked CROSS JOIN events ON events.seq = looked.seq
		WHERE (%d >> kind) & 1 LIMIT %d`
	sqlOldest = `
		SELECT events.seq, at_ns FROM (` + sqlLook + `) AS looked CROSS JOIN events ON events.seq = looked.seq
		WHERE EXISTS (SELECT 1 FROM deliveries AS d WHERE d.endpoint = $4 AND d.call_id = events.call_id AND d.seq = events.seq) LIMIT 1`
	sqlPrunable = `
		SELECT events.seq FROM (` + sqlLook + `) AS looked CROSS JOIN events ON events.seq = looked.seq
		WHERE events.seq < $4 OR ` + sqlUnwanted + ` LIMIT $5`
)

// Events implements store.Journal.
func (j *journal) Events(ctx context.Context, after int64, kinds call.EventKinds, limit int) (events []store.Event, next int64, err error) {
	args := []any{after, int64(math.MaxInt64), store.LookMost}
	next, err = j.look(ctx, sqlLook, args, 0, func(tx *sql.Tx) (bool, error) {
		rows, err := tx.StmtContext(ctx, j.read.feed).QueryContext(ctx, append(args, int64(kinds), limit)...)
		err = each(rows, err, func(r row) error {
			e, err := scanEvent(r)
			events = append(events, e)
			return err
		})
		return len(events) == limit, err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list events: %w", named(err))
	}
	if len(events) == limit {
		next = events[limit-1].Seq
	}
	return events, next, nil
}

// Due implements store.Journal.
func (j *journal) Due(ctx context.Context, endpoint int64, now time.Time, limit int) (due []store.Delivery, next time.Time, err error) {
	rows, err := j.read.due.QueryContext(ctx, endpoint, stored.Nanos(now), limit)
	err = each(rows, err, func(r row) error {
		var d store.Delivery
		e, err := scanEvent(r, &d.Tries)
		if err != nil {
			return err
		}
		d.Event, d.Lane = e, store.Lane{Endpoint: endpoint, Call: e.Call.ID}
		due = append(due, d)
		return nil
	})
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("list due deliveries: %w", named(err))
	}
	next, err = momentOf(j.read.next.QueryRowContext(ctx, endpoint, stored.Nanos(now)))
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("find next delivery: %w", err)
	}
	return due, next, nil
}

// Oldest implements store.Journal.
func (j *journal) Oldest(ctx context.Context, endpoint, after int64) (seq int64, at time.Time, err error) {
	args := []any{after, int64(math.MaxInt64), store.LookMost}
	next, err := j.look(ctx, sqlLook, args, 0, func(tx *sql.Tx) (bool, error) {
		var ns int64
		err := tx.QueryRowContext(ctx, sqlOldest, append(args, endpoint)...).Scan(&seq, &ns)
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		at = stored.Time(ns)
		return true, err
	})
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("find oldest delivery: %w", named(err))
	}
	return max(seq, next), at, nil
}

// Dead implements store.Journal.
func (j *journal) Dead(ctx context.Context, endpoint, after int64, limit int) (dead []store.DeadLetter, err error) {
	rows, err := j.feeder.QueryContext(ctx, sqlDead, endpoint, after, limit)
	err = each(rows, err, func(r row) error {
		var d store.DeadLetter
		var at int64
		if d.Event, err = scanEvent(r, &d.Tries, &at, &d.Reason); err != nil {
			return err
		}
		d.At = stored.Time(at)
		dead = append(dead, d)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list dead deliveries: %w", named(err))
	}
	return dead, nil
}

// Choose implements store.Journal.
func (j *journal) Choose(ctx context.Context, p store.Portion) (seqs []int64, next int64, err error) {
	from, args := sqlLook, []any{p.After, p.Before, store.LookMost}
	if !p.All {
		from, args = sqlLookDead, append(args, p.Endpoint)
	}
	next, err = j.look(ctx, from, args, p.Before, func(tx *sql.Tx) (bool, error) {
		rows, err := tx.QueryContext(ctx, fmt.Sprintf(sqlChosen, from, int64(p.Kinds), p.Limit), args...)
		seqs, err = allSeqs(rows, err)
		return len(seqs) == p.Limit, err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("choose events: %w", named(err))
	}
	if len(seqs) == p.Limit {
		next = seqs[p.Limit-1]
	}
	return seqs, next, nil
}

// Prunable implements store.Journal.
func (j *journal) Prunable(ctx context.Context, after, shown, kept int64) (seqs []int64, next int64, err error) {
	args := []any{after, shown, store.LookMost}
	next, err = j.look(ctx, sqlLook, args, shown, func(tx *sql.Tx) (bool, error) {
		rows, err := tx.QueryContext(ctx, sqlPrunable, append(args, kept, pruneRows)...)
		seqs, err = allSeqs(rows, err)
		return len(seqs) == pruneRows, err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("find old events: %w", named(err))
	}
	if len(seqs) == pruneRows {
		next = seqs[pruneRows-1]
	}
	return seqs, next, nil
}

// allSeqs reads the seqs that a query gives.
func allSeqs(rows *sql.Rows, err error) (seqs []int64, _ error) {
	err = each(rows, err, func(r row) error {
		var seq int64
		err := r.Scan(&seq)
		seqs = append(seqs, seq)
		return err
	})
	return seqs, err
}

// look runs a read of what from selects, which is LookMost rows. Where the read says that it stopped
// before their end, next is 0; else it is the seq of the last of them, and end where there are no
// more.
func (j *journal) look(ctx context.Context, from string, args []any, end int64, read func(*sql.Tx) (stopped bool, err error)) (next int64, err error) {
	// Both queries see one state: what is deleted between them would have the second see further.
	tx, err := j.feeder.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	if stopped, err := read(tx); stopped || err != nil {
		return 0, err
	}
	var rows int
	err = tx.QueryRowContext(ctx, `SELECT count(*), coalesce(max(seq), 0) FROM (`+from+`)`, args...).Scan(&rows, &next)
	if rows < store.LookMost {
		next = end
	}
	return next, err
}

// scanEvent reads an event and what follows it in a row.
func scanEvent(r row, more ...any) (e store.Event, err error) {
	var id call.ID
	var at int64
	var merged sql.NullString
	var body []byte
	into := []any{&e.Seq, &id, &at, &e.Kind, &merged, &e.Filed, &body}
	if err := r.Scan(append(into, more...)...); err != nil {
		return store.Event{}, err
	}
	c, err := stored.Decode(id, body, nil)
	if err != nil {
		return store.Event{}, err
	}
	e.At, e.Merged, e.Call = stored.Time(at), call.ID(merged.String), &c
	return e, nil
}

// momentOf reads a time; zero where there is no row.
func momentOf(r row) (time.Time, error) {
	var ns int64
	err := r.Scan(&ns)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, named(err)
	}
	return stored.Time(ns), nil
}
