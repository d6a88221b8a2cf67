package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// Books keep what belongs to no call: the API keys, the audit of their writes, and the log-outs
// of accounts. A write stores its audit entry in the same transaction.
type Books interface {
	// Keys lists the stored API keys, also those that are revoked, in the order of ids.
	Keys(ctx context.Context) ([]Key, error)

	// AddKey stores a key, or returns ErrKeyExists where one has its id.
	AddKey(ctx context.Context, key Key, audit Audit) error

	// RevokeKey revokes a key, or returns ErrNoKey where none has the id. A key that is revoked
	// already stays as it is, and no entry is stored.
	RevokeKey(ctx context.Context, id string, audit Audit) error

	// UseKeys stores the last use of keys. It ignores ids that no key has.
	UseKeys(ctx context.Context, used map[string]time.Time) error

	// File stores an audit entry alone.
	File(ctx context.Context, audit Audit) error

	// Trail lists audit entries below a sequence number, 0 for the newest, newest first.
	Trail(ctx context.Context, before int64, limit int) ([]Audit, error)

	// LogOut stores the least time of issue of an account's tokens, under the alias of the account.
	// It replaces the stored time, also a later one: that one came from a clock that was ahead.
	LogOut(ctx context.Context, alias call.Account, notBefore time.Time, audit Audit) error

	// LogOuts lists these times by the aliases of accounts.
	LogOuts(ctx context.Context) (map[call.Account]time.Time, error)

	// PruneBooks deletes audit entries and revoked keys from before auditBefore, and the
	// log-outs that are from before logOutsBefore. It returns how many rows it deleted.
	PruneBooks(ctx context.Context, auditBefore, logOutsBefore time.Time) (int, error)
}

// Errors of Books. Nothing was stored then.
var (
	ErrKeyExists = errors.New("a key has this id already")
	ErrNoKey     = errors.New("no key has this id")
	// ErrInCall refuses to erase an account that is in a live call, or that a live deaf call names:
	// see call.Call.Deaf.
	ErrInCall = errors.New("the account is in a live call")
	// ErrAlias refuses to erase or to block an alias: it proves that an account was erased.
	ErrAlias = errors.New("the name is the alias of an erased account")
)

// Key is an API key as it is stored: without its secret.
type Key struct {
	ID string
	// Hash is the SHA-256 of the secret.
	Hash    []byte
	Scopes  []string
	Created time.Time
	// Used is the time of the last request with it, to the minute; zero for never.
	Used time.Time
	// Revoked is the time of its revocation; zero for a good key.
	Revoked time.Time
}

// Audit is one entry of the audit: an action, its key and its target.
type Audit struct {
	// Seq is set by the store.
	Seq int64
	At  time.Time
	// Key is the id of the API key, or CommandKey.
	Key    string
	Action string
	// Target is the object of the action. For actions that begin with AccountActions it is an
	// account, and Other is a second account.
	Target, Other string
	Request       string
	Addr          string
	// Status is the HTTP status of the answer.
	Status int
}

const (
	// CommandKey is the key of the actions of an operator with the command peal. No key has this id.
	CommandKey = "peal key"
	// AccountActions is the prefix of actions whose targets are accounts.
	AccountActions = "account."
)

// aliasPrefix begins the name by which an erased account is known.
const aliasPrefix = "deleted:"

// aliasBytes is how many bytes of the hash follow it.
const aliasBytes = 16

// AliasOf is the name that replaces an erased account. Without the salt of the store it does not
// show whether it is that of a certain account.
func AliasOf(salt []byte, account call.Account) call.Account {
	h := hmac.New(sha256.New, salt)
	h.Write([]byte(account))
	return call.Account(aliasPrefix + hex.EncodeToString(h.Sum(nil)[:aliasBytes]))
}

