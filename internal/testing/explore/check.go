package explore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// This file holds what must be true of any call and of any step of one, in
// whatever world.

// describe makes a description that says who made it. Another one of the same
// generation by the same device differs.
func describe(what string, generation uint32, by call.DeviceID, again bool) call.SDP {
	text := what + " " + strconv.FormatUint(uint64(generation), 10) + " of " + string(by)
	if again {
		text += ", again"
	}
	return call.SDP(text)
}

// madeBy says whether a description, if there is one, was made by the device.
func madeBy(sdp call.SDP, what string, generation uint32, by call.DeviceID) bool {
	return sdp == "" || sdp == describe(what, generation, by, false) || sdp == describe(what, generation, by, true)
}

// stands holds a state by itself.
func stands(c *call.Call) error {
	m, caller, callee := &c.Media, c.Caller(), c.Callee()
	_, filed := c.Record()
	at, due := c.Deadline()
	answered := c.State == call.Connecting || c.State == call.Connected
	switch {
	case filed != (!c.Live() && callee.Account != ""): // A tombstone has no callee, and no record.
		return fmt.Errorf("S3: filed %v while in state %s", filed, stateName(c.State))
	case c.Live() != (c.Outcome == call.Outcome{}):
		return fmt.Errorf("S2: a call that is %s has reason %d", stateName(c.State), c.Outcome.Reason)
	case !at.Equal(wants(c)):
		return fmt.Errorf("a call that is %s is to be looked at at %s, not at %s", stateName(c.State), wants(c), at)
	case !due && c.Live() && c.State != call.Connected:
		return fmt.Errorf("a call is %s for ever", stateName(c.State))
	case c.State == call.Ringing && callee.Device.ID != "":
		return fmt.Errorf("S1: %s is in a call that rings", callee.Device.ID)
	case answered && callee.Device.ID == "":
		return fmt.Errorf("S1: nobody is in a call that is %s", stateName(c.State))
	case c.State == call.Ringing && m.Answer != "":
		return errors.New("S6: there is an answer before the acceptance")
	case !c.Live() && (m.Offer != "" || m.Answer != ""):
		return errors.New("descriptions outlive the call")
	case !madeBy(m.Offer, "offer", m.Generation, caller.Device.ID):
		return fmt.Errorf("%s calls, generation %d has the offer %q", caller.Device.ID, m.Generation, string(m.Offer))
	case !madeBy(m.Answer, "answer", m.Generation, callee.Device.ID):
		return fmt.Errorf("S1: %s is in the call, generation %d has the answer %q", callee.Device.ID, m.Generation, string(m.Answer))
	case m.Answer != "" && m.Offer == "":
		return errors.New("there is an answer to no offer")
	case m.Rebuild > m.Generation:
		return fmt.Errorf("generation %d is to come, and new connections are for it", m.Rebuild)
	case c.State == call.Connecting && caller.MediaUp && callee.MediaUp:
		return errors.New("both have media, and the call is connecting")
	case c.RelayedOnly() != (c.Policy == call.RelayOnly || c.Policy == call.RelayUntilAccept && c.State == call.Ringing):
		return fmt.Errorf("by policy %d relayed candidates alone pass: %v, while %s", c.Policy, c.RelayedOnly(), stateName(c.State))
	}
	return nil
}

// reach holds what one device may have of a call, and what of its own may pass.
func reach(c *call.Call, d call.Device) error {
	leg, role, needs := c.Leg(d.Account), c.Role(d), c.Needs(d)
	to, device, err := c.SignalTo(d)
	if leg == nil {
		if role != call.Outsider || needs != 0 || !errors.Is(err, call.Stranger) {
			return fmt.Errorf("S5: the stranger %s has role %d, needs %d, and its signals: %w", d.ID, role, needs, err)
		}
		return nil
	}
	peer, rung := c.Peer(d.Account), c.State == call.Ringing && leg == c.Callee()
	unanswered := c.Media.Offer != "" && c.Media.Answer == ""
	switch {
	case rung && err == nil:
		return fmt.Errorf("S6: signals of %s pass before the acceptance", d.ID)
	case !c.Live() && (err == nil || needs != 0):
		return fmt.Errorf("S5: something of an ended call passes to or from %s", d.ID)
	case err == nil && !c.Has(d):
		return fmt.Errorf("S5: signals of %s pass, and it is not in the call", d.ID)
	case err == nil && c.Deaf && (to != "" || device != ""):
		return fmt.Errorf("S5: signals of %s go to %s of %s, who is deaf to the call", d.ID, device, to)
	case err == nil && !c.Deaf && (to != peer.Account || device != peer.Device.ID):
		return fmt.Errorf("S5: signals of %s go to %s of %s", d.ID, device, to)
	case err != nil && c.Live() && c.Has(d):
		return fmt.Errorf("signals of %s, which is in the call, do not pass: %w", d.ID, err)
	case leg == c.Caller() && c.Has(d) && c.Media.Answer != "" && needs&call.WithAnswer == 0:
		return fmt.Errorf("%s is back, and not given the answer", d.ID)
	case leg == c.Callee() && (rung || c.Live() && c.Has(d)) && unanswered && needs&call.WithOffer == 0:
		return fmt.Errorf("%s is back, and not given the offer", d.ID)
	}
	return given(c, d, needs)
}

