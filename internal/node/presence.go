package node

import "github.com/peal-rtc/peal/internal/call"

// What calls are told of devices that are connected here, though the calls take them for gone,
// or know an older connection of theirs.

// back is what a call is told of a device that is here: that it came back, or, while it is
// being greeted, that its program was started again, if it was.
func (d *device) back() call.Input {
	if h := d.session.Hello(); h.GetFresh() {
		return call.Reload{Device: d.who, Resume: h.Resume}
	}
	return call.Back{Device: d.who}
}

// reconcile corrects a call that is mistaken about a connection of this node: news of
// it was lost, or another node took this one for dead, or had an older connection of the
// device, which was late. A node that is not known to live yet puts its devices back when
// it greets them, and one that stops leaves that to the next.
func (n *Node) reconcile(t *turn) {
	if !n.Ready() || !t.call.Live() {
		return
	}
	for i := range t.call.Legs {
		l := &t.call.Legs[i]
		d := n.connection(l.Device)
		switch {
		case d != nil && !l.Gone.IsZero():
			t.queue = append(t.queue, &job{back: d})
		case l.Gone.IsZero() && l.Device.Conn.Incarnation == n.cfg.Incarnation && (d == nil || d.who != l.Device):
			t.queue = append(t.queue, &job{in: call.Gone{Device: l.Device}})
		}
	}
}

// connection is that of a device of a call here: the one that the call knows, or else
// the latest.
func (n *Node) connection(who call.Device) (found *device) {
	for _, d := range n.devicesOf(who.Account, who.ID) {
		if d.who == who {
			return d
		}
		found = d
	}
	return found
}

// presents has a device be back first, that asks for something, or is greeted, by another
// connection than the call knows. What it asked by the one before took effect when
// it was here already.
func (n *Node) presents(t *turn, j *job) bool {
	d := j.device()
	if d == nil || j.back != nil || d.session.Closed() || !t.exists() || !t.call.Live() {
		return false
	}
	l := t.call.Leg(d.who.Account)
	if l == nil || !l.Device.Is(d.who) || l.Device == d.who {
		return false
	}
	if j.greeting != nil && l.Gone.IsZero() && l.Device.Conn.Incarnation != n.cfg.Incarnation {
		return false // It has nothing to ask for, and may be there by a newer connection.
	}
	t.queue = append([]*job{{back: d}}, t.queue...)
	return true
}

// device is the one that waits for the job; nil where none does.
func (j *job) device() *device {
	switch {
	case j.settle != nil:
		return j.settle.job.asker.device
	case j.greeting != nil:
		return j.greeting.device
	case j.asker != nil:
		return j.asker.device
	}
	return nil
}
