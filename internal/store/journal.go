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
// Memory calls Append and Touch one at a time. Prune, PruneBooks and the reads may be called
// at any time; the reads do not wait for a write.
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

	// Block stores a block with its audit entry, and Unblock deletes one. Their errors are
	// those of Append. Memory calls them, Append and Touch one at a time.
	Block(Block, Audit) error
	Unblock(account, blocked call.Account, audit Audit) error

	// ReplayBlocks gives all blocks. It runs before anything but Replay.
	ReplayBlocks(ctx context.Context, take func(Block)) error

	// Prune deletes calls and records as Store.Prune does. Its errors are those of
	// Append.
	Prune(ctx context.Context, callsBefore, recordsBefore time.Time) (int, error)

	// Books are those of the store. The errors of their writes are those of Append.
	Books

	// Salt is what the aliases of erased accounts are made with: random, and always the same.
	Salt(ctx context.Context) ([]byte, error)

	// EndedWith lists the ended calls of an account, also those without a record. It reads a number
	// of calls, those that ended after a place and at it with a higher id. Next is the place of the
	// last one read; it is after where there is none.
	EndedWith(ctx context.Context, account call.Account, after Ended, limit int) (ids []call.ID, next Ended, err error)

	// EventsWith lists events of calls of an account. It reads a number of events, those with a seq
	// above after. Next is the seq of the last one read; it is after where there is none.
	EventsWith(ctx context.Context, account call.Account, after int64, limit int) (seqs []int64, next int64, err error)

	// Searched is the progress of an erasure that was cut off; zero for none.
	Searched(ctx context.Context, alias call.Account) (Searched, error)

	// Erase replaces an account in a portion of the records, and in the ended calls and the events
	// of the lists. It stores Searched in the same transaction, where that is set. More says that
	// records are left. The last portion that leaves none does the rest, deletes what Searched
	// stored, and files the audit entry: from then on nothing is listed for the account or its
	// alias. Its errors are those of Append. All but the last may come beside Append.
	Erase(e Erasure) (more bool, err error)

	EventJournal

	Close() error
}

// EventJournal is the part of a Journal that keeps events, endpoints and deliveries. Memory calls
// what writes one at a time, and not beside Append; the errors of that are those of Append. The
// reads may be called at any time.
type EventJournal interface {
	// Outbox gives the endpoints, and the seq of the newest event, at a start.
	Outbox(ctx context.Context) (last int64, endpoints []StoredEndpoint, err error)

	// PutEndpoint stores an endpoint with the audit entry, if there is one, and gives it a number
	// that no other endpoint ever had, where it has none.
	PutEndpoint(e *Endpoint, by ...Audit) error

	// DeleteEndpoint deletes an endpoint, and stores the audit entry. Its deliveries are hidden at once.
	// PruneEvents may delete them later.
	DeleteEndpoint(number int64, by ...Audit) error

	// Events lists events of these kinds with a seq above after, in the order of seqs. It looks at
	// LookMost events. Next is the seq of the last one looked at; 0 where there are no more.
	Events(ctx context.Context, after int64, kinds call.EventKinds, limit int) (events []Event, next int64, err error)

	// Due lists deliveries to an endpoint that are due, the longest due first: of each call the one
	// with the lowest seq. Next is when another will be due; zero for never.
	Due(ctx context.Context, endpoint int64, now time.Time, limit int) (due []Delivery, next time.Time, err error)

	// Oldest finds the oldest event with a seq above after that waits for an endpoint, and when it was
	// committed. It looks at LookMost events: where none of them waits, seq is that of the last, at a
	// zero time. Where there are no more, seq is 0.
	Oldest(ctx context.Context, endpoint, after int64) (seq int64, at time.Time, err error)

	// Settle stores the results of deliveries, none of which is Returned, and returns the changes of the
	// counts of each endpoint.
	Settle(now time.Time, settled []Settlement) (map[int64]Counts, error)

	// Dead lists dead deliveries of an endpoint with a seq above after.
	Dead(ctx context.Context, endpoint int64, after int64, limit int) ([]DeadLetter, error)

	// Choose finds the seqs of a portion of events to queue again. It is a read, and looks at LookMost
	// events. The next portion is that after next; it is Before or above when there is none.
	Choose(ctx context.Context, p Portion) (seqs []int64, next int64, err error)

	// Requeue queues chosen events again, due now. What is no longer there, or where p.All is not set
	// no longer given up, is left out. The audit entries are stored in the same transaction.
	Requeue(p Portion, seqs []int64, now time.Time, by ...Audit) (Counts, error)

	// Prunable finds a portion of the events with a seq above after and below shown that may be
	// deleted: those below kept, and those that wait for nobody and were given up for nobody. It is a
	// read, and looks at LookMost events. The next portion is that after next; it is shown when there
	// is none.
	Prunable(ctx context.Context, after, shown, kept int64) (seqs []int64, next int64, err error)

	// PruneEvents deletes events that Prunable found: those below kept with their deliveries, and the
	// others where they may still be deleted. It also deletes a portion of the deliveries of a deleted
	// endpoint; more says that others are left. Counts are those of Settle.
	PruneEvents(ctx context.Context, seqs []int64, kept int64) (rows int, counts map[int64]Counts, more bool, err error)
}

// StoredEndpoint is an endpoint with its deliveries.
type StoredEndpoint struct {
	Endpoint
	Counts
	Oldest int64 // The seq of the oldest event that waits for it; 0 for none.
}

// Counts are the numbers of deliveries of an endpoint that wait and that are dead, or changes of these
// numbers.
type Counts struct{ Queued, Dead int }

func (c *Counts) add(n Counts) {
	c.Queued += n.Queued
	c.Dead += n.Dead
}

// Portion chooses events to queue again: at most Limit of the events of these kinds with a seq above
// After and below Before, or only the dead ones of them.
type Portion struct {
	Endpoint      int64
	After, Before int64
	Kinds         call.EventKinds
	All           bool
	Limit         int
}

// Entry is one call as a batch leaves it.
type Entry struct {
	Call *call.Call
	// Created says that the journal holds no live call of this id. Where it holds
	// an ended one, it refuses the batch with an ExistsError.
	Created bool
	// At is the store's time of the change.
	At time.Time
	// Events are stored with the call, with a delivery for each endpoint that is to have one. The
	// journal sets Filed.
	Events []Outgoing
}

// ErrNotDone is wrapped by the error of a write that stored nothing.
var ErrNotDone = errors.New("nothing was stored")

// ExistsError refuses a batch that creates calls whose ids exist already.
type ExistsError struct{ IDs []call.ID }

func (e *ExistsError) Error() string { return fmt.Sprintf("%d of the calls exist already", len(e.IDs)) }

// Unwrap says that nothing was stored.
func (e *ExistsError) Unwrap() error { return ErrNotDone }
