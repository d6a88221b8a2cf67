package node

import (
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// tell sends a call's snapshot to an account's devices here, and says whether
// there are any.
func (n *Node) tell(c *call.Call, a call.Account, id call.DeviceID, with call.Attachments) bool {
	return n.tellBut(c, a, id, with, nil)
}

// tellBut is tell without the device that has just been answered.
func (n *Node) tellBut(c *call.Call, a call.Account, id call.DeviceID, with call.Attachments, but *device) bool {
	devices := n.devicesOf(a, id)
	for _, d := range devices {
		if d == but || c.Role(d.who) == call.Outsider || d.knows(c) {
			continue
		}
		d.session.Tell(&pealv1.ServerFrame{Body: &pealv1.ServerFrame_Call{Call: n.update(c, d, with)}})
		n.involve(d, c)
	}
	return len(devices) > 0
}

// knows says that a device was told of a later state: messages of other nodes
// come in any order.
func (d *device) knows(c *call.Call) bool {
	v := d.calls[c.ID]
	return v != nil && v.rev > c.Rev || c.Live() && slices.Contains(d.over, c.ID)
}

// involve notes what a device that has just seen a snapshot has to do with the call.
func (n *Node) involve(d *device, c *call.Call) {
	role := c.Role(d.who)
	// Who is being greeted may be told before the calls are that were read for it.
	if !c.Live() && (!n.cfg.Alone || d.session.Greeting()) && !slices.Contains(d.over, c.ID) {
		d.over = append(d.over[max(0, len(d.over)+1-overMost):], c.ID)
	}
	if !c.Live() || role == call.Outsider || n.conns[d.conn] != d {
		n.part(d, c.ID)
		return
	}
	v := n.join(d, c.ID)
	if c.Rev >= v.rev {
		v.rev, v.inCall, v.active = c.Rev, c.Has(d.who), role != call.Observer
	}
	n.quicken(d)
}

// update is what one device is to see of a call. The attachments are for the
// two sides of a live call alone, whatever is asked for.
func (n *Node) update(c *call.Call, d *device, with call.Attachments) *pealv1.CallUpdate {
	u := &pealv1.CallUpdate{Call: Snapshot(c, d.who, n.now)}
	if with&call.WithNeeds != 0 {
		with |= c.Needs(d.who)
	}
	role := c.Role(d.who)
	if !c.Live() || role != call.CallerRole && role != call.CalleeRole {
		return u
	}
	if with&call.WithOffer != 0 && role == call.CalleeRole {
		u.Offer = string(c.Media.Offer)
	}
	if with&call.WithAnswer != 0 && role == call.CallerRole {
		u.Answer = string(c.Media.Answer)
	}
	if with&call.WithServers != 0 {
		u.IceServers = n.cfg.Servers(c.ID, d.who, n.now)
	}
	return u
}

// Snapshot is a call as one device is to see it.
func Snapshot(c *call.Call, d call.Device, now time.Time) *pealv1.Call {
	s := &pealv1.Call{
		CallId:            string(c.ID),
		Rev:               c.RevFor(d.Account),
		State:             pealv1.CallState(c.State),
		Type:              pealv1.CallType(c.Type),
		Caller:            party(c.Caller(), pealv1.Role_ROLE_CALLER),
		Callee:            party(c.Callee(), pealv1.Role_ROLE_CALLEE),
		Role:              pealv1.Role(c.Role(d)),
		Attachment:        c.Attachment,
		IcePolicy:         pealv1.IcePolicy(c.Policy),
		Generation:        c.Media.Generation,
		RebuildGeneration: c.Media.Rebuild,
		CreatedAt:         timestamppb.New(c.CreatedAt),
	}
	s.Parties = []*pealv1.Party{s.Caller, s.Callee}
	if c.Live() && c.Role(d) == call.CallerRole {
		s.CandidatesHeld = c.Media.Held
	}
	if c.State == call.Ringing {
		r := c.RingEnd(d)
		s.RingStopped = r.Stopped
		s.RingRemainingMs = protocol.Millis(r.Until.Sub(now))
	}
	if c.Ask.By != "" {
		s.VideoAskedBy = string(c.Ask.By)
		s.VideoAskRemainingMs = protocol.Millis(c.Ask.Until.Sub(now))
	}
	until := now
	if !c.Live() {
		o := &c.Outcome
		until = o.EndedAt
		s.Reason = pealv1.Reason(o.Reason)
		s.Actor = string(o.Actor)
		s.ActorDevice = string(o.Device)
		s.EndedAt = timestamppb.New(o.EndedAt)
		if r, ok := c.Record(); ok {
			s.Record = record(r)
		}
	}
	if !c.ConnectedAt.IsZero() {
		s.ConnectedForMs = protocol.Millis(until.Sub(c.ConnectedAt))
	}
	return s
}

func party(l *call.Leg, role pealv1.Role) *pealv1.Party {
	return &pealv1.Party{
		Role:    role,
		Account: string(l.Account),
		Name:    l.Card.Name,
		Avatar:  l.Card.Avatar,
		Uid:     l.UID,
		Present: l.Device.ID != "" && l.Gone.IsZero(),
		Epoch:   l.Epoch,
		MediaUp: l.MediaUp,
		Tracks: &pealv1.Tracks{
			Audio: l.Tracks.Audio, AudioMuted: l.Tracks.AudioMuted,
			Video: l.Tracks.Video, VideoMuted: l.Tracks.VideoMuted, Screen: l.Tracks.Screen,
		},
	}
}

func tracksFrom(t *pealv1.Tracks) call.Tracks {
	return call.Tracks{Audio: t.GetAudio(), AudioMuted: t.GetAudioMuted(), Video: t.GetVideo(), VideoMuted: t.GetVideoMuted(), Screen: t.GetScreen()}
}
