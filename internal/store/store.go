// Package store keeps calls, the claims that make an account busy, and records.
//
// The node is its only caller. An implementation is safe for concurrent use.
// Every implementation passes the suite in storetest.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// ErrNotFound says that no call has this id.
var ErrNotFound = errors.New("no such call")

// What a store that fails says of the reason, where it knows: errors wrap these.
var (
	// ErrFull: there is no room on the disk.
	ErrFull = errors.New("disk full")
	// ErrLocked: another process keeps the database locked.
	ErrLocked = errors.New("database locked")
	// ErrFailed: a write ended in a way that leaves open what the disk holds, such as a
	// flush that failed. The store refuses everything until it is opened again.
	ErrFailed = errors.New("store failed until it is opened again")
)

// Store is the durable memory of all nodes.
//
// An error of Commit as a whole, or in a Result, that is none of the named
// verdicts means that the outcome is unknown: the change may have been made.
// The node then reads the call back before it answers anyone.
type Store interface {
	// Commit makes each change atomically and durably, and independently of
	// the others: a verdict against one takes no other with it. Results are in
	// the order of changes, one for each, even when Commit as a whole errs:
	// then each holds that error. Two changes to one call in one batch are
	// made in order.
	Commit(ctx context.Context, changes []Change) ([]Result, error)

	// Call loads one call, or ErrNotFound. A call of a newer format, also in lists, is as much as
	// this program knows of it, and call.Call.Format says so.
	Call(ctx context.Context, id call.ID) (call.Call, error)

	// CallsOf loads the live calls in which the account has a leg and those
	// that ended at or after endedSince, oldest first.
	CallsOf(ctx context.Context, account call.Account, endedSince time.Time) ([]call.Call, error)

	// Naming lists the live calls that an account has a leg in, also those that it does not
	// hear, in the order of ids.
	Naming(ctx context.Context, account call.Account) ([]call.ID, error)

	// Due lists live calls whose deadline is at or before now, earliest first. It may leave out
	// those of a newer format than call.Format.
	Due(ctx context.Context, now time.Time, limit int) ([]call.ID, error)

	// Live lists live calls with an id above after, in the order of ids.
	Live(ctx context.Context, after call.ID, limit int) ([]call.Call, error)

	// Orphaned lists, as Live does, those live calls that name a node incarnation which is
	// not among alive: of a device that is in the call or rings. A call without a device
	// names none.
	Orphaned(ctx context.Context, alive []string, after call.ID, limit int) ([]call.Call, error)

	// Changed lists the calls that changed at or after a time, oldest change first:
	// each call as it is now, once. After, where it is set, is the call of the
	// mark at since from which to go on. A store may leave out calls that ended more
	// than KeepEnded ago.
	Changed(ctx context.Context, since time.Time, after call.ID, limit int) ([]Mark, error)

	// Records lists a page of the records of an account.
	Records(ctx context.Context, account call.Account, page Page) ([]call.Record, error)

	// Block makes every call deaf that one account makes to another after this: see
	// call.Call.Deaf. A call between them that is live already stays as it is. It
	// returns the block, which may be an older one, or ErrBlocksFull. The audit entry is
	// filed also where there is nothing to do.
	Block(ctx context.Context, account, blocked call.Account, audit Audit) (Block, error)

	// Unblock ends a block. Where there is none only the audit entry is filed.
	Unblock(ctx context.Context, account, blocked call.Account, audit Audit) error

	// Blocks lists the blocks of an account in the order of whom it blocks, those after
	// a name.
	Blocks(ctx context.Context, account, after call.Account, limit int) ([]Block, error)

	// Beat keeps the lease of a node incarnation for ttl, and returns the
	// incarnations whose lease is alive, sorted. A ttl of zero gives it up.
	Beat(ctx context.Context, incarnation string, ttl time.Duration) (alive []string, err error)

	// Prune deletes calls that ended before callsBefore and records of calls
	// that ended before recordsBefore, and returns how many of both went.
	Prune(ctx context.Context, callsBefore, recordsBefore time.Time) (int, error)

	Books

	// Alias is the name that takes the place of an account which is erased.
	Alias(account call.Account) call.Account

	// Erase replaces an account by its alias in records, in calls that have ended and in the
	// audit, and deletes its name, picture and attachments there. It deletes the blocks by and
	// of the account. It refuses an account that
	// is in a live call with ErrInCall. Repeat it after an error: it resumes.
	Erase(ctx context.Context, account call.Account, audit Audit) error

	// Now is the store's clock, by which all deadlines go.
	Now(ctx context.Context) (time.Time, error)

	Close() error
}

