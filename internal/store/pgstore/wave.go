package pgstore

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
)

// waveMost is how many changes one transaction makes at most.
const waveMost = 256

// change is a change of a batch, with what the statements take of it.
type change struct {
	*store.Change
	index int // In the batch.
	call  outcome
	busy  *outcome // nil for no busy variant.
	// merged is the body of the tombstone of the invitation that the call takes in; nil for none.
	merged []byte
}

// outcome is what a change may come to: the call as given, or its busy variant.
type outcome struct {
	call *call.Call
	body []byte // stored.Encode(call).
	// offer and answer are the descriptions as they are stored; nil where those that are stored stay.
	offer, answer []byte
	events        []call.Event
}

// fits says whether a text column can hold a string.
func fits(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

var (
	errLegs = errors.New("a call that is stored in PostgreSQL has two legs")
	errText = errors.New("a name holds a zero byte or is no UTF-8")
)

// encode prepares a change, or refuses what the tables cannot hold.
func (d *descriptions) encode(c *store.Change, index int) (*change, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	made := &change{Change: c, index: index}
	offer, answer := true, true
	if c.From != 0 {
		offer, answer = d.changed(c)
	}
	var err error
	if made.call, err = d.outcome(&c.Call, c.Events, offer, answer); err != nil {
		return nil, err
	}
	if c.Merged != nil {
		if !fits(string(c.Merged.ID)) {
			return nil, errText
		}
		if made.merged, err = stored.Encode(c.Merged); err != nil {
			return nil, err
		}
	}
	if c.Busy != nil {
		busy, err := d.outcome(c.Busy, call.Events(nil, nil, c.Busy), true, true)
		if err != nil {
			return nil, err
		}
		made.busy = &busy
	}
	return made, nil
}

// outcome prepares what a change may come to, with these of its descriptions.
func (d *descriptions) outcome(c *call.Call, events []call.Event, offer, answer bool) (o outcome, err error) {
	if len(c.Legs) != 2 {
		return outcome{}, errLegs
	}
	texts := []string{string(c.ID), nodesOf(c)}
	for i := range c.Legs {
		texts = append(texts, string(c.Legs[i].Account), c.Legs[i].Card.Name, c.Legs[i].Card.Avatar)
	}
	for _, text := range texts {
		if !fits(text) {
			return outcome{}, errText
		}
	}
	o = outcome{call: c, events: events}
	if o.body, err = stored.Encode(c); err == nil && offer {
		o.offer, err = d.compress(c.Media.Offer)
	}
	if err == nil && answer {
		o.answer, err = d.compress(c.Media.Answer)
	}
	return o, err
}

// nodesOf lists the incarnations that hold the devices of a call, one a line.
func nodesOf(c *call.Call) string {
	var nodes []string
	add := func(d *call.Device) {
		if inc := d.Conn.Incarnation; inc != "" && !slices.Contains(nodes, inc) {
			nodes = append(nodes, inc)
		}
	}
	for i := range c.Legs {
		add(&c.Legs[i].Device)
		for k := range c.Legs[i].Ringers {
			add(&c.Legs[i].Ringers[k].Device)
		}
	}
	return strings.Join(nodes, "\n")
}

// waves divides changes so that those of one wave share neither a call nor an account whose claims
// they touch. Each wave is a transaction. What shares something stays in its order.
func waves(changes []*change) (all [][]*change) {
	calls, accounts := make(map[call.ID]int), make(map[call.Account]int) // The first wave that is free for each.
	for _, c := range changes {
		n := calls[c.Call.ID]
		if c.Merged != nil {
			n = max(n, calls[c.Merged.ID])
		}
		for _, account := range c.accounts() {
			n = max(n, accounts[account])
		}
		for n < len(all) && len(all[n]) == waveMost {
			n++
		}
		if n == len(all) {
			all = append(all, nil)
		}
		all[n] = append(all[n], c)
		calls[c.Call.ID] = n + 1
		if c.Merged != nil {
			calls[c.Merged.ID] = n + 1
		}
		for _, account := range c.accounts() {
			accounts[account] = n + 1
		}
	}
	for _, wave := range all {
		slices.SortFunc(wave, func(a, b *change) int { return strings.Compare(string(a.Call.ID), string(b.Call.ID)) })
	}
	return all
}
