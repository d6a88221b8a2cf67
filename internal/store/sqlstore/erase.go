package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
)

const (
	// No index finds the calls of an account without a record, or its events: sqlEndedWith and
	// sqlEventsWith look at the bytes of a portion. sqlEndedEnd and sqlEventsEnd are where that ends.
	sqlEndedEnd = `
		SELECT ended_ns, id FROM (SELECT ended_ns, id FROM ended WHERE (ended_ns, id) > ($1, $2) ORDER BY ended_ns, id LIMIT $3)
		ORDER BY ended_ns DESC, id DESC LIMIT 1`
	sqlEndedWith = `
		SELECT id, ended_ns, body FROM ended
		WHERE (ended_ns, id) > ($1, $2) AND (ended_ns, id) <= ($3, $4) AND instr(body, $5) > 0 ORDER BY ended_ns, id`
	sqlEventsEnd  = `SELECT coalesce(max(seq), $1) FROM (SELECT seq FROM events WHERE seq > $1 ORDER BY seq LIMIT $2)`
	sqlEventsWith = `SELECT ` + eventColumns + ` FROM events WHERE seq > $1 AND seq <= $2 AND instr(body, $3) > 0 ORDER BY seq`

	sqlSearched    = `SELECT ended_ns, seq FROM erasures WHERE alias = $1`
	sqlPutSearched = `
		INSERT INTO erasures (alias, ended_ns, seq) VALUES ($1, $2, $3)
		ON CONFLICT (alias) DO UPDATE SET ended_ns = excluded.ended_ns, seq = excluded.seq`
	sqlForgetSearched = `DELETE FROM erasures WHERE alias = $1`

	sqlEventOf    = `SELECT ` + eventColumns + ` FROM events WHERE seq = $1`
	sqlEraseEvent = `UPDATE events SET body = $2 WHERE seq = $1`

	// sqlPortion are the next records of an account.
	sqlPortion      = `SELECT call_id FROM parties WHERE account = $1 ORDER BY ended_ns, call_id LIMIT $2`
	sqlEraseCaller  = `UPDATE records SET caller = $3, caller_name = '', caller_avatar = '' WHERE caller = $1 AND call_id IN (` + sqlPortion + `)`
	sqlEraseCallee  = `UPDATE records SET callee = $3, callee_name = '', callee_avatar = '' WHERE callee = $1 AND call_id IN (` + sqlPortion + `)`
	sqlEraseParties = `DELETE FROM parties WHERE account = $1 AND call_id IN (` + sqlPortion + `)`
	// No row of parties leads to a deaf record from its callee.
	sqlEraseDeaf = `
		UPDATE records SET callee = $3, callee_name = '', callee_avatar = '' WHERE call_id IN
			(SELECT call_id FROM records WHERE callee = $1 AND deaf = 1 LIMIT $2)`
	sqlEraseBlocks = `DELETE FROM blocks WHERE account = $1 OR blocked = $1`
	sqlEraseEnded  = `UPDATE ended SET body = $2 WHERE id = $1`
	sqlEraseTarget = `UPDATE audit SET target = $2 WHERE target = $1 AND action GLOB '` + store.AccountActions + `*'`
	sqlEraseOther  = `UPDATE audit SET other = $2 WHERE other = $1 AND other <> '' AND action GLOB '` + store.AccountActions + `*'`
)

// EndedWith implements store.Journal.
func (b books) EndedWith(ctx context.Context, account call.Account, after store.Ended, limit int) (ids []call.ID, next store.Ended, err error) {
	from := stored.Nanos(after.At)
	var to int64
	err = b.j.reader.QueryRowContext(ctx, sqlEndedEnd, from, string(after.ID), limit).Scan(&to, &next.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, after, nil
	}
	next.At = stored.Time(to)
	if err == nil {
		var rows *sql.Rows
		rows, err = b.j.reader.QueryContext(ctx, sqlEndedWith, from, string(after.ID), to, string(next.ID), []byte(account))
		err = each(rows, err, func(r row) error {
			c, err := scanEnded(r)
			if err == nil && c.Names(account) {
				ids = append(ids, c.ID)
			}
			return err
		})
	}
	if err != nil {
		return nil, store.Ended{}, fmt.Errorf("look through ended calls: %w", named(err))
	}
	return ids, next, nil
}

// Erase implements store.Journal.
func (b books) Erase(e store.Erasure) (more bool, err error) {
	calls, err := b.toErase(&e)
	var events []store.Event
	if err == nil {
		events, err = b.eventsToErase(&e)
	}
	if err != nil {
		return false, fmt.Errorf("%w: %w", store.ErrNotDone, err)
	}
	b.j.mu.Lock()
	defer b.j.mu.Unlock()
	b.j.changes += pruneRows
	err = b.j.transact(func(w *writer) error {
		for i := range calls {
			if err := w.eraseCall(&calls[i], &e); err != nil {
				return err
			}
		}
		for i := range events {
			if err := w.eraseEvent(&events[i], &e); err != nil {
				return err
			}
		}
		if e.Searched != (store.Searched{}) {
			if err := w.putSearched(&e); err != nil {
				return err
			}
		}
		rows, err := w.eraseRecords(&e)
		if more = rows == pruneRows; err != nil || more || !e.Last {
			return err
		}
		return w.eraseAudit(&e)
	})
	return more, err
}

