package sqlstore

import (
	"context"
	"fmt"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// Block implements store.Journal.
func (j *journal) Block(b store.Block) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.changes++
	return j.transact(func(w *writer) error {
		_, err := w.exec(w.block, string(b.Account), string(b.Blocked), unixNano(b.Since))
		return err
	})
}

// Unblock implements store.Journal.
func (j *journal) Unblock(account, blocked call.Account) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.changes++
	return j.transact(func(w *writer) error {
		_, err := w.exec(w.unblock, string(account), string(blocked))
		return err
	})
}

// ReplayBlocks implements store.Journal.
func (j *journal) ReplayBlocks(ctx context.Context, take func(store.Block)) error {
	rows, err := j.reader.QueryContext(ctx, sqlBlocks)
	err = each(rows, err, func(r row) error {
		var b store.Block
		var created int64
		if err := r.Scan(&b.Account, &b.Blocked, &created); err != nil {
			return err
		}
		b.Since = fromUnixNano(created)
		take(b)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read blocks: %w", named(err))
	}
	return nil
}
