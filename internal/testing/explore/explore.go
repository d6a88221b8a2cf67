// Package explore walks through every state that a call can come to within a
// scope: every order of what its devices do, of what arrives when, of time, and
// of such faults as the scope has: messages that are lost or doubled, connections
// that break, pages that are loaded again, the server being killed. It holds each
// state and each step to the invariants of the design.
//
// A scope bounds the world, not the search: within it nothing is left out. It
// runs the real state machine and knows its surroundings only as far as they
// matter: what is on its way to the server, and what each device has received.
package explore

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// Scope names a world and says how much may go wrong in it.
type Scope struct {
	Name string
	// Devices of the callee.
	Devices int
	// Second gives the caller another device, which says whatever the one that
	// calls could say, though it is not to be heard.
	Second bool
	// Deaf has the callee block the caller. Its devices, which receive nothing, say whatever
	// they could if the call rang.
	Deaf bool
	// Policy is what the invitation asks for.
	Policy call.Policy
	// Acts are what devices do, each at most once.
	Acts []Act
	// How often each may happen in all: a message is lost on its way to the
	// server, or arrives twice; a connection breaks; a page that is back has
	// forgotten its call; the server is killed.
	Loss, Duplicate, Gone, Reload, Restart int
	// How often a device is back before the end of its old connection is noticed.
	Overlap int
}

// Act is something that a device does of its own accord.
type Act string

// The acts.
const (
	Ring       Act = "ring"
	RingFor    Act = "ring for less" // Each device of the callee 10 s longer than the one before.
	Stop       Act = "stop ringing"
	Accept     Act = "accept"
	Reject     Act = "reject"
	Cancel     Act = "cancel"
	Hangup     Act = "hangup"
	Up         Act = "media up"
	Down       Act = "media down"
	Renew      Act = "restart"
	Rebuild    Act = "restart with new connections"
	Offer      Act = "offer"
	Answer     Act = "answer"
	ToAudio    Act = "to audio"
	ToVideo    Act = "to video"
	Tracks     Act = "tracks"
	Merge      Act = "merge"
	Supersede  Act = "supersede"
	Kick       Act = "kick"
	LeavePage  Act = "leave"
	Terminate  Act = "terminate"
	StrangerIn Act = "a stranger hangs up"
)

// Result is what a walk saw.
type Result struct {
	Scope  string
	States int
	Steps  int
	// Ends counts states by the reason with which their call ended.
	Ends map[call.Reason]int
	// Rows are the cells of the state machine's table that were stepped:
	// input by state.
	Rows map[string]int
}

func (r Result) String() string {
	text := fmt.Sprintf("scope=%q states=%d steps=%d endings=%d", r.Scope, r.States, r.Steps, len(r.Ends))
	if r.Rows != nil {
		text += fmt.Sprintf(" rows=%d", len(r.Rows))
	}
	return text
}

// Run walks a scope. The error is the first violation, with the way to it.
func Run(s Scope) (Result, error) {
	w := &walk{
		scope: s, result: Result{Scope: s.Name, Ends: map[call.Reason]int{}, Rows: map[string]int{}},
		known: map[key]struct{}{}, rows: map[reflect.Type]*[call.Ended + 1]int{},
	}
	defer w.count()
	first, err := begin(s)
	if err != nil {
		return w.result, err
	}
	w.add(first)
	for len(w.queue) > 0 {
		next := w.queue[len(w.queue)-1]
		w.queue = w.queue[:len(w.queue)-1]
		if err := w.expand(next); err != nil {
			return w.result, err
		}
	}
	return w.result, nil
}

// walk is one search. States are found in any order: each is looked at once.
type walk struct {
	scope  Scope
	result Result
	known  map[key]struct{}
	rows   map[reflect.Type]*[call.Ended + 1]int
	queue  []*world
}

// add takes a state that was come to, unless it is known.
func (w *walk) add(s *world) {
	k := s.key()
	if _, seen := w.known[k]; seen {
		return
	}
	w.known[k] = struct{}{}
	w.result.States++
	if !s.call.Live() {
		w.result.Ends[s.call.Outcome.Reason]++
	}
	w.queue = append(w.queue, s)
}

// expand goes every way on from a state.
func (w *walk) expand(s *world) error {
	if err := s.holds(); err != nil {
		return s.fail(err)
	}
	if err := w.arrivals(s); err != nil {
		return err
	}
	for i := range s.devices {
		w.act(s, i)
		if err := w.connections(s, i); err != nil {
			return err
		}
	}
	if s.left.restart > 0 {
		if err := w.restart(s); err != nil {
			return err
		}
	}
	if at, ok := s.call.Deadline(); ok {
		n := s.next("", "", "time passes")
		n.now = later(n.now, at)
		return w.step(n, call.Tick{})
	}
	return nil
}

// arrivals has anything that is on its way arrive, or be lost.
func (w *walk) arrivals(s *world) error {
	for i := range s.flight {
		if err := w.deliver(s, i, false); err != nil {
			return err
		}
		if s.left.duplicate > 0 {
			if err := w.deliver(s, i, true); err != nil {
				return err
			}
		}
		if s.left.loss > 0 {
			n := s.next(s.devices[s.flight[i].from].device.ID, s.flight[i].act, "is lost")
			n.left.loss--
			n.flight = slices.Delete(n.flight, i, i+1)
			w.add(n)
		}
	}
	return nil
}

