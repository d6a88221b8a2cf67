package node

import (
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/callqueue"
	"github.com/peal-rtc/peal/internal/store"
)

// How far back a look for changes goes again. A change gets its time before other nodes can see it:
// node A stamps 12:00:00.0 and commits at 12:00:00.4, node B commits a later change meanwhile and a
// look at 12:00:00.2 finds B's alone. Most are visible soon, so every look goes back a little; a slow
// commit may take as long as the store allows, so now and then one goes back further.
const (
	changesOverlap = 3 * time.Second
	changesWide    = 20 * time.Second // Of a wide look,
	wideEvery      = 10 * time.Second // which each of these times is.
)

// changes find what a lost message of another node would have said: a node that is not
// alone asks the store which calls were changed, and looks at those of its accounts.
type changes struct {
	*loop
	calls   *callqueue.Queues
	devices *devices
	from    time.Time // All changes before this time are known.
	wide    time.Time // From when on the next look is a wide one.
	running bool
	again   bool // Messages were lost: look once more.
	// seen has the revs that were looked at lately. A call with an entry is followed for a
	// while even where no device of it is here.
	seen map[call.ID]seen
}

type seen struct {
	rev uint32
	at  time.Time
}

// look asks for what was changed since the last time.
func (cg *changes) look() {
	if cg.running {
		return
	}
	if cg.from.IsZero() {
		cg.from = cg.now
	}
	cg.running = true
	overlap := changesOverlap
	if !cg.now.Before(cg.wide) {
		overlap, cg.wide = changesWide, cg.now.Add(wideEvery)
	}
	cg.lookFrom(cg.from.Add(-overlap), "")
}

// reconnected has a wide look begin at once: messages may have been lost.
func (cg *changes) reconnected() {
	if !cg.swept || cg.cfg.Alone {
		return
	}
	// A look that is under way began before the bus came back: it may have read too early.
	cg.again, cg.wide = cg.running, time.Time{}
	cg.look()
}

func (cg *changes) lookFrom(since time.Time, after call.ID) {
	cg.do(ListChanged{cg.await(func(in Input) { cg.looked(in.(ListedChanged)) }), since, after, pageSize})
}

func (cg *changes) looked(in ListedChanged) {
	if in.Err != nil {
		cg.log.Warn("cannot look for changed calls", "error", in.Err)
		cg.running, cg.wide = false, time.Time{} // from stays: the next look reads all of it again.
		return
	}
	for _, m := range in.Marks {
		cg.noticed(m)
		if m.At.After(cg.from) {
			cg.from = m.At
		}
	}
	if len(in.Marks) == pageSize { // By time and identifier: changes of one time may span pages.
		last := in.Marks[pageSize-1]
		cg.lookFrom(last.At, last.Call)
		return
	}
	cg.running = false
	for _, id := range sorted(cg.seen) {
		if cg.now.Sub(cg.seen[id].at) > 2*changesWide {
			delete(cg.seen, id)
		}
	}
	if cg.again {
		cg.again = false
		cg.look()
	}
}

// noticed has a call looked at that has changed, for the sake of those here who
// may not have heard of it.
func (cg *changes) noticed(m store.Mark) {
	// Looks overlap, so nearly every mark is seen twice: seen saves the second read of the call.
	was, followed := cg.seen[m.Call]
	if was.rev >= m.Rev || !followed && len(cg.devices.accounts[m.Caller]) == 0 && len(cg.devices.accounts[m.Callee]) == 0 {
		return
	}
	cg.seen[m.Call] = seen{m.Rev, cg.now}
	cg.calls.Look(m.Call, m.Rev)
}

// doubt has a call followed from a rev on: what this node takes for not committed may be
// done later, with a device in the call that has left meanwhile.
func (cg *changes) doubt(id call.ID, rev uint32) {
	if !cg.cfg.Alone {
		cg.seen[id] = seen{rev, cg.now}
	}
}
