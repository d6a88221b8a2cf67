package sim

import (
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// The part of the watch that holds what everybody receives and sees.

// told holds L2, L4 and L5: each connected device knows the present state, in time.
func (x *watch) told(name string, s sight) {
	w, before := x.w, x.w.now.Add(-x.news())
	if s.since.After(before) || s.blind.After(before) {
		return
	}
	if s.call != nil && s.call.Rev > 0 {
		x.current(name, s.call, before)
		return
	}
	id, busy := w.audit.live[call.Account(s.account)]
	if s.call != nil || !busy {
		return
	}
	c, h := w.audit.calls[id], x.history[id]
	leg := c.Leg(call.Account(s.account))
	at, over := s.over(string(id))
	switch {
	case over:
		// What it said may be answered by what makes it say another thing.
		left := before.Add(-3 * w.cfg.Faults.LinkDelay)
		if name == nameOf(leg) && leg.Gone.IsZero() && !at.After(left) && x.joined(&c, leg).Before(left) {
			w.violate("L5: %s is done with %s, which goes on with it", name, id)
		}
	case name == nameOf(leg):
		if leg.Gone.IsZero() && x.joined(&c, leg).Before(before) {
			w.violate("L5: %s shows no call, and is in %s, state %d", name, id, c.State)
		}
	case c.State == call.Ringing && leg == c.Callee() && (stopped(leg, name) || s.leaves):
		// Its own time-out was over before its program was started again.
	case c.State == call.Ringing && leg == c.Callee() && !h[0].at.After(before):
		w.violate("L2: %s does not ring for %s, which was made %s ago", name, id, w.now.Sub(h[0].at))
	}
}

// replied holds L1 of what somebody asked for: there is an answer in time, if only that it
// is not known whether it was done.
func (x *watch) replied(name string, s sight) {
	before := x.w.now.Add(-x.answers())
	if what, at := s.asks(); what != "" && at.Before(before) && s.since.Before(before) && s.blind.Before(before) {
		x.w.violate("L1: %s %s, and has had no answer for %s", name, what, x.w.now.Sub(at))
	}
}

// current wants a client to know what its call had come to a while ago.
func (x *watch) current(name string, c *pealv1.Call, before time.Time) {
	for _, m := range x.history[call.ID(c.CallId)] {
		// While it rings, the callee hears of a new generation with its offer.
		stale := int(c.State) < int(m.state) || c.Generation < m.generation && m.state > call.Ringing
		if !m.at.After(before) && stale {
			x.w.violate("L2: %s has not heard for %s that %s is in state %d, generation %d",
				name, x.w.now.Sub(m.at), c.CallId, m.state, m.generation)
		}
		if m.at.After(before) {
			return
		}
	}
	// It shows what the call has been at some time since then.
	h := x.history[call.ID(c.CallId)]
	for i := len(h) - 1; i >= 0; i-- {
		if x.like(c, name, &h[i].call, false) {
			return
		}
		if !h[i].at.After(before) {
			break
		}
	}
	x.w.violate("L5: for %s %s has been shown\n%v\nand it is\n%v", x.news(), name, c, &h[len(h)-1].call)
}

// like says whether a snapshot shows what a call is, or was, for a device, at that rev if
// it is to be exact.
func (x *watch) like(got *pealv1.Call, name string, truth *call.Call, exact bool) bool {
	account, id, _ := strings.Cut(name, "/")
	want := node.Snapshot(truth, call.Device{Account: call.Account(account), ID: call.DeviceID(id)}, x.w.now)
	return (!exact || got.Rev == want.Rev) && proto.Equal(shown(got, account), shown(want, account))
}

// tells holds L5 of a snapshot at once: it shows what the call was at that rev.
func (x *watch) tells(name string, c *pealv1.Call) {
	h := x.history[call.ID(c.CallId)]
	for i := len(h) - 1; i >= 0; i-- {
		if x.like(c, name, &h[i].call, true) {
			return
		}
	}
	x.w.violate("L5: %s is shown\n%v\nwhich it never was", name, c)
}

// shown is what of a snapshot must be right for as long as the call stays as it is: not
// how much time is left, and not what it says of the device itself, which knows that.
func shown(c *pealv1.Call, account string) *pealv1.Call {
	c = proto.CloneOf(c)
	c.Rev, c.RingRemainingMs, c.VideoAskRemainingMs, c.ConnectedForMs = 0, 0, 0, 0
	if c.State == pealv1.CallState_CALL_STATE_RINGING {
		// Of use to nobody yet; and the callee hears of a generation with its offer.
		c.Caller.Present, c.Caller.Epoch, c.Generation, c.RebuildGeneration = false, 0, 0, 0
	}
	c.Parties = nil // They are caller and callee once more.
	if c.Caller.Account == account {
		c.Caller = nil
	} else {
		c.Callee = nil
	}
	return c
}

// stopped says that a device of the leg rings no more, whoever else does.
func stopped(l *call.Leg, name string) bool {
	for _, r := range l.Ringers {
		if string(r.Device.Account)+"/"+string(r.Device.ID) == name {
			return r.Stopped
		}
	}
	return false
}