// deliver has something arrive. Who sent it is answered; where that one is back by
// another connection its node looks for what it has missed.
func (w *walk) deliver(s *world, i int, again bool) error {
	m := s.flight[i]
	n := s.next(s.devices[m.from].device.ID, m.act, "arrives")
	if again {
		n.left.duplicate--
	} else {
		n.flight = slices.Delete(n.flight, i, i+1)
	}
	asker := -1
	if n.devices[m.from].here && answersTo(m.input) {
		asker = m.from
	}
	if err := w.apply(n, m.input, asker); err != nil {
		return err
	}
	w.add(n)
	return nil
}

// act has a device send what it may, once each.
func (w *walk) act(s *world, i int) {
	d := s.devices[i]
	if !d.here {
		return
	}
	for k, act := range w.scope.Acts {
		if d.done&(1<<k) != 0 {
			continue
		}
		input, ok := s.input(act, d)
		if !ok {
			continue
		}
		n := s.next(d.device.ID, act, "is sent")
		n.devices[i].done |= 1 << k
		n.devices[i].dialled = d.dialled || act == Merge
		n.flight = append(n.flight, message{i, act, input, k, d.device.Conn.Seq, about(input)})
		w.add(n)
	}
}

// connections breaks a device's connection, or has it come back.
func (w *walk) connections(s *world, i int) error {
	d := s.devices[i]
	if s.call.Leg(d.device.Account) == nil {
		return nil // The node tells no call of a stranger's connection.
	}
	if d.here {
		if s.left.overlap > 0 {
			n := s.next(d.device.ID, "", "is back before it was gone")
			n.left.overlap--
			n.flight = append(n.flight, message{i, "end of an old connection", call.Gone{Device: d.device}, 63, d.device.Conn.Seq, 0})
			n.reconnect(i)
			if err := w.step(n, call.Back{Device: n.devices[i].device}); err != nil {
				return err
			}
		}
		if s.left.gone == 0 {
			return nil
		}
		n := s.next(d.device.ID, "", "is gone")
		n.left.gone--
		n.devices[i].here = false
		return w.step(n, call.Gone{Device: d.device})
	}
	back := s.next(d.device.ID, "", "is back")
	back.reconnect(i)
	if err := w.step(back, call.Back{Device: back.devices[i].device}); err != nil {
		return err
	}
	if s.left.reload == 0 {
		return nil
	}
	for _, resume := range []bool{false, true} {
		what := "is back, reloaded"
		if resume {
			what = "is back, reloaded, and resumes"
		}
		n := s.next(d.device.ID, "", what)
		n.left.reload--
		n.reconnect(i)
		if err := w.step(n, call.Reload{Device: n.devices[i].device, Resume: resume}); err != nil {
			return err
		}
	}
	return nil
}

// restart kills the server: what was on its way is lost, all connections with it.
func (w *walk) restart(s *world) error {
	n := s.next("", "", "the server is killed")
	n.left.restart--
	n.flight = nil
	for i := range n.devices {
		n.devices[i].here = false
		gone := call.Gone{Device: n.devices[i].device, Finder: fmt.Sprint("start ", n.left.restart)}
		if l := n.call.Leg(gone.Device.Account); l != nil {
			gone.Former = l.Finder
		}
		if err := w.apply(n, gone, -1); err != nil {
			return err
		}
	}
	w.add(n)
	return nil
}

func (w *walk) step(n *world, in call.Input) error {
	if err := w.apply(n, in, -1); err != nil {
		return err
	}
	w.add(n)
	return nil
}

// apply steps the call, tells those who are to hear of it, and holds all that to
// what was promised. asker is the device that is answered, if there is one.
func (w *walk) apply(n *world, in call.Input, asker int) error {
	was := n.call
	row := w.rows[reflect.TypeOf(in)]
	if row == nil {
		row = new([call.Ended + 1]int)
		w.rows[reflect.TypeOf(in)] = row
	}
	row[was.State]++
	w.result.Steps++
	next, effects, err := taken(&was, in, n.now)
	if err != nil {
		return n.fail(err)
	}
	n.call = next
	heard := make([]bool, len(n.devices))
	for _, e := range effects {
		if err := n.tell(e, heard); err != nil {
			return n.fail(err)
		}
	}
	if asker >= 0 {
		heard[asker] = true
		var with call.Attachments
		if d := n.devices[asker].device; d != in.Sender() {
			with = next.Needs(d)
		}
		if err := n.show(asker, with); err != nil {
			return n.fail(err)
		}
	}
	for i := range n.devices {
		d := n.devices[i].device
		_, back := in.(call.Back)
		_, reload := in.(call.Reload)
		if (back || reload) && d == in.Sender() { // The welcome.
			heard[i] = true
			if err := n.show(i, next.Needs(d)); err != nil {
				return n.fail(err)
			}
		}
		if n.devices[i].here {
			if err := told(&was, &next, d, heard[i]); err != nil {
				return n.fail(err)
			}
		}
	}
	return nil
}

// count names the cells that were stepped.
func (w *walk) count() {
	for input, row := range w.rows {
		for state, n := range row {
			if n > 0 {
				w.result.Rows[input.Name()+" × "+stateName(call.State(state))] = n
			}
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func stateName(s call.State) string {
	return [...]string{call.Ringing: "ringing", call.Connecting: "connecting", call.Connected: "connected", call.Ended: "ended"}[s]
}
