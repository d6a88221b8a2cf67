package node

import (
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/callqueue"
)

// leases keep this node's, find nodes that have died, and sweep the live calls of those: each
// hears which of its devices were connected to a dead node. They also take up deadlines that
// other nodes left.
type leases struct {
	*loop
	calls     *callqueue.Queues
	devices   *devices
	greetings *greetings
	alive     []string  // The nodes of the last Beat, sorted.
	wanted    time.Time // From when on the live calls are to be swept; zero for not at all.
	second    time.Time // When that is to be done once more after a death; zero for not at all.
	sweeping  bool
	answered  time.Time // When the Beat of loop.sent was answered: shown by Inspect.
	missed    bool      // A Beat failed since then.
	judges    time.Time // From when on this node may find other nodes dead.
	late      lateCalls
}

// beatLate is how long after a Beat was sent the answer to the next one shows that the store may have
// been away, as a Beat that failed does: then the leases of all nodes may have run out, since others
// may have missed one Beat more, and no node is dead for that. It counts from the sending of a Beat
// and not from its answer: a Beat that reached the store just before an outage, and whose answer was
// slow, would otherwise hide the outage.
// A second is for those that find later than this node that the store is back.
const beatLate = leaseTTL - leaseEvery - time.Second

// othersSweep is how much later than the node that follows a dead one the other nodes sweep the
// live calls: they find nothing then, unless that node died as well.
const othersSweep = 4 * time.Second

// secondSweep is how long after a death the live calls are swept once more: what the dead node had
// sent to the store may have been done after the first time.
const secondSweep = 15 * time.Second

// keep renews this node's lease and asks which nodes live. The store compares all leases by its own
// clock, so that two machines whose clocks differ agree on who lives.
func (ls *leases) keep(t Ticket) {
	ls.do(Beat{Ticket: t, Incarnation: ls.cfg.Incarnation, TTL: leaseTTL, Sent: ls.now})
}

// beaten takes the answer to each Beat.
func (ls *leases) beaten(in Beaten) {
	ls.single = time.Time{}
	if in.Err != nil {
		ls.missed = true
		ls.log.Warn("cannot keep the lease", "error", in.Err)
		return
	}
	if in.Sent.Before(ls.sent) {
		return // A newer one was answered before: this list of nodes is older.
	}
	ls.suspend()
	// Nodes that begin together do not find each other at once.
	wasAlone := !ls.sent.IsZero() && !ls.others()
	ls.sent, ls.answered, ls.missed = in.Sent, ls.now, false
	for _, inc := range ls.alive {
		if !slices.Contains(in.Alive, inc) {
			ls.died(inc, in.Alive)
		}
	}
	ls.alive = in.Alive
	if !ls.second.IsZero() && !ls.now.Before(ls.second) {
		ls.second = time.Time{}
		ls.want(ls.now)
	}
	if wasAlone && !ls.others() {
		ls.single = ls.now
	}
	switch {
	case !ls.judging() && !ls.swept:
		ls.want(ls.judges)
		ls.begin()
	case ls.stopping || ls.sweeping || !ls.judging():
	case !ls.swept || !ls.wanted.IsZero() && !ls.now.Before(ls.wanted):
		ls.sweeping, ls.wanted = true, time.Time{}
		ls.sweepFrom("")
	}
}

// died has the live calls be swept for a node: at once by the one that follows it.
func (ls *leases) died(node string, alive []string) {
	ls.second = ls.now.Add(secondSweep)
	if following(node, alive) == ls.cfg.Incarnation {
		ls.want(ls.now)
	} else {
		ls.want(ls.now.Add(othersSweep))
	}
}

// suspend has this node find nobody dead for the time of a lease, where the leases of all nodes
// may have run out with its own because the store was away. The others come back meanwhile.
func (ls *leases) suspend() {
	silent := ls.now.Sub(ls.sent)
	switch {
	case ls.cfg.Alone:
	case ls.sent.IsZero(): // Whether the store was away just now, a node that begins cannot know.
		ls.judges = ls.now.Add(leaseTTL)
	case ls.missed || silent > beatLate:
		ls.judges = ls.now.Add(leaseTTL)
		ls.want(ls.judges) // A node may have begun and died meanwhile.
		ls.log.Warn("the store was away: no node counts as dead for a while", "silent_for", silent, "until", ls.judges)
	}
}

// judging says that this node may find others dead.
func (ls *leases) judging() bool { return !ls.now.Before(ls.judges) }

// others says that another node lives.
func (ls *leases) others() bool {
	return !ls.cfg.Alone && slices.ContainsFunc(ls.alive, func(inc string) bool { return inc != ls.cfg.Incarnation })
}

// following is the node of a sorted list that comes after another one, which is not in it.
func following(node string, list []string) string {
	if len(list) == 0 {
		return ""
	}
	i, _ := slices.BinarySearch(list, node)
	return list[i%len(list)]
}

// want has the live calls be swept at the first sign of life from a time on.
func (ls *leases) want(at time.Time) {
	if ls.wanted.IsZero() || at.Before(ls.wanted) {
		ls.wanted = at
	}
}

// sweepFrom goes through the live calls of nodes that do not live, page by page.
func (ls *leases) sweepFrom(after call.ID) {
	alive := ls.alive
	if !slices.Contains(alive, ls.cfg.Incarnation) {
		alive = append(slices.Clone(alive), ls.cfg.Incarnation)
	}
	ls.do(ListOrphaned{ls.await(func(in Input) { ls.page(in.(Listed)) }), alive, after, pageSize})
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
	ls.keep(ls.await(func(beaten Input) {
		if beaten.(Beaten).Err != nil || !ls.judging() {
			ls.sweepAgain()
			return
		}
		for i := range in.Calls {
			ls.bury(&in.Calls[i])
		}
		ls.sweptPage(in.Calls)
	}))
}

// sweepAgain has the next sign of life begin another sweep.
func (ls *leases) sweepAgain() {
	ls.sweeping = false
	ls.want(ls.now)
}

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

// begin has the node answer hellos, also those that came during the sweep. A hello that was answered
// before could welcome a device to a call whose other party died with an earlier incarnation.
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

// deaths are the devices of a call whose node does not live, and of which no node that lives has
// found that out. Finder is part of the rule because the finder, too, may die: A dies, B notes A's
// device as gone, and B's message of that is lost with B. Then the next node notes it again.
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
