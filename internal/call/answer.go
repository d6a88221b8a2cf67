package call

import "slices"

// This file holds the rules of ringing, answering and ending by a person.

func (s *step) cancel(in Cancel) error {
	if _, err := s.callerLeg(in.Device); err != nil {
		return err
	}
	s.end(Cancelled, in.Device)
	return nil
}

func (s *step) reject(in Reject) error {
	if _, err := s.calleeLeg(in.Device); err != nil {
		return err
	}
	s.end(Rejected, in.Device)
	return nil
}

// repeated tells a repeat of what ended the call from a request that came too late.
func (s *step) repeated(as Reason, d Device) error {
	if s.call.Leg(d.Account) == nil {
		return Stranger
	}
	if o := s.call.Outcome; o.Reason == as && o.Actor == d.Account && o.Device == d.ID {
		return nil
	}
	return CallEnded
}

// hangupRinging names the reason from the state and the side.
func (s *step) hangupRinging(in Hangup) error {
	if in.Device.Account == s.call.Callee().Account {
		return s.reject(Reject(in))
	}
	return s.cancel(Cancel(in))
}

func (s *step) hangup(in Hangup) error {
	if _, err := s.leg(in.Device); err != nil {
		return err
	}
	s.end(Completed, in.Device)
	return nil
}

func (s *step) terminate(Terminate) error {
	s.end(Terminated, Device{})
	return nil
}

// ring notes a device that rings. Only its own sender hears of it, by the
// reply: the caller is not to learn whether the callee is online.
func (s *step) ring(in Ring) error {
	leg, err := s.calleeLeg(in.Device)
	if err != nil {
		return err
	}
	r := leg.ringer(in.Device)
	switch {
	case r == nil:
		if r = leg.addRinger(Ringer{}); r == nil {
			return nil
		}
	case r.Stopped, r.Device == in.Device && !r.Gone && r.For == in.For:
		return nil
	}
	// A device that comes back keeps the end that it was given before.
	if r.For != in.For {
		r.For, r.Until = in.For, s.now.Add(in.For)
		if in.For == 0 || !r.Until.Before(s.call.Until) {
			r.Until = s.call.Until
		}
	}
	r.Device, r.Gone = in.Device, false
	s.hide()
	return nil
}

func (s *step) stopRinging(in StopRinging) error {
	leg, err := s.calleeLeg(in.Device)
	if err != nil {
		return err
	}
	r := leg.ringer(in.Device)
	if r == nil {
		r = leg.addRinger(Ringer{Device: in.Device})
	}
	if r != nil {
		s.stop(r)
	}
	return nil
}

// stop ends one device's ringing. The call rings on, also where that was the
// last device: if it ended now, the caller would learn that somebody is there.
func (s *step) stop(r *Ringer) {
	if r.Stopped {
		return
	}
	r.Stopped = true
	s.hide()
	s.tell(r.Device.Account, r.Device.ID, 0)
}

func (s *step) accept(in Accept) error {
	leg, err := s.calleeLeg(in.Device)
	if err != nil {
		return err
	}
	if r := leg.ringer(in.Device); r != nil && r.Stopped {
		return RingStopped
	}
	if in.Generation == s.call.Media.Generation {
		s.call.Media.Answer, s.call.Media.Held = in.Answer, in.Held
	}
	s.connect(leg, in.Device, in.Card)
	return nil
}

// merge accepts for a device that dialled the caller at the same time. It is
// a video call only if both asked for that, and the stricter policy holds.
func (s *step) merge(in Merge) error {
	leg, err := s.calleeLeg(in.Device)
	if err != nil {
		return err
	}
	if s.call.Type == Video && in.Type != Video {
		s.call.Type = Audio
	}
	s.call.Policy = max(s.call.Policy, in.Policy)
	s.connect(leg, in.Device, in.Card)
	return nil
}

// connect makes a device the one that answered.
func (s *step) connect(leg *Leg, winner Device, card Card) {
	c := &s.call
	leg.Device, leg.Card, leg.Epoch, leg.Ringers = winner, card, 1, nil
	c.State = Connecting
	c.Until = s.now.Add(c.Timing.Connect)
	s.tellPeer(leg, WithAnswer)
	s.tell(leg.Account, "", 0)
	s.changed = true
}

func (s *step) acceptAgain(in Accept) error {
	return s.answeredBy(in.Device)
}

func (s *step) mergeAgain(in Merge) error {
	return s.answeredBy(in.Device)
}

// answeredBy is nil for a repeat by the device that answered.
func (s *step) answeredBy(d Device) error {
	leg, err := s.calleeLeg(d)
	if err == nil && !leg.Device.Is(d) {
		return AnsweredElsewhere
	}
	return err
}

// addRinger makes room for one more ringing device; nil where there is none. A
// device that is away gives its place.
func (l *Leg) addRinger(r Ringer) *Ringer {
	if len(l.Ringers) >= RingersMost {
		away := slices.IndexFunc(l.Ringers, func(r Ringer) bool { return r.Gone })
		if away < 0 {
			return nil
		}
		l.Ringers = slices.Delete(l.Ringers, away, away+1)
	}
	l.Ringers = append(l.Ringers, r)
	return &l.Ringers[len(l.Ringers)-1]
}

func (l *Leg) ringer(d Device) *Ringer {
	for i := range l.Ringers {
		if l.Ringers[i].Device.Is(d) {
			return &l.Ringers[i]
		}
	}
	return nil
}
