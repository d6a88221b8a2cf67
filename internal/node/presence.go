package node

import (
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
)

const (
	// withheldFor is how long a message is kept that was not sent because no other node needed
	// it: longer than word of a device takes that has just connected elsewhere.
	withheldFor = 5 * time.Second
	// askMost is how many accounts are asked about in one round, after the bus was away.
	askMost = 4096
)

// presence is what this node knows of the devices that its accounts have at other nodes, so that
// it sends only what another node needs. A node asks when an account comes to it, and those that
// have a device of the account answer; both see each other, in whatever order they came. Where
// such a message is lost, the look for changes finds what was not sent.
type presence struct {
	*loop
	devices *devices
	// elsewhere has the accounts that were asked about, and says whether others have them too.
	elsewhere map[call.Account]bool
	// withheld are messages that nobody needed, oldest first.
	withheld []withheld
	// unasked are accounts to ask about again.
	unasked []call.Account
}

type withheld struct {
	message bus.Message
	at      time.Time
}

// ask says whether to ask the other nodes for an account, and takes that as done.
func (p *presence) ask(a call.Account) bool {
	_, asked := p.elsewhere[a]
	if !asked {
		p.elsewhere[a] = false
	}
	return !asked
}

// withhold says that no other node needs a message for an account whose devices received it here.
func (p *presence) withhold(m bus.Message) bool {
	if elsewhere, asked := p.elsewhere[m.Account]; elsewhere || !asked {
		return false
	}
	p.prune()
	p.withheld = append(p.withheld, withheld{m, p.now})
	return true
}

// seen notes that another node has a device of an account, and sends what it may have needed.
func (p *presence) seen(a call.Account) {
	if elsewhere, asked := p.elsewhere[a]; elsewhere || !asked {
		return
	}
	p.elsewhere[a] = true
	p.prune()
	p.withheld = slices.DeleteFunc(p.withheld, func(w withheld) bool {
		if w.message.Account != a {
			return false
		}
		p.publish(w.message)
		return true
	})
}

// prune forgets the messages that are too old to be needed: a device that connects elsewhere later
// than that reads the calls of its account, and finds the changes there.
func (p *presence) prune() {
	i := slices.IndexFunc(p.withheld, func(w withheld) bool { return p.now.Sub(w.at) <= withheldFor })
	if i < 0 {
		i = len(p.withheld)
	}
	clear(p.withheld[:i]) // The array lives on: it must not hold the calls of these messages.
	p.withheld = p.withheld[i:]
}

// forget is the end of an account here.
func (p *presence) forget(a call.Account) { delete(p.elsewhere, a) }

// reconnected has all accounts asked about again: others may have come and gone. Until then their
// messages are sent.
func (p *presence) reconnected() {
	clear(p.elsewhere)
	p.unasked = sorted(p.devices.accounts)
}

// next is a device of each of the accounts to ask about in this round.
func (p *presence) next() (all []*device) {
	n := min(len(p.unasked), askMost)
	for _, a := range p.unasked[:n] {
		if here := p.devices.of(a, ""); len(here) > 0 {
			all = append(all, here[0])
		}
	}
	p.unasked = p.unasked[n:]
	return all
}