// IsAlias reports whether a name is an alias. The store lists nothing for aliases: a user with such
// a name must not find the calls of an erased account.
func IsAlias(account call.Account) bool {
	digits, ok := strings.CutPrefix(string(account), aliasPrefix)
	_, err := hex.DecodeString(digits)
	return ok && err == nil && len(digits) == 2*aliasBytes
}

// Erasure replaces an account by its alias.
type Erasure struct {
	Account, Alias call.Account
	// Ended are ended calls of the account, and Events the seqs of events of its calls: at most
	// erasePortion of each.
	Ended  []call.ID
	Events []int64
	// Searched is stored with the portion, unless it is zero.
	Searched Searched
	// Last says that no other calls and events have the account, and that no commit runs.
	Last  bool
	Audit Audit
}

// Searched is the progress of an erasure's search. No call that ended earlier, and no event up to that
// seq, has the account any more.
type Searched struct {
	Ended time.Time
	Event int64
}

// Ended is a place in the order of ended calls: when one ended, and its id.
type Ended struct {
	At time.Time
	ID call.ID
}

const (
	// erasePortion is how many calls, and events, are erased in one transaction.
	erasePortion = 500
	// searchPortion is how many calls, or events, an erasure searches before it stores its progress.
	searchPortion = 100_000
)

// Alias implements Store.
func (m *Memory) Alias(account call.Account) call.Account { return AliasOf(m.salt, account) }

// free refuses an account that is in a live call.
func (m *Memory) free(account call.Account) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.failed != nil {
		return m.failed
	}
	if len(m.naming(account)) > 0 { // Also deaf calls to it: their records are still to be filed.
		return ErrInCall
	}
	return nil
}

// judged is judge for callers that do not hold writing.
func (m *Memory) judged(err error) error {
	m.writing.Lock()
	defer m.writing.Unlock()
	return m.judge(err)
}

// Keys implements Store.
func (m *Memory) Keys(ctx context.Context) ([]Key, error) { return m.journal.Keys(ctx) }

// Trail implements Store.
func (m *Memory) Trail(ctx context.Context, before int64, limit int) ([]Audit, error) {
	return m.journal.Trail(ctx, before, limit)
}

// LogOuts implements Store.
func (m *Memory) LogOuts(ctx context.Context) (map[call.Account]time.Time, error) {
	return m.journal.LogOuts(ctx)
}

// AddKey implements Store.
func (m *Memory) AddKey(ctx context.Context, key Key, audit Audit) error {
	return m.write(func() error { return m.journal.AddKey(ctx, key, audit) })
}

// RevokeKey implements Store.
func (m *Memory) RevokeKey(ctx context.Context, id string, audit Audit) error {
	return m.write(func() error { return m.journal.RevokeKey(ctx, id, audit) })
}

// UseKeys implements Store.
func (m *Memory) UseKeys(ctx context.Context, used map[string]time.Time) error {
	return m.write(func() error { return m.journal.UseKeys(ctx, used) })
}

// File implements Store.
func (m *Memory) File(ctx context.Context, audit Audit) error {
	return m.write(func() error { return m.journal.File(ctx, audit) })
}

// LogOut implements Store.
func (m *Memory) LogOut(ctx context.Context, alias call.Account, notBefore time.Time, audit Audit) error {
	return m.write(func() error { return m.journal.LogOut(ctx, alias, notBefore, audit) })
}

// PruneBooks implements Store. Commits do not wait, as no call depends on it.
func (m *Memory) PruneBooks(ctx context.Context, auditBefore, logOutsBefore time.Time) (rows int, err error) {
	if err := m.failure(); err != nil {
		return 0, err
	}
	rows, err = m.journal.PruneBooks(ctx, auditBefore, logOutsBefore)
	return rows, m.judged(err)
}

// write makes a write of the journal that no call depends on.
func (m *Memory) write(do func() error) error {
	m.writing.Lock()
	defer m.writing.Unlock()
	if m.failed != nil {
		return m.failed
	}
	return m.judge(do())
}
