package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// Journal stores what Memory decides, and gives it back at the next start. It
// decides nothing by itself: it knows neither claims nor deadlines.
//
// Memory calls Append and Touch one at a time. Prune and the reads may be called at
// any time; the reads do not wait for a write.
type Journal interface {
	// Append stores all entries of a batch, flushed, or none of them. A batch holds
	// each call once.
	//
	// An error that wraps ErrNotDone says that nothing was stored; the next Append
	// may succeed. An ExistsError is one of these. After any other error nobody
	// knows what the disk holds, and the journal is not used any more.
	Append(batch []Entry) error

	// Touch writes and flushes something that changes no call, where the last
	// success is older than a moment: it shows whether Append would succeed. Its
	// errors are those of Append.
	Touch(now time.Time) error

	// Replay gives the live calls, and the calls that ended at or after endedSince.
	// It runs before anything else.
	Replay(ctx context.Context, endedSince time.Time, take func(Entry) error) error

	// IDs lists the ended calls with an id at or above least.
	IDs(ctx context.Context, least call.ID) ([]call.ID, error)

	// Ended loads an ended call, or ErrNotFound.
	Ended(ctx context.Context, id call.ID) (call.Call, error)

	// EndedOf loads the calls of an account that ended at or after a time.
	EndedOf(ctx context.Context, account call.Account, since time.Time) ([]call.Call, error)

	// Records lists a page of the records of an account.
	Records(ctx context.Context, account call.Account, page Page) ([]call.Record, error)

	// Block stores a block, flushed, and Unblock deletes one. Their errors are those of
	// Append. Memory calls them, Append and Touch one at a time.
	Block(Block) error
	Unblock(account, blocked call.Account) error

	// ReplayBlocks gives all blocks. It runs before anything but Replay.
	ReplayBlocks(ctx context.Context, take func(Block)) error

	// Prune deletes calls and records as Store.Prune does. Its errors are those of
	// Append.
	Prune(ctx context.Context, callsBefore, recordsBefore time.Time) (int, error)

	Close() error
}

// Entry is one call as a batch leaves it.
type Entry struct {
	Call *call.Call
	// Created says that the journal holds no live call of this id. Where it holds
	// an ended one, it refuses the batch with an ExistsError.
	Created bool
	// At is the store's time of the change.
	At time.Time
}

// ErrNotDone is wrapped by the error of a write that stored nothing.
var ErrNotDone = errors.New("nothing was stored")

// ExistsError refuses a batch that creates calls whose ids exist already.
type ExistsError struct{ IDs []call.ID }

func (e *ExistsError) Error() string { return fmt.Sprintf("%d of the calls exist already", len(e.IDs)) }

// Unwrap says that nothing was stored.
func (e *ExistsError) Unwrap() error { return ErrNotDone }
