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

func (r *reopening) Due(ctx ctx, now time.Time, limit int) ([]call.ID, error) {
	return r.open().Due(ctx, now, limit)
}

func (r *reopening) Live(ctx ctx, after call.ID, limit int) ([]call.Call, error) {
	return r.open().Live(ctx, after, limit)
}

// Changed is asked of one that saw the changes: those of ended calls are as old as
// their end after a replay.
func (r *reopening) Changed(ctx ctx, since time.Time, after call.ID, limit int) ([]store.Mark, error) {
	return r.open().Changed(ctx, since, after, limit)
}

func (r *reopening) Block(ctx ctx, account, blocked call.Account) (store.Block, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open().Block(ctx, account, blocked)
}

func (r *reopening) Unblock(ctx ctx, account, blocked call.Account) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open().Unblock(ctx, account, blocked)
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

func (r *reopening) Now(ctx ctx) (time.Time, error) { return time.Now(), nil }
