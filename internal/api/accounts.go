package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/store"
)

// eraseTimeout bounds one request to erase an account. The store searches all events of a week for it;
// a repeated request resumes the search. It is well below store.KeepEnded: the store finds calls that
// end during the erasure in memory.
const eraseTimeout = 2 * time.Minute

// Accounts serves the routes of accounts.
type Accounts interface {
	// Devices lists the devices of an account that are connected to this node.
	Devices(context.Context, call.Account) ([]Device, error)
	// LogOut ends the connections and the calls of an account, or of one of its devices, and
	// from then on admits only tokens that are issued later. It files the audit entry.
	LogOut(context.Context, call.Account, call.DeviceID, store.Audit) (LoggedOut, error)
	// Erase logs an account out and erases it, and files an audit entry for each. Where the account
	// is in a live call it returns store.ErrInCall, unless force ends the call.
	Erase(ctx context.Context, account call.Account, force bool, out, erased store.Audit) error
}

// Device is a device that is connected.
type Device struct {
	ID     call.DeviceID
	Client string
	Since  time.Time
	Call   call.ID
	Rings  []call.ID
}

// LoggedOut is the result of a log-out.
type LoggedOut struct {
	// NotBefore is the least time of issue of tokens that are admitted.
	NotBefore time.Time
	// Devices is how many were connected to this node.
	Devices int
}

// accountOf is the account that a path names.
func (b *backend) accountOf(w http.ResponseWriter, q *http.Request) (call.Account, bool) {
	return b.accountIn(w, q, "a")
}

// accountIn is the account that a path names in one place.
func (b *backend) accountIn(w http.ResponseWriter, q *http.Request, place string) (call.Account, bool) {
	account := named(q, place)
	switch {
	case !protocol.ValidAccount(account, &b.Limits):
		deny(w, protocol.BadRequest, "%.200q is no account: it must be 1 to %d bytes of printable text without blanks around it, percent-encoded in the path",
			account, b.Limits.AccountBytes)
	case store.IsAlias(call.Account(account)):
		deny(w, protocol.BadRequest, "%.200q is the alias of an erased account: send the name of an account", account)
	default:
		return call.Account(account), true
	}
	return "", false
}

// getAccount gives the devices of an account, and its live call.
func (b *backend) getAccount(w http.ResponseWriter, q *http.Request) {
	account, ok := b.accountOf(w, q)
	if !ok {
		return
	}
	devices, err := b.Accounts.Devices(q.Context(), account)
	if err != nil {
		b.unavailable(w, q, err)
		return
	}
	calls, err := b.Store.CallsOf(q.Context(), account, b.Now())
	if err != nil {
		b.unavailable(w, q, err)
		return
	}
	answer := accountShape{Account: string(account), Scope: serviceScope, Devices: []deviceShape{}}
	if b.Shared {
		answer.Scope = nodeScope
	}
	for _, d := range devices {
		answer.Devices = append(answer.Devices, deviceOf(d))
	}
	for i := range calls {
		if calls[i].Live() {
			c := callOf(&calls[i])
			answer.Call = &c
		}
	}
	reply(w, answer)
}

// logOut logs an account out, or one of its devices.
func (b *backend) logOut(w http.ResponseWriter, q *http.Request) {
	account, ok := b.accountOf(w, q)
	if !ok {
		return
	}
	device, ok := b.deviceIn(w, q)
	if !ok {
		return
	}
	d := deedOf(q)
	out, err := b.Accounts.LogOut(q.Context(), account, device, d.done())
	if err != nil {
		d.filed = false // The entry has the status of the failure.
		b.unavailable(w, q, err)
		return
	}
	reply(w, logOutShape{Devices: out.Devices, NotBefore: out.NotBefore.UTC()})
}

// deviceIn reads {"device": "phone"}, or no body.
func (b *backend) deviceIn(w http.ResponseWriter, q *http.Request) (call.DeviceID, bool) {
	var body struct {
		Device *string `json:"device"`
	}
	decoder := json.NewDecoder(q.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&body)
	if err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one value")
		}
	}
	switch {
	case errors.Is(err, io.EOF), err == nil && body.Device == nil:
		return "", true
	case err != nil:
		deny(w, protocol.BadRequest, `send {"device": "ID"} to log one device out, or no body for all of them`)
		return "", false
	case !protocol.ValidDeviceID(*body.Device):
		deny(w, protocol.BadRequest, "device %.80q: those are 1 to 64 of A-Z a-z 0-9 . _ -, as GET /api/v1/accounts/{a} lists them", *body.Device)
		return "", false
	}
	return call.DeviceID(*body.Device), true
}

// eraseAccount erases an account. The audit keeps its alias alone.
func (b *backend) eraseAccount(w http.ResponseWriter, q *http.Request) {
	account, ok := b.accountOf(w, q)
	if !ok {
		return
	}
	d := deedOf(q)
	d.Target = string(b.Store.Alias(account))
	query, ok := queryOf(w, q, "force")
	if !ok || !emptyBody(w, q) {
		return
	}
	if force := query.Get("force"); query.Has("force") && force != "1" {
		deny(w, protocol.BadRequest, "force=%.20s: send force=1 to end a live call of the account, or leave it out", force)
		return
	}
	outlast(w, eraseTimeout+backendTimeout)
	out := d.Audit
	out.Action, out.Status = actionLogOut, http.StatusOK
	erased := d.Audit
	erased.Status = http.StatusOK
	switch err := b.Accounts.Erase(q.Context(), account, query.Has("force"), out, erased); {
	case errors.Is(err, store.ErrInCall):
		deny(w, conflict, "the account is in a live call: end that first, or send force=1 to end it")
	case err != nil:
		b.unavailable(w, q, err)
	default:
		d.filed = true
		reply(w, erasedShape{Alias: d.Target})
	}
}
