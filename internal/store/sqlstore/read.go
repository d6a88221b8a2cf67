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

// The queries. Each reads one consistent state by being one statement.
const (
	sqlReplayLive  = `SELECT slot, id, changed_ns, body, descriptions FROM live ORDER BY slot`
	sqlReplayEnded = `SELECT id, ended_ns, body FROM ended WHERE ended_ns >= $1 ORDER BY ended_ns, id`
	sqlIDs         = `SELECT id FROM ended WHERE id >= $1`
	sqlEnded       = `SELECT id, ended_ns, body FROM ended WHERE id = $1`
	sqlEndedOf     = `
		SELECT id, ended.ended_ns, body FROM parties JOIN ended ON id = call_id
		WHERE account = $1 AND parties.ended_ns >= $2`
	sqlRecordPlace = `SELECT ended_ns FROM records WHERE call_id = $1 AND ($2 = caller OR $2 = callee AND NOT deaf)`

	recordColumns = `
		SELECT records.call_id, kind, type, caller, callee, reason, created_ns, records.ended_ns, duration_s,
			caller_name, caller_avatar, callee_name, callee_avatar, deaf
		FROM parties JOIN records ON records.call_id = parties.call_id`
	sqlRecordsBefore = recordColumns + `
		WHERE account = $1 AND (parties.ended_ns, parties.call_id) < ($2, $3)
		ORDER BY parties.ended_ns DESC, parties.call_id DESC LIMIT $4`
	sqlRecordsAfter = recordColumns + `
		WHERE account = $1 AND (parties.ended_ns, parties.call_id) > ($2, $3)
		ORDER BY parties.ended_ns, parties.call_id LIMIT $4`
	sqlLatest = `
		SELECT max(coalesce((SELECT max(changed_ns) FROM live), 0), coalesce((SELECT max(ended_ns) FROM ended), 0),
			coalesce((SELECT max(ended_ns) FROM records), 0), coalesce((SELECT max(seq) * 1000 FROM events), 0),
			(SELECT touched_ns FROM clock))`
)

// reads are the queries that are asked while calls go on, prepared once.
type reads struct {
	ended, endedOf                           *sql.Stmt
	recordPlace, recordsBefore, recordsAfter *sql.Stmt
	feed, due, next                          *sql.Stmt
}

func prepareReads(ctx context.Context, db, feeder *sql.DB) (r reads, err error) {
	for query, stmt := range map[string]**sql.Stmt{
		sqlEnded: &r.ended, sqlEndedOf: &r.endedOf,
		sqlRecordPlace: &r.recordPlace, sqlRecordsBefore: &r.recordsBefore, sqlRecordsAfter: &r.recordsAfter,
		sqlDue: &r.due, sqlNext: &r.next,
	} {
		if *stmt, err = db.PrepareContext(ctx, query); err != nil {
			return reads{}, fmt.Errorf("prepare statement: %w", err)
		}
	}
	if r.feed, err = feeder.PrepareContext(ctx, sqlFeed); err != nil {
		return reads{}, fmt.Errorf("prepare statement: %w", err)
	}
	return r, nil
}

// Replay implements store.Journal.
func (j *journal) Replay(ctx context.Context, endedSince time.Time, take func(store.Entry) error) error {
	rows, err := j.reader.QueryContext(ctx, sqlReplayLive)
	err = each(rows, err, func(r row) error {
		var slot, changed int64
		var id call.ID
		var body, descriptions []byte
		if err := r.Scan(&slot, &id, &changed, &body, &descriptions); err != nil {
			return err
		}
		c, err := stored.Decode(id, body, descriptions)
		if err != nil {
			return err
		}
		j.slots.replayed(id, slot)
		return take(store.Entry{Call: &c, Created: true, At: stored.Time(changed)})
	})
	if err != nil {
		return fmt.Errorf("read live calls: %w", named(err))
	}
	rows, err = j.reader.QueryContext(ctx, sqlReplayEnded, stored.Nanos(endedSince))
	err = each(rows, err, func(r row) error {
		c, err := scanEnded(r)
		if err != nil {
			return err
		}
		return take(store.Entry{Call: &c, Created: true, At: c.Outcome.EndedAt})
	})
	if err != nil {
		return fmt.Errorf("read ended calls: %w", named(err))
	}
	return nil
}

