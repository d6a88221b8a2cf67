package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/peal-rtc/peal/internal/api"
	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/store"
)

const (
	// logOutsHold is how long a log-out holds at least.
	logOutsHold = 24 * time.Hour
	// eraseTries is how often an account is erased that somebody calls meanwhile.
	eraseTries = 3
)

// logOuts know since when tokens must have been issued, of accounts that were logged out. Any
// goroutine may use it.
type logOuts struct {
	store store.Store
	// adding is held from the look at the clock until its time is stored: the last log-out counts.
	adding sync.Mutex

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

// reload takes what other nodes stored.
func (o *logOuts) reload(ctx context.Context) error {
	o.adding.Lock()
	defer o.adding.Unlock()
	stored, err := o.store.LogOuts(ctx)
	if err != nil {
		return fmt.Errorf("read log-outs: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.notBefore = maps.Clone(stored)
	return nil
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

// accounts implement api.Accounts.
type accounts struct {
	loop    *loop
	store   store.Store
	logOuts *logOuts
	wall    func() time.Time
}

// Devices implements api.Accounts.
func (a *accounts) Devices(ctx context.Context, account call.Account) ([]api.Device, error) {
	e, err := a.loop.question(ctx, func(request uint64) node.Input { return node.Describe{Request: request, Account: account} })
	if err != nil {
		return nil, fmt.Errorf("ask for devices: %w", err)
	}
	var devices []api.Device
	for _, d := range e.(node.Described).Devices {
		devices = append(devices, api.Device(d))
	}
	return devices, nil
}

// LogOut implements api.Accounts. Tokens are judged by the wall clock.
func (a *accounts) LogOut(ctx context.Context, account call.Account, device call.DeviceID, audit store.Audit) (api.LoggedOut, error) {
	notBefore, err := a.logOuts.out(ctx, account, a.wall, audit)
	if err != nil {
		return api.LoggedOut{}, err
	}
	e, err := a.loop.question(ctx, func(request uint64) node.Input {
		return node.LogOut{Request: request, Account: account, Device: device}
	})
	if err != nil {
		return api.LoggedOut{}, fmt.Errorf("log out: %w", err)
	}
	done := e.(node.LoggedOut)
	if done.Error != nil {
		return api.LoggedOut{}, fmt.Errorf("log out: %s", done.Error.GetMessage())
	}
	return api.LoggedOut{NotBefore: notBefore, Devices: done.Devices}, nil
}

// Erase implements api.Accounts. The account is logged out first: its devices are part of what
// is erased, and would make calls.
func (a *accounts) Erase(ctx context.Context, account call.Account, force bool, out, erased store.Audit) error {
	if !force {
		live, err := a.live(ctx, account)
		if err != nil {
			return err
		}
		if len(live) > 0 {
			return store.ErrInCall
		}
	}
	if _, err := a.LogOut(ctx, account, "", out); err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := a.store.Erase(ctx, account, erased)
		if !errors.Is(err, store.ErrInCall) || !force || try == eraseTries {
			return err
		}
		live, err := a.live(ctx, account)
		if err != nil {
			return err
		}
		for _, id := range live {
			if _, err := a.loop.endCall(ctx, id); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
	}
}

// live lists the live calls that keep an account from being erased.
func (a *accounts) live(ctx context.Context, account call.Account) (ids []call.ID, err error) {
	if ids, err = a.store.Naming(ctx, account); err != nil {
		return nil, fmt.Errorf("read calls of account: %w", err)
	}
	return ids, nil
}
