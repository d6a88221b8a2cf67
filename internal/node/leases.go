package node

import (
	"slices"
	"time"

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
	beat      time.Time // When the last Beat was answered.
	missed    bool      // A Beat failed since then.
	judges    time.Time // From when on this node may find other nodes dead.
}

// beatLate is how long after an answered Beat the next one shows that the store was away, as a
// Beat that failed does: then the leases of all nodes may have run out, since others may have
// missed one Beat more, and no node is dead for that.
const beatLate = leaseTTL - leaseEvery

// beaten takes the answer to the Beat of each round.
func (ls *leases) beaten(in Beaten) {
	ls.single = time.Time{}
	if in.Err != nil {
		ls.missed = true
		ls.log.Warn("cannot keep the lease", "error", in.Err)
		return
	}
	if silent := ls.now.Sub(ls.beat); !ls.cfg.Alone && !ls.beat.IsZero() && (ls.missed || silent > beatLate) {
		ls.judges = ls.now.Add(leaseTTL)
		ls.log.Warn("the store was away: no node counts as dead for a while", "silent_for", silent, "until", ls.judges)
	}
	if ls.beat.IsZero() && !ls.cfg.Alone {
		// Whether the store was away for the others as well, this node cannot know.
		ls.judges = ls.now.Add(leaseTTL)
	}
	ls.beat, ls.missed = ls.now, false
	for _, inc := range ls.alive {
		ls.wanted = ls.wanted || !slices.Contains(in.Alive, inc)
	}
	ls.alive = in.Alive
	if !slices.ContainsFunc(in.Alive, func(inc string) bool { return inc != ls.cfg.Incarnation }) {
		ls.single = ls.now
	}
	switch {
	case !ls.judging() && !ls.swept:
		ls.wanted = true
		ls.begin()
	case !ls.sweeping && ls.judging() && (ls.wanted || !ls.swept):
		ls.sweeping, ls.wanted = true, false
		ls.sweepFrom("")
	}
}

// judging says that this node may find others dead.
func (ls *leases) judging() bool { return !ls.now.Before(ls.judges) }

// sweepFrom goes through the live calls page by page.
func (ls *leases) sweepFrom(after call.ID) {
	ls.do(ListLive{ls.await(func(in Input) { ls.page(in.(Listed)) }), after, pageSize})
}

func (ls *leases) page(in Listed) {
	if ls.stopping {
		return // The next incarnation, or another node, does it.
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
		if beaten.(Beaten).Err != nil || !ls.judging() {
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
	if !ls.swept {
		ls.begin()
	}
}

// begin has the node answer hellos.
func (ls *leases) begin() {
	ls.swept = true
	for _, id := range sorted(ls.devices.conns) {
		if d := ls.devices.conns[id]; d.session.Greeting() && ls.devices.subs.effective(d.who.Account) {
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
