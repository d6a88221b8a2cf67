package explore

import (
	"errors"
	"fmt"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// This file holds what a step may do, and what the words of its input mean.

// promises holds one step to what every step promises.
func promises(was, next *call.Call, in call.Input, effects []call.Effect, refusal error) error {
	caller, by := was.Caller().Account, in.Sender()
	changed := next.Rev != was.Rev
	rings := was.State == call.Ringing && next.State == call.Ringing
	for i := range was.Legs {
		if a, b := was.Legs[i].Device, next.Legs[i].Device; a.ID != "" && !a.Is(b) {
			return fmt.Errorf("S1: %s was in the call, and %s is in its place", a.ID, b.ID)
		}
	}
	switch {
	case refusal != nil && changed:
		return fmt.Errorf("refused, and changed: %w", refusal)
	case changed && next.Rev != was.Rev+1:
		return fmt.Errorf("S7: rev went from %d to %d", was.Rev, next.Rev)
	case next.RevFor(caller) < was.RevFor(caller):
		return errors.New("S7: the caller's rev went back")
	case !changed && len(effects) > 0:
		return errors.New("effects without a change")
	case next.State < was.State:
		return fmt.Errorf("S7: state went from %s to %s", stateName(was.State), stateName(next.State))
	case !was.Live() && (changed || next.Outcome != was.Outcome):
		return fmt.Errorf("S2: a call that ended with reason %d changed, and has reason %d", was.Outcome.Reason, next.Outcome.Reason)
	case changed && by.ID != "" && !was.Has(by) && (was.State != call.Ringing || by.Account != was.Callee().Account):
		return fmt.Errorf("S5: %s is not in the call, and changes it", by.ID)
	case rings && by.Account != caller && next.RevFor(caller) != was.RevFor(caller):
		return errors.New("the caller can tell that the callee is there, by the rev")
	}
	for _, e := range effects {
		switch {
		case next.Leg(e.Account) == nil:
			return fmt.Errorf("S5: %s is told", e.Account)
		case rings && by.Account != caller && e.Account == caller:
			return errors.New("the caller can tell that the callee is there, by what it is told")
		}
	}
	return nil
}

// meaning holds a step to what its words mean.
func meaning(was, next *call.Call, in call.Input, now time.Time, refusal error) error {
	if err := ending(was, next, in, now); err != nil {
		return err
	}
	if _, tick := in.(call.Tick); tick {
		if err := overdue(next, now); err != nil {
			return err
		}
	}
	if was.State == call.Ringing && (next.State == call.Connecting || next.State == call.Connected) {
		if err := acceptance(was, next, in, now); err != nil {
			return err
		}
	}
	if was.State == call.Ringing && next.State == call.Ringing {
		if err := ringing(was, next, in, now, refusal); err != nil {
			return err
		}
	}
	if !next.Live() {
		return nil
	}
	if next.State == call.Connected && was.State != call.Connected && (!next.Caller().MediaUp || !next.Callee().MediaUp) {
		return errors.New("connected, and not both have media")
	}
	if err := presence(was, next, in, now); err != nil {
		return err
	}
	return negotiation(was, next, in, refusal)
}

// ending holds the end of a call to what brought it about.
func ending(was, next *call.Call, in call.Input, now time.Time) error {
	want := wanted(was, in)
	if next.Live() || !was.Live() {
		if want != 0 && was.Live() {
			return fmt.Errorf("%T of %s does not end a call that is %s", in, in.Sender().ID, stateName(was.State))
		}
		return nil
	}
	o := &next.Outcome
	by, rang := in.Sender(), was.State == call.Ringing
	kind := map[call.Reason]call.Kind{
		call.Completed: call.KindCompleted, call.Failed: call.KindCompleted, call.Cancelled: call.KindCancelled,
		call.Rejected: call.KindRejected, call.Timeout: call.KindTimeout,
	}[o.Reason]
	if kind == 0 { // Lost, superseded, kicked, ended by an operator.
		if kind = call.KindCompleted; rang {
			kind = call.KindCancelled
		}
	}
	switch {
	case o.Kind != kind:
		return fmt.Errorf("a call that was %s and ended with reason %d has a record of kind %d", stateName(was.State), o.Reason, o.Kind)
	case !o.EndedAt.Equal(now):
		return errors.New("it ended at another time than now")
	case want != 0 && (o.Reason != want || o.Device != by.ID || o.Actor != by.Account):
		return fmt.Errorf("%T of %s ends a call that is %s with reason %d by %s", in, by.ID, stateName(was.State), o.Reason, o.Device)
	case want != 0:
		return nil
	case o.Reason == call.Timeout && rang && !was.Until.After(now):
		return nil
	case o.Reason == call.Failed && was.State == call.Connecting && !was.Until.After(now):
		return nil
	case o.Reason == call.Lost && vanished(was, o.Actor, now) >= 0:
		return nil
	}
	return fmt.Errorf("a call that is %s ends with reason %d by %T", stateName(was.State), o.Reason, in)
}

// wanted is the reason with which an input by itself ends the call; zero where
// it does not, or time decides.
func wanted(was *call.Call, in call.Input) call.Reason {
	by, rings := in.Sender(), was.State == call.Ringing
	callee := by.Account == was.Callee().Account
	switch in := in.(type) {
	case call.Cancel:
		if rings && was.Has(by) {
			return call.Cancelled
		}
	case call.Reject:
		if rings && callee {
			return call.Rejected
		}
	case call.Hangup:
		switch {
		case rings && callee:
			return call.Rejected
		case rings && was.Has(by):
			return call.Cancelled
		case was.Has(by):
			return call.Completed
		}
	case call.Reload:
		if was.Has(by) && !in.Resume && was.Leg(by.Account).Device != by {
			return call.Lost
		}
	case call.Supersede:
		switch {
		case was.Has(by):
			return call.Superseded
		case rings && callee:
			return call.Rejected
		}
	case call.Kick:
		if was.Has(by) {
			return call.Kicked
		}
	case call.Terminate:
		return call.Terminated
	}
	return 0
}

// rung says that a device's own time-out, if it has one, is over.
func rung(r call.Ringer, now time.Time) bool { return !r.Until.IsZero() && !r.Until.After(now) }

// vanished is how long ago the grace of an account's device was over; negative
// where it is not.
func vanished(c *call.Call, a call.Account, now time.Time) time.Duration {
	l := c.Leg(a)
	if l == nil || l.Gone.IsZero() {
		return -1
	}
	return now.Sub(l.Gone) - grace(c, l)
}

// grace is how long a leg's device may be gone.
func grace(c *call.Call, l *call.Leg) time.Duration {
	switch p := c.Peer(l.Account); {
	case c.State != call.Ringing && p.Gone.IsZero() && p.MediaUp:
		return 40 * time.Second
	case c.State == call.Ringing || l.Leaving:
		return 10 * time.Second
	}
	return 30 * time.Second
}

// wants is when a live call is to be looked at next; zero when nothing is due.
func wants(c *call.Call) (at time.Time) {
	if !c.Live() {
		return at
	}
	all := []time.Time{c.Until, c.Ask.Until}
	for i := range c.Legs {
		l := &c.Legs[i]
		if !l.Gone.IsZero() {
			all = append(all, l.Gone.Add(grace(c, l)))
		}
		for _, r := range l.Ringers {
			if !r.Stopped && !r.Gone {
				all = append(all, r.Until)
			}
		}
	}
	for _, t := range all {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	return at
}

// acceptance holds what begins a call that is answered.
func acceptance(was, next *call.Call, in call.Input, now time.Time) error {
	merge, merges := in.(call.Merge)
	if _, accepts := in.(call.Accept); !accepts && !merges {
		return fmt.Errorf("%T answers", in)
	}
	by := in.Sender()
	switch {
	case next.Callee().Device != by:
		return fmt.Errorf("S1: %s answers, and %s is in the call", by.ID, next.Callee().Device.ID)
	case !merges && was.RingEnd(by).Stopped:
		return fmt.Errorf("%s answers, and had stopped ringing", by.ID)
	case !next.Until.Equal(now.Add(20 * time.Second)):
		return errors.New("the wait for media does not begin with the answer")
	case merges && next.Type == call.Video && merge.Type != call.Video:
		return errors.New("a video call that only one side asked for")
	case next.Policy < was.Policy || next.Policy < merge.Policy:
		return errors.New("an acceptance loosens the policy")
	}
	return nil
}

// ringing holds each device to its own ringing.
func ringing(was, next *call.Call, in call.Input, now time.Time, refusal error) error {
	by := in.Sender()
	_, stops := in.(call.StopRinging)
	_, tick := in.(call.Tick)
	_, accepts := in.(call.Accept)
	_, merges := in.(call.Merge)
	if by.Account == was.Callee().Account && (merges || accepts && !was.RingEnd(by).Stopped) {
		return fmt.Errorf("%s answers, and it rings on: %w", by.ID, refusal)
	}
	for _, r := range was.Callee().Ringers {
		switch stopped := next.RingEnd(r.Device).Stopped; {
		case r.Stopped && !stopped:
			return fmt.Errorf("%s had stopped, and rings", r.Device.ID)
		case !r.Stopped && stopped && !(stops && by.Is(r.Device)) && !(tick && !r.Gone && rung(r, now)):
			return fmt.Errorf("%s rings, and is stopped by %T of %s", r.Device.ID, in, by.ID)
		}
	}
	_, gone := in.(call.Gone)
	_, back := in.(call.Back)
	for _, r := range next.Callee().Ringers {
		switch {
		case gone && r.Device == by && !r.Gone, back && r.Device.Is(by) && (r.Device != by || r.Gone):
			return fmt.Errorf("%s rings, and %T does not count", by.ID, in)
		case tick && !r.Stopped && !r.Gone && rung(r, now):
			return fmt.Errorf("%s rings past its time", r.Device.ID)
		case !r.Until.IsZero() && r.Until.After(next.Until):
			return fmt.Errorf("%s may ring longer than the call", r.Device.ID)
		}
	}
	if ring, ok := in.(call.Ring); ok && refusal == nil && ring.For > 0 && !was.RingEnd(by).Stopped {
		// Where it said so before, its time runs since then.
		if end := next.RingEnd(by).Until; end.After(now.Add(ring.For)) {
			return fmt.Errorf("%s wants to ring for %s, and has %s", by.ID, ring.For, end.Sub(now))
		}
	}
	return nil
}

// presence holds connections, and time, to what they bring about.
func presence(was, next *call.Call, in call.Input, now time.Time) error {
	by := in.Sender()
	if !was.Has(by) {
		return nil
	}
	before, after := was.Leg(by.Account), next.Leg(by.Account)
	switch in := in.(type) {
	case call.Gone:
		// By the death of a node it is gone again, unless another one has found that out already.
		anew := before.Gone.IsZero() || in.Finder != ""
		if in.Finder != "" && in.Former != before.Finder {
			anew = false
		}
		switch {
		case before.Device == by && anew && !after.Gone.Equal(now):
			return fmt.Errorf("%s is gone, and counts as gone since %s", by.ID, after.Gone)
		case before.Device == by && !anew && !after.Gone.Equal(before.Gone):
			return fmt.Errorf("%s is gone already, and that counts again", by.ID)
		}
		if before.Device != by && (!after.Gone.Equal(before.Gone) || after.Leaving != before.Leaving) {
			return fmt.Errorf("an old connection of %s is gone, and that counts", by.ID)
		}
	case call.Back, call.Reload:
		if after.Device != by || !after.Gone.IsZero() || after.Leaving && before.Device != by {
			return fmt.Errorf("%s is back, and does not count as present", by.ID)
		}
	case call.Leave:
		if before.Device == by && !after.Leaving {
			return fmt.Errorf("%s leaves, and keeps its grace", by.ID)
		}
	}
	return nil
}

// overdue holds that a tick leaves nothing to be due before now.
func overdue(c *call.Call, now time.Time) error {
	if at, due := c.Deadline(); due && !at.After(now) {
		return errors.New("a tick leaves something due")
	}
	if !c.Until.IsZero() && !c.Until.After(now) {
		return fmt.Errorf("a call is %s past its time", stateName(c.State))
	}
	if !c.Live() {
		return nil
	}
	for i := range c.Legs {
		if past := vanished(c, c.Legs[i].Account, now); past >= 0 {
			return fmt.Errorf("%s is gone for %s longer than its grace", c.Legs[i].Account, past)
		}
	}
	return nil
}

// negotiation holds generations and their descriptions.
func negotiation(was, next *call.Call, in call.Input, refusal error) error {
	before, after := &was.Media, &next.Media
	reload, reloads := in.(call.Reload)
	restart, restarts := in.(call.Restart)
	switch {
	case after.Generation < before.Generation || after.Generation > before.Generation+1 || after.Rebuild < before.Rebuild:
		return fmt.Errorf("S7: generation went from %d to %d, new connections from %d to %d", before.Generation, after.Generation, before.Rebuild, after.Rebuild)
	case after.Generation == before.Generation && (before.Offer != "" && after.Offer != before.Offer || before.Answer != "" && after.Answer != before.Answer):
		return fmt.Errorf("generation %d had %q and %q, and has %q and %q", after.Generation, string(before.Offer), string(before.Answer), string(after.Offer), string(after.Answer))
	case after.Generation > before.Generation && (after.Offer != "" || after.Answer != "" || next.Caller().MediaUp || next.Callee().MediaUp):
		return fmt.Errorf("generation %d begins with what was of the one before", after.Generation)
	case after.Generation > before.Generation && !reloads && !restarts:
		return fmt.Errorf("%T begins a generation", in)
	case reloads && reload.Resume && was.Has(reload.Device) && (after.Generation == before.Generation || after.Rebuild != after.Generation):
		return fmt.Errorf("%s was reloaded, and its connections of before go on", reload.Device.ID)
	case restarts && refusal == nil && after.Generation <= restart.From:
		return fmt.Errorf("%s asks for a restart, and gets none", restart.Device.ID)
	case restarts && refusal == nil && restart.Rebuild && after.Rebuild <= restart.From:
		return fmt.Errorf("%s asks for new connections, and gets none", restart.Device.ID)
	case restarts && after.Generation > before.Generation && restart.From < before.Generation && (!restart.Rebuild || before.Rebuild > restart.From):
		return fmt.Errorf("%s asks for what there is, and gets one more", restart.Device.ID)
	}
	return nil
}
