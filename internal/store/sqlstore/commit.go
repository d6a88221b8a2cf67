package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// The statements of a commit.
const (
	sqlSavepoint = `SAVEPOINT change`
	sqlUndo      = `ROLLBACK TO SAVEPOINT change`
	sqlRelease   = `RELEASE SAVEPOINT change`

	sqlCreate = `
		INSERT INTO calls (id, rev, state, caller, callee, deadline_ns, created_ns, ended_ns, changed_ns, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (id) DO NOTHING`
	sqlUpdate = `
		UPDATE calls SET rev = $3, state = $4, deadline_ns = $5, ended_ns = $6, changed_ns = $7, body = $8
		WHERE id = $1 AND rev = $2 AND ended_ns IS NULL`
	sqlClaim  = `INSERT INTO claims (account, call_id) VALUES ($1, $2) ON CONFLICT (account) DO NOTHING`
	sqlHolder = `SELECT call_id FROM claims WHERE account = $1`
	sqlFree   = `DELETE FROM claims WHERE call_id = $1`
	sqlFile   = `
		INSERT INTO records (call_id, kind, type, caller, callee, reason, created_ns, ended_ns, duration_s,
			caller_name, caller_avatar, callee_name, callee_avatar)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (call_id) DO NOTHING`
)

// claimTries bounds how often a claim is tried that others take and free at
// the same moment.
const claimTries = 10

// writes are the statements of a commit, prepared once.
type writes struct {
	savepoint, undo, release *sql.Stmt
	create, update           *sql.Stmt
	claim, holder, free      *sql.Stmt
	file                     *sql.Stmt
	describe, forget         *sql.Stmt
	leave, lease, alive      *sql.Stmt
}

func prepareWrites(ctx context.Context, db *sql.DB) (w writes, err error) {
	err = prepare(ctx, db, map[string]**sql.Stmt{
		sqlSavepoint: &w.savepoint, sqlUndo: &w.undo, sqlRelease: &w.release,
		sqlCreate: &w.create, sqlUpdate: &w.update,
		sqlClaim: &w.claim, sqlHolder: &w.holder, sqlFree: &w.free,
		sqlFile: &w.file, sqlDescribe: &w.describe, sqlForget: &w.forget,
		sqlLeave: &w.leave, sqlLease: &w.lease, sqlAlive: &w.alive,
	})
	return w, err
}

// prepare prepares statements, once for as long as the database is open.
func prepare(ctx context.Context, db *sql.DB, statements map[string]**sql.Stmt) (err error) {
	for query, stmt := range statements {
		if *stmt, err = db.PrepareContext(ctx, query); err != nil {
			return fmt.Errorf("prepare statement: %w", err)
		}
	}
	return nil
}

// Commit implements store.Store: one transaction for all changes. An error that
// is no verdict undoes the whole transaction, if it can.
func (s *Store) Commit(ctx context.Context, changes []store.Change) ([]store.Result, error) {
	if err := ctx.Err(); err != nil {
		return store.Unknown(len(changes), err), err
	}
	// What has begun is carried through: it waits for the disk alone, which no
	// cancelling would hurry.
	ctx = context.WithoutCancel(ctx)
	results := make([]store.Result, len(changes))
	b := batch{ctx: ctx, write: &s.write, described: &s.described, now: unixNano(s.clock())}
	err := s.transact(ctx, func(tx *sql.Tx) (err error) {
		b.tx = tx
		for i, change := range changes {
			if invalid := change.Validate(); invalid != nil {
				results[i].Err = invalid
				continue
			}
			if results[i], err = b.make(change); err != nil {
				return err
			}
		}
		return nil
	})
	s.described.learn(b.touched, err == nil)
	if err != nil {
		err = fmt.Errorf("commit changes: %w", named(err))
		return store.Unknown(len(changes), err), err
	}
	return results, nil
}