// Page is a piece of the list of an account's records, in the order of when
// their calls ended, and of ids where that is the same.
type Page struct {
	// Forward lists oldest first, the records at or after Time, or after
	// Call. Otherwise it is newest first, those before Time, where zero means
	// the newest, or before Call.
	Forward bool
	Time    time.Time
	// Call, where it is set, takes the place of Time: the id of a record of
	// this account. Beside one that is not there, there is nothing.
	Call  call.ID
	Limit int
}

// Block says that calls of one account to another ring nobody.
type Block struct {
	Account call.Account // Whom the blocked account does not reach.
	Blocked call.Account
	Since   time.Time
}

// BlocksMost is how many blocks an account may have.
const BlocksMost = 10_000

// ErrBlocksFull says that an account has BlocksMost blocks.
var ErrBlocksFull = fmt.Errorf("an account may block %d others", BlocksMost)

// Mark says that a call was changed, without what it has become.
type Mark struct {
	Call   call.ID
	Rev    uint32
	Caller call.Account
	Callee call.Account // Empty for a deaf call, which does not concern it.
	// At is the store's time of the change. Changes become visible a little
	// after their time, and not quite in that order.
	At time.Time
}

// Newest is the page of the newest records.
func Newest(limit int) Page { return Page{Limit: limit} }

// Change is one transition of one call. What else belongs to it follows from
// the call itself, in the same transaction: a new live call claims its
// accounts in sorted order, those of call.Call.Members; a call is stored deaf where
// the callee blocks the caller, and a busy variant where the callee is busy with a
// deaf call to the caller; an ended call frees its claims and files its
// record. There is one record per id for ever: where one is left of a call
// that was pruned, a second call of that id files none.
type Change struct {
	// Call is the new state.
	Call call.Call
	// From is the rev that the stored call must have; 0 means that it must
	// not exist yet.
	From uint32
	// Busy, for a new live call, is what to store in place of Call when the
	// caller is free but the callee is claimed by another call: the same id,
	// ended, with its record.
	Busy *call.Call
	// Merged, for a call that takes an invitation in as its answer, is the tombstone of that
	// invitation. Both are stored, or neither: where a call of its id exists the verdict is
	// Conflict.
	Merged *call.Call
	// Events are what backends are to hear of Call, stored in the same transaction where anybody
	// wants events. Those of Busy follow from it.
	Events []call.Event
}

// Validate finds what no store can take.
func (c Change) Validate() error {
	switch {
	case len(c.Call.Legs) < 2:
		return errors.New("a call has at least two legs")
	case c.Merged != nil && (c.From == 0 || c.Merged.Live() || c.Merged.ID == c.Call.ID || len(c.Merged.Legs) < 2):
		return errors.New("a merged invitation is another call, ended, beside an update")
	case c.Busy == nil:
		return nil
	case c.From != 0 || !c.Call.Live():
		return errors.New("a busy variant is for a new live call")
	case c.Busy.ID != c.Call.ID || c.Busy.Live() || len(c.Busy.Legs) < 2:
		return errors.New("a busy variant is the same call, ended")
	}
	return nil
}

// Verdict is the result of a change.
type Verdict uint8

const (
	// Done: the change is made.
	Done Verdict = iota + 1
	// Conflict: the stored rev is not From (or the call exists, or does not),
	// or the stored call has ended, or a call of the merged invitation's id exists; nothing was
	// written. The node reloads and
	// steps again.
	Conflict
	// CallerClaimed: another live call, named in Result.Holder, has claimed
	// the caller's account; nothing was written.
	CallerClaimed
	// CalleeBusy: the caller is free and the callee was claimed; Change.Busy,
	// where there is one, was stored.
	CalleeBusy
)

// Result answers one Change.
type Result struct {
	Verdict Verdict
	// Deaf says that the call that was created was stored with call.Call.Deaf set.
	Deaf bool
	// Holder is the call that holds the claim, for CallerClaimed and CalleeBusy.
	Holder call.ID
	// Err, with no verdict, means that the outcome is unknown.
	Err error
}

// Unknown is the answer to n changes of which err leaves open whether they
// were made.
func Unknown(n int, err error) []Result {
	results := make([]Result, n)
	for i := range results {
		results[i].Err = err
	}
	return results
}
