package sim

import (
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
)

// regranted holds L3 where a side's grace restarts: the node that had found the side gone is dead
// itself, or counts as dead, and no device could come back meanwhile.
func (x *watch) regranted(was *call.Leg) {
	finder := was.Finder
	if finder == "" {
		finder = was.Device.Conn.Incarnation
	}
	for _, h := range x.w.hosts {
		// One that has just started is not known to all yet.
		if h.alive && !h.stopping && h.label() == finder && x.w.now.Sub(h.booted) > 5*time.Second && !h.silent().After(x.w.now.Add(-30*time.Second)) {
			x.w.violate("L3: %s/%s is granted its grace anew, and %s, which found it gone, lives", was.Account, was.Device.ID, finder)
		}
	}
}

// connected says that a side is there by the call, and that its connection is open.
func (w *world) connected(l *call.Leg) bool {
	if l.Device.ID == "" || !l.Gone.IsZero() {
		return false
	}
	for _, h := range w.hosts {
		if h.alive && h.label() == l.Device.Conn.Incarnation {
			link := h.conns[node.ConnID(l.Device.Conn.Seq)]
			return link != nil && !link.deadUp && !link.deadDown
		}
	}
	return false
}

// missed holds L4 where a device counts as gone: its connection is not there, unless its node
// counts as dead.
func (x *watch) missed(l *call.Leg) {
	for _, h := range x.w.hosts {
		if !h.alive || h.label() != l.Device.Conn.Incarnation || h.silent().After(x.w.now.Add(-30*time.Second)) {
			continue
		}
		if link := h.conns[node.ConnID(l.Device.Conn.Seq)]; link != nil && !link.deadUp && !link.deadDown {
			x.w.violate("L4: %s/%s is taken for gone, and its connection is open", l.Account, l.Device.ID)
		}
	}
}

// lost holds L4: a device that has been there for a while is not lost.
func (x *watch) lost(c *call.Call, from call.State) {
	if f := &x.w.cfg.Faults; from == call.Connected && f.Crash > 0 && f.Disconnect == 0 && f.Tunnel == 0 && f.Freeze == 0 && x.dark() < 3*time.Second && !x.w.leaving {
		x.w.violate("L6: %s was connected, and is lost because of a node", c.ID)
	}
	name := string(c.Outcome.Actor) + "/" + string(c.Outcome.Device)
	for _, k := range x.w.clients {
		s := k.seen()
		if k.name() != name || s.rude || !s.online || x.w.now.Sub(s.since) < 20*time.Second || s.blind.After(x.w.now.Add(-30*time.Second)) {
			continue
		}
		x.w.violate("L4: %s ended because %s was lost, which has been there for %s", c.ID, name, x.w.now.Sub(s.since))
	}
}
