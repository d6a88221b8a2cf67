package sim

import (
	"context"
	"errors"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// The part of the audit that holds what comes of blocks. That a blocked call rings nobody is held
// wherever a device receives one: see world.sees, hearsCandidates, reads and records.

// Block notes a block that is made.
func (a *audited) Block(ctx context.Context, account, blocked call.Account, audit store.Audit) (store.Block, error) {
	b, err := a.Store.Block(ctx, account, blocked, audit)
	if err == nil {
		a.audit.blocked[[2]call.Account{blocked, account}] = true
	}
	return b, err
}

// Unblock notes the end of a block.
func (a *audited) Unblock(ctx context.Context, account, blocked call.Account, audit store.Audit) error {
	err := a.Store.Unblock(ctx, account, blocked, audit)
	if err == nil {
		delete(a.audit.blocked, [2]call.Account{blocked, account})
	}
	return err
}

// blockSomebody has an account block another, or ends the block that there is.
func (w *world) blockSomebody() {
	n := w.cfg.Accounts
	i := w.chaos.IntN(n)
	account, blocked := call.Account(accountName(i)), call.Account(accountName((i+1+w.chaos.IntN(n-1))%n))
	ctx, audit := context.Background(), store.Audit{At: w.now, Key: "sim"}
	var err error
	if w.audit.blocked[[2]call.Account{blocked, account}] {
		w.trace("%s blocks %s no more", account, blocked)
		err = w.store.Unblock(ctx, account, blocked, audit)
	} else {
		w.trace("%s blocks %s", account, blocked)
		_, err = w.store.Block(ctx, account, blocked, audit)
	}
	if err != nil && !errors.Is(err, store.ErrFailed) {
		w.violate("block of %s by %s: %v", blocked, account, err)
	}
}

// deaf holds a commit to the blocks that there are: a call of somebody blocked is deaf, and
// never busy, and an account hears nobody call whose call it does not hear.
func (a *audit) deaf(change *store.Change, r store.Result) {
	c := &change.Call
	if change.From != 0 || !c.Live() {
		if r.Deaf {
			a.w.violate("S5: call %s is made deaf at rev %d", c.ID, c.Rev)
		}
		return
	}
	caller, callee := c.Caller().Account, c.Callee().Account
	blocked := a.blocked[[2]call.Account{caller, callee}]
	holder := a.calls[r.Holder]
	unheard := holder.Deaf && holder.Callee().Account == caller
	switch {
	case blocked && r.Verdict == store.CalleeBusy:
		a.w.violate("S5: %s is told that %s, who blocks it, is busy", caller, callee)
	case r.Verdict == store.Done && r.Deaf != blocked:
		a.w.violate("S5: a call of %s to %s is deaf: %v, and there is a block: %v", caller, callee, r.Deaf, blocked)
	case r.Verdict == store.CalleeBusy && r.Deaf != unheard:
		a.w.violate("S5: %s, which is busy with a call to %s that is deaf: %v, hears of %s: %v", callee, caller, unheard, c.ID, !r.Deaf)
	}
}

// blocksOf holds a store that was opened again to the blocks that were made.
func (a *audit) blocksOf(s store.Store) {
	n := 0
	for i := range a.w.cfg.Accounts {
		account := call.Account(accountName(i))
		list, err := s.Blocks(context.Background(), account, "", store.BlocksMost)
		if err != nil {
			a.w.violate("cannot list blocks: %v", err)
		}
		for _, b := range list {
			if n++; !a.blocked[[2]call.Account{b.Blocked, account}] {
				a.w.violate("after a start %s blocks %s", account, b.Blocked)
			}
		}
	}
	if n != len(a.blocked) {
		a.w.violate("after a start there are %d blocks, and %d were made", n, len(a.blocked))
	}
}
