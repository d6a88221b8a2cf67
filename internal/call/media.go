package call

import "time"

// This file holds the rules of media negotiation and media reports.

func (s *step) offer(in Offer) error {
	if _, err := s.callerLeg(in.Device); err != nil {
		return err
	}
	m := &s.call.Media
	switch {
	case in.Generation != m.Generation:
		return StaleGeneration
	case m.Offer == in.SDP:
		return nil
	case m.Offer != "":
		return StaleGeneration
	}
	m.Offer = in.SDP
	s.changed = true
	// Empty while it rings: then the offer is for all of the callee's devices.
	s.tell(s.call.Callee().Account, s.call.Callee().Device.ID, WithOffer|WithServers)
	return nil
}

func (s *step) answer(in Answer) error {
	leg, err := s.leg(in.Device)
	if err != nil {
		return err
	}
	if leg != s.call.Callee() {
		return WrongDevice
	}
	m := &s.call.Media
	switch {
	case in.Generation != m.Generation || m.Offer == "":
		return StaleGeneration
	case m.Answer == in.SDP:
		return nil
	case m.Answer != "":
		return StaleGeneration
	}
	m.Answer = in.SDP
	s.changed = true
	s.tellPeer(leg, WithAnswer)
	return nil
}

func (s *step) report(in Report) error {
	leg, err := s.leg(in.Device)
	if err != nil {
		return err
	}
	c := &s.call
	if in.Generation != c.Media.Generation || leg.MediaUp == in.Up {
		return nil
	}
	leg.MediaUp = in.Up
	s.changed = true
	both := c.Caller().MediaUp && c.Callee().MediaUp
	if c.State == Connecting && both {
		c.State, c.ConnectedAt, c.Until = Connected, s.now, time.Time{}
		s.tell(leg.Account, leg.Device.ID, 0)
	}
	s.tellPeer(leg, 0)
	return nil
}

func (s *step) restart(in Restart) error {
	leg, err := s.leg(in.Device)
	if err != nil {
		return err
	}
	s.restartFrom(leg, in)
	return nil
}

func (s *step) restartRinging(in Restart) error {
	leg, err := s.callerLeg(in.Device)
	if err != nil {
		return err
	}
	if s.call.Media.Generation < RingGenerationsMost {
		s.restartFrom(leg, in)
	}
	return nil
}

// restartFrom begins a generation, once, however many ask for it. The one who
// asked gets its ICE servers with the reply.
func (s *step) restartFrom(leg *Leg, in Restart) {
	m := &s.call.Media
	// Where new connections are needed, a restart in between was not enough.
	tooLittle := in.Rebuild && in.From < m.Generation && m.Rebuild <= in.From
	if in.From != m.Generation && !tooLittle {
		return
	}
	s.renew(in.Rebuild)
	s.tellPeer(leg, WithServers)
}

func (s *step) setTracks(in SetTracks) error {
	leg, err := s.leg(in.Device)
	if err != nil {
		return err
	}
	if leg.Tracks == in.Tracks {
		return nil
	}
	leg.Tracks = in.Tracks
	s.changed = true
	s.tellPeer(leg, 0)
	return nil
}
