package node

import (
	"slices"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/callqueue"
)

// leases keep this node's, find nodes that have died, and sweep the live calls: each hears
// which of its devices were connected to a dead node.
type leases struct {
	*loop
	calls     *callqueue.Queues
	devices   *devices
	greetings *greetings
	alive     []string // The nodes of the last Beat.
	wanted    bool     // A node died since the last sweep began.
	sweeping  bool
}

// beaten takes the answer to the Beat of each round.
func (ls *leases) beaten(in Beaten) {
	if in.Err != nil {
		ls.log.Warn("cannot keep the lease", "error", in.Err)
		return
	}
	for _, inc := range ls.alive {
		ls.wanted = ls.wanted || !slices.Contains(in.Alive, inc)
	}
	ls.alive = in.Alive
	if !ls.sweeping && (ls.wanted || !ls.swept) {
		ls.sweeping, ls.wanted = true, false
		ls.sweepFrom("")
	}
}

// sweepFrom goes through the live calls page by page.
func (ls *leases) sweepFrom(after call.ID) {
	ls.do(ListLive{ls.await(func(in Input) { ls.page(in.(Listed)) }), after, pageSize})
}

func (ls *leases) page(in Listed) {
	if ls.stopping {
		return // Its lease is not to be kept any more.
	}
	if in.Err != nil {
		ls.log.Warn("cannot look for calls of dead nodes", "error", in.Err)
		ls.sweepAgain()
		return
	}
	if !slices.ContainsFunc(in.Calls, func(c call.Call) bool { return len(ls.deaths(&c)) > 0 }) {
		ls.sweptPage(in.Calls)
		return
	}
	// A node that has begun since the last look may be in what was read: only one that
	// does not live after that is dead.
	beat := ls.await(func(beaten Input) {
		if beaten.(Beaten).Err != nil {
			ls.sweepAgain()
			return
		}
		for i := range in.Calls {
			ls.bury(&in.Calls[i])
		}
		ls.sweptPage(in.Calls)
	})
	ls.do(Beat{beat, ls.cfg.Incarnation, leaseTTL})
}

// sweepAgain has the next sign of life begin another sweep.
func (ls *leases) sweepAgain() { ls.sweeping, ls.wanted = false, true }

// sweptPage goes on to the next page, if there is one.
func (ls *leases) sweptPage(calls []call.Call) {
	if len(calls) == pageSize {
		ls.sweepFrom(calls[pageSize-1].ID)
		return
	}
	ls.sweeping = false
	if ls.swept {
		return
	}
	ls.swept = true
	for _, id := range sorted(ls.devices.conns) {
		if d := ls.devices.conns[id]; d.session.Greeting() {
			ls.greetings.begin(d)
		}
	}
}

// bury tells a call which of its devices went down with their node.
func (ls *leases) bury(c *call.Call) {
	all := ls.deaths(c)
	if len(all) > 0 {
		ls.calls.Learn(*c)
	}
	for _, gone := range all {
		ls.calls.Add(c.ID, callqueue.Apply{Input: gone})
	}
}

// deaths are the devices of a call whose node does not live, and of which no node that
// lives has found that out.
func (ls *leases) deaths(c *call.Call) (all []call.Gone) {
	note := func(d call.Device, finder string) {
		if ls.dead(d, finder) {
			all = append(all, call.Gone{Device: d, Finder: ls.cfg.Incarnation, Former: finder})
		}
	}
	for i := range c.Legs {
		for _, r := range c.Legs[i].Ringers {
			note(r.Device, "")
		}
		note(c.Legs[i].Device, c.Legs[i].Finder)
	}
	return all
}

// dead says that the node of a device does not live, nor the one that found that out.
func (ls *leases) dead(d call.Device, finder string) bool {
	lives := func(incarnation string) bool {
		return incarnation == ls.cfg.Incarnation || slices.Contains(ls.alive, incarnation)
	}
	inc := d.Conn.Incarnation
	return inc != "" && !lives(inc) && !lives(finder)
}

// foundDue takes up the calls whose deadlines passed without anyone stepping
// them: their node is dead or slow.
func (ls *leases) foundDue(in FoundDue) {
	if in.Err != nil {
		ls.log.Warn("cannot look for calls that are due", "error", in.Err)
		return
	}
	for _, id := range in.IDs {
		ls.calls.Due(id)
	}
}
