package explore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/callqueue"
	"github.com/peal-rtc/peal/internal/protocol"
)

// Glare is a world of several calls: people who call each other, or someone
// else, at the same time. It walks the queues of calls that the node runs: whatever they
// ask of the store is answered at any time, with anything in between.
type Glare struct {
	Name string
	// Dials are who calls whom: a device's name begins with its account's letter.
	Dials []Dial
	// Others are devices that dial nobody, and may accept.
	Others []call.DeviceID
	// Cancel lets callers give up, Accept anybody who is rung accept, and Hangup
	// anybody in a call hang up, each once per call.
	Cancel, Accept, Hangup bool
	// Apart has the accounts connected to two nodes, by turns.
	Apart bool
	// How often each may happen in all. A duplicate is an invitation that is
	// sent again, to the other node.
	Duplicate, Loss int
	// Time lets time pass.
	Time bool
	// Block, where its accounts are set, is put at any time, or never.
	Block Block
}

// Block has the calls of one account to another be deaf.
type Block struct{ From, By call.Account }

// Dial is one device calling an account.
type Dial struct {
	From call.DeviceID
	To   call.Account
}

// answer is the result of a dial, as its device receives it.
type answer uint8

const (
	waits     answer = iota
	made             // Its own call was made, or is there.
	merged           // It is part of another call.
	elsewhere        // Another device of the account is in a call.
)

// order is something that a device has asked for about a call.
type order struct {
	act    Act
	call   int8
	device int8
}

// duel is one state.
type duel struct {
	now      time.Time
	calls    []call.Call // By dial; without an id where there is none.
	sent     []bool
	answers  []answer
	into     []int8 // The call that a dial was merged into.
	gaveUp   []bool
	done     map[order]bool
	sites    []*site
	requests []request // Of the store, under way.
	reads    []read
	orders   []order
	blocked  bool  // There is the block of the scope.
	err      error // A violation that the queues' host has seen.
	left     Glare
	calm     bool // Nobody did anything but dial.
	path     *path
}

// RunGlare walks a scope of several calls.
func RunGlare(g Glare) (Result, error) {
	w := &duels{scope: g, known: map[key]struct{}{}, result: Result{Scope: g.Name, Ends: map[call.Reason]int{}}}
	for _, d := range g.Dials {
		w.devices = append(w.devices, named(d.From))
	}
	for _, d := range g.Others {
		w.devices = append(w.devices, named(d))
	}
	for _, d := range w.devices {
		if !slices.Contains(w.people, d) {
			w.people = append(w.people, d)
		}
	}
	n, limits := len(g.Dials), protocol.DefaultLimits()
	first := &duel{
		now: epoch, calls: make([]call.Call, n), sent: make([]bool, n), answers: make([]answer, n), into: make([]int8, n),
		gaveUp: make([]bool, n), done: map[order]bool{}, left: g, calm: true, path: &path{what: "it begins"},
	}
	for i := range int8(2) {
		s := &site{walk: w, world: first, number: i}
		s.queues = callqueue.New(callqueue.Config{Limits: &limits, Timing: call.DefaultTiming(), Log: slog.New(slog.DiscardHandler)}, s)
		first.sites = append(first.sites, s)
	}
	w.add(first)
	for len(w.queue) > 0 {
		next := w.queue[len(w.queue)-1]
		w.queue = w.queue[:len(w.queue)-1]
		if err := w.expand(next); err != nil {
			return w.result, err
		}
		if len(w.failed) > 0 {
			return w.result, w.failed[0].fail(w.failed[0].err)
		}
	}
	return w.result, nil
}

// named makes a device of its name: a1 is the first of the account a.
func named(id call.DeviceID) call.Device {
	return call.Device{Account: call.Account(id[:1]), ID: id, Conn: call.Connection{Incarnation: "n", Seq: 1}}
}

type duels struct {
	scope   Glare
	devices []call.Device // Those of the dials, in their order, then the others.
	people  []call.Device // Each of them once.
	known   map[key]struct{}
	queue   []*duel
	failed  []*duel
	result  Result
}

// add takes a state that was come to, unless it is known. Reads are answered first: when a
// call is read matters by what is committed until its queue commits, and that comes in every order.
func (w *duels) add(s *duel) {
	for len(s.reads) > 0 {
		s.read()
	}
	if s.err != nil {
		w.failed = append(w.failed, s)
		return
	}
	k := s.key()
	if _, seen := w.known[k]; seen {
		return
	}
	w.known[k] = struct{}{}
	w.result.States++
	for i := range s.calls {
		if c := &s.calls[i]; c.ID != "" && !c.Live() {
			w.result.Ends[c.Outcome.Reason]++
		}
	}
	w.queue = append(w.queue, s)
}