// given holds that what is sent to a device beside the snapshot is for it.
func given(c *call.Call, d call.Device, with call.Attachments) error {
	if with != 0 && c.Leg(d.Account) == nil {
		return fmt.Errorf("S5: %s has no part in the call, and is given something of it", d.ID)
	}
	if with&call.WithAnswer != 0 {
		switch {
		case c.State == call.Ringing:
			return fmt.Errorf("S6: %s is given an answer before the acceptance", d.ID)
		case !c.Caller().Device.Is(d):
			return fmt.Errorf("S5: %s is given an answer, and does not call", d.ID)
		case !madeBy(c.Media.Answer, "answer", c.Media.Generation, c.Callee().Device.ID):
			return fmt.Errorf("S1: %s is in the call, and the caller is given %q", c.Callee().Device.ID, string(c.Media.Answer))
		}
	}
	if with&call.WithOffer != 0 {
		switch {
		case d.Account != c.Callee().Account || c.State != call.Ringing && !c.Has(d):
			return fmt.Errorf("S5: %s is given an offer, and is not called", d.ID)
		case !madeBy(c.Media.Offer, "offer", c.Media.Generation, c.Caller().Device.ID):
			return fmt.Errorf("%s calls, and the callee is given %q", c.Caller().Device.ID, string(c.Media.Offer))
		}
	}
	return nil
}

// seen is what a device shows of a call; the device must receive each change of it.
type seen struct {
	role                call.Role
	state               call.State
	reason              call.Reason
	stopped             bool
	kind                call.Type
	askedBy             call.Account
	generation, rebuild uint32
	peer                call.Tracks
	peerUp, peerThere   bool
	peerEpoch           uint32
}

// sees is that of one device. Another device of the caller shows nothing before
// the end, one of the callee that another was quicker; what the caller prepares
// while it rings comes with its next offer.
func sees(c *call.Call, d call.Device) seen {
	role := c.Role(d)
	v := seen{role: role, reason: c.Outcome.Reason}
	switch {
	case role == call.Outsider:
		return seen{}
	case role == call.Observer || !c.Live():
	case role == call.CalleeRole && c.State == call.Ringing:
		v.stopped = c.RingEnd(d).Stopped
	default:
		p := c.Peer(d.Account)
		v.state, v.kind, v.askedBy, v.generation, v.rebuild = c.State, c.Type, c.Ask.By, c.Media.Generation, c.Media.Rebuild
		v.peer, v.peerUp, v.peerThere, v.peerEpoch = p.Tracks, p.MediaUp, p.Device.ID != "" && p.Gone.IsZero(), p.Epoch
	}
	return v
}

// told holds that a device hears of whatever changes for it, under a rev that it
// takes for news.
func told(was, next *call.Call, d call.Device, hears bool) error {
	before, after := sees(was, d), sees(next, d)
	switch {
	case before == after:
	case !hears:
		return fmt.Errorf("%s is not told: it showed %+v, and there is %+v", d.ID, before, after)
	case next.RevFor(d.Account) <= was.RevFor(d.Account):
		return fmt.Errorf("S7: %s is told of a change under rev %d, after %d", d.ID, next.RevFor(d.Account), was.RevFor(d.Account))
	}
	return nil
}

// answersTo says that a device learns of the call by the answer to what it asked.
func answersTo(in call.Input) bool {
	switch in.(type) {
	case call.Gone, call.Leave, call.Supersede, call.Kick, call.Tick, call.Terminate:
		return false
	}
	return true
}

// deadEnd holds that once everybody is gone time alone brings the call to its
// end, soon, and to the same one however late its Tick comes.
func deadEnd(c call.Call, there []call.Device, begin time.Time) error {
	now := begin
	for _, d := range there {
		c, _, _ = call.Step(c, call.Gone{Device: d}, now)
	}
	gone := c
	for range 20 {
		at, due := c.Deadline()
		if !due {
			break
		}
		now = later(now, at)
		c, _, _ = call.Step(c, call.Tick{}, now)
	}
	late, _, _ := call.Step(gone, call.Tick{}, now.Add(time.Hour))
	switch {
	case c.Live():
		return fmt.Errorf("a dead end: nobody is there, and the call stays %s", stateName(c.State))
	case late.Outcome.Reason != c.Outcome.Reason || late.Outcome.Device != c.Outcome.Device:
		return fmt.Errorf("a late tick ends it with reason %d, and those in time with %d", late.Outcome.Reason, c.Outcome.Reason)
	case now.Sub(begin) > 45*time.Second:
		return fmt.Errorf("everybody is gone, and it ends after %s", now.Sub(begin))
	}
	return nil
}

