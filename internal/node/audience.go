package node

import (
	"slices"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/callqueue"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Those who wait for a job of a call: a command, a greeting, or a backend.

// command is a device that waits for the answer to what it asked; for nothing where id is
// zero.
type command struct {
	device *device
	id     uint32
	with   call.Attachments
	// quiet says that the device hears of success by an event, as everybody else.
	quiet bool
}

func newCommand(d *device, id uint32, with call.Attachments) *command {
	return &command{d, id, with, d.session.Quiet(id)}
}

// Sender implements callqueue.Asker.
func (c *command) Sender() call.Device { return c.device.who }

// backend is a backend that waits for the end of a call.
type backend struct{ request uint64 }

// Sender implements callqueue.Asker: it is no device.
func (backend) Sender() call.Device { return call.Device{} }

// deviceOf is the device of an asker, nil for a backend, and says whether it is being greeted.
func deviceOf(a callqueue.Asker) (d *device, greeted bool) {
	switch a := a.(type) {
	case *command:
		return a.device, false
	case *greeting:
		return a.device, true
	case again:
		return a.device, true
	}
	return nil, false
}

// Answer implements callqueue.Audience.
func (h *host) Answer(a callqueue.Asker, id call.ID, c *call.Call, failure *pealv1.Error) {
	switch a := a.(type) {
	case *command:
		h.answer(a, id, c, failure)
	case *greeting:
		if c != nil && h.calls.Behind(id, c.Rev) {
			// Another node changed the call meanwhile, and its message came while the device was
			// still being greeted. The welcome must not show the older state.
			a.pending++
			h.calls.Add(id, callqueue.Look{Asker: again{a}})
		}
		h.greetings.told(a, c, failure)
	case again:
		h.greetings.told(a.greeting, c, failure)
	case *leavers:
		h.logins.kicked(a, failure)
	case backend:
		e := Terminated{Request: a.request, Error: failure}
		if c != nil {
			copied := *c
			e.Call = &copied
		}
		h.do(e)
	}
}

func (h *host) answer(a *command, id call.ID, c *call.Call, failure *pealv1.Error) {
	if a.id == 0 {
		return
	}
	defer h.devices.unheard(a.device, id)
	// The client asked for no reply to a success: Tell sends it the update, as to everybody else.
	if failure == nil && c != nil && c.Live() && a.quiet {
		a.device.session.Done(a.id)
		return
	}
	f := &pealv1.ServerFrame{Error: failure}
	var u *pealv1.CallUpdate
	if c != nil {
		u = h.delivery.update(c, a.device, a.with)
		f.Body = &pealv1.ServerFrame_Call{Call: u}
	}
	a.device.session.Reply(a.id, f)
	if c != nil {
		h.delivery.involve(a.device, c, u)
	}
}

// AnswerMerged implements callqueue.Audience. Two people called each other at once, and the second
// invitation became the answer of the first: the reply names the call that its caller is in now, and
// carries the offer, since for that call its device is the callee.
func (h *host) AnswerMerged(a callqueue.Asker, id call.ID, into *call.Call) {
	invited := a.(*command)
	d := invited.device
	u := h.delivery.update(into, d, call.WithOffer|call.WithServers)
	u.MergedInto = string(into.ID)
	d.session.Reply(invited.id, &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Call{Call: u}})
	h.devices.part(d, id)
	h.delivery.involve(d, into, u)
	if d.kicked {
		// While its invitation was under way: it became this call, which had not
		// been its own when it was kicked from all that were.
		h.calls.Add(into.ID, callqueue.Apply{Input: call.Kick{Device: d.who}})
	}
}

// Tell implements callqueue.Audience. The device that is answered by the same step is left out, or
// it would receive the same state twice.
func (h *host) Tell(c *call.Call, e call.Effect, answered callqueue.Asker) {
	var but *device
	if a, ok := answered.(*command); ok && !a.quiet {
		but = a.device
	}
	h.spread(bus.Message{Account: e.Account, Device: e.Device, Call: c, With: e.With},
		h.delivery.tell(c, e.Account, e.Device, e.With, but))
}

// Update implements callqueue.Audience. It serves the devices that know an older state of a call that
// was read: the message of the node that changed it was lost or is late.
func (h *host) Update(c *call.Call) {
	for _, member := range c.Members() {
		for _, d := range h.devices.of(member.Account, "") {
			if v := d.calls[c.ID]; v != nil && v.rev < c.Rev && v.rev > 0 {
				h.delivery.tellOne(c, d)
			}
		}
	}
}

// Introduce implements callqueue.Audience. Devices that know an older state received the newer one
// when the call was read.
func (h *host) Introduce(c *call.Call) {
	for _, member := range c.Members() {
		for _, d := range h.devices.of(member.Account, "") {
			if d.calls[c.ID] == nil && !slices.Contains(d.over, c.ID) {
				h.delivery.tellOne(c, d)
			}
		}
	}
}

// Pass implements callqueue.Audience.
func (h *host) Pass(a callqueue.Asker, c *call.Call, candidates *pealv1.Candidates, to call.Account, device call.DeviceID) {
	if from := a.(*command); from.id != 0 {
		from.device.session.Done(from.id)
		h.devices.unheard(from.device, c.ID)
	}
	// Here and not in the client: the promise to hide an address must not depend on the other
	// side's page.
	if c.RelayedOnly() {
		candidates = protocol.Relayed(candidates, h.cfg.Announced)
	}
	if to == "" || len(candidates.Candidates) == 0 {
		return
	}
	f := &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Candidates{Candidates: candidates}}
	h.spread(bus.Message{Account: to, Device: device, Signal: f}, h.delivery.signal(to, device, f))
}

// spread publishes a message for the other nodes, unless all its receivers are at this node: it
// names one device, which received it here, or presence knows that no other node has the account.
// That saves about half of the messages of a call (ADR 36).
func (h *host) spread(m bus.Message, told bool) {
	if h.cfg.Alone {
		return
	}
	if !told || m.Device == "" && !h.presence.withhold(m) {
		h.publish(m)
	}
}
