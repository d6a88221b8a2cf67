package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/store"
)

// The routes by which backends have an account block others: calls of a blocked account ring
// nobody, and it cannot tell that from a callee who is offline.

// blockShape is one block of an account.
type blockShape struct {
	Account string    `json:"account"`
	Since   time.Time `json:"since"`
}

func blockOf(b *store.Block) blockShape { return blockShape{string(b.Blocked), b.Since.UTC()} }

// putBlock has an account block another, or leaves the block that there is.
func (b *backend) putBlock(w http.ResponseWriter, q *http.Request) {
	account, blocked, ok := b.pair(w, q)
	if !ok {
		return
	}
	one, err := b.Store.Block(q.Context(), account, blocked, b.entry(w, q, "account.block", account, blocked))
	switch {
	case errors.Is(err, store.ErrBlocksFull):
		deny(w, protocol.LimitExceeded, "%s blocks %d others, and may not block more: end a block first", account, store.BlocksMost)
	case err != nil:
		b.unavailable(w, q, err)
	default:
		b.did(q.Context(), w, "account blocked by a backend", account, blocked)
		reply(w, blockOf(&one))
	}
}

// deleteBlock ends a block, if there is one.
func (b *backend) deleteBlock(w http.ResponseWriter, q *http.Request) {
	account, blocked, ok := b.pair(w, q)
	if !ok {
		return
	}
	if err := b.Store.Unblock(q.Context(), account, blocked, b.entry(w, q, "account.unblock", account, blocked)); err != nil {
		b.unavailable(w, q, err)
		return
	}
	b.did(q.Context(), w, "account unblocked by a backend", account, blocked)
	reply(w, struct{}{})
}

// listBlocks gives whom an account blocks, in the order of names.
func (b *backend) listBlocks(w http.ResponseWriter, q *http.Request) {
	account, ok := b.accountIn(w, q, "account")
	if !ok {
		return
	}
	query, limit, ok := readQuery(w, q, "limit", "cursor")
	if !ok {
		return
	}
	blocks, err := b.Store.Blocks(q.Context(), account, call.Account(query.Get("cursor")), limit+1)
	if err != nil {
		b.unavailable(w, q, err)
		return
	}
	answer := struct {
		Blocks []blockShape `json:"blocks"`
		Next   string       `json:"next,omitempty"`
	}{Blocks: []blockShape{}}
	for i := range blocks[:min(limit, len(blocks))] {
		answer.Blocks = append(answer.Blocks, blockOf(&blocks[i]))
	}
	if len(blocks) > limit {
		answer.Next = string(blocks[limit-1].Blocked)
	}
	reply(w, answer)
}

// pair reads the two accounts of a block.
func (b *backend) pair(w http.ResponseWriter, q *http.Request) (account, blocked call.Account, ok bool) {
	if account, ok = b.accountIn(w, q, "account"); !ok {
		return "", "", false
	}
	if blocked, ok = b.accountIn(w, q, "blocked"); !ok || !emptyBody(w, q) {
		return "", "", false
	}
	if account == blocked {
		deny(w, protocol.BadRequest, "%s cannot block itself: name another account", account)
		return "", "", false
	}
	return account, blocked, true
}

// accountIn reads an account in the path of a request.
func (b *backend) accountIn(w http.ResponseWriter, q *http.Request, name string) (call.Account, bool) {
	account := q.PathValue(name)
	if !protocol.ValidAccount(account, &b.Limits) {
		deny(w, protocol.BadRequest, "%q in the path: %s", account, protocol.BadAccount(&b.Limits).Message)
		return "", false
	}
	return call.Account(account), true
}

// entry is the audit entry of a write that succeeds.
func (b *backend) entry(w http.ResponseWriter, q *http.Request, action string, target, other call.Account) store.Audit {
	key, _ := q.Context().Value(keyID{}).(string)
	return store.Audit{
		At: b.Now(), Key: key, Action: action, Target: string(target), Other: string(other),
		Request: w.Header().Get(requestIDHeader), Addr: b.Address(q).String(), Status: http.StatusOK,
	}
}

// did notes in the log what a backend did.
func (b *backend) did(ctx context.Context, w http.ResponseWriter, what string, account, blocked call.Account) {
	b.Log.InfoContext(ctx, what, "account", account, "blocked", blocked, "key", ctx.Value(keyID{}), "request_id", w.Header().Get(requestIDHeader))
}
