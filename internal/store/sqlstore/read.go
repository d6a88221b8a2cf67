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
)

// The queries. Each reads one consistent state by being one statement.
const (
	sqlCall = `
		SELECT body, generation, offer, answer FROM calls
		LEFT JOIN descriptions ON call_id = id WHERE id = $1`
	// An account is in a live call exactly while that call claims it.
	sqlCallsOf = `
		SELECT body, generation, offer, answer FROM (
			SELECT created_ns, id, body FROM calls
			WHERE id IN (SELECT call_id FROM claims WHERE account = $1)
			UNION ALL
			SELECT created_ns, id, body FROM calls WHERE caller = $1 AND ended_ns >= $2
			UNION ALL
			SELECT created_ns, id, body FROM calls WHERE callee = $1 AND ended_ns >= $2
		) AS found
		LEFT JOIN descriptions ON call_id = id
		ORDER BY created_ns, id`
	sqlDue  = `SELECT id FROM calls WHERE deadline_ns <= $1 ORDER BY deadline_ns, id LIMIT $2`
	sqlLive = `
		SELECT body, generation, offer, answer FROM calls
		LEFT JOIN descriptions ON call_id = id
		WHERE ended_ns IS NULL AND id > $1 ORDER BY id LIMIT $2`
	sqlChanged = `
		SELECT id, rev, caller, callee, changed_ns FROM calls
		WHERE (changed_ns, id) > ($1, $2) ORDER BY changed_ns, id LIMIT $3`
	sqlRecordPlace   = `SELECT ended_ns FROM records WHERE call_id = $1 AND $2 IN (caller, callee)`
	sqlRecordsBefore = `
		SELECT call_id, kind, type, caller, callee, reason, created_ns, ended_ns, duration_s,
			caller_name, caller_avatar, callee_name, callee_avatar FROM records
		WHERE caller = $1 AND (ended_ns, call_id) < ($2, $3)
		UNION ALL
		SELECT call_id, kind, type, caller, callee, reason, created_ns, ended_ns, duration_s,
			caller_name, caller_avatar, callee_name, callee_avatar FROM records
		WHERE callee = $1 AND (ended_ns, call_id) < ($2, $3)
		ORDER BY ended_ns DESC, call_id DESC LIMIT $4`
	sqlRecordsAfter = `
		SELECT call_id, kind, type, caller, callee, reason, created_ns, ended_ns, duration_s,
			caller_name, caller_avatar, callee_name, callee_avatar FROM records
		WHERE caller = $1 AND (ended_ns, call_id) > ($2, $3)
		UNION ALL
		SELECT call_id, kind, type, caller, callee, reason, created_ns, ended_ns, duration_s,
			caller_name, caller_avatar, callee_name, callee_avatar FROM records
		WHERE callee = $1 AND (ended_ns, call_id) > ($2, $3)
		ORDER BY ended_ns, call_id LIMIT $4`
)

// reads are the queries, prepared once.
type reads struct {
	call, callsOf, due, live, changed        *sql.Stmt
	recordPlace, recordsBefore, recordsAfter *sql.Stmt
}

func prepareReads(ctx context.Context, db *sql.DB) (r reads, err error) {
	err = prepare(ctx, db, map[string]**sql.Stmt{
		sqlCall: &r.call, sqlCallsOf: &r.callsOf, sqlDue: &r.due, sqlLive: &r.live, sqlChanged: &r.changed,
		sqlRecordPlace: &r.recordPlace, sqlRecordsBefore: &r.recordsBefore, sqlRecordsAfter: &r.recordsAfter,
	})
	return r, err
}

// Call implements store.Store.
func (s *Store) Call(ctx context.Context, id call.ID) (call.Call, error) {
	c, err := scanCall(s.read.call.QueryRowContext(ctx, id))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return call.Call{}, store.ErrNotFound
	case err != nil:
		return call.Call{}, fmt.Errorf("load call: %w", named(err))
	}
	return c, nil
}

// CallsOf implements store.Store.
func (s *Store) CallsOf(ctx context.Context, account call.Account, endedSince time.Time) ([]call.Call, error) {
	calls, err := list(ctx, s.read.callsOf, scanCall, account, unixNano(endedSince))
	if err != nil {
		return nil, fmt.Errorf("list calls of account: %w", named(err))
	}
	return calls, nil
}

// Due implements store.Store.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]call.ID, error) {
	ids, err := list(ctx, s.read.due, scan[call.ID], unixNano(now), limit)
	if err != nil {
		return nil, fmt.Errorf("list due calls: %w", named(err))
	}
	return ids, nil
}

// Live implements store.Store.
func (s *Store) Live(ctx context.Context, after call.ID, limit int) ([]call.Call, error) {
	calls, err := list(ctx, s.read.live, scanCall, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list live calls: %w", named(err))
	}
	return calls, nil
}

// Changed implements store.Store.
func (s *Store) Changed(ctx context.Context, since time.Time, after call.ID, limit int) ([]store.Mark, error) {
	marks, err := list(ctx, s.read.changed, scanMark, unixNano(since), after, limit)
	if err != nil {
		return nil, fmt.Errorf("list changed calls: %w", named(err))
	}
	return marks, nil
}

// Records implements store.Store. A record never changes, so that finding a
// place and reading from there need not be one statement.
func (s *Store) Records(ctx context.Context, account call.Account, page store.Page) ([]call.Record, error) {
	place := unixNano(page.Time)
	if page.Time.IsZero() && !page.Forward {
		place = math.MaxInt64
	}
	if page.Call != "" {
		err := s.read.recordPlace.QueryRowContext(ctx, page.Call, account).Scan(&place)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("find record: %w", named(err))
		}
	}
	query := s.read.recordsBefore
	if page.Forward {
		query = s.read.recordsAfter
	}
	records, err := list(ctx, query, scanRecord, account, place, page.Call, page.Limit)
	if err != nil {
		return nil, fmt.Errorf("list records: %w", named(err))
	}
	return records, nil
}

// row is what a query yields one of.
type row interface{ Scan(into ...any) error }

// list reads all rows of a query.
func list[T any](ctx context.Context, query *sql.Stmt, read func(row) (T, error), args ...any) (all []T, err error) {
	rows, err := query.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		one, err := read(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

func scan[T any](r row) (one T, err error) {
	err = r.Scan(&one)
	return one, err
}

func scanMark(r row) (m store.Mark, err error) {
	var at int64
	err = r.Scan(&m.Call, &m.Rev, &m.Caller, &m.Callee, &at)
	m.At = fromUnixNano(at)
	return m, err
}

func scanRecord(r row) (record call.Record, err error) {
	var created, ended, seconds int64
	err = r.Scan(&record.Call, &record.Kind, &record.Type, &record.Caller, &record.Callee, &record.Reason,
		&created, &ended, &seconds,
		&record.CallerCard.Name, &record.CallerCard.Avatar, &record.CalleeCard.Name, &record.CalleeCard.Avatar)
	record.CreatedAt, record.EndedAt = fromUnixNano(created), fromUnixNano(ended)
	record.Duration = time.Duration(seconds) * time.Second
	return record, err
}
