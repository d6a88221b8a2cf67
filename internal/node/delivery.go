package node

import (
	"slices"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// delivery sends calls to the devices here, to each what it may see.
type delivery struct {
	*loop
	devices *devices
}

// tell sends a call's snapshot to an account's devices here, but not to the one that has
// just been answered, and says whether there are any.
func (dl *delivery) tell(c *call.Call, a call.Account, id call.DeviceID, with call.Attachments, but *device) bool {
	devices := dl.devices.of(a, id)
	for _, d := range devices {
		// Outsider: another device of the account answered, or this one logged in after it rang.
		if d == but || c.Role(d.who) == call.Outsider || d.knows(c) {
			continue
		}
		u := dl.update(c, d, with)
		d.session.Tell(&pealv1.ServerFrame{Body: &pealv1.ServerFrame_Call{Call: u}})
		dl.involve(d, c, u)
	}
	return len(devices) > 0
}

// tellOne sends a call, and all that the device needs of it, to one device.
func (dl *delivery) tellOne(c *call.Call, d *device) {
	dl.tell(c, d.who.Account, d.who.ID, call.WithNeeds, nil)
}

// signal gives a frame to an account's devices here, and says whether there are any.
func (dl *delivery) signal(a call.Account, id call.DeviceID, f *pealv1.ServerFrame) bool {
	devices := dl.devices.of(a, id)
	for _, d := range devices {
		d.session.Tell(f)
		dl.devices.watch(d)
	}
	return len(devices) > 0
}

// knows says that a device has received a later state. Messages of other nodes come in any order: a
// call that hung up at node A and was answered at node B before may reach node C in reverse. over
// keeps a late "answered" from reviving a call at a page that has closed its window for it.
func (d *device) knows(c *call.Call) bool {
	v := d.calls[c.ID]
	return v != nil && v.rev > c.Rev || c.Live() && slices.Contains(d.over, c.ID)
}

// lacks says that a device here needs a session description which the message of another node
// leaves out: the message with that was lost, as when its node died.
func (dl *delivery) lacks(m *bus.Message) bool {
	return slices.ContainsFunc(dl.devices.of(m.Account, m.Device), func(d *device) bool {
		v := d.calls[m.Call.ID]
		if d.knows(m.Call) || v != nil && (v.rev == 0 || v.described == m.Call.Media.Generation) {
			return false
		}
		switch m.Call.Role(d.who) {
		case call.CallerRole:
			return m.Without&call.WithAnswer != 0
		case call.CalleeRole: // Of a call that is not answered in this generation.
			return m.Without&call.WithOffer != 0 && m.Without&call.WithAnswer == 0
		case call.Outsider, call.Observer:
		}
		return false
	})
}

// involve notes what a device that has just seen an update has to do with the call.
func (dl *delivery) involve(d *device, c *call.Call, u *pealv1.CallUpdate) {
	role := c.Role(d.who)
	// A device may receive an update before its welcome, which was built from an older read.
	if !c.Live() && (!dl.cfg.Alone || d.session.Greeting()) && !slices.Contains(d.over, c.ID) {
		d.over = append(d.over[max(0, len(d.over)+1-overMost):], c.ID)
	}
	if !c.Live() || role == call.Outsider || dl.devices.conns[d.conn] != d {
		dl.devices.part(d, c.ID)
		return
	}
	v := dl.devices.join(d, c.ID)
	if c.Rev >= v.rev { // The reply to a command may carry an older state than an update before it.
		v.rev, v.inCall, v.active = c.Rev, c.Has(d.who), role != call.Observer
	}
	if u.Offer != "" || u.Answer != "" {
		v.described = c.Media.Generation
	}
	dl.devices.quicken(d)
}

// update is what one device is to see of a call. The attachments are for the
// two sides of a live call alone, whatever is asked for.
func (dl *delivery) update(c *call.Call, d *device, with call.Attachments) *pealv1.CallUpdate {
	u := &pealv1.CallUpdate{Call: Snapshot(c, d.who, dl.now)}
	if with&call.WithNeeds != 0 {
		with |= c.Needs(d.who)
	}
	role := c.Role(d.who)
	if !c.Live() || role != call.CallerRole && role != call.CalleeRole {
		return u
	}
	if with&call.WithOffer != 0 && role == call.CalleeRole {
		u.Offer = string(c.Media.Offer)
	}
	if with&call.WithAnswer != 0 && role == call.CallerRole {
		u.Answer = string(c.Media.Answer)
	}
	if with&call.WithServers != 0 {
		u.IceServers = dl.cfg.Servers(c.ID, d.who, dl.now)
	}
	return u
}