// toErase reads the ended calls of the list that still have the account.
func (b books) toErase(e *store.Erasure) (calls []call.Call, err error) {
	for _, id := range e.Ended {
		c, err := b.j.Ended(context.Background(), id)
		switch {
		case errors.Is(err, store.ErrNotFound): // It was pruned.
		case err != nil:
			return nil, err
		case c.Names(e.Account):
			calls = append(calls, c)
		}
	}
	return calls, nil
}

func (w *writer) eraseCall(c *call.Call, e *store.Erasure) error {
	c.Erase(e.Account, e.Alias)
	body, err := stored.Encode(c)
	if err == nil {
		_, err = w.once(sqlEraseEnded, string(c.ID), body)
	}
	return err
}

// EventsWith implements store.Journal.
func (b books) EventsWith(ctx context.Context, account call.Account, after int64, limit int) (seqs []int64, next int64, err error) {
	err = b.j.reader.QueryRowContext(ctx, sqlEventsEnd, after, limit).Scan(&next)
	if err == nil && next > after {
		var rows *sql.Rows
		rows, err = b.j.reader.QueryContext(ctx, sqlEventsWith, after, next, []byte(account))
		err = each(rows, err, func(r row) error {
			e, err := scanEvent(r)
			if err == nil && e.Call.Names(account) {
				seqs = append(seqs, e.Seq)
			}
			return err
		})
	}
	if err != nil {
		return nil, 0, fmt.Errorf("look through events: %w", named(err))
	}
	return seqs, next, nil
}

// Searched implements store.Journal.
func (b books) Searched(ctx context.Context, alias call.Account) (s store.Searched, err error) {
	var ended int64
	err = b.j.reader.QueryRowContext(ctx, sqlSearched, string(alias)).Scan(&ended, &s.Event)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return store.Searched{}, nil
	case err != nil:
		return store.Searched{}, fmt.Errorf("read erasure: %w", named(err))
	}
	s.Ended = stored.Time(ended)
	return s, nil
}

// putSearched stores the progress of an erasure.
func (w *writer) putSearched(e *store.Erasure) error {
	_, err := w.once(sqlPutSearched, string(e.Alias), stored.Nanos(e.Searched.Ended), e.Searched.Event)
	return err
}

// eventsToErase reads the events of the list that still have the account.
func (b books) eventsToErase(e *store.Erasure) (events []store.Event, err error) {
	for _, seq := range e.Events {
		event, err := scanEvent(b.j.reader.QueryRowContext(context.Background(), sqlEventOf, seq))
		switch {
		case errors.Is(err, sql.ErrNoRows): // It was pruned.
		case err != nil:
			return nil, fmt.Errorf("read event: %w", named(err))
		case event.Call.Names(e.Account):
			events = append(events, event)
		}
	}
	return events, nil
}

// eraseEvent erases one event in the store. Receivers keep what they received.
func (w *writer) eraseEvent(event *store.Event, e *store.Erasure) error {
	event.Call.Erase(e.Account, e.Alias)
	body, err := stored.Encode(event.Call)
	if err == nil {
		_, err = w.once(sqlEraseEvent, event.Seq, body)
	}
	return err
}

// eraseRecords erases a portion of the records, and returns how many.
func (w *writer) eraseRecords(e *store.Erasure) (rows int64, err error) {
	account, alias := string(e.Account), string(e.Alias)
	for _, query := range []string{sqlEraseCaller, sqlEraseCallee} {
		if _, err := w.once(query, account, int64(pruneRows), alias); err != nil {
			return 0, err
		}
	}
	deaf, err := w.once(sqlEraseDeaf, account, int64(pruneRows), alias)
	if err != nil {
		return 0, err
	}
	rows, err = w.once(sqlEraseParties, account, int64(pruneRows))
	return max(rows, deaf), err
}

// eraseAudit does the rest, once nothing else has the account.
func (w *writer) eraseAudit(e *store.Erasure) error {
	if _, err := w.once(sqlEraseBlocks, string(e.Account)); err != nil {
		return err
	}
	if _, err := w.once(sqlForgetSearched, string(e.Alias)); err != nil {
		return err
	}
	for _, query := range []string{sqlEraseTarget, sqlEraseOther} {
		if _, err := w.once(query, string(e.Account), string(e.Alias)); err != nil {
			return err
		}
	}
	return w.fileAudit(&e.Audit)
}
