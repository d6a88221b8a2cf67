package explore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// Glare is a world of several calls: people who call each other, or someone
// else, at the same time. It knows of the node that an invitation is looked at in
// steps, with anything in between: the store is asked for it, the call that
// claims its caller is looked at, and it is tried again.
type Glare struct {
	Name string
	// Dials are who calls whom: a device's name begins with its account's letter.
	Dials []Dial
	// Others are devices that dial nobody, and may accept.
	Others []call.DeviceID
	// Cancel lets callers give up, Accept anybody who is rung accept, and Hangup
	// anybody in a call hang up, each once per call.
	Cancel, Accept, Hangup bool
	// How often each may happen in all. A duplicate is an invitation that is
	// sent again, maybe to another node.
	Duplicate, Loss int
	// Time lets time pass.
	Time bool
}

// Dial is one device calling an account.
type Dial struct {
	From call.DeviceID
	To   call.Account
}

// answer is what a dial came to, as its device is told.
type answer uint8

const (
	waits     answer = iota
	made             // Its own call was made, or is there.
	merged           // It is part of another call.
	elsewhere        // Another device of the account is in a call.
)

// trial is one invitation on its way through a node: settles is the call that it
// waits for, or -1 where it is to be tried.
type trial struct{ dial, settles int8 }

// order is something that a device has asked for about a call.
type order struct {
	act    Act
	call   int8
	device int8
}

// duel is one state.
type duel struct {
	now     time.Time
	calls   []call.Call // By dial; without an id where there is none.
	sent    []bool
	answers []answer
	into    []int8 // The call that a dial was merged into.
	gaveUp  []bool
	done    map[order]bool
	trials  []trial
	orders  []order
	left    Glare
	calm    bool // Nobody did anything but dial.
	path    *path
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
	n := len(g.Dials)
	w.add(&duel{
		now: epoch, calls: make([]call.Call, n), sent: make([]bool, n), answers: make([]answer, n), into: make([]int8, n),
		gaveUp: make([]bool, n), done: map[order]bool{}, left: g, calm: true, path: &path{what: "it begins"},
	})
	for len(w.queue) > 0 {
		next := w.queue[len(w.queue)-1]
		w.queue = w.queue[:len(w.queue)-1]
		if err := w.expand(next); err != nil {
			return w.result, err
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
	result  Result
}

func (w *duels) add(s *duel) {
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
		w.dial(s, i)
	}
	for i := range s.trials {
		n := s.next(w.scope.Dials[s.trials[i].dial].From, "", "invitation is looked at")
		if err := w.try(n, i); err != nil {
			return n.fail(err)
		}
		w.add(n)
	}
	for i, o := range s.orders {
		n := s.next(w.devices[o.device].ID, o.act, "arrives")
		n.orders = slices.Delete(n.orders, i, i+1)
		if err := w.obey(n, o); err != nil {
			return n.fail(err)
		}
		w.add(n)
	}
	w.wish(s)
	if !w.scope.Time {
		return nil
	}
	for i := range s.calls {
		c := &s.calls[i]
		if at, due := c.Deadline(); c.ID != "" && due {
			n := s.next("", "", "time passes")
			n.now, n.calm = later(n.now, at), false
			if err := w.step(n, i, call.Tick{}); err != nil {
				return n.fail(err)
			}
			w.add(n)
		}
	}
	return nil
}

// dial sends an invitation, or sends it again, or loses it.
func (w *duels) dial(s *duel, i int) {
	from := w.scope.Dials[i].From
	send := func(what string) *duel {
		n := s.next(from, "", what)
		n.trials = append(n.trials, trial{int8(i), -1})
		return n
	}
	switch {
	case !s.sent[i]:
		n := send("dials")
		n.sent[i] = true
		w.add(n)
	case s.answers[i] == waits && s.left.Duplicate > 0:
		n := send("dials again")
		n.left.Duplicate--
		w.add(n)
	}
}

// wish has people do what they like with the calls that they know.
func (w *duels) wish(s *duel) {
	do := func(o order) {
		if s.done[o] {
			return
		}
		n := s.next(w.devices[o.device].ID, o.act, "is sent")
		n.calm, n.done[o] = false, true
		n.orders = append(n.orders, o)
		if o.act == Cancel {
			n.gaveUp[o.call] = true
		}
		w.add(n)
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
			if w.scope.Accept && c.State == call.Ringing && role == call.CalleeRole {
				do(order{Accept, int8(i), int8(k)})
			}
			if w.scope.Hangup && c.State != call.Ringing && (role == call.CallerRole || role == call.CalleeRole) {
				do(order{Hangup, int8(i), int8(k)})
			}
		}
	}
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
		for k := range c.Legs {
			if live[c.Legs[k].Account]++; live[c.Legs[k].Account] > 1 {
				return fmt.Errorf("S4: %s is in two calls", c.Legs[k].Account)
			}
		}
	}
	if len(s.trials) > 0 || len(s.orders) > 0 {
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
	// Two who do nothing but call each other are in one call.
	if !s.calm || crossing == nil || len(w.scope.Dials) > 2 {
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
	n.gaveUp, n.trials, n.orders = slices.Clone(s.gaveUp), slices.Clone(s.trials), slices.Clone(s.orders)
	n.done = make(map[order]bool, len(s.done))
	for o := range s.done {
		n.done[o] = true
	}
	n.path = &path{who, act, what, s.path}
	return &n
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
	for _, t := range s.trials {
		all = append(all, 1<<40|uint64(t.dial)<<8|uint64(uint8(t.settles)))
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
	num(int64(s.left.Duplicate), int64(s.left.Loss))
	flag(s.calm)
	h := fnv.New128a()
	h.Write(b)
	return key(h.Sum(nil))
}

func (s *duel) fail(what error) error { return s.path.fail(what) }