// taken is one step with all that it is held to. The call is as before where
// that was refused.
func taken(was *call.Call, in call.Input, now time.Time) (next call.Call, effects []call.Effect, err error) {
	if was.Deaf {
		return takenDeaf(was, in, now)
	}
	var a, b [512]byte
	before := digest(a[:0], was, now)
	next, effects, refusal := call.Step(*was, in, now)
	if string(digest(b[:0], was, now)) != string(before) {
		return next, nil, fmt.Errorf("%T changes the call that it is given", in)
	}
	if err := promises(was, &next, in, effects, refusal); err != nil {
		return next, nil, err
	}
	if err := meaning(was, &next, in, now, refusal); err != nil {
		return next, nil, err
	}
	if refusal == nil {
		again, effects, refusal := call.Step(next, in, now)
		if again.Rev != next.Rev {
			return next, nil, fmt.Errorf("S8: %T twice goes from rev %d to %d", in, next.Rev, again.Rev)
		}
		if err := promises(&next, &again, in, effects, refusal); err != nil {
			return next, nil, fmt.Errorf("%T twice: %w", in, err)
		}
	}
	return next, effects, nil
}

// takenDeaf holds a step of a deaf call to what the same step of a call that nobody hears
// comes to: the caller cannot tell them apart. The callee is a stranger.
func takenDeaf(was *call.Call, in call.Input, now time.Time) (next call.Call, effects []call.Effect, err error) {
	next, effects, refusal := call.Step(*was, in, now)
	if in.Sender().Account == was.Callee().Account {
		if next.Rev != was.Rev || len(effects) > 0 || refusal != nil && !errors.Is(refusal, call.Stranger) {
			return next, nil, fmt.Errorf("S5: %T of %s, who has no part in the call, comes to rev %d, %v: %w", in, in.Sender().ID, next.Rev, effects, refusal)
		}
		return next, nil, nil
	}
	open := *was
	open.Deaf = false
	_, _, wantRefusal := call.Step(open, in, now)
	want, told, err := taken(&open, in, now)
	if err != nil {
		return next, nil, err
	}
	told = slices.DeleteFunc(told, func(e call.Effect) bool { return e.Account == was.Callee().Account })
	want.Deaf = true
	switch {
	case string(digest(nil, &want, now)) != string(digest(nil, &next, now)) || want.Rev != next.Rev || want.Hidden != next.Hidden:
		return next, nil, fmt.Errorf("the caller can tell that it is blocked, by the state after %T", in)
	case !slices.Equal(told, effects):
		return next, nil, fmt.Errorf("after %T of a deaf call there are the effects %v, want %v", in, effects, told)
	case !errors.Is(refusal, wantRefusal):
		return next, nil, fmt.Errorf("the caller can tell that it is blocked, by the refusal of %T", in)
	}
	return next, effects, nil
}

// digest tells apart what goes on differently. Times count from now, and revs do
// not matter for what follows.
func digest(b []byte, c *call.Call, now time.Time) []byte {
	num := func(ns ...int64) {
		for _, n := range ns {
			b = binary.AppendVarint(b, n)
		}
	}
	text := func(s string) { b = append(append(b, s...), 0) }
	flags := func(all ...bool) {
		for _, f := range all {
			if f {
				b = append(b, 1)
			} else {
				b = append(b, 0)
			}
		}
	}
	since := func(t time.Time) {
		if t.IsZero() {
			num(-1 << 40)
		} else {
			num(int64(t.Sub(now) / time.Millisecond))
		}
	}
	num(int64(c.State), int64(c.Type), int64(c.Policy), int64(c.Media.Generation), int64(c.Media.Rebuild))
	num(int64(c.Outcome.Reason), int64(c.Outcome.Kind))
	text(string(c.Ask.By))
	since(c.Ask.Until)
	since(c.Until)
	text(string(c.Media.Offer))
	text(string(c.Media.Answer))
	text(string(c.Outcome.Device))
	flags(c.ConnectedAt.IsZero(), c.Deaf)
	for i := range c.Legs {
		l := &c.Legs[i]
		text(string(l.Device.ID))
		num(int64(l.Device.Conn.Seq))
		since(l.Gone)
		flags(l.Leaving, l.MediaUp, l.Tracks.Audio)
		for _, r := range l.Ringers {
			text(string(r.Device.ID))
			num(int64(r.Device.Conn.Seq), int64(r.For/time.Second))
			flags(r.Stopped, r.Gone)
			since(r.Until)
		}
		text("")
	}
	return b
}
