package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/peal-rtc/peal/internal/api"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/store"
)

// eraseTries is how often an account is erased that somebody calls meanwhile.
const eraseTries = 3

// accounts implement api.Accounts.
type accounts struct {
	loop    *loop
	store   store.Store
	logOuts *logOuts
	wall    func() time.Time
	bus     *busState
}

// errUnheard says that devices at other nodes may still be connected.
var errUnheard = errors.New("log out: the bus is away, so that other nodes do not hear of it: repeat it")

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
	if away, _ := a.bus.away(); away {
		return api.LoggedOut{}, errUnheard
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
