package explore

import (
	"errors"
	"fmt"
	"slices"

	"github.com/peal-rtc/peal/internal/call"
)

// What the node does in a world of several calls, one step at a time.

// try takes an invitation one step further.
func (w *duels) try(n *duel, at int) error {
	t := &n.trials[at]
	i := int(t.dial)
	d := w.scope.Dials[i]
	invite := call.Invite{
		ID: call.ID(fmt.Sprint("call ", i)), Caller: named(d.From), Callee: d.To, Type: call.Audio, Offer: describe("offer", 1, d.From, false), Timing: call.DefaultTiming(),
	}
	if t.settles >= 0 {
		return w.settle(n, at, &invite)
	}
	if n.calls[i].ID != "" {
		w.answer(n, at, made, 0)
		return nil
	}
	if h := n.holder(invite.Caller.Account); h >= 0 {
		t.settles = int8(h)
		return nil
	}
	begin := call.New
	if n.holder(d.To) >= 0 {
		begin = call.NewBusy
	}
	c, _, err := begin(invite, n.now)
	if err != nil {
		return err
	}
	n.calls[i] = c
	w.answer(n, at, made, 0)
	return nil
}

// settle looks at the call that claims the caller.
func (w *duels) settle(n *duel, at int, invite *call.Invite) error {
	t := &n.trials[at]
	h := int(t.settles)
	t.settles = -1
	in, err := n.calls[h].Meet(*invite)
	switch {
	case err != nil:
		switch c := &n.calls[h]; {
		case c.Has(invite.Caller):
			return errors.New("a device is refused for the sake of its own call")
		case c.State == call.Ringing && c.Callee().Account == invite.Caller.Account:
			return errors.New("somebody who is only rung cannot call")
		}
		w.answer(n, at, elsewhere, 0)
		return nil
	case in == nil:
		return nil
	}
	if err := w.step(n, h, in); err != nil {
		return err
	}
	if _, merges := in.(call.Merge); !merges {
		if n.calls[h].Live() {
			return errors.New("a superseded call goes on")
		}
		return nil
	}
	c := &n.calls[h]
	if !c.Live() || !c.Has(invite.Caller) || c.Leg(invite.Callee) == nil {
		return errors.New("an invitation is merged into a call that its device is not in")
	}
	w.answer(n, at, merged, h)
	return nil
}

// answer tells the device what has become of its invitation. One that has given
// up, or has an answer already, wants nothing of what is made now.
func (w *duels) answer(n *duel, at int, what answer, into int) {
	i := n.trials[at].dial
	n.trials = slices.Delete(n.trials, at, at+1)
	late := n.answers[i] != waits && (n.answers[i] != what || int(n.into[i]) != into)
	if n.answers[i] == waits {
		n.answers[i], n.into[i] = what, int8(into)
	}
	c := int(i)
	if what == merged {
		c = into
	}
	if o := (order{Hangup, int8(c), i}); (n.gaveUp[i] || late) && what != elsewhere && n.calls[c].Live() && !slices.Contains(n.orders, o) {
		n.orders = append(n.orders, o)
	}
}

// obey has the server do what a device asked for.
func (w *duels) obey(n *duel, o order) error {
	d := w.devices[o.device]
	i := int(o.call)
	if n.calls[i].ID == "" {
		if o.act == Cancel {
			n.calls[i] = call.Tombstone(call.ID(fmt.Sprint("call ", i)), d, call.DefaultTiming(), n.now)
		}
		return nil
	}
	// A client whose cancellation comes too late hangs up.
	s := n.calls[i].State
	late := o.act == Cancel && (s == call.Connecting || s == call.Connected)
	switch {
	case late, o.act == Hangup:
		return w.step(n, i, call.Hangup{Device: d})
	case o.act == Cancel:
		return w.step(n, i, call.Cancel{Device: d})
	case o.act == Accept:
		return w.step(n, i, call.Accept{Device: d, Generation: 1, Answer: describe("answer", 1, d.ID, false)})
	}
	return fmt.Errorf("nobody does %q here", o.act)
}

// step is one commit, which is held to what any step is, and so is what is sent
// then. Everybody is there all the time.
func (w *duels) step(n *duel, i int, in call.Input) error {
	was := n.calls[i]
	w.result.Steps++
	next, effects, err := taken(&was, in, n.now)
	if err != nil {
		return err
	}
	n.calls[i] = next
	for _, d := range w.people {
		hears := answersTo(in) && d == in.Sender()
		for _, e := range effects {
			if e.Account != d.Account || e.Device != "" && e.Device != d.ID {
				continue
			}
			hears = true
			if err := given(&next, d, e.With); err != nil {
				return err
			}
		}
		if err := told(&was, &next, d, hears); err != nil {
			return err
		}
	}
	return nil
}

// holder is the live call that claims an account, or -1.
func (s *duel) holder(a call.Account) int {
	for i := range s.calls {
		if c := &s.calls[i]; c.ID != "" && c.Live() && c.Leg(a) != nil {
			return i
		}
	}
	return -1
}