// transact runs do in a transaction of the connection that writes.
func (s *Store) transact(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		// The database may have rolled back by itself, so that doing it again
		// is an error that tells nothing.
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// batch is one transaction at work.
type batch struct {
	ctx   context.Context
	tx    *sql.Tx
	write *writes
	now   int64
	// described says what lies there already; touched is whose is written.
	described *described
	touched   []*call.Call
}

// make makes one change, or leaves no trace of it.
func (b *batch) make(change store.Change) (store.Result, error) {
	c := &change.Call
	if change.From != 0 {
		updated, err := b.update(c, change.From)
		return store.Result{Verdict: verdict(updated)}, err
	}
	if !c.Live() {
		created, err := b.create(c)
		return store.Result{Verdict: verdict(created)}, err
	}
	return b.begin(change)
}

// begin makes a new live call, within a savepoint: some of its accounts may be
// claimed before it turns out that others are taken.
func (b *batch) begin(change store.Change) (store.Result, error) {
	touched := len(b.touched)
	if _, err := b.exec(b.write.savepoint); err != nil {
		return store.Result{}, err
	}
	created, err := b.create(&change.Call)
	result := store.Result{Verdict: verdict(created)}
	if err == nil && created {
		result, err = b.claimAll(&change.Call)
	}
	if err != nil {
		return store.Result{}, err
	}
	if result.Verdict != store.Done {
		if _, err := b.exec(b.write.undo); err != nil {
			return store.Result{}, err
		}
		b.touched = b.touched[:touched]
	}
	if _, err := b.exec(b.write.release); err != nil {
		return store.Result{}, err
	}
	if result.Verdict == store.CalleeBusy && change.Busy != nil {
		_, err = b.create(change.Busy)
	}
	return result, err
}

func verdict(written bool) store.Verdict {
	if written {
		return store.Done
	}
	return store.Conflict
}

// create writes a new call, with its record when it has ended, unless there
// is one of this id.
func (b *batch) create(c *call.Call) (created bool, err error) {
	body, err := encode(c)
	if err != nil {
		return false, err
	}
	rows, err := b.exec(b.write.create,
		c.ID, c.Rev, c.State, c.Caller().Account, c.Callee().Account,
		deadline(c), unixNano(c.CreatedAt), ended(c), b.now, body)
	if err != nil || rows == 0 {
		return false, err
	}
	if c.Media.Offer != "" || c.Media.Answer != "" {
		if err := b.describe(c); err != nil {
			return false, err
		}
	}
	return true, b.file(c)
}

// update writes the new state of a stored live call that is at rev from. When
// that ends it, the claims go and the record is filed.
func (b *batch) update(c *call.Call, from uint32) (updated bool, err error) {
	body, err := encode(c)
	if err != nil {
		return false, err
	}
	rows, err := b.exec(b.write.update, c.ID, from, c.Rev, c.State, deadline(c), ended(c), b.now, body)
	if err != nil || rows == 0 {
		return false, err
	}
	if err := b.describe(c); err != nil || c.Live() {
		return err == nil, err
	}
	if _, err := b.exec(b.write.free, c.ID); err != nil {
		return false, err
	}
	return true, b.file(c)
}

// claimAll claims every account of a new call, in sorted order so that two
// transactions never wait for each other. It goes on past an account that is
// taken, because the caller's decides the verdict whatever its place.
func (b *batch) claimAll(c *call.Call) (store.Result, error) {
	accounts := make([]call.Account, len(c.Legs))
	for i := range c.Legs {
		accounts[i] = c.Legs[i].Account
	}
	slices.Sort(accounts)
	result := store.Result{Verdict: store.Done}
	for _, account := range accounts {
		holder, err := b.claim(account, c.ID)
		switch {
		case err != nil:
			return store.Result{}, err
		case holder == c.ID:
		case account == c.Caller().Account:
			result = store.Result{Verdict: store.CallerClaimed, Holder: holder}
		case result.Verdict == store.Done:
			result = store.Result{Verdict: store.CalleeBusy, Holder: holder}
		}
	}
	return result, nil
}

// claim claims an account for a call and returns the call that then holds it.
func (b *batch) claim(account call.Account, id call.ID) (holder call.ID, err error) {
	for range claimTries {
		rows, err := b.exec(b.write.claim, account, id)
		if err != nil || rows != 0 {
			return id, err
		}
		err = b.tx.StmtContext(b.ctx, b.write.holder).QueryRowContext(b.ctx, account).Scan(&holder)
		if !errors.Is(err, sql.ErrNoRows) {
			return holder, err
		}
		// Another transaction freed it between the two statements.
	}
	return "", errors.New("a claim was taken and freed too often")
}

// file files the record of a call that has one.
func (b *batch) file(c *call.Call) error {
	r, ok := c.Record()
	if !ok {
		return nil
	}
	_, err := b.exec(b.write.file, r.Call, r.Kind, r.Type, r.Caller, r.Callee, r.Reason,
		unixNano(r.CreatedAt), unixNano(r.EndedAt), int64(r.Duration.Seconds()),
		r.CallerCard.Name, r.CallerCard.Avatar, r.CalleeCard.Name, r.CalleeCard.Avatar)
	return err
}

// exec runs a statement and returns how many rows it wrote.
func (b *batch) exec(stmt *sql.Stmt, args ...any) (rows int64, err error) {
	done, err := b.tx.StmtContext(b.ctx, stmt).ExecContext(b.ctx, args...)
	if err != nil {
		return 0, err
	}
	return done.RowsAffected()
}

func deadline(c *call.Call) sql.NullInt64 {
	at, ok := c.Deadline()
	return sql.NullInt64{Int64: unixNano(at), Valid: ok}
}

func ended(c *call.Call) sql.NullInt64 {
	return sql.NullInt64{Int64: unixNano(c.Outcome.EndedAt), Valid: !c.Live()}
}
