package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"

	"modernc.org/sqlite"

	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
)

// The statements that write.
const (
	sqlCreate = `
		INSERT INTO live (slot, id, changed_ns, body, descriptions)
		SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS (SELECT 1 FROM ended WHERE id = $2)`
	sqlUpdate = `UPDATE live SET changed_ns = $2, body = $3, descriptions = $4 WHERE slot = $1`
	sqlRemove = `DELETE FROM live WHERE slot = $1`
	sqlEnd    = `INSERT INTO ended (id, ended_ns, body) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING`
	sqlFile   = `
		INSERT INTO records (call_id, kind, type, caller, callee, reason, created_ns, ended_ns, duration_s,
			caller_name, caller_avatar, callee_name, callee_avatar, deaf)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (call_id) DO NOTHING`
	sqlList     = `INSERT INTO parties (account, ended_ns, call_id) VALUES ($1, $3, $4), ($2, $3, $4)`
	sqlListDeaf = `INSERT INTO parties (account, ended_ns, call_id) VALUES ($1, $2, $3)`
	sqlTouch    = `UPDATE clock SET touched_ns = $1`

	sqlPruneCalls = `
		DELETE FROM ended WHERE id IN
			(SELECT id FROM ended WHERE ended_ns < $1 ORDER BY ended_ns LIMIT $2)`
	// A trigger deletes the rows of parties.
	sqlPruneRecords = `
		DELETE FROM records WHERE call_id IN
			(SELECT call_id FROM records WHERE ended_ns < $1 ORDER BY ended_ns, call_id LIMIT $2)`
)

// writer is the connection that writes, with its statements. It is used without
// database/sql, which takes its time for pools and conversions; one goroutine at a
// time uses it.
type writer struct {
	conn driver.Conn
	args []driver.NamedValue
	// prepared are the statements below: SQLite closes no connection that has some.
	prepared []driver.Stmt

	begin, commit, rollback, checkpoint driver.StmtExecContext
	create, update, remove, end         driver.StmtExecContext
	file, list, listDeaf, touch         driver.StmtExecContext
	calls, records                      driver.StmtExecContext
	outbox                              outboxStatements
}

// newWriter opens the connection.
func newWriter(name string) (_ *writer, err error) {
	w := &writer{args: make([]driver.NamedValue, 0, 16)}
	if w.conn, err = new(sqlite.Driver).Open(name); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	for query, stmt := range w.statements() {
		prepared, err := w.conn.Prepare(query)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("prepare statement: %w", err), w.close())
		}
		w.prepared = append(w.prepared, prepared)
		*stmt = prepared.(driver.StmtExecContext)
	}
	return w, nil
}

// statements says where each statement is prepared.
func (w *writer) statements() map[string]*driver.StmtExecContext {
	statements := map[string]*driver.StmtExecContext{
		`BEGIN IMMEDIATE`: &w.begin, `COMMIT`: &w.commit, `ROLLBACK`: &w.rollback, `PRAGMA wal_checkpoint(PASSIVE)`: &w.checkpoint,
		sqlCreate: &w.create, sqlUpdate: &w.update, sqlRemove: &w.remove, sqlEnd: &w.end,
		sqlFile: &w.file, sqlList: &w.list, sqlListDeaf: &w.listDeaf, sqlTouch: &w.touch,
		sqlPruneCalls: &w.calls, sqlPruneRecords: &w.records,
	}
	maps.Copy(statements, w.outbox.statements())
	return statements
}

// exec runs a statement and returns how many rows it wrote. The statement waits for
// the disk alone, which no cancelling would hurry.
func (w *writer) exec(stmt driver.StmtExecContext, args ...driver.Value) (rows int64, err error) {
	done, err := w.execResult(stmt, args...)
	if err != nil {
		return 0, err
	}
	return done.RowsAffected()
}

func (w *writer) execResult(stmt driver.StmtExecContext, args ...driver.Value) (driver.Result, error) {
	w.args = w.args[:0]
	for i, arg := range args {
		w.args = append(w.args, driver.NamedValue{Ordinal: i + 1, Value: arg})
	}
	return stmt.ExecContext(context.Background(), w.args)
}

// put writes one call with its events, and says no where there is an older one of its id.
func (w *writer) put(e *store.Entry, slot int64) (done bool, err error) {
	body, err := stored.Encode(e.Call)
	if err != nil {
		return false, err
	}
	filed := false
	if e.Call.Live() {
		done, err = w.putLive(e, slot, body)
	} else {
		done, filed, err = w.putEnded(e, slot, body)
	}
	if err != nil || !done || len(e.Events) == 0 {
		return done, err
	}
	return true, w.putEvents(e, body, filed)
}

func (w *writer) putLive(e *store.Entry, slot int64, body []byte) (done bool, err error) {
	descriptions, err := stored.Describe(e.Call)
	if err != nil {
		return false, err
	}
	var rows int64
	if e.Created {
		rows, err = w.exec(w.create, slot, string(e.Call.ID), stored.Nanos(e.At), pad(body), descriptions)
	} else {
		rows, err = w.exec(w.update, slot, stored.Nanos(e.At), pad(body), descriptions)
	}
	return rows > 0, err
}

func (w *writer) putEnded(e *store.Entry, slot int64, body []byte) (done, filed bool, err error) {
	if !e.Created {
		if _, err := w.exec(w.remove, slot); err != nil {
			return false, false, err
		}
	}
	rows, err := w.exec(w.end, string(e.Call.ID), stored.Nanos(e.Call.Outcome.EndedAt), body)
	if err != nil || rows == 0 {
		return false, false, err
	}
	filed, err = w.record(e)
	return true, filed, err
}

// record files the record of a call that has one, and lists it for both sides, or for the caller
// alone. It says no where there is one of its id.
func (w *writer) record(e *store.Entry) (filed bool, err error) {
	r, ok := e.Call.Record()
	if !ok {
		return false, nil
	}
	id, ended := string(r.Call), stored.Nanos(r.EndedAt)
	caller, callee := string(r.Caller), string(r.Callee)
	rows, err := w.exec(w.file, id, int64(r.Kind), int64(r.Type), caller, callee, int64(r.Reason),
		stored.Nanos(r.CreatedAt), ended, int64(r.Duration.Seconds()),
		r.CallerCard.Name, r.CallerCard.Avatar, r.CalleeCard.Name, r.CalleeCard.Avatar, r.Deaf)
	if err != nil || rows == 0 {
		return false, err
	}
	if r.Deaf {
		_, err = w.exec(w.listDeaf, caller, ended, id)
		return true, err
	}
	_, err = w.exec(w.list, caller, callee, ended, id)
	return true, err
}

func (w *writer) pruneCalls(before int64) (int64, error) {
	return w.exec(w.calls, before, int64(pruneRows))
}

func (w *writer) pruneRecords(before int64) (int64, error) {
	return w.exec(w.records, before, int64(pruneRows))
}

func (w *writer) close() (err error) {
	for _, stmt := range w.prepared {
		err = errors.Join(err, stmt.Close())
	}
	return errors.Join(err, w.conn.Close())
}
