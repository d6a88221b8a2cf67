package node

import (
	"slices"

	"github.com/peal-rtc/peal/internal/call"
)

// sweep is how a node learns which nodes have died, and tells the calls of the
// devices that were connected to them.
type sweep struct {
	alive   []string // As of the last look.
	wanted  bool     // Someone died, or nothing was looked at yet.
	running bool
	done    bool // The first one is over: what was before is known.
}

// chores are what a node does by itself.
func (n *Node) chores() {
	n.schedule.set(alarm{}, n.now.Add(leaseEvery))
	if n.stopping {
		return
	}
	n.do(Beat{TTL: leaseTTL})
	if n.sweep.done {
		n.do(FindDue{pageSize})
		if !n.cfg.Alone {
			n.checkUp()
		}
	}
	n.quota.prune(n.now)
}

func (n *Node) beaten(in Beaten) {
	if in.Err != nil {
		n.log.Warn("cannot keep the lease", "error", in.Err)
		return
	}
	s := &n.sweep
	for _, inc := range s.alive {
		s.wanted = s.wanted || !slices.Contains(in.Alive, inc)
	}
	s.alive = in.Alive
	if !s.running && (s.wanted || !s.done) {
		s.running, s.wanted = true, false
		n.sweepFrom("")
	}
}

// sweepFrom goes through the live calls page by page.
func (n *Node) sweepFrom(after call.ID) {
	n.do(ListLive{n.await(func(in Input) { n.swept(in.(Listed)) }), after, pageSize})
}

func (n *Node) swept(in Listed) {
	if n.stopping {
		return // Its lease is not to be kept any more.
	}
	if in.Err != nil {
		n.log.Warn("cannot look for calls of dead nodes", "error", in.Err)
		n.sweepAgain()
		return
	}
	if !slices.ContainsFunc(in.Calls, func(c call.Call) bool { return len(n.deaths(&c)) > 0 }) {
		n.sweptPage(in.Calls)
		return
	}
	// A node that has begun since the last look may be in what was read: only one that
	// does not live after that is dead.
	n.do(Beat{n.await(func(beaten Input) {
		if beaten.(Beaten).Err != nil {
			n.sweepAgain()
			return
		}
		for i := range in.Calls {
			n.bury(&in.Calls[i])
		}
		n.sweptPage(in.Calls)
	}), leaseTTL})
}

// sweepAgain has the next sign of life begin another sweep.
func (n *Node) sweepAgain() { n.sweep.running, n.sweep.wanted = false, true }

// sweptPage goes on to the next page, if there is one.
func (n *Node) sweptPage(calls []call.Call) {
	if len(calls) == pageSize {
		n.sweepFrom(calls[pageSize-1].ID)
		return
	}
	n.sweep.running = false
	if n.sweep.done {
		return
	}
	n.sweep.done = true
	for _, id := range n.connIDs() {
		if d := n.conns[id]; d.session.Greeting() {
			n.greet(d)
		}
	}
}

// bury tells a call which of its devices went down with their node.
func (n *Node) bury(c *call.Call) {
	all := n.deaths(c)
	if len(all) > 0 {
		n.learn(*c)
	}
	for _, gone := range all {
		n.enqueue(c.ID, &job{in: gone})
	}
}

// deaths are the devices of a call whose node does not live, and of which no node that
// lives has found that out.
func (n *Node) deaths(c *call.Call) (all []call.Gone) {
	note := func(d call.Device, finder string) {
		if n.dead(d, finder) {
			all = append(all, call.Gone{Device: d, Finder: n.cfg.Incarnation, Former: finder})
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
func (n *Node) dead(d call.Device, finder string) bool {
	lives := func(incarnation string) bool {
		return incarnation == n.cfg.Incarnation || slices.Contains(n.sweep.alive, incarnation)
	}
	inc := d.Conn.Incarnation
	return inc != "" && !lives(inc) && !lives(finder)
}

// foundDue takes up the calls whose deadlines passed without anyone stepping
// them: their node is dead or slow.
func (n *Node) foundDue(in FoundDue) {
	if in.Err != nil {
		n.log.Warn("cannot look for calls that are due", "error", in.Err)
		return
	}
	for _, id := range in.IDs {
		if t := n.turn(id); !t.paused {
			n.ticked(t)
		}
	}
}
