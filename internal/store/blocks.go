package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// blocks are the times at which accounts blocked others.
type blocks map[call.Account]map[call.Account]time.Time

func (b blocks) has(account, blocked call.Account) bool {
	_, has := b[account][blocked]
	return has
}

func (b blocks) put(one Block) {
	of := b[one.Account]
	if of == nil {
		of = make(map[call.Account]time.Time)
		b[one.Account] = of
	}
	of[one.Blocked] = one.Since
}

func (b blocks) remove(account, blocked call.Account) {
	if delete(b[account], blocked); len(b[account]) == 0 {
		delete(b, account)
	}
}

// erase drops the blocks by and of an account.
func (b blocks) erase(account call.Account) {
	delete(b, account)
	for by := range b {
		b.remove(by, account)
	}
}

// of lists the blocks of an account, in the order of names.
func (b blocks) of(account call.Account) []Block {
	list := make([]Block, 0, len(b[account]))
	for blocked, since := range b[account] {
		list = append(list, Block{Account: account, Blocked: blocked, Since: since})
	}
	slices.SortFunc(list, func(x, y Block) int { return cmp.Compare(x.Blocked, y.Blocked) })
	return list
}

// Block implements Store. A commit that begins after its return finds the block.
func (m *Memory) Block(ctx context.Context, account, blocked call.Account, audit Audit) (Block, error) {
	if IsAlias(account) || IsAlias(blocked) {
		return Block{}, ErrAlias
	}
	m.writing.Lock()
	defer m.writing.Unlock()
	if err := cmp.Or(ctx.Err(), m.failed); err != nil {
		return Block{}, err
	}
	b := Block{Account: account, Blocked: blocked, Since: m.clock().Round(0).UTC()}
	switch {
	case m.blocks.has(account, blocked):
		b.Since = m.blocks[account][blocked]
		return b, m.judge(m.journal.File(ctx, audit))
	case len(m.blocks[account]) >= BlocksMost:
		return Block{}, ErrBlocksFull
	}
	if err := m.judge(m.journal.Block(b, audit)); err != nil {
		return Block{}, fmt.Errorf("store block: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blocks.put(b)
	return b, nil
}

// Unblock implements Store.
func (m *Memory) Unblock(ctx context.Context, account, blocked call.Account, audit Audit) error {
	m.writing.Lock()
	defer m.writing.Unlock()
	if err := cmp.Or(ctx.Err(), m.failed); err != nil {
		return err
	}
	if !m.blocks.has(account, blocked) {
		return m.judge(m.journal.File(ctx, audit))
	}
	if err := m.judge(m.journal.Unblock(account, blocked, audit)); err != nil {
		return fmt.Errorf("delete block: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blocks.remove(account, blocked)
	return nil
}

// Naming implements Store.
func (m *Memory) Naming(_ context.Context, account call.Account) ([]call.ID, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.naming(account), m.failed
}

// naming is Naming. The caller holds mu.
func (m *Memory) naming(account call.Account) (ids []call.ID) {
	for id, k := range m.live {
		if k.call.Names(account) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Blocks implements Store.
func (m *Memory) Blocks(_ context.Context, account, after call.Account, limit int) ([]Block, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.failed != nil {
		return nil, m.failed
	}
	list := slices.DeleteFunc(m.blocks.of(account), func(b Block) bool { return b.Blocked <= after })
	return list[:min(limit, len(list))], nil
}
