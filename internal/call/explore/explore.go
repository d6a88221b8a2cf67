// Package explore walks through every state that a call can come to within a
// scope: every order of what its devices do, of messages that are late, lost or
// doubled, of connections that break, of the server being killed, and of time.
// In each state it holds the call to the invariants of the design.
//
// A scope bounds the world, not the search: within it nothing is left out. It
// runs the real state machine and knows its surroundings only as far as they
// matter: what is on its way to the server, and what each device has seen.
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
	// Devices of the callee. The caller calls by one and has another.
	Devices int
	// Acts are what devices do, each at most once.
	Acts []Act
	// How often each may happen in all.
	Loss, Duplicate, Gone, Reload, Restart int
}

// Act is something that a device does of its own accord.
type Act string

// The acts.
const (
	Ring       Act = "ring"
	Stop       Act = "stop ringing"
	Accept     Act = "accept"
	Reject     Act = "reject"
	Cancel     Act = "cancel"
	Hangup     Act = "hangup"
	Up         Act = "media up"
	Down       Act = "media down"
	Renew      Act = "restart"
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
	for i := range s.flight {
		if err := w.deliver(s, i, false); err != nil {
			return err
		}
		if s.left.Duplicate > 0 {
			if err := w.deliver(s, i, true); err != nil {
				return err
			}
		}
		if s.left.Loss > 0 {
			n := s.next(s.devices[s.flight[i].from].device.ID, s.flight[i].act, "is lost")
			n.left.Loss--
			n.flight = slices.Delete(n.flight, i, i+1)
			w.add(n)
		}
	}
	for i := range s.devices {
		w.act(s, i)
		if err := w.connections(s, i); err != nil {
			return err
		}
	}
	if s.left.Restart > 0 {
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

// deliver has something that is on its way arrive, in any order.
func (w *walk) deliver(s *world, i int, again bool) error {
	m := s.flight[i]
	n := s.next(s.devices[m.from].device.ID, m.act, "arrives")
	if again {
		n.left.Duplicate--
	} else {
		n.flight = slices.Delete(n.flight, i, i+1)
	}
	return w.step(n, m.input)
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
		n.flight = append(n.flight, message{i, act, input, k, d.device.Conn.Seq, d.shown.generation})
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
		if s.left.Gone == 0 {
			return nil
		}
		n := s.next(d.device.ID, "", "is gone")
		n.left.Gone--
		n.devices[i].here = false
		return w.step(n, call.Gone{Device: d.device})
	}
	back := s.next(d.device.ID, "", "is back")
	back.reconnect(i)
	if err := w.step(back, call.Back{Device: back.devices[i].device}); err != nil {
		return err
	}
	if s.left.Reload == 0 {
		return nil
	}
	for _, resume := range []bool{false, true} {
		what := "is back, reloaded"
		if resume {
			what = "is back, reloaded, and resumes"
		}
		n := s.next(d.device.ID, "", what)
		n.left.Reload--
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
	n.left.Restart--
	n.flight = nil
	for i := range n.devices {
		if !n.devices[i].here {
			continue
		}
		n.devices[i].here = false
		if err := w.apply(n, call.Gone{Device: n.devices[i].device, Crashed: true}); err != nil {
			return err
		}
	}
	w.add(n)
	return nil
}

func (w *walk) step(n *world, in call.Input) error {
	if err := w.apply(n, in); err != nil {
		return err
	}
	w.add(n)
	return nil
}

// apply steps the call and holds the step to what every step promises.
func (w *walk) apply(n *world, in call.Input) error {
	was := n.call
	row := w.rows[reflect.TypeOf(in)]
	if row == nil {
		row = new([call.Ended + 1]int)
		w.rows[reflect.TypeOf(in)] = row
	}
	row[was.State]++
	w.result.Steps++
	next, effects, err := call.Step(was, in, n.now)
	if bad := promises(&was, &next, effects, err); bad != nil {
		return n.fail(bad)
	}
	if bad := meaning(&was, &next, in, n.now); bad != nil {
		return n.fail(bad)
	}
	if err == nil {
		again, _, _ := call.Step(next, in, n.now)
		if again.Rev != next.Rev {
			return n.fail(fmt.Errorf("S8: %T twice goes from rev %d to %d", in, next.Rev, again.Rev))
		}
	}
	n.call = next
	for _, e := range effects {
		n.tell(e)
	}
	// Who is back has been told how it stands.
	switch in := in.(type) {
	case call.Back:
		n.show(in.Device)
	case call.Reload:
		n.show(in.Device)
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