// IDs implements store.Journal.
func (j *journal) IDs(ctx context.Context, least call.ID) (ids []call.ID, err error) {
	rows, err := j.reader.QueryContext(ctx, sqlIDs, string(least))
	err = each(rows, err, func(r row) error {
		var id call.ID
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read ids: %w", named(err))
	}
	return ids, nil
}

// Ended implements store.Journal.
func (j *journal) Ended(ctx context.Context, id call.ID) (call.Call, error) {
	c, err := scanEnded(j.read.ended.QueryRowContext(ctx, string(id)))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return call.Call{}, store.ErrNotFound
	case err != nil:
		return call.Call{}, fmt.Errorf("load call: %w", named(err))
	}
	return c, nil
}

// EndedOf implements store.Journal.
func (j *journal) EndedOf(ctx context.Context, account call.Account, since time.Time) (calls []call.Call, err error) {
	rows, err := j.read.endedOf.QueryContext(ctx, string(account), stored.Nanos(since))
	err = each(rows, err, func(r row) error {
		c, err := scanEnded(r)
		calls = append(calls, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list calls of account: %w", named(err))
	}
	return calls, nil
}

// Records implements store.Journal. A record never changes, so that finding a
// place and reading from there need not be one statement.
func (j *journal) Records(ctx context.Context, account call.Account, page store.Page) (records []call.Record, err error) {
	place := stored.Nanos(page.Time)
	if page.Time.IsZero() && !page.Forward {
		place = math.MaxInt64
	}
	if page.Call != "" {
		err := j.read.recordPlace.QueryRowContext(ctx, string(page.Call), string(account)).Scan(&place)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("find record: %w", named(err))
		}
	}
	query := j.read.recordsBefore
	if page.Forward {
		query = j.read.recordsAfter
	}
	rows, err := query.QueryContext(ctx, string(account), place, string(page.Call), page.Limit)
	err = each(rows, err, func(r row) error {
		record, err := scanRecord(r)
		records = append(records, record)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list records: %w", named(err))
	}
	return records, nil
}

// latest is the latest time that is stored: the clock never goes back behind it.
func (j *journal) latest(ctx context.Context) (time.Time, error) {
	var ns int64
	if err := j.reader.QueryRowContext(ctx, sqlLatest).Scan(&ns); err != nil {
		return time.Time{}, fmt.Errorf("read latest time: %w", named(err))
	}
	return stored.Time(ns), nil
}

// row is what a query yields one of.
type row interface{ Scan(into ...any) error }

// each reads all rows of a query.
func each(rows *sql.Rows, err error, read func(row) error) error {
	if err != nil {
		return err
	}
	for err == nil && rows.Next() {
		err = read(rows)
	}
	return errors.Join(err, rows.Err(), rows.Close())
}

func scanEnded(r row) (call.Call, error) {
	var id call.ID
	var ended int64
	var body []byte
	if err := r.Scan(&id, &ended, &body); err != nil {
		return call.Call{}, err
	}
	return stored.Decode(id, body, nil)
}

func scanRecord(r row) (record call.Record, err error) {
	var created, ended, seconds int64
	err = r.Scan(&record.Call, &record.Kind, &record.Type, &record.Caller, &record.Callee, &record.Reason,
		&created, &ended, &seconds,
		&record.CallerCard.Name, &record.CallerCard.Avatar, &record.CalleeCard.Name, &record.CalleeCard.Avatar, &record.Deaf)
	record.CreatedAt, record.EndedAt = stored.Time(created), stored.Time(ended)
	record.Duration = time.Duration(seconds) * time.Second
	return record, err
}
