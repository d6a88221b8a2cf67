package pgstore

import (
	"errors"
	"hash/maphash"
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
}

// outcome is what a change may come to: the call as given, or its busy variant.
type outcome struct {
	call   *call.Call
	body   []byte // stored.Encode(call).
	events []call.Event
}

// fits says whether a text column can hold a string.
func fits(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

var (
	errLegs = errors.New("a call that is stored in PostgreSQL has two legs")
	errText = errors.New("a name holds a zero byte or is no UTF-8")
)

// encode prepares a change, or refuses what the tables cannot hold.
func encode(c *store.Change, index int) (*change, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	made := &change{Change: c, index: index}
	var err error
	if made.call, err = newOutcome(&c.Call, c.Events); err != nil {
		return nil, err
	}
	if c.Busy != nil {
		busy, err := newOutcome(c.Busy, call.Events(nil, nil, c.Busy))
		if err != nil {
			return nil, err
		}
		made.busy = &busy
	}
	return made, nil
}

func newOutcome(c *call.Call, events []call.Event) (outcome, error) {
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
	body, err := stored.Encode(c)
	return outcome{call: c, body: body, events: events}, err
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
		for _, account := range c.accounts() {
			accounts[account] = n + 1
		}
	}
	for _, wave := range all {
		slices.SortFunc(wave, func(a, b *change) int { return strings.Compare(string(a.Call.ID), string(b.Call.ID)) })
	}
	return all
}

// descriptionsMost bounds for how many calls it is known which descriptions are stored.
const descriptionsMost = 1 << 16

// seed makes sums of descriptions that nobody can foresee.
var seed = maphash.MakeSeed()

// described is which descriptions the database has for a call at a rev, as a hash.
type described struct {
	rev uint32
	sum uint64
}

func sumOf(c *call.Call) uint64 {
	return maphash.Comparable(seed, [2]call.SDP{c.Media.Offer, c.Media.Answer})
}

// describes says whether a change has to write descriptions: those that are stored may be others.
func (s *Store) describes(c *change) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.described[c.Call.ID]
	return !ok || known.rev != c.From || known.sum != sumOf(&c.Call)
}

// note remembers which descriptions are stored with a call, while it lives.
func (s *Store) note(c *call.Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.Live() {
		delete(s.described, c.ID)
		return
	}
	if len(s.described) >= descriptionsMost {
		clear(s.described) // They are written once more than needed.
	}
	s.described[c.ID] = described{c.Rev, sumOf(c)}
}
