package pgstore

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/jackc/pgx/v5"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
)

// erasePortion is how many calls, and events, are erased in one transaction.
const erasePortion = 500

// The statements of an erasure. $1 is the account.
const (
	sqlNamed = `
		SELECT EXISTS (SELECT FROM claims WHERE account = $1)
			OR EXISTS (SELECT FROM calls WHERE callee = $1 AND deaf AND ended_ns IS NULL)`
	// No claim and no party leads to a deaf call from its callee.
	sqlEndedWith = `
		(SELECT call_id FROM parties WHERE account = $1 ORDER BY ended_ns, call_id LIMIT $2)
		UNION (SELECT id FROM calls WHERE callee = $1 AND deaf AND ended_ns IS NOT NULL LIMIT $2)
		UNION (SELECT call_id FROM records WHERE callee = $1 AND deaf LIMIT $2)`
	sqlToErase    = `SELECT id, body FROM calls WHERE id = ANY($1) AND ended_ns IS NOT NULL ORDER BY id FOR UPDATE`
	sqlEraseCalls = `
		UPDATE calls SET body = e.body, caller = e.caller, callee = e.callee
		FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) AS e (id, caller, callee, body) WHERE calls.id = e.id`
	sqlEraseCaller  = `UPDATE records SET caller = $3, caller_name = '', caller_avatar = '' WHERE caller = $1 AND call_id = ANY($2)`
	sqlEraseCallee  = `UPDATE records SET callee = $3, callee_name = '', callee_avatar = '' WHERE callee = $1 AND call_id = ANY($2)`
	sqlEraseParties = `DELETE FROM parties WHERE account = $1 AND call_id = ANY($2)`

	sqlEventsWith = `
		SELECT seq, call_id, body FROM events WHERE seq IN (
			(SELECT seq FROM events WHERE caller = $1 LIMIT $2) UNION (SELECT seq FROM events WHERE callee = $1 LIMIT $2))
		ORDER BY seq FOR UPDATE`
	sqlEraseEvents = `
		UPDATE events SET body = e.body, caller = e.caller, callee = e.callee
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[]) AS e (seq, caller, callee, body) WHERE events.seq = e.seq`

	// The claim of an erasure, which is never seen by others: those who claim the account wait.
	sqlShut = `INSERT INTO claims (account, call_id, attempt) VALUES ($1, '', $2) ON CONFLICT DO NOTHING`
	sqlOpen = `DELETE FROM claims WHERE account = $1 AND attempt = $2`

	sqlEraseBlocks = `DELETE FROM blocks WHERE account = $1 OR blocked = $1`
	sqlEraseTarget = `UPDATE audit SET target = $2 WHERE target = $1 AND starts_with(action, '` + store.AccountActions + `')`
	sqlEraseOther  = `UPDATE audit SET other = $2 WHERE other = $1 AND other <> '' AND starts_with(action, '` + store.AccountActions + `')`
)

// erasing is the erasure of an account under way.
type erasing struct {
	account, alias call.Account
	audit          store.Audit
}