func (w *duels) expand(s *duel) error {
	if err := w.holds(s); err != nil {
		return s.fail(err)
	}
	for i := range w.scope.Dials {
		if err := w.dial(s, i); err != nil {
			return err
		}
	}
	for i := range s.requests {
		n := s.next(w.scope.Dials[s.requests[i].call].From, "", "call is committed")
		if err := w.serve(n, i); err != nil {
			return n.fail(err)
		}
		w.add(n)
	}
	for i, o := range s.orders {
		n := s.next(w.devices[o.device].ID, o.act, "arrives")
		n.orders = slices.Delete(n.orders, i, i+1)
		if err := w.asks(n, o, false); err != nil {
			return err
		}
	}
	if w.scope.Block != (Block{}) && !s.blocked {
		n := s.next("", "", "there is a block")
		n.blocked = true
		w.add(n)
	}
	if err := w.wish(s); err != nil || !w.scope.Time {
		return err
	}
	for i := range s.calls {
		c := &s.calls[i]
		if at, due := c.Deadline(); c.ID != "" && due {
			n := s.next("", "", "time passes")
			n.now, n.calm = later(n.now, at), false
			n.sites[0].queues.Due(idOf(i))
			if n.err != nil {
				return n.fail(n.err)
			}
			w.add(n)
		}
	}
	return nil
}

// dial sends an invitation, or sends it again, to the other node.
func (w *duels) dial(s *duel, i int) error {
	if !s.sent[i] {
		n := s.next(w.scope.Dials[i].From, Dials, "is sent")
		n.sent[i] = true
		n.orders = append(n.orders, order{Dials, int8(i), int8(i)})
		w.add(n)
		return nil
	}
	if s.answers[i] != waits || s.left.Duplicate == 0 {
		return nil
	}
	n := s.next(w.scope.Dials[i].From, Dials, "is sent again")
	n.left.Duplicate--
	return w.asks(n, order{Dials, int8(i), int8(i)}, true)
}

// Dials is a device inviting somebody: of these worlds alone.
const Dials Act = "invite"

// wish has people do what they like with the calls that they know. What comes to a node waits
// in its queue, so a command that is sent is there.
func (w *duels) wish(s *duel) (err error) {
	do := func(o order) {
		if s.done[o] || err != nil {
			return
		}
		n := s.next(w.devices[o.device].ID, o.act, "is sent")
		n.calm, n.done[o] = false, true
		if o.act == Cancel {
			n.gaveUp[o.call] = true
		}
		err = w.asks(n, o, false)
		if s.left.Loss > 0 && o.act != Cancel {
			lost := s.next(w.devices[o.device].ID, o.act, "is lost")
			lost.calm, lost.done[o] = false, true
			lost.left.Loss--
			w.add(lost)
		}
	}
	for i := range s.calls {
		c := &s.calls[i]
		if w.scope.Cancel && s.sent[i] && (s.answers[i] == waits || c.State == call.Ringing) {
			do(order{Cancel, int8(i), int8(i)})
		}
		if c.ID == "" || !c.Live() {
			continue
		}
		for k, d := range w.devices {
			role := c.Role(d)
			guesses := c.Deaf && d.Account == c.Callee().Account
			if w.scope.Accept && c.State == call.Ringing && (role == call.CalleeRole || guesses) {
				do(order{Accept, int8(i), int8(k)})
			}
			if w.scope.Hangup && c.State != call.Ringing && (role == call.CallerRole || role == call.CalleeRole) {
				do(order{Hangup, int8(i), int8(k)})
			}
		}
	}
	return err
}

// holds checks one state.
func (w *duels) holds(s *duel) error {
	live := make(map[call.Account]int)
	for i := range s.calls {
		c := &s.calls[i]
		if c.ID == "" {
			continue
		}
		if err := stands(c); err != nil {
			return err
		}
		for _, d := range w.people {
			if err := reach(c, d); err != nil {
				return err
			}
		}
		if !c.Live() {
			continue
		}
		if err := deadEnd(*c, w.people, s.now); err != nil {
			return err
		}
		for _, member := range c.Members() {
			if live[member.Account]++; live[member.Account] > 1 {
				return fmt.Errorf("S4: %s is in two calls", member.Account)
			}
		}
	}
	if len(s.requests) > 0 || len(s.orders) > 0 {
		return nil
	}
	return w.rest(s)
}

// rest is what must be true once nothing is on its way.
func (w *duels) rest(s *duel) error {
	var crossing []int
	for i, d := range w.scope.Dials {
		if !s.sent[i] {
			return nil
		}
		c := &s.calls[i]
		switch {
		case s.answers[i] == waits:
			return fmt.Errorf("%s is never answered", d.From)
		case s.answers[i] == made && c.ID == "":
			return fmt.Errorf("%s has a call that there is not", d.From)
		case s.gaveUp[i] && c.Live() && c.ID != "":
			return fmt.Errorf("%s gave up, and its call goes on", d.From)
		}
		if m := &s.calls[s.into[i]]; s.answers[i] == merged && s.gaveUp[i] && m.Live() && m.Has(named(d.From)) {
			return fmt.Errorf("%s gave up, and is in the call of the other side", d.From)
		}
		for k, o := range w.scope.Dials {
			if d.From[:1] == call.DeviceID(o.To) && o.From[:1] == call.DeviceID(d.To) && k > i {
				crossing = []int{i, k}
			}
		}
	}
	// Two who do nothing but call each other are in one call, unless one of them is blocked.
	if !s.calm || s.blocked || crossing == nil || len(w.scope.Dials) > 2 {
		return nil
	}
	one, other := s.holder(named(w.scope.Dials[crossing[0]].From).Account), s.holder(named(w.scope.Dials[crossing[1]].From).Account)
	if one < 0 || one != other {
		return errors.New("two call each other and are not in one call")
	}
	c := &s.calls[one]
	for _, i := range crossing {
		if !c.Has(named(w.scope.Dials[i].From)) || c.State != call.Connecting {
			return fmt.Errorf("%s calls who calls it and is not in the call", w.scope.Dials[i].From)
		}
	}
	return nil
}

