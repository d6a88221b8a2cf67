package node

import (
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// newsOverlap is how far back each look for changes goes again: a change has
// its time before it can be seen, and a slow commit may take its while.
const newsOverlap = 12 * time.Second

// news is how a node that is not alone learns of what messages of others would
// have told it and did not: it asks the store what was changed, and looks at
// the calls of its accounts.
type news struct {
	from    time.Time // All changes before this time are known of.
	running bool
	// seen has the revs that were looked at lately, of calls that are followed for a while
	// whoever is here.
	seen map[call.ID]seen
}

type seen struct {
	rev uint32
	at  time.Time
}

// checkUp asks for what was changed since the last time.
func (n *Node) checkUp() {
	if n.news.running {
		return
	}
	if n.news.from.IsZero() {
		n.news.from = n.now
	}
	n.news.running = true
	n.checkFrom(n.news.from.Add(-newsOverlap), "")
}

func (n *Node) checkFrom(since time.Time, after call.ID) {
	n.do(ListChanged{n.await(func(in Input) { n.checked(in.(ListedChanged)) }), since, after, pageSize})
}

func (n *Node) checked(in ListedChanged) {
	if in.Err != nil {
		n.log.Warn("cannot look for changed calls", "error", in.Err)
		n.news.running = false
		return
	}
	for _, m := range in.Marks {
		n.noticed(m)
		if m.At.After(n.news.from) {
			n.news.from = m.At
		}
	}
	if len(in.Marks) == pageSize {
		last := in.Marks[pageSize-1]
		n.checkFrom(last.At, last.Call)
		return
	}
	n.news.running = false
	for _, id := range sorted(n.news.seen) {
		if n.now.Sub(n.news.seen[id].at) > 2*newsOverlap {
			delete(n.news.seen, id)
		}
	}
}

// noticed has a call looked at that has changed, for the sake of those here who
// may not have heard of it.
func (n *Node) noticed(m store.Mark) {
	was, followed := n.news.seen[m.Call]
	if was.rev >= m.Rev || !followed && len(n.accounts[m.Caller]) == 0 && len(n.accounts[m.Callee]) == 0 {
		return
	}
	n.news.seen[m.Call] = seen{m.Rev, n.now}
	t := n.turn(m.Call)
	t.newest = max(t.newest, m.Rev)
	n.enqueue(m.Call, &job{look: true})
}

// doubt has a call followed from a rev on: what this node takes for not committed may be
// done later, with a device in the call that has left meanwhile.
func (n *Node) doubt(id call.ID, rev uint32) {
	if !n.cfg.Alone {
		n.news.seen[id] = seen{rev, n.now}
	}
}

// attemptLook tells those of a call who do not know of it.
func (n *Node) attemptLook(t *turn) {
	c := t.call
	n.finish(t, &c, nil)
	if c.ID != "" {
		n.introduce(&c)
	}
}

// introduce tells of a call those devices here that should know of it and do
// not. Those who knew an older state were told when it was read.
func (n *Node) introduce(c *call.Call) {
	for i := range c.Legs {
		for _, d := range n.devicesOf(c.Legs[i].Account, "") {
			if d.calls[c.ID] == nil && !slices.Contains(d.over, c.ID) {
				n.tell(c, d.who.Account, d.who.ID, call.WithNeeds)
			}
		}
	}
}
