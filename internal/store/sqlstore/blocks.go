package sqlstore

import (
	"context"
	"fmt"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
)

// The statements of blocks. Those that write are needed seldom.
const (
	sqlBlocks  = `SELECT account, blocked, created_ns FROM blocks`
	sqlBlock   = `INSERT INTO blocks (account, blocked, created_ns) VALUES ($1, $2, $3)`
	sqlUnblock = `DELETE FROM blocks WHERE account = $1 AND blocked = $2`
)

// Block implements store.Journal.
func (b books) Block(one store.Block, audit store.Audit) error {
	return b.amend(func(w *writer) error {
		if _, err := w.once(sqlBlock, string(one.Account), string(one.Blocked), stored.Nanos(one.Since)); err != nil {
			return err
		}
		return w.fileAudit(&audit)
	})
}

// Unblock implements store.Journal.
func (b books) Unblock(account, blocked call.Account, audit store.Audit) error {
	return b.amend(func(w *writer) error {
		if _, err := w.once(sqlUnblock, string(account), string(blocked)); err != nil {
			return err
		}
		return w.fileAudit(&audit)
	})
}

// ReplayBlocks implements store.Journal.
func (b books) ReplayBlocks(ctx context.Context, take func(store.Block)) error {
	rows, err := b.j.reader.QueryContext(ctx, sqlBlocks)
	err = each(rows, err, func(r row) error {
		var one store.Block
		var created int64
		if err := r.Scan(&one.Account, &one.Blocked, &created); err != nil {
			return err
		}
		one.Since = stored.Time(created)
		take(one)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read blocks: %w", named(err))
	}
	return nil
}