// next is a copy to change, one step further.
func (s *duel) next(who call.DeviceID, act Act, what string) *duel {
	n := *s
	n.calls, n.sent, n.answers, n.into = slices.Clone(s.calls), slices.Clone(s.sent), slices.Clone(s.answers), slices.Clone(s.into)
	n.gaveUp, n.requests, n.orders = slices.Clone(s.gaveUp), slices.Clone(s.requests), slices.Clone(s.orders)
	n.done = make(map[order]bool, len(s.done))
	for o := range s.done {
		n.done[o] = true
	}
	n.path = &path{who, act, what, s.path}
	n.sites = make([]*site, len(s.sites))
	for i, was := range s.sites {
		copied := &site{walk: was.walk, world: &n, number: was.number}
		copied.queues = was.queues.Clone(copied)
		n.sites[i] = copied
	}
	return &n
}

// siteOf is the node of a device, or the other one.
func (s *duel) siteOf(d call.Device, other bool) *site {
	i := 0
	if s.left.Apart {
		i = int(d.Account[0]-'a') % 2
	}
	if other {
		i = 1 - i
	}
	return s.sites[i]
}

func (s *duel) key() key {
	b := make([]byte, 0, 256)
	num := func(ns ...int64) {
		for _, n := range ns {
			b = binary.AppendVarint(b, n)
		}
	}
	flag := func(f bool) {
		if f {
			num(1)
		} else {
			num(0)
		}
	}
	for i := range s.calls {
		c := &s.calls[i]
		num(int64(c.State), int64(c.Outcome.Reason), int64(s.answers[i]), int64(s.into[i]))
		flag(c.ID != "")
		flag(c.Deaf)
		flag(s.sent[i])
		flag(s.gaveUp[i])
		if !c.Until.IsZero() {
			num(int64(c.Until.Sub(s.now)))
		}
		for k := range c.Legs {
			b = append(append(b, c.Legs[k].Device.ID...), 0)
		}
	}
	// The order of what is on its way does not matter: any may come first.
	all := make([]uint64, 0, 64)
	for _, r := range s.requests {
		c := &r.change
		stale := min(s.calls[r.call].Rev-c.From, 1)
		all = append(all, 1<<40|uint64(r.site)<<32|uint64(r.call)<<24|uint64(stale)<<16|uint64(c.Call.State)<<8|uint64(c.Call.Outcome.Reason))
	}
	// The acts of these worlds differ in their first letters.
	for _, o := range s.orders {
		all = append(all, 2<<40|uint64(o.act[0])<<16|uint64(o.call)<<8|uint64(o.device))
	}
	for o := range s.done {
		all = append(all, 3<<40|uint64(o.act[0])<<16|uint64(o.call)<<8|uint64(o.device))
	}
	slices.Sort(all)
	for _, n := range all {
		b = binary.AppendUvarint(b, n)
	}
	for _, one := range s.sites {
		b = one.queues.AppendShape(b)
	}
	num(int64(s.left.Duplicate), int64(s.left.Loss))
	flag(s.blocked)
	flag(s.calm)
	h := fnv.New128a()
	h.Write(b)
	return key(h.Sum(nil))
}

func (s *duel) fail(what error) error { return s.path.fail(what) }

// asks has a device ask its node, or the other one, for something.
func (w *duels) asks(n *duel, o order, other bool) error {
	d := w.devices[o.device]
	queues, id := n.siteOf(d, other).queues, idOf(int(o.call))
	apply := func(in call.Input) {
		queues.Add(id, callqueue.Apply{Input: in, Asker: asker{d, o.act, o.device}})
	}
	switch {
	case o.act == Dials:
		queues.Invite(asker{device: d, dial: o.call}, call.Invite{
			ID: id, Caller: d, Callee: w.scope.Dials[o.call].To, Type: call.Audio, Offer: describe("offer", 1, d.ID, false), Timing: call.DefaultTiming(),
		})
	case o.act == Hangup:
		apply(call.Hangup{Device: d})
	case o.act == Cancel:
		apply(call.Cancel{Device: d})
	case o.act == Accept:
		apply(call.Accept{Device: d, Generation: 1, Answer: describe("answer", 1, d.ID, false)})
	default:
		return n.fail(fmt.Errorf("nobody does %q here", o.act))
	}
	if n.err != nil {
		return n.fail(n.err)
	}
	w.add(n)
	return nil
}
