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
	// sqlWith looks at the bytes of each call: no index finds those without a record.
	sqlWith = `SELECT id, ended_ns, body FROM ended WHERE instr(body, $1) > 0 ORDER BY id`

	sqlEventsWith = `SELECT ` + eventColumns + ` FROM events WHERE seq > $2 AND instr(body, $1) > 0 ORDER BY seq`
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
func (b books) EndedWith(ctx context.Context, account call.Account) (ids []call.ID, err error) {
	rows, err := b.j.reader.QueryContext(ctx, sqlWith, []byte(account))
	err = each(rows, err, func(r row) error {
		c, err := scanEnded(r)
		if err == nil && c.Names(account) {
			ids = append(ids, c.ID)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look through ended calls: %w", named(err))
	}
	return ids, nil
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
		rows, err := w.eraseRecords(&e)
		if more = rows == pruneRows; err != nil || more || !e.Last {
			return err
		}
		return w.eraseAudit(&e)
	})
	return more, err
}

// toErase reads those of the ended calls that have the account still.
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

// EventsWith implements store.Journal. It looks at the bytes of each event.
func (b books) EventsWith(ctx context.Context, account call.Account, after int64) (seqs []int64, err error) {
	rows, err := b.j.reader.QueryContext(ctx, sqlEventsWith, []byte(account), after)
	err = each(rows, err, func(r row) error {
		e, err := scanEvent(r)
		if err == nil && e.Call.Names(account) {
			seqs = append(seqs, e.Seq)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look through events: %w", named(err))
	}
	return seqs, nil
}

// eventsToErase reads those of the events that have the account still.
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

// eraseEvent erases one event. Who received it has it still.
func (w *writer) eraseEvent(event *store.Event, e *store.Erasure) error {
	event.Call.Erase(e.Account, e.Alias)
	body, err := stored.Encode(event.Call)
	if err == nil {
		_, err = w.once(sqlEraseEvent, event.Seq, body)
	}
	return err
}

// eraseRecords erases a portion of the records, and says how many.
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

// eraseAudit is what is done once nothing else has the account.
func (w *writer) eraseAudit(e *store.Erasure) error {
	if _, err := w.once(sqlEraseBlocks, string(e.Account)); err != nil {
		return err
	}
	for _, query := range []string{sqlEraseTarget, sqlEraseOther} {
		if _, err := w.once(query, string(e.Account), string(e.Alias)); err != nil {
			return err
		}
	}
	return w.fileAudit(&e.Audit)
}
