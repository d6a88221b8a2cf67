package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
)

// books are the part of a journal that implements store.Books, and erases accounts.
type books struct{ j *journal }

// once runs a statement that is needed seldom.
func (w *writer) once(query string, args ...driver.Value) (rows int64, err error) {
	stmt, err := w.conn.Prepare(query)
	if err != nil {
		return 0, err
	}
	rows, err = w.exec(stmt.(driver.StmtExecContext), args...)
	return rows, errors.Join(err, stmt.Close())
}

// amend makes a change of the books.
func (b books) amend(do func(*writer) error) error {
	b.j.mu.Lock()
	defer b.j.mu.Unlock()
	b.j.changes++
	return b.j.transact(do)
}

// Keys implements store.Books.
func (b books) Keys(ctx context.Context) (keys []store.Key, err error) {
	rows, err := b.j.reader.QueryContext(ctx, `
		SELECT id, sha256, scopes, created_ns, last_used_ns, revoked_ns FROM keys ORDER BY id`)
	err = each(rows, err, func(r row) error {
		var k store.Key
		var scopes string
		var created int64
		var used, revoked sql.NullInt64
		if err := r.Scan(&k.ID, &k.Hash, &scopes, &created, &used, &revoked); err != nil {
			return err
		}
		k.Scopes, k.Created = strings.Split(scopes, ","), stored.Time(created)
		if used.Valid {
			k.Used = stored.Time(used.Int64)
		}
		if revoked.Valid {
			k.Revoked = stored.Time(revoked.Int64)
		}
		keys = append(keys, k)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", named(err))
	}
	return keys, nil
}

// AddKey implements store.Books.
func (b books) AddKey(_ context.Context, k store.Key, audit store.Audit) error {
	return b.amend(func(w *writer) error {
		rows, err := w.once(`INSERT INTO keys (id, sha256, scopes, created_ns) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING`,
			k.ID, k.Hash, strings.Join(k.Scopes, ","), stored.Nanos(k.Created))
		switch {
		case err != nil:
			return err
		case rows == 0:
			return store.ErrKeyExists
		}
		return w.fileAudit(&audit)
	})
}

// RevokeKey implements store.Books.
func (b books) RevokeKey(_ context.Context, id string, audit store.Audit) error {
	return b.amend(func(w *writer) error {
		rows, err := w.once(`UPDATE keys SET revoked_ns = $2 WHERE id = $1 AND revoked_ns IS NULL`, id, stored.Nanos(audit.At))
		if err != nil {
			return err
		}
		if rows > 0 {
			return w.fileAudit(&audit)
		}
		// Writing nothing tells whether there is one that was revoked before.
		if rows, err = w.once(`UPDATE keys SET id = id WHERE id = $1`, id); err == nil && rows == 0 {
			err = store.ErrNoKey
		}
		return err
	})
}

// UseKeys implements store.Books.
func (b books) UseKeys(_ context.Context, used map[string]time.Time) error {
	return b.amend(func(w *writer) error {
		for id, at := range used {
			if _, err := w.once(`UPDATE keys SET last_used_ns = $2 WHERE id = $1`, id, stored.Nanos(at)); err != nil {
				return err
			}
		}
		return nil
	})
}

// File implements store.Books.
func (b books) File(_ context.Context, audit store.Audit) error {
	return b.amend(func(w *writer) error { return w.fileAudit(&audit) })
}

func (w *writer) fileAll(audits []store.Audit) error {
	for i := range audits {
		if err := w.fileAudit(&audits[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) fileAudit(a *store.Audit) error {
	_, err := w.once(`INSERT INTO audit (at_ns, key_id, action, target, other, request_id, addr, status) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		stored.Nanos(a.At), a.Key, a.Action, a.Target, a.Other, a.Request, a.Addr, int64(a.Status))
	return err
}

// Trail implements store.Books.
func (b books) Trail(ctx context.Context, before int64, limit int) (list []store.Audit, err error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := b.j.reader.QueryContext(ctx, `
		SELECT seq, at_ns, key_id, action, target, other, request_id, addr, status FROM audit
		WHERE seq < $1 ORDER BY seq DESC LIMIT $2`, before, limit)
	err = each(rows, err, func(r row) error {
		var a store.Audit
		var at int64
		err := r.Scan(&a.Seq, &at, &a.Key, &a.Action, &a.Target, &a.Other, &a.Request, &a.Addr, &a.Status)
		a.At = stored.Time(at)
		list = append(list, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read audit: %w", named(err))
	}
	return list, nil
}

// LogOut implements store.Books.
func (b books) LogOut(_ context.Context, alias call.Account, notBefore time.Time, audit store.Audit) error {
	return b.amend(func(w *writer) error {
		if _, err := w.once(`
			INSERT INTO accounts (alias, not_before_ns) VALUES ($1, $2)
			ON CONFLICT (alias) DO UPDATE SET not_before_ns = excluded.not_before_ns`,
			string(alias), stored.Nanos(notBefore)); err != nil {
			return err
		}
		return w.fileAudit(&audit)
	})
}

// LogOuts implements store.Books.
func (b books) LogOuts(ctx context.Context) (map[call.Account]time.Time, error) {
	all := make(map[call.Account]time.Time)
	rows, err := b.j.reader.QueryContext(ctx, `SELECT alias, not_before_ns FROM accounts`)
	err = each(rows, err, func(r row) error {
		var alias call.Account
		var ns int64
		err := r.Scan(&alias, &ns)
		all[alias] = stored.Time(ns)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read log-outs: %w", named(err))
	}
	return all, nil
}

// PruneBooks implements store.Books. The audit goes in portions.
func (b books) PruneBooks(ctx context.Context, auditBefore, logOutsBefore time.Time) (rows int, err error) {
	for _, prune := range []struct {
		before time.Time
		query  string
	}{
		{auditBefore, `DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE at_ns < $1 ORDER BY at_ns LIMIT $2)`},
		{auditBefore, `DELETE FROM keys WHERE id IN (SELECT id FROM keys WHERE revoked_ns < $1 LIMIT $2)`},
		{logOutsBefore, `DELETE FROM accounts WHERE alias IN (SELECT alias FROM accounts WHERE not_before_ns < $1 LIMIT $2)`},
	} {
		for n := int64(pruneRows); n == pruneRows; rows += int(n) {
			if err := ctx.Err(); err != nil {
				return rows, fmt.Errorf("%w: %w", store.ErrNotDone, err)
			}
			n, err = b.j.prune(stored.Nanos(prune.before), func(w *writer, before int64) (int64, error) {
				return w.once(prune.query, before, int64(pruneRows))
			})
			if err != nil {
				return rows, err
			}
		}
	}
	return rows, nil
}

// Salt implements store.Journal.
func (b books) Salt(ctx context.Context) (salt []byte, err error) {
	if err := b.j.reader.QueryRowContext(ctx, `SELECT value FROM salt`).Scan(&salt); err != nil {
		return nil, fmt.Errorf("read salt: %w", named(err))
	}
	return salt, nil
}
