package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
)

// The reads. All go to the server that takes the writes. Deadlines of calls of a newer format are
// left to other nodes.
const (
	sqlDescribed = ` LEFT JOIN descriptions o ON o.call_id = c.id AND NOT o.is_answer LEFT JOIN descriptions a ON a.call_id = c.id AND a.is_answer`

	sqlCall = `SELECT c.id, c.format, c.body, o.sdp, a.sdp FROM calls c` + sqlDescribed + ` WHERE c.id = $1`

	sqlCallsOf = `
SELECT c.id, c.format, c.body, o.sdp, a.sdp FROM (
	SELECT c.* FROM claims k JOIN calls c ON c.id = k.call_id AND c.state <> 4 WHERE k.account = $1
	UNION ALL
	SELECT c.* FROM parties p JOIN calls c ON c.id = p.call_id AND c.ended_ns = p.ended_ns WHERE p.account = $1 AND p.ended_ns >= $2
) AS c` + sqlDescribed + `
ORDER BY c.created_ns, c.id`

	sqlNaming = `
SELECT call_id FROM claims WHERE account = $1
UNION SELECT id FROM calls WHERE callee = $1 AND deaf AND ended_ns IS NULL
ORDER BY 1`

	sqlDue = `SELECT id FROM calls WHERE deadline_ns IS NOT NULL AND deadline_ns <= $1 AND format <= $3 ORDER BY deadline_ns, id LIMIT $2`

	sqlLive = `
SELECT c.id, c.format, c.body, o.sdp, a.sdp FROM calls c` + sqlDescribed + `
WHERE c.ended_ns IS NULL AND c.id > $1 ORDER BY c.id LIMIT $2`

	sqlChanged = `
SELECT id, rev, caller, CASE WHEN deaf THEN '' ELSE callee END, changed_ns FROM calls
WHERE (changed_ns, id) > ($1, $2) ORDER BY changed_ns, id LIMIT $3`

	sqlNow = `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000`
)

// Call implements store.Store.
func (s *Store) Call(ctx context.Context, id call.ID) (c call.Call, err error) {
	if !fits(string(id)) {
		return call.Call{}, store.ErrNotFound
	}
	err = s.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		rows, _ := pool.Query(ctx, sqlCall, string(id)) // The rows have the error.
		c, err = pgx.CollectExactlyOneRow(rows, s.scanCall)
		return err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return call.Call{}, store.ErrNotFound
	case err != nil:
		return call.Call{}, fmt.Errorf("read call: %w", err)
	}
	return c, nil
}

// scanCall reads a call.
func (s *Store) scanCall(row pgx.CollectableRow) (call.Call, error) {
	var id call.ID
	var format uint8
	var body, offer, answer []byte
	if err := row.Scan((*string)(&id), &format, &body, &offer, &answer); err != nil {
		return call.Call{}, err
	}
	c, err := stored.Decode(id, body, nil)
	if err != nil {
		return call.Call{}, err
	}
	if format > call.Format {
		c.Format = format
	}
	if c.Media.Offer, err = expand(offer); err == nil {
		c.Media.Answer, err = expand(answer)
	}
	if err != nil {
		return call.Call{}, fmt.Errorf("read call %s: %w", id, err)
	}
	s.descriptions.note(&c)
	return c, nil
}

// collect runs a read of rows.
func collect[T any](ctx context.Context, s *Store, scan pgx.RowToFunc[T], sql string, args ...any) (list []T, err error) {
	err = s.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		rows, _ := pool.Query(ctx, sql, args...) // The rows have the error.
		list, err = pgx.CollectRows(rows, scan)
		return err
	})
	return list, err
}

// CallsOf implements store.Store.
func (s *Store) CallsOf(ctx context.Context, account call.Account, endedSince time.Time) ([]call.Call, error) {
	if store.IsAlias(account) || !fits(string(account)) {
		return nil, nil
	}
	calls, err := collect(ctx, s, s.scanCall, sqlCallsOf, string(account), stored.Nanos(endedSince))
	if err != nil {
		return nil, fmt.Errorf("read calls of account: %w", err)
	}
	return calls, nil
}

// Naming implements store.Store.
func (s *Store) Naming(ctx context.Context, account call.Account) ([]call.ID, error) {
	if !fits(string(account)) {
		return nil, nil
	}
	ids, err := collect(ctx, s, scanID, sqlNaming, string(account))
	if err != nil {
		return nil, fmt.Errorf("find calls naming account: %w", err)
	}
	return ids, nil
}

func scanID(row pgx.CollectableRow) (id call.ID, err error) {
	err = row.Scan((*string)(&id))
	return id, err
}

// Due implements store.Store.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]call.ID, error) {
	ids, err := collect(ctx, s, scanID, sqlDue, stored.Nanos(now), limit, int16(call.Format))
	if err != nil {
		return nil, fmt.Errorf("find due calls: %w", err)
	}
	return ids, nil
}

// Live implements store.Store.
func (s *Store) Live(ctx context.Context, after call.ID, limit int) ([]call.Call, error) {
	calls, err := collect(ctx, s, s.scanCall, sqlLive, string(after), limit)
	if err != nil {
		return nil, fmt.Errorf("read live calls: %w", err)
	}
	return calls, nil
}

// Changed implements store.Store.
func (s *Store) Changed(ctx context.Context, since time.Time, after call.ID, limit int) ([]store.Mark, error) {
	marks, err := collect(ctx, s, func(row pgx.CollectableRow) (m store.Mark, err error) {
		var at int64
		err = row.Scan((*string)(&m.Call), &m.Rev, (*string)(&m.Caller), (*string)(&m.Callee), &at)
		m.At = stored.Time(at)
		return m, err
	}, sqlChanged, stored.Nanos(since), string(after), limit)
	if err != nil {
		return nil, fmt.Errorf("read changed calls: %w", err)
	}
	return marks, nil
}

// Now implements store.Store: it is the clock of the database.
func (s *Store) Now(ctx context.Context) (now time.Time, err error) {
	err = s.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		var ns int64
		err := pool.QueryRow(ctx, sqlNow).Scan(&ns)
		now = stored.Time(ns)
		return err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("read clock: %w", err)
	}
	return now, nil
}
