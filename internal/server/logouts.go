package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/store"
)

const (
	// logOutsHold is how long a log-out holds at least.
	logOutsHold = 24 * time.Hour
	// logOutMargin is by how much the clocks of two nodes may differ.
	logOutMargin = time.Second
)

// logOuts know since when tokens must have been issued, of accounts that were logged out. Any
// goroutine may use it.
type logOuts struct {
	store store.Store
	// adding is held from the look at the clock until its time is stored: the last log-out counts.
	adding sync.Mutex

	// admitted notes who is admitted, where other nodes log accounts out too; nil where none do.
	admitted *admissions

	mu        sync.RWMutex // Guards what follows.
	notBefore map[call.Account]time.Time
}

func openLogOuts(ctx context.Context, s store.Store) (*logOuts, error) {
	stored, err := s.LogOuts(ctx)
	if err != nil {
		return nil, fmt.Errorf("read log-outs: %w", err)
	}
	return &logOuts{store: s, notBefore: maps.Clone(stored)}, nil
}

// judge refuses a token that was issued too early.
func (o *logOuts) judge(who auth.Identity) error {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if len(o.notBefore) == 0 {
		return nil
	}
	at, out := o.notBefore[o.store.Alias(call.Account(who.Account))]
	if out && who.IssuedAt.Before(at) {
		return auth.ErrRevoked
	}
	return nil
}

// out has tokens of an account be refused that were made until now, also where the clock of who
// made them is ahead by somewhat less than the leeway, and gives the time from which on tokens are
// admitted: one with just that iat is good at once. Tokens count whole seconds. A time by a clock
// that was further ahead is replaced.
func (o *logOuts) out(ctx context.Context, account call.Account, wall func() time.Time, audit store.Audit) (notBefore time.Time, err error) {
	o.adding.Lock()
	defer o.adding.Unlock()
	notBefore = wall().Add(auth.Leeway).Truncate(time.Second)
	return notBefore, o.add(ctx, account, notBefore, audit)
}

// add stores that tokens of an account must have been issued at a time or later, and goes by
// it from then on.
func (o *logOuts) add(ctx context.Context, account call.Account, at time.Time, audit store.Audit) error {
	alias := o.store.Alias(account)
	if err := o.store.LogOut(ctx, alias, at, audit); err != nil {
		return fmt.Errorf("store log-out: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.notBefore == nil {
		o.notBefore = make(map[call.Account]time.Time)
	}
	o.notBefore[alias] = at
	return nil
}

// drop forgets those from before a time.
func (o *logOuts) drop(before time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	maps.DeleteFunc(o.notBefore, func(_ call.Account, at time.Time) bool { return at.Before(before) })
}

// reload takes what other nodes stored, and says whom this node has admitted meanwhile although
// it should not have. The look began at begun.
func (o *logOuts) reload(ctx context.Context, begun time.Time) ([]node.Revoke, error) {
	o.adding.Lock()
	defer o.adding.Unlock()
	stored, err := o.store.LogOuts(ctx)
	if err != nil {
		return nil, fmt.Errorf("read log-outs: %w", err)
	}
	fresh := maps.Clone(stored)
	o.mu.Lock()
	maps.DeleteFunc(fresh, func(alias call.Account, at time.Time) bool { return o.notBefore[alias].Equal(at) })
	o.notBefore = maps.Clone(stored)
	o.mu.Unlock()
	return o.admitted.revoked(fresh, begun), nil
}

// admissions are the tokens that were found good since the last look but one at the log-outs of
// other nodes. Any goroutine may use it.
type admissions struct {
	alias func(call.Account) call.Account

	mu     sync.Mutex // Guards what follows.
	looked time.Time  // When the last look began.
	recent map[call.Account][]admission
}

// admission is one token: whose it is, when it was issued, and when a device showed it, by the
// wall clock, the store's and the one of this process.
type admission struct {
	account            call.Account
	issued             time.Time
	wall, clock, local time.Time
}

// note notes a token that a device has shown.
func (a *admissions) note(who auth.Identity, wall, clock time.Time) {
	account := call.Account(who.Account)
	alias := a.alias(account)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.recent == nil {
		a.recent = make(map[call.Account][]admission)
	}
	a.recent[alias] = append(a.recent[alias], admission{account, who.IssuedAt, wall, clock, time.Now()})
}

// revoked finds who was admitted after a log-out that this node had not heard of, and forgets
// those whom the last look would have found.
func (a *admissions) revoked(fresh map[call.Account]time.Time, begun time.Time) (list []node.Revoke) {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for alias, notBefore := range fresh {
		out := notBefore.Add(-auth.Leeway - logOutMargin)
		revoke := node.Revoke{NotBefore: notBefore}
		for _, one := range a.recent[alias] {
			if one.issued.Before(notBefore) && !one.wall.Before(out) && (revoke.Account == "" || one.clock.Before(revoke.Since)) {
				revoke.Account, revoke.Since = one.account, one.clock
			}
		}
		if revoke.Account != "" {
			list = append(list, revoke)
		}
	}
	for alias, all := range a.recent {
		all = slices.DeleteFunc(all, func(one admission) bool { return one.local.Before(a.looked) })
		if a.recent[alias] = all; len(all) == 0 {
			delete(a.recent, alias)
		}
	}
	a.looked = begun
	return list
}
