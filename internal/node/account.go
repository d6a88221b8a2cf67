package node

import (
	"time"
	"unique"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/callqueue"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// What backends ask about accounts. Request is the shell's; the answer brings it back.
type (
	// LogOut ends the connections of an account, or of one of its devices, and its part in calls.
	// The caller must refuse older tokens before it sends LogOut: a page whose connection ends
	// dials again at once, and would log in again with the same token.
	LogOut struct {
		Request uint64
		Account call.Account
		Device  call.DeviceID // Empty for all.
	}
	// Revoke closes the connections of an account that said hello at a time or later, by tokens
	// that were issued too early: another node had logged the account out by then.
	Revoke struct {
		Account   call.Account
		Since     time.Time
		NotBefore time.Time
	}
	// Describe asks which devices of an account are connected here.
	Describe struct {
		Request uint64
		Account call.Account
	}
)

func (LogOut) input()   {}
func (Revoke) input()   {}
func (Describe) input() {}

type (
	// LoggedOut answers LogOut, once no call of the account goes on. Error says that a call
	// could not be ended: the same LogOut may succeed later.
	LoggedOut struct {
		Request uint64
		// Devices is how many were connected here.
		Devices int
		Error   *pealv1.Error
	}
	// Described answers Describe.
	Described struct {
		Request uint64
		Devices []Connected
	}
)

func (LoggedOut) effect() {}
func (Described) effect() {}

// Connected is a device that is connected.
type Connected struct {
	ID call.DeviceID
	// Client is the name and the version of its program, as it says.
	Client string
	// Since is when it said hello.
	Since time.Time
	// Call is the call that it is in; empty where there is none.
	Call call.ID
	// Rings are the calls that ring there.
	Rings []call.ID
}

// clientBytes is how much of the name of a client is kept.
const clientBytes = 64

// clientOf keeps the name of a client once for all devices that have it.
func clientOf(h *pealv1.Hello) unique.Handle[string] {
	return unique.Make(h.Client[:min(len(h.Client), clientBytes)])
}

// describe lists the devices of an account here, in the order in which they came.
func (lg *logins) describe(in Describe) {
	e := Described{Request: in.Request}
	for _, d := range lg.devices.of(in.Account, "") {
		c := Connected{ID: d.who.ID, Client: d.client.Value(), Since: d.connected}
		for _, id := range sorted(d.calls) {
			switch v := d.calls[id]; {
			case v.inCall:
				c.Call = id
			case v.active:
				c.Rings = append(c.Rings, id)
			}
		}
		e.Devices = append(e.Devices, c)
	}
	lg.do(e)
}

// leavers is a LogOut under way: the calls of the account are read, and its devices are kicked
// from those that go on.
type leavers struct {
	answer  LoggedOut
	pending int
}

// Sender implements callqueue.Asker: it is no device.
func (*leavers) Sender() call.Device { return call.Device{} }

// logOut ends what a backend wants ended.
func (lg *logins) logOut(in LogOut) {
	ls := &leavers{answer: LoggedOut{Request: in.Request, Devices: lg.expel(in.Account, in.Device)}, pending: 1}
	lg.publish(bus.Message{Account: in.Account, Device: in.Device, LoggedOut: true})
	t := lg.await(func(answer Input) {
		r := answer.(Listed)
		if r.Err != nil {
			lg.log.Warn("cannot read the calls of an account that is logged out", "error", r.Err)
			ls.answer.Error = protocol.Unavailable.Error()
		}
		for i := range r.Calls {
			if c := &r.Calls[i]; c.Live() {
				lg.calls.Learn(*c)
				lg.kickAll(ls, c, in)
			}
		}
		lg.kicked(ls, nil)
	})
	lg.do(List{t, in.Account, lg.now})
}

// kickAll kicks the devices of an account from a call, also those that are away.
func (lg *logins) kickAll(ls *leavers, c *call.Call, in LogOut) {
	leg := c.Leg(in.Account)
	if leg == nil {
		return
	}
	devices := []call.Device{leg.Device}
	for _, r := range leg.Ringers {
		devices = append(devices, r.Device)
	}
	for _, d := range devices {
		if d.ID != "" && (in.Device == "" || in.Device == d.ID) {
			ls.pending++
			lg.calls.Add(c.ID, callqueue.Apply{Input: call.Kick{Device: d}, Asker: ls})
		}
	}
}

// kicked is called as each device has been kicked; the last one answers the backend.
func (lg *logins) kicked(ls *leavers, failure *pealv1.Error) {
	ls.pending--
	if failure.GetRetry() {
		ls.answer.Error = failure
	}
	if ls.pending == 0 {
		lg.do(ls.answer)
	}
}

// revoke closes what should not have been admitted.
func (lg *logins) revoke(in Revoke) {
	for _, d := range lg.devices.of(in.Account, "") {
		if !d.connected.Before(in.Since) && d.session.IssuedAt().Before(in.NotBefore) {
			lg.end(d, protocol.LoggedOut)
		}
	}
}

// expel closes the connections of an account here, or of one of its devices, and says how
// many there were.
func (lg *logins) expel(account call.Account, device call.DeviceID) int {
	devices := lg.devices.of(account, device)
	for _, d := range devices {
		lg.end(d, protocol.LoggedOut)
	}
	return len(devices)
}
