package call

import (
	"hash/fnv"
	"time"
)

// Invite is what a call is made of.
type Invite struct {
	ID         ID
	Caller     Device
	Card       Card // Of the caller.
	Callee     Account
	Type       Type
	Offer      SDP
	Attachment string
	Policy     Policy
	Tracks     Tracks // Of the caller.
	// Ring is how long to ring; zero means Timing.Ring.
	Ring   time.Duration
	Timing Timing
	// Format is that of the call: one that all nodes know. Zero is the first.
	Format uint8
}

// New makes a call that rings. The call exists once its commit claims both accounts.
func New(in Invite, now time.Time) (Call, []Effect, error) {
	if in.Caller.Account == in.Callee {
		return Call{}, nil, SelfCall
	}
	now = wall(now)
	if in.Ring > 0 {
		in.Timing.Ring = in.Ring
	}
	c := Call{
		ID: in.ID, Rev: 1, Format: in.Format, State: Ringing, Type: in.Type, Attachment: in.Attachment, Policy: in.Policy,
		Timing: in.Timing, CreatedAt: now, Until: now.Add(in.Timing.Ring),
		Legs: []Leg{
			{Account: in.Caller.Account, Card: in.Card, Device: in.Caller, Epoch: 1, Tracks: in.Tracks},
			{Account: in.Callee},
		},
		Media: Media{Generation: 1, Rebuild: 1, Offer: in.Offer},
	}
	c.number()
	return c, []Effect{{Account: in.Callee, With: WithOffer | WithServers}}, nil
}

// NewBusy is what the same invitation comes to when the callee is in another
// call: a call that has ended. The callee's devices receive it for their records.
func NewBusy(in Invite, now time.Time) (Call, []Effect, error) {
	c, _, err := New(in, now)
	if err != nil {
		return Call{}, nil, err
	}
	s := step{call: c, now: wall(now)}
	s.end(Busy, Device{Account: in.Callee})
	return s.call, s.effects, nil
}

// Tombstone stands for an invitation that was cancelled before it arrived: it
// keeps the id, so that the invitation is dead when it does. It has no callee
// and files no record, for nobody was called.
func Tombstone(id ID, caller Device, timing Timing, now time.Time) Call {
	now = wall(now)
	return Call{
		ID: id, Rev: 1, State: Ended, Type: Audio, Timing: timing, CreatedAt: now,
		Legs:    []Leg{{Account: caller.Account, UID: uid(caller.Account), Device: caller, Epoch: 1}, {}},
		Outcome: Outcome{Reason: Cancelled, Actor: caller.Account, Device: caller.ID, EndedAt: now},
	}
}

// Step applies one input. Where the returned call's Rev has grown it is to be
// committed, and the effects carried out after that. Where it has not, nothing
// has happened and there are no effects. An error is a Refusal.
func Step(c Call, in Input, now time.Time) (Call, []Effect, error) {
	s := step{call: c.Clone(), now: wall(now)}
	if err := table[in.kind()][c.State].do(&s, in); err != nil {
		return c, nil, err
	}
	if !s.changed {
		return c, nil, nil
	}
	s.call.Rev++
	if s.hidden {
		s.call.Hidden++
	}
	return s.call, s.effects, nil
}

// Deadline is when the call wants a Tick; ok is false when nothing is due ever.
func (c *Call) Deadline() (at time.Time, ok bool) {
	if !c.Live() {
		return time.Time{}, false
	}
	earliest := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	earliest(c.Until)
	earliest(c.Ask.Until)
	for i := range c.Legs {
		earliest(c.graceEnd(&c.Legs[i]))
		for _, r := range c.Legs[i].Ringers {
			if !r.Stopped && !r.Gone {
				earliest(r.Until)
			}
		}
	}
	return at, !at.IsZero()
}

// graceEnd is when the call is lost unless the leg's device comes back; zero
// when it is not gone.
func (c *Call) graceEnd(l *Leg) time.Time {
	if l.Gone.IsZero() {
		return time.Time{}
	}
	if c.State == Ringing {
		return l.Gone.Add(c.Timing.CallerGrace)
	}
	grace := c.Timing.Grace
	if l.Leaving {
		grace = c.Timing.LeavingGrace
	}
	// The other side still hears and sees: only the signalling is away.
	if other := c.Peer(l.Account); other.Gone.IsZero() && other.MediaUp {
		grace = max(grace, c.Timing.GraceHold)
	}
	return l.Gone.Add(grace)
}

