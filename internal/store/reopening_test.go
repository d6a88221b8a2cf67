package store_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

type ctx = context.Context

// reopening is a store that is opened again before each use, but for leases.
type reopening struct {
	store.Store
	t       *testing.T
	journal *store.Volatile
	leases  store.Store
	mu      sync.Mutex // Held while a store is in use.
}

func (r *reopening) open() *store.Memory {
	m, err := store.Open(context.Background(), r.journal, time.Now)
	if err != nil {
		r.t.Error(err)
	}
	return m
}

func (r *reopening) Commit(ctx ctx, changes []store.Change) ([]store.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open().Commit(ctx, changes)
}

func (r *reopening) Call(ctx ctx, id call.ID) (call.Call, error) { return r.open().Call(ctx, id) }

func (r *reopening) CallsOf(ctx ctx, account call.Account, since time.Time) ([]call.Call, error) {
	return r.open().CallsOf(ctx, account, since)
}

func (r *reopening) Naming(ctx ctx, account call.Account) ([]call.ID, error) {
	return r.open().Naming(ctx, account)
}

func (r *reopening) Due(ctx ctx, now time.Time, limit int) ([]call.ID, error) {
	return r.open().Due(ctx, now, limit)
}

func (r *reopening) Live(ctx ctx, after call.ID, limit int) ([]call.Call, error) {
	return r.open().Live(ctx, after, limit)
}

func (r *reopening) Orphaned(ctx ctx, alive []string, after call.ID, limit int) ([]call.Call, error) {
	return r.open().Orphaned(ctx, alive, after, limit)
}

// Changed is asked of one that saw the changes: those of ended calls are as old as
// their end after a replay.
func (r *reopening) Changed(ctx ctx, since time.Time, after call.ID, limit int) ([]store.Mark, error) {
	return r.open().Changed(ctx, since, after, limit)
}

func (r *reopening) Block(ctx ctx, account, blocked call.Account, audit store.Audit) (store.Block, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open().Block(ctx, account, blocked, audit)
}

func (r *reopening) Unblock(ctx ctx, account, blocked call.Account, audit store.Audit) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open().Unblock(ctx, account, blocked, audit)
}

func (r *reopening) Blocks(ctx ctx, account, after call.Account, limit int) ([]store.Block, error) {
	return r.open().Blocks(ctx, account, after, limit)
}

func (r *reopening) Records(ctx ctx, account call.Account, page store.Page) ([]call.Record, error) {
	return r.open().Records(ctx, account, page)
}

func (r *reopening) Beat(ctx ctx, incarnation string, ttl time.Duration) ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leases == nil {
		r.leases = r.open()
	}
	return r.leases.Beat(ctx, incarnation, ttl)
}

func (r *reopening) Prune(ctx ctx, callsBefore, recordsBefore time.Time) (int, error) {
	return r.open().Prune(ctx, callsBefore, recordsBefore)
}

func (r *reopening) Keys(ctx ctx) ([]store.Key, error) { return r.open().Keys(ctx) }

func (r *reopening) AddKey(ctx ctx, key store.Key, audit store.Audit) error {
	return r.open().AddKey(ctx, key, audit)
}

func (r *reopening) RevokeKey(ctx ctx, id string, audit store.Audit) error {
	return r.open().RevokeKey(ctx, id, audit)
}

func (r *reopening) UseKeys(ctx ctx, used map[string]time.Time) error {
	return r.open().UseKeys(ctx, used)
}

func (r *reopening) File(ctx ctx, audit store.Audit) error { return r.open().File(ctx, audit) }

func (r *reopening) Trail(ctx ctx, before int64, limit int) ([]store.Audit, error) {
	return r.open().Trail(ctx, before, limit)
}

func (r *reopening) LogOut(ctx ctx, alias call.Account, notBefore time.Time, audit store.Audit) error {
	return r.open().LogOut(ctx, alias, notBefore, audit)
}

func (r *reopening) LogOuts(ctx ctx) (map[call.Account]time.Time, error) {
	return r.open().LogOuts(ctx)
}

func (r *reopening) PruneBooks(ctx ctx, auditBefore, logOutsBefore time.Time) (int, error) {
	return r.open().PruneBooks(ctx, auditBefore, logOutsBefore)
}

func (r *reopening) Alias(account call.Account) call.Account { return r.open().Alias(account) }

func (r *reopening) Erase(ctx ctx, account call.Account, audit store.Audit) error {
	return r.open().Erase(ctx, account, audit)
}

func (r *reopening) Now(ctx ctx) (time.Time, error) { return time.Now(), nil }
