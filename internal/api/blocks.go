package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/store"
)

// The routes of blocks. Calls of a blocked account ring on no device, and the caller cannot distinguish
// that from a callee who is offline.

// blockShape is one block of an account.
type blockShape struct {
	Account string    `json:"account"`
	Since   time.Time `json:"since"`
}

func blockOf(b *store.Block) blockShape { return blockShape{string(b.Blocked), b.Since.UTC()} }

// putBlock makes a block, or leaves the existing one.
func (b *backend) putBlock(w http.ResponseWriter, q *http.Request) {
	account, blocked, ok := b.pair(w, q)
	if !ok {
		return
	}
	d := deedOf(q)
	one, err := b.Store.Block(q.Context(), account, blocked, d.done())
	d.filed = err == nil
	switch {
	case errors.Is(err, store.ErrBlocksFull):
		deny(w, conflict, "the account blocks %d others, and may not block more: end a block first", store.BlocksMost)
	case err != nil:
		b.unavailable(w, q, err)
	default:
		reply(w, blockOf(&one))
	}
}

// deleteBlock ends a block, if there is one.
func (b *backend) deleteBlock(w http.ResponseWriter, q *http.Request) {
	account, blocked, ok := b.pair(w, q)
	if !ok {
		return
	}
	d := deedOf(q)
	if err := b.Store.Unblock(q.Context(), account, blocked, d.done()); err != nil {
		d.filed = false
		b.unavailable(w, q, err)
		return
	}
	reply(w, struct{}{})
}

// listBlocks lists the blocks of an account, in the order of names.
func (b *backend) listBlocks(w http.ResponseWriter, q *http.Request) {
	account, ok := b.accountOf(w, q)
	if !ok {
		return
	}
	p, _, ok := pageOf(w, q)
	if !ok {
		return
	}
	blocks, err := b.Store.Blocks(q.Context(), account, call.Account(p.cursor), p.limit+1)
	if err != nil {
		b.unavailable(w, q, err)
		return
	}
	replyPage(w, "blocks", blocks, p.limit, blockOf, func(b *store.Block) string { return string(b.Blocked) })
}

// pair reads the two accounts of a block.
func (b *backend) pair(w http.ResponseWriter, q *http.Request) (account, blocked call.Account, ok bool) {
	if account, ok = b.accountOf(w, q); !ok {
		return "", "", false
	}
	if blocked, ok = b.accountIn(w, q, "b"); !ok || !emptyBody(w, q) {
		return "", "", false
	}
	if account == blocked {
		deny(w, protocol.BadRequest, "an account cannot block itself: name another one")
		return "", "", false
	}
	return account, blocked, true
}
