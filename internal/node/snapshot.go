package node

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Snapshot is a call as one device may see it. Times that a page counts down are sent as what is left
// of them, not as points in time: its clock may be wrong by hours.
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
	// How many of the caller's candidates the callee had when it accepted: the caller sends them
	// again only where some are missing.
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
	// A call that ended lasted until its end, however late a device asks for it.
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