// Erase implements store.Store. It goes in portions. While the last one is made no call of the
// account can begin; that one files the audit entry.
func (b *books) Erase(ctx context.Context, account call.Account, audit store.Audit) error {
	if store.IsAlias(account) {
		return store.ErrAlias
	}
	e := erasing{account: account, alias: b.Alias(account), audit: audit}
	for {
		var more bool
		err := b.store.write(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
			if err := e.free(ctx, tx); err != nil {
				return err
			}
			more, err = e.portion(ctx, tx)
			return err
		})
		if err == nil && !more {
			err = b.store.write(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
				more, err = e.last(ctx, tx)
				return err
			})
		}
		if err != nil {
			return fmt.Errorf("erase account: %w", err)
		}
		if !more {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// free refuses an account that is in a live call.
func (e *erasing) free(ctx context.Context, tx pgx.Tx) error {
	var busy bool
	if err := tx.QueryRow(ctx, sqlNamed, string(e.account)).Scan(&busy); err != nil {
		return err
	}
	if busy {
		return store.ErrInCall
	}
	return nil
}

// last erases what was committed since the portion before, and ends the erasure. Where that is a
// whole portion, more of them are needed first.
func (e *erasing) last(ctx context.Context, tx pgx.Tx) (more bool, err error) {
	attempt := int64(rand.Uint64())
	done, err := tx.Exec(ctx, sqlShut, string(e.account), attempt)
	if err != nil {
		return false, err
	}
	if done.RowsAffected() == 0 {
		return false, store.ErrInCall
	}
	if _, err := tx.Exec(ctx, sqlOpen, string(e.account), attempt); err != nil {
		return false, err
	}
	if err := e.free(ctx, tx); err != nil {
		return false, err
	}
	if more, err = e.portion(ctx, tx); err != nil || more {
		return more, err
	}
	if _, err := tx.Exec(ctx, sqlEraseBlocks, string(e.account)); err != nil {
		return false, err
	}
	for _, query := range []string{sqlEraseTarget, sqlEraseOther} {
		if _, err := tx.Exec(ctx, query, string(e.account), string(e.alias)); err != nil {
			return false, err
		}
	}
	return false, fileAudit(ctx, tx, e.audit)
}

// portion erases a portion of calls with their records, and of events. More says that it was full.
func (e *erasing) portion(ctx context.Context, tx pgx.Tx) (more bool, err error) {
	rows, err := tx.Query(ctx, sqlEndedWith, string(e.account), erasePortion)
	if err != nil {
		return false, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return false, err
	}
	if len(ids) > 0 {
		if err := e.calls(ctx, tx, ids); err != nil {
			return false, err
		}
	}
	events, err := e.events(ctx, tx)
	return len(ids) >= erasePortion || events >= erasePortion, err
}

// erased are bodies in which an account was replaced, to be written.
type erased struct {
	ids, callers, callees []string
	seqs                  []int64
	bodies                [][]byte
}

// take replaces the account in a body.
func (r *erased) take(e *erasing, id string, seq int64, body []byte) error {
	c, err := stored.Decode(call.ID(id), body, nil)
	if err != nil {
		return err
	}
	c.Erase(e.account, e.alias)
	if body, err = stored.Encode(&c); err != nil {
		return err
	}
	r.ids, r.seqs, r.bodies = append(r.ids, id), append(r.seqs, seq), append(r.bodies, body)
	r.callers, r.callees = append(r.callers, string(c.Caller().Account)), append(r.callees, string(c.Callee().Account))
	return nil
}

// calls erases calls that have ended, and their records.
func (e *erasing) calls(ctx context.Context, tx pgx.Tx, ids []string) error {
	rows, err := tx.Query(ctx, sqlToErase, ids)
	if err != nil {
		return err
	}
	var r erased
	var id string
	var body []byte
	if _, err := pgx.ForEachRow(rows, []any{&id, &body}, func() error { return r.take(e, id, 0, body) }); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, sqlEraseCalls, r.ids, r.callers, r.callees, r.bodies); err != nil {
		return err
	}
	for _, query := range []string{sqlEraseCaller, sqlEraseCallee} {
		if _, err := tx.Exec(ctx, query, string(e.account), ids, string(e.alias)); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, sqlEraseParties, string(e.account), ids)
	return err
}

// events erases a portion of events. Who received one has it still.
func (e *erasing) events(ctx context.Context, tx pgx.Tx) (n int, err error) {
	rows, err := tx.Query(ctx, sqlEventsWith, string(e.account), erasePortion)
	if err != nil {
		return 0, err
	}
	var r erased
	var id string
	var seq int64
	var body []byte
	if _, err := pgx.ForEachRow(rows, []any{&seq, &id, &body}, func() error { return r.take(e, id, seq, body) }); err != nil {
		return 0, err
	}
	if len(r.seqs) == 0 {
		return 0, nil
	}
	if _, err := tx.Exec(ctx, sqlEraseEvents, r.seqs, r.callers, r.callees, r.bodies); err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `UPDATE books SET erasures = erasures + 1`)
	return len(r.seqs), err
}
