package sim

import (
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
)

// logOut is an account that a backend logs out, until a node says that it is.
type logOut struct {
	account call.Account
	// calls are those that the account was in.
	calls []call.ID
}

// logOut has a backend log an account out, as often as it takes.
func (w *world) logOut(account call.Account) {
	o := &logOut{account: account}
	for _, id := range w.live() {
		c := w.audit.calls[id]
		if l := c.Leg(account); l != nil && l.Device.ID != "" {
			o.calls = append(o.calls, id)
		}
	}
	w.loggedOut[string(account)] = w.now // Stored, before any node is asked.
	w.requests++
	w.logOuts[w.requests] = o
	w.askLogOut(w.requests)
}

func (w *world) askLogOut(request uint64) {
	o := w.logOuts[request]
	if o == nil {
		return
	}
	if h := w.anyHost(); h != nil && h.healthy() {
		h.step(node.LogOut{Request: request, Account: o.account})
	}
	w.after(3*time.Second, func() { w.askLogOut(request) })
}

// answeredLogOut holds that of an account which is logged out no call goes on.
func (w *world) answeredLogOut(e node.LoggedOut) {
	o := w.logOuts[e.Request]
	if o == nil || e.Error != nil {
		return
	}
	delete(w.logOuts, e.Request)
	for _, id := range o.calls {
		if c := w.audit.calls[id]; c.Live() {
			w.violate("L7: a backend hears that %s is logged out, and %s goes on", o.account, id)
		}
	}
}

// wasLoggedOut says that a backend logged an account out lately.
func (w *world) wasLoggedOut(account string) bool {
	at, out := w.loggedOut[account]
	return out && w.now.Sub(at) < 2*time.Minute
}
