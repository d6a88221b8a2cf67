package pgstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
)

// books are the part of a store that keeps keys, the audit and log-outs, and erases accounts.
type books struct {
	store *Store
	salt  []byte // It makes the aliases of erased accounts.
}

// openBooks reads what is kept in memory: the salt of aliases, and the endpoints.
func (s *Store) openBooks(ctx context.Context, polls bool) (err error) {
	s.books.store = s
	err = s.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		return pool.QueryRow(ctx, `SELECT salt FROM books`).Scan(&s.salt)
	})
	if err != nil {
		return fmt.Errorf("read salt: %w", err)
	}
	s.out, err = openOutbox(ctx, s, polls)
	return err
}

// BooksVersion counts the changes of keys and log-outs by all nodes. Who keeps these in memory
// reads them again when it has changed.
func (b *books) BooksVersion(ctx context.Context) (version int64, err error) {
	err = b.store.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		return pool.QueryRow(ctx, `SELECT changes FROM books`).Scan(&version)
	})
	if err != nil {
		return 0, fmt.Errorf("read version of books: %w", err)
	}
	return version, nil
}

// amend makes a change of keys or log-outs.
func (b *books) amend(ctx context.Context, audit *store.Audit, do func(context.Context, pgx.Tx) error) error {
	return b.store.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := do(ctx, tx); err != nil {
			return err
		}
		if err := fileAudit(ctx, tx, *audit); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE books SET changes = changes + 1`)
		return err
	})
}

// list reads the rows of a query, each by scan.
func list[T any](ctx context.Context, s *Store, what, query string, args []any, scan pgx.RowToFunc[T]) (all []T, err error) {
	err = s.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		rows, err := pool.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, scan)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return all, nil
}

// Keys implements store.Books.
func (b *books) Keys(ctx context.Context) ([]store.Key, error) {
	return list(ctx, b.store, "keys", `SELECT id, sha256, scopes, created_ns, last_used_ns, revoked_ns FROM keys ORDER BY id`, nil,
		func(row pgx.CollectableRow) (k store.Key, err error) {
			var scopes string
			var created int64
			var used, revoked *int64
			if err := row.Scan(&k.ID, &k.Hash, &scopes, &created, &used, &revoked); err != nil {
				return store.Key{}, err
			}
			k.Scopes, k.Created = strings.Split(scopes, ","), stored.Time(created)
			if used != nil {
				k.Used = stored.Time(*used)
			}
			if revoked != nil {
				k.Revoked = stored.Time(*revoked)
			}
			return k, nil
		})
}

// AddKey implements store.Books.
func (b *books) AddKey(ctx context.Context, k store.Key, audit store.Audit) error {
	return b.amend(ctx, &audit, func(ctx context.Context, tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `INSERT INTO keys (id, sha256, scopes, created_ns) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING`,
			k.ID, k.Hash, strings.Join(k.Scopes, ","), stored.Nanos(k.Created))
		if err == nil && done.RowsAffected() == 0 {
			return store.ErrKeyExists
		}
		return err
	})
}

// errRevoked leaves a key as it is that was revoked before.
var errRevoked = errors.New("the key is revoked already")

// RevokeKey implements store.Books.
func (b *books) RevokeKey(ctx context.Context, id string, audit store.Audit) error {
	err := b.amend(ctx, &audit, func(ctx context.Context, tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `UPDATE keys SET revoked_ns = $2 WHERE id = $1 AND revoked_ns IS NULL`, id, stored.Nanos(audit.At))
		if err != nil || done.RowsAffected() > 0 {
			return err
		}
		var known bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM keys WHERE id = $1)`, id).Scan(&known); err != nil {
			return err
		}
		if !known {
			return store.ErrNoKey
		}
		return errRevoked
	})
	if errors.Is(err, errRevoked) {
		return nil
	}
	return err
}

