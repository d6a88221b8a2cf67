package call

import "time"

// This file holds the rules of connections coming and going, and of time.

// gone begins the grace of a side, or notes that a ringing device is away.
// News of a connection that is not the present one is old.
func (s *step) gone(in Gone) error {
	leg := s.call.Leg(in.Device.Account)
	if leg == nil {
		return nil
	}
	if r := leg.ringer(in.Device); r != nil && r.Device == in.Device && !r.Gone {
		r.Gone = true
		s.hide()
		return nil
	}
	crashed := in.Finder != ""
	switch {
	case leg.Device != in.Device:
		return nil
	case crashed && leg.Finder != in.Former: // Another node was faster.
		return nil
	case !crashed && !leg.Gone.IsZero():
		return nil
	}
	// After a crash no device could reconnect before now, so the grace restarts: without this a
	// server that was down for longer than the grace would end every call at its start, while both
	// people still talk.
	leg.Gone, leg.Finder = s.now, in.Finder
	if crashed && s.call.State == Connecting {
		s.call.Until = latest(s.call.Until, s.now.Add(s.call.Timing.Connect))
	}
	s.changed = true
	s.tellPeer(leg, 0)
	return nil
}

func (s *step) back(in Back) error {
	leg := s.call.Leg(in.Device.Account)
	if leg == nil {
		return nil
	}
	if r := leg.ringer(in.Device); r != nil && (r.Device != in.Device || r.Gone) {
		r.Device, r.Gone = in.Device, false
		s.hide()
		return nil
	}
	if !leg.Device.Is(in.Device) || leg.Device == in.Device && leg.Gone.IsZero() {
		return nil
	}
	s.present(leg, in.Device)
	s.tellPeer(leg, 0)
	return nil
}

// present puts a side on a new connection.
func (s *step) present(leg *Leg, d Device) {
	leg.Device, leg.Gone, leg.Finder, leg.Leaving = d, time.Time{}, "", false
	leg.Epoch++
	s.changed = true
}

func (s *step) leave(in Leave) error {
	leg := s.call.Leg(in.Device.Account)
	if leg != nil && leg.Device == in.Device && !leg.Leaving {
		leg.Leaving = true
		s.changed = true
	}
	return nil
}

// reload is a page that came back without its memory: its peer connection is
// gone, so both sides make new ones, or else the call is over.
func (s *step) reload(in Reload) error {
	leg := s.call.Leg(in.Device.Account)
	if leg == nil {
		return nil
	}
	if r := leg.ringer(in.Device); r != nil && !r.Gone {
		// It rings again as soon as the new page says so.
		r.Gone = true
		s.hide()
		return nil
	}
	switch {
	case !leg.Device.Is(in.Device), leg.Device == in.Device && leg.Gone.IsZero():
		return nil
	case !in.Resume:
		s.end(Lost, in.Device)
		return nil
	}
	s.present(leg, in.Device)
	leg.Tracks = Tracks{}
	if s.call.Ask.By == leg.Account {
		s.call.Ask = Ask{} // The new page knows nothing of it.
	}
	s.renew(true)
	s.tellPeer(leg, WithServers)
	return nil
}

// supersedeRinging ends the call of a caller that calls someone else. A callee
// that calls someone else declines, by whichever device: a person who
// is being rung may call another person.
func (s *step) supersedeRinging(in Supersede) error {
	if s.call.Callee() == s.call.Leg(in.Device.Account) {
		s.end(Rejected, in.Device)
		return nil
	}
	return s.supersede(in)
}

// supersede ends the call of a device that calls someone else.
func (s *step) supersede(in Supersede) error {
	if s.call.Has(in.Device) {
		s.end(Superseded, in.Device)
	}
	return nil
}

func (s *step) kick(in Kick) error {
	leg := s.call.Leg(in.Device.Account)
	if leg == nil {
		return nil
	}
	if r := leg.ringer(in.Device); r != nil && !r.Gone {
		r.Gone = true
		s.hide()
	}
	if leg.Device.Is(in.Device) {
		s.end(Kicked, in.Device)
	}
	return nil
}

// tickRinging lets what is due first decide, so that a late tick comes to the
// same outcome as a punctual one.
func (s *step) tickRinging(Tick) error {
	c := &s.call
	for c.State == Ringing {
		at, ok := c.Deadline()
		if !ok || at.After(s.now) {
			return nil
		}
		switch caller := c.Caller(); {
		case at.Equal(c.Until):
			s.end(Timeout, Device{})
		case at.Equal(c.graceEnd(caller)):
			s.end(Lost, caller.Device)
		default:
			s.stopDue(at)
		}
	}
	return nil
}

// stopDue stops the ringing devices whose own time-out is at the given time.
func (s *step) stopDue(at time.Time) {
	leg := s.call.Callee()
	for i := range leg.Ringers {
		if r := &leg.Ringers[i]; !r.Stopped && !r.Gone && r.Until.Equal(at) {
			s.stop(r)
			return
		}
	}
}

// tickAnswered ends a call whose media never came up or of which a side
// vanished, by what was due first. An ask that nobody answered lapses.
func (s *step) tickAnswered(Tick) error {
	c := &s.call
	for c.Live() {
		at, ok := c.Deadline()
		if !ok || at.After(s.now) {
			return nil
		}
		switch caller, callee := c.Caller(), c.Callee(); {
		case at.Equal(c.graceEnd(caller)):
			s.end(Lost, caller.Device)
		case at.Equal(c.graceEnd(callee)):
			s.end(Lost, callee.Device)
		case at.Equal(c.Until):
			s.end(Failed, Device{})
		default:
			s.lapse()
		}
	}
	return nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
