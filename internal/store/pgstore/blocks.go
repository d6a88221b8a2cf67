package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
)

const (
	// sqlBlock gives the block that there is, or makes one. It returns nothing where there is no room,
	// or where another transaction made the block meanwhile.
	sqlBlock = `
WITH made AS (
	INSERT INTO blocks (account, blocked, created_ns)
	SELECT $1, $2, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000
	WHERE (SELECT count(*) FROM blocks WHERE account = $1) < $3
	ON CONFLICT DO NOTHING RETURNING created_ns
)
SELECT created_ns FROM blocks WHERE account = $1 AND blocked = $2 UNION ALL SELECT created_ns FROM made`

	sqlUnblock = `DELETE FROM blocks WHERE account = $1 AND blocked = $2`

	sqlBlocks = `SELECT account, blocked, created_ns FROM blocks WHERE account = $1 AND blocked > $2 ORDER BY blocked LIMIT $3`
)

// Block implements store.Store. A commit that begins after its return finds the block.
func (s *Store) Block(ctx context.Context, account, blocked call.Account, audit store.Audit) (store.Block, error) {
	switch {
	case store.IsAlias(account), store.IsAlias(blocked):
		return store.Block{}, store.ErrAlias
	case !fits(string(account)), !fits(string(blocked)):
		return store.Block{}, errText
	}
	b := store.Block{Account: account, Blocked: blocked}
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var ns int64
		row := func() error {
			return tx.QueryRow(ctx, sqlBlock, string(account), string(blocked), store.BlocksMost).Scan(&ns)
		}
		err := row()
		if errors.Is(err, pgx.ErrNoRows) {
			err = row() // A new statement sees the block of another transaction.
		}
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return store.ErrBlocksFull
		case err != nil:
			return err
		}
		b.Since = stored.Time(ns)
		return fileAudit(ctx, tx, audit)
	})
	if err != nil {
		return store.Block{}, fmt.Errorf("store block: %w", err)
	}
	return b, nil
}

// Unblock implements store.Store.
func (s *Store) Unblock(ctx context.Context, account, blocked call.Account, audit store.Audit) error {
	if !fits(string(account)) || !fits(string(blocked)) {
		return errText
	}
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlUnblock, string(account), string(blocked)); err != nil {
			return err
		}
		return fileAudit(ctx, tx, audit)
	})
	if err != nil {
		return fmt.Errorf("delete block: %w", err)
	}
	return nil
}

// Blocks implements store.Store.
func (s *Store) Blocks(ctx context.Context, account, after call.Account, limit int) ([]store.Block, error) {
	if !fits(string(account)) || !fits(string(after)) {
		return nil, nil
	}
	list, err := collect(ctx, s, func(row pgx.CollectableRow) (b store.Block, err error) {
		var ns int64
		err = row.Scan((*string)(&b.Account), (*string)(&b.Blocked), &ns)
		b.Since = stored.Time(ns)
		return b, err
	}, sqlBlocks, string(account), string(after), limit)
	if err != nil {
		return nil, fmt.Errorf("read blocks: %w", err)
	}
	return list, nil
}