// UseKeys implements store.Books. Another node may have stored a later time.
func (b *books) UseKeys(ctx context.Context, used map[string]time.Time) error {
	var ids []string
	var at []int64
	for id, t := range used {
		ids, at = append(ids, id), append(at, stored.Nanos(t))
	}
	return b.store.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			UPDATE keys SET last_used_ns = at FROM
				(SELECT k.id, u.at FROM keys k JOIN unnest($1::text[], $2::bigint[]) AS u (id, at) ON u.id = k.id ORDER BY k.id FOR UPDATE OF k) AS used
			WHERE keys.id = used.id AND coalesce(last_used_ns, 0) < at`, ids, at)
		return err
	})
}

// File implements store.Books.
func (b *books) File(ctx context.Context, audit store.Audit) error {
	return b.store.write(ctx, func(ctx context.Context, tx pgx.Tx) error { return fileAudit(ctx, tx, audit) })
}

const sqlAudit = `
	INSERT INTO audit (at_ns, key_id, action, target, other, request_id, addr, status) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

// fileAudit files an audit entry in a transaction.
func fileAudit(ctx context.Context, tx pgx.Tx, a store.Audit) error {
	_, err := tx.Exec(ctx, sqlAudit, stored.Nanos(a.At), a.Key, a.Action, a.Target, a.Other, a.Request, a.Addr, int64(a.Status))
	return err
}

func fileAll(ctx context.Context, tx pgx.Tx, audits []store.Audit) error {
	for i := range audits {
		if err := fileAudit(ctx, tx, audits[i]); err != nil {
			return err
		}
	}
	return nil
}

// Trail implements store.Books.
func (b *books) Trail(ctx context.Context, before int64, limit int) ([]store.Audit, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	return list(ctx, b.store, "audit", `
		SELECT seq, at_ns, key_id, action, target, other, request_id, addr, status FROM audit
		WHERE seq < $1 ORDER BY seq DESC LIMIT $2`, []any{before, limit},
		func(row pgx.CollectableRow) (a store.Audit, err error) {
			var at int64
			err = row.Scan(&a.Seq, &at, &a.Key, &a.Action, &a.Target, &a.Other, &a.Request, &a.Addr, &a.Status)
			a.At = stored.Time(at)
			return a, err
		})
}

// LogOut implements store.Books.
func (b *books) LogOut(ctx context.Context, alias call.Account, notBefore time.Time, audit store.Audit) error {
	return b.amend(ctx, &audit, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO accounts (alias, not_before_ns) VALUES ($1, $2)
			ON CONFLICT (alias) DO UPDATE SET not_before_ns = excluded.not_before_ns`, string(alias), stored.Nanos(notBefore))
		return err
	})
}

// LogOuts implements store.Books.
func (b *books) LogOuts(ctx context.Context) (map[call.Account]time.Time, error) {
	type out struct {
		alias string
		ns    int64
	}
	outs, err := list(ctx, b.store, "log-outs", `SELECT alias, not_before_ns FROM accounts`, nil,
		func(row pgx.CollectableRow) (o out, err error) { return o, row.Scan(&o.alias, &o.ns) })
	if err != nil {
		return nil, err
	}
	all := make(map[call.Account]time.Time, len(outs))
	for _, o := range outs {
		all[call.Account(o.alias)] = stored.Time(o.ns)
	}
	return all, nil
}

// PruneBooks implements store.Books. It goes in portions. Another node may be at it, too.
func (b *books) PruneBooks(ctx context.Context, auditBefore, logOutsBefore time.Time) (rows int, err error) {
	for _, prune := range []struct {
		before time.Time
		query  string
	}{
		{auditBefore, `DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE at_ns < $1 ORDER BY at_ns LIMIT $2 FOR UPDATE SKIP LOCKED)`},
		{auditBefore, `DELETE FROM keys WHERE id IN (SELECT id FROM keys WHERE revoked_ns < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`},
		{logOutsBefore, `DELETE FROM accounts WHERE alias IN (SELECT alias FROM accounts WHERE not_before_ns < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`},
	} {
		for n := int64(pruneRows); n == pruneRows; rows += int(n) {
			if err := ctx.Err(); err != nil {
				return rows, fmt.Errorf("%w: %w", store.ErrNotDone, err)
			}
			err := b.store.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
				done, err := tx.Exec(ctx, prune.query, stored.Nanos(prune.before), pruneRows)
				n = done.RowsAffected()
				return err
			})
			if err != nil {
				return rows, fmt.Errorf("prune books: %w", err)
			}
		}
	}
	return rows, nil
}

// Alias implements store.Store.
func (b *books) Alias(account call.Account) call.Account { return store.AliasOf(b.salt, account) }
