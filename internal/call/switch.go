package call

import "time"

// This file holds the rules of changing the type of a call that is answered:
// to audio by either side at once, to video only when both sides want it.

// Ask is a side's wish for a video call, until the other side agrees or
// refuses. Its zero value means that nobody asks.
type Ask struct {
	By    Account   `json:"by"`
	Until time.Time `json:"until"`
}

// switchType takes what a side wants the call to be. Wanting video agrees to
// the other side's ask, wanting audio refuses it, or takes back one's own.
func (s *step) switchType(in SwitchType) error {
	leg, err := s.leg(in.Device)
	if err != nil {
		return err
	}
	c := &s.call
	switch {
	case in.Type != Video:
		if c.Type == Audio && c.Ask.By == "" {
			return nil
		}
		c.Type, c.Ask = Audio, Ask{}
	case c.Type == Video || c.Ask.By == leg.Account:
		return nil
	case c.Ask.By != "":
		c.Type, c.Ask = Video, Ask{}
	default:
		c.Ask = Ask{By: leg.Account, Until: s.now.Add(c.Timing.Ask)}
	}
	s.changed = true
	s.tellPeer(leg, 0)
	return nil
}

// lapse ends an ask that nobody answered, as if it had been refused.
func (s *step) lapse() {
	s.call.Ask = Ask{}
	s.changed = true
	for i := range s.call.Legs {
		d := s.call.Legs[i].Device
		s.tell(d.Account, d.ID, 0)
	}
}
