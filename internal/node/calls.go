package node

import (
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/callqueue"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// host is what the queues of calls see of their node.
type host struct {
	*loop
	calls     *callqueue.Queues
	devices   *devices
	presence  *presence
	delivery  *delivery
	greetings *greetings
	changes   *changes
	logins    *logins
	quota     *quota
}

// Now implements callqueue.Store.
func (h *host) Now() time.Time { return h.now }

// Load implements callqueue.Store.
func (h *host) Load(id call.ID) {
	h.do(Load{h.await(func(in Input) {
		l := in.(Loaded)
		h.calls.Loaded(id, l.Call, l.Err)
	}), id})
}

// Commit implements callqueue.Store.
func (h *host) Commit(c store.Change, patient bool) {
	id := c.Call.ID
	h.do(Commit{h.await(func(in Input) { h.calls.Committed(id, in.(Committed).Result) }), c, patient})
}

// Hurry implements callqueue.Store.
func (h *host) Hurry() { h.do(Hurry{}) }

// Wake implements callqueue.Store.
func (h *host) Wake(id call.ID, at time.Time) {
	if at.IsZero() {
		h.alarms.drop(alarm{call: id})
	} else {
		h.alarms.set(alarm{call: id}, at)
	}
}

// Admit implements callqueue.Policy.
func (h *host) Admit(caller, callee call.Account) *pealv1.Error {
	if callee == "" {
		return h.quota.tombstone(caller, h.now)
	}
	return h.quota.invite(caller, callee, h.now)
}

// NoCall implements callqueue.Policy.
func (h *host) NoCall(callee call.Account) { h.quota.noCall(callee, h.now) }

// Learned implements callqueue.Policy. It corrects a call that is mistaken about a connection of
// this node:
//
//   - The call says that a device is gone, and it is connected here. Another node judged this one
//     dead, or noted a late close of the device's older connection. The device is present again.
//   - The call says that a device is here, and it is not. The commit of its Gone failed, or a node
//     that died had already queued its arrival. The device is gone.
//
// Before its sweep a node corrects nothing: it puts its devices back when it greets them. A node
// that stops has sent devices elsewhere, and does not call them gone.
func (h *host) Learned(c *call.Call, by call.Input) {
	if _, calls := by.(call.Supersede); !calls { // A device that calls somebody else declines nobody.
		h.quota.heard(c)
	}
	if !h.swept || !c.Live() {
		return
	}
	for i := range c.Legs {
		l := &c.Legs[i]
		d := h.devices.connection(l.Device)
		switch {
		case d != nil && !l.Gone.IsZero():
			h.calls.Add(c.ID, callqueue.Present{Device: d})
		case !h.stopping && l.Gone.IsZero() && l.Device.Conn.Incarnation == h.cfg.Incarnation && (d == nil || d.who != l.Device):
			h.calls.Add(c.ID, callqueue.Apply{Input: call.Gone{Device: l.Device}})
		}
	}
}

// First implements callqueue.Policy. A device that sends a command, or is greeted, through another
// connection than the call knows is noted as present first: a hang-up of a device that the call
// believes to be gone would otherwise be refused, or counted as the end of its grace. A command that
// came through the older connection took effect while the device was present.
func (h *host) First(a callqueue.Asker, c *call.Call) callqueue.Presence {
	d, greeted := deviceOf(a)
	if d == nil {
		return nil
	}
	l := c.Leg(d.who.Account)
	switch {
	case d.session.Closed(), l == nil, !l.Device.Is(d.who), l.Device == d.who:
		return nil
	case greeted && l.Gone.IsZero() && l.Device.Conn.Incarnation != h.cfg.Incarnation:
		return nil // It has nothing to ask for, and may be there by a newer connection.
	}
	return d
}

// Moved implements callqueue.Policy.
func (h *host) Moved(c *call.Call, from call.State) {
	if c.State == from {
		return
	}
	if from == 0 && c.Deaf {
		h.quota.ringsNobody(c, h.now)
	}
	e := Moved{Call: c, From: from}
	if c.State == call.Connected {
		e.CallerPath, e.CalleePath = h.pathOf(c, c.Caller()), h.pathOf(c, c.Callee())
	}
	h.do(e)
}

// pathOf is what media of one side flow by, where its device is here and has reported it.
func (h *host) pathOf(c *call.Call, l *call.Leg) pealv1.MediaPath {
	for _, d := range h.devices.of(l.Account, l.Device.ID) {
		if v := d.calls[c.ID]; v != nil && v.pathOf == c.Media.Generation {
			return v.path
		}
	}
	return pealv1.MediaPath_MEDIA_PATH_UNSPECIFIED
}

// Doubted implements callqueue.Policy.
func (h *host) Doubted(id call.ID, rev uint32) { h.changes.doubt(id, rev) }
