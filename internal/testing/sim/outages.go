package sim

import (
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// outage is the last time that the store was away for all nodes.
type outage struct {
	at time.Time
	// moved counts the changes since then of where the devices of each call are.
	moved map[call.ID]int
}

// lostStore notes that the store is away for all.
func (x *watch) lostStore() { x.outage = outage{x.w.now, make(map[call.ID]int)} }

// outagesAlone says that in this schedule the store is away at times, and nothing else goes wrong.
func (f Faults) outagesAlone() bool {
	away := f.StoreDown+f.Failover > 0
	f.StoreDown, f.Failover = 0, 0
	return away && f.calm()
}

// moves holds L7: an outage of the store makes work for none of those whose connections it leaves
// alone. Who waits for an answer may connect again, once for each outage.
func (x *watch) moves(was, c *call.Call) {
	if x.outage.at.IsZero() || !was.Live() || was.ID == "" || !x.w.cfg.Faults.outagesAlone() {
		return
	}
	for i := range c.Legs {
		before, now := &was.Legs[i], &c.Legs[i]
		if before.Device.ID == "" || before.Device == now.Device && before.Gone.Equal(now.Gone) {
			continue
		}
		if x.outage.moved[c.ID]++; x.outage.moved[c.ID] > 1 {
			x.w.violate("L7: %s changed %d times because the store was away", c.ID, x.outage.moved[c.ID])
		}
	}
}

// findOrphans is how long after the last death, and the last fault, it takes at most until no call
// takes a device for present that was connected to a dead node: its lease runs out, and who finds
// that out may have to wait until it may judge.
const findOrphans = 20 * time.Second

// orphans holds L8, once all nodes live: no call has a device on a dead node.
func (x *watch) orphans(c *call.Call) {
	since := x.since
	if n := len(x.deaths); n > 0 {
		since = latest(since, x.deaths[n-1].at)
	}
	if x.since.IsZero() || x.w.now.Sub(since) < findOrphans {
		return
	}
	for i := range c.Legs {
		l := &c.Legs[i]
		if l.Device.ID != "" && l.Gone.IsZero() && !x.w.lives(l.Device.Conn.Incarnation) {
			x.w.violate("L8: %s takes %s for present in %s, which lives no more", c.ID, nameOf(l), l.Device.Conn.Incarnation)
		}
	}
}

// beats holds that a node which can reach the store keeps its lease, also while it stops.
func (x *watch) beats(h *host) {
	f := &x.w.cfg.Faults
	since := latest(latest(h.beat, h.cutOff), x.w.away)
	if h.alive && f.ReadFail+f.ReadSlow == 0 && x.w.now.Sub(since) > lease+2*f.StoreDelay {
		x.w.violate("L4: %s lives, and has given no sign of life since %s", h.label(), since.Sub(x.w.epoch))
	}
}

// lives says whether an incarnation does.
func (w *world) lives(incarnation string) bool {
	for _, h := range w.hosts {
		if h.alive && h.label() == incarnation {
			return true
		}
	}
	return false
}