// step is one application of Step.
type step struct {
	call    Call
	now     time.Time
	effects []Effect
	changed bool
	// hidden says that the change is none that the caller may notice.
	hidden bool
}

// hide notes a change about the devices that ring: from it the caller could
// tell that the callee is there.
func (s *step) hide() { s.changed, s.hidden = true, true }

// tell tells an account that has a part in the call.
func (s *step) tell(a Account, d DeviceID, with Attachments) {
	if s.call.Leg(a) == nil {
		return
	}
	s.effects = append(s.effects, Effect{Account: a, Device: d, With: with})
}

// tellPeer tells the device at the other end of l, if there is one yet.
func (s *step) tellPeer(l *Leg, with Attachments) {
	if p := s.call.Peer(l.Account).Device; p.ID != "" {
		s.tell(p.Account, p.ID, with)
	}
}

// leg finds the part of a device that acts for a side.
func (s *step) leg(d Device) (*Leg, error) {
	l := s.call.Leg(d.Account)
	switch {
	case l == nil:
		return nil, Stranger
	case !l.Device.Is(d):
		return nil, WrongDevice
	}
	return l, nil
}

// callerLeg is leg for what only the caller's device may do.
func (s *step) callerLeg(d Device) (*Leg, error) {
	l, err := s.leg(d)
	if err == nil && l != s.call.Caller() {
		return nil, WrongDevice
	}
	return l, err
}

// calleeLeg finds the callee's leg for any device of the callee.
func (s *step) calleeLeg(d Device) (*Leg, error) {
	switch l := s.call.Leg(d.Account); l {
	case nil:
		return nil, Stranger
	case s.call.Callee():
		return l, nil
	}
	return nil, WrongDevice
}

// end is the only way to Ended.
func (s *step) end(reason Reason, by Device) {
	c := &s.call
	s.hidden = false
	c.Outcome = Outcome{
		Reason: reason, Actor: by.Account, Device: by.ID,
		EndedAt: s.now, Kind: recordKind(c.State, reason),
	}
	// By the clock of another node it may seem to have begun a moment later.
	for _, begun := range []time.Time{c.CreatedAt, c.ConnectedAt} {
		if c.Outcome.EndedAt.Before(begun) {
			c.Outcome.EndedAt = begun
		}
	}
	c.State = Ended
	c.Until = time.Time{}
	c.Media.Offer, c.Media.Answer = "", ""
	c.Ask = Ask{}
	for i := range c.Legs {
		c.Legs[i].Ringers = nil
		s.tell(c.Legs[i].Account, "", 0)
	}
	s.changed = true
}

// recordKind is the record's kind for a call that ends in a state.
func recordKind(from State, r Reason) Kind {
	switch r {
	case Completed, Failed:
		return KindCompleted
	case Cancelled:
		return KindCancelled
	case Rejected:
		return KindRejected
	case Timeout:
		return KindTimeout
	case Busy:
		return KindBusy
	case Lost, Superseded, Kicked, Terminated:
		if from == Ringing {
			return KindCancelled
		}
		return KindCompleted
	}
	return 0
}

// renew begins the next media generation.
func (s *step) renew(rebuild bool) {
	c := &s.call
	c.Media = Media{Generation: c.Media.Generation + 1, Rebuild: c.Media.Rebuild}
	if rebuild {
		c.Media.Rebuild = c.Media.Generation
	}
	for i := range c.Legs {
		c.Legs[i].MediaUp = false
	}
	s.changed = true
}

// number gives each leg the number of its account, and never both the same.
func (c *Call) number() {
	for i := range c.Legs {
		if l := &c.Legs[i]; l.Account != "" {
			l.UID = uid(l.Account)
		}
	}
	if c.Legs[1].UID == c.Legs[0].UID {
		c.Legs[1].UID++
	}
}

// uid gives an account the same small number in all of its calls.
func uid(a Account) uint32 {
	h := fnv.New32a()
	h.Write([]byte(a))
	return max(h.Sum32()&0x7fff_fffe, 2)
}

// wall drops what does not survive storage: the monotonic reading and the zone.
func wall(t time.Time) time.Time { return t.Round(0).UTC() }
