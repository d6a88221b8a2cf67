package node

import (
	"slices"

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
		if d == but || c.Role(d.who) == call.Outsider || d.knows(c) {
			continue
		}
		d.session.Tell(&pealv1.ServerFrame{Body: &pealv1.ServerFrame_Call{Call: dl.update(c, d, with)}})
		dl.involve(d, c)
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

// knows says that a device has received a later state: messages of other nodes
// come in any order.
func (d *device) knows(c *call.Call) bool {
	v := d.calls[c.ID]
	return v != nil && v.rev > c.Rev || c.Live() && slices.Contains(d.over, c.ID)
}

// involve notes what a device that has just seen a snapshot has to do with the call.
func (dl *delivery) involve(d *device, c *call.Call) {
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
	if c.Rev >= v.rev {
		v.rev, v.inCall, v.active = c.Rev, c.Has(d.who), role != call.Observer
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
