// Package stored is how durable stores keep calls: the body and the descriptions of a call as bytes,
// and times as numbers. All of it is pure.
package stored

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store/stored/storedpb"
)

// Encode gives all of a call but its id and its descriptions.
func Encode(c *call.Call) ([]byte, error) {
	t := &c.Timing
	stored := &storedpb.Call{
		Rev: c.Rev, Hidden: c.Hidden, Deaf: c.Deaf, State: uint32(c.State), Type: uint32(c.Type), Policy: uint32(c.Policy),
		Attachment: c.Attachment, Format: uint32(c.Format),
		Timing: &storedpb.Timing{
			Ring: int64(t.Ring), CallerGrace: int64(t.CallerGrace), Grace: int64(t.Grace),
			LeavingGrace: int64(t.LeavingGrace), GraceHold: int64(t.GraceHold), Connect: int64(t.Connect), Ask: int64(t.Ask),
		},
		Created: nanos(c.CreatedAt), Until: nanos(c.Until), Connected: nanos(c.ConnectedAt),
		Media: &storedpb.Media{Generation: c.Media.Generation, Rebuild: c.Media.Rebuild, Held: c.Media.Held},
		Legs:  make([]*storedpb.Leg, len(c.Legs)),
	}
	for i := range c.Legs {
		stored.Legs[i] = storedLeg(&c.Legs[i])
	}
	if c.Ask != (call.Ask{}) {
		stored.Ask = &storedpb.Ask{By: string(c.Ask.By), Until: nanos(c.Ask.Until)}
	}
	if o := &c.Outcome; *o != (call.Outcome{}) {
		stored.Outcome = &storedpb.Outcome{
			Reason: uint32(o.Reason), Actor: string(o.Actor), Device: string(o.Device), Ended: nanos(o.EndedAt), Kind: uint32(o.Kind), Merged: string(o.Merged),
		}
	}
	body, err := proto.Marshal(stored)
	if err != nil {
		return nil, fmt.Errorf("encode call: %w", err)
	}
	return body, nil
}

func storedLeg(l *call.Leg) *storedpb.Leg {
	stored := &storedpb.Leg{
		Account: string(l.Account), Uid: l.UID, Name: l.Card.Name, Avatar: l.Card.Avatar,
		Device: storedDevice(&l.Device, l.Account), Epoch: l.Epoch, Gone: nanos(l.Gone), Finder: l.Finder,
		Leaving: l.Leaving, MediaUp: l.MediaUp,
	}
	if t := &l.Tracks; *t != (call.Tracks{}) {
		stored.Tracks = &storedpb.Tracks{
			Audio: t.Audio, AudioMuted: t.AudioMuted, Video: t.Video, VideoMuted: t.VideoMuted, Screen: t.Screen,
		}
	}
	for i := range l.Ringers {
		r := &l.Ringers[i]
		stored.Ringers = append(stored.Ringers, &storedpb.Ringer{
			Device: storedDevice(&r.Device, l.Account), For: int64(r.For), Until: nanos(r.Until), Stopped: r.Stopped, Gone: r.Gone,
		})
	}
	return stored
}

// storedDevice leaves out the account where it is that of the leg; nil is no device.
func storedDevice(d *call.Device, of call.Account) *storedpb.Device {
	if *d == (call.Device{}) {
		return nil
	}
	stored := &storedpb.Device{Id: string(d.ID), Incarnation: d.Conn.Incarnation, Seq: d.Conn.Seq}
	if d.Account != of {
		stored.Account = string(d.Account)
	}
	return stored
}

// Describe gives the descriptions of a call; nil for none.
func Describe(c *call.Call) ([]byte, error) {
	if c.Media.Offer == "" && c.Media.Answer == "" {
		return nil, nil
	}
	both, err := proto.Marshal(&storedpb.Descriptions{Offer: string(c.Media.Offer), Answer: string(c.Media.Answer)})
	if err != nil {
		return nil, fmt.Errorf("encode descriptions: %w", err)
	}
	return both, nil
}

// Decode puts a stored call together.
func Decode(id call.ID, body, descriptions []byte) (c call.Call, err error) {
	stored, both := &storedpb.Call{}, &storedpb.Descriptions{}
	if err := proto.Unmarshal(body, stored); err != nil {
		return call.Call{}, fmt.Errorf("decode call %s: %w", id, err)
	}
	if err := proto.Unmarshal(descriptions, both); err != nil {
		return call.Call{}, fmt.Errorf("decode descriptions of %s: %w", id, err)
	}
	t, m, a, o := stored.GetTiming(), stored.GetMedia(), stored.GetAsk(), stored.GetOutcome()
	c = call.Call{
		ID: id, Rev: stored.GetRev(), Format: uint8(stored.GetFormat()), Hidden: stored.GetHidden(), Deaf: stored.GetDeaf(), State: call.State(stored.GetState()),
		Type: call.Type(stored.GetType()), Policy: call.Policy(stored.GetPolicy()), Attachment: stored.GetAttachment(),
		Timing: call.Timing{
			Ring: time.Duration(t.GetRing()), CallerGrace: time.Duration(t.GetCallerGrace()), Grace: time.Duration(t.GetGrace()),
			LeavingGrace: time.Duration(t.GetLeavingGrace()), GraceHold: time.Duration(t.GetGraceHold()),
			Connect: time.Duration(t.GetConnect()), Ask: time.Duration(t.GetAsk()),
		},
		CreatedAt: moment(stored.GetCreated()), Until: moment(stored.GetUntil()), ConnectedAt: moment(stored.GetConnected()),
		Media: call.Media{
			Generation: m.GetGeneration(), Rebuild: m.GetRebuild(), Held: m.GetHeld(),
			Offer: call.SDP(both.GetOffer()), Answer: call.SDP(both.GetAnswer()),
		},
		Ask: call.Ask{By: call.Account(a.GetBy()), Until: moment(a.GetUntil())},
		Outcome: call.Outcome{
			Reason: call.Reason(o.GetReason()), Actor: call.Account(o.GetActor()), Device: call.DeviceID(o.GetDevice()),
			EndedAt: moment(o.GetEnded()), Kind: call.Kind(o.GetKind()), Merged: call.ID(o.GetMerged()),
		},
		Legs: make([]call.Leg, len(stored.GetLegs())),
	}
	for i, l := range stored.GetLegs() {
		c.Legs[i] = keptLeg(l)
	}
	return c, nil
}

func keptLeg(l *storedpb.Leg) call.Leg {
	account, t := call.Account(l.GetAccount()), l.GetTracks()
	kept := call.Leg{
		Account: account, UID: l.GetUid(), Card: call.Card{Name: l.GetName(), Avatar: l.GetAvatar()},
		Device: keptDevice(l.GetDevice(), account), Epoch: l.GetEpoch(), Gone: moment(l.GetGone()), Finder: l.GetFinder(),
		Leaving: l.GetLeaving(), MediaUp: l.GetMediaUp(),
		Tracks: call.Tracks{
			Audio: t.GetAudio(), AudioMuted: t.GetAudioMuted(), Video: t.GetVideo(), VideoMuted: t.GetVideoMuted(), Screen: t.GetScreen(),
		},
	}
	for _, r := range l.GetRingers() {
		kept.Ringers = append(kept.Ringers, call.Ringer{
			Device: keptDevice(r.GetDevice(), account), For: time.Duration(r.GetFor()), Until: moment(r.GetUntil()),
			Stopped: r.GetStopped(), Gone: r.GetGone(),
		})
	}
	return kept
}

func keptDevice(d *storedpb.Device, of call.Account) call.Device {
	if d == nil {
		return call.Device{}
	}
	if d.GetAccount() != "" {
		of = call.Account(d.GetAccount())
	}
	return call.Device{
		Account: of, ID: call.DeviceID(d.GetId()), Conn: call.Connection{Incarnation: d.GetIncarnation(), Seq: d.GetSeq()},
	}
}

// nanos is how a body keeps a time.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return Time(ns)
}

// Deafness makes of the body of a call that of the same call with call.Call.Deaf set, when it is
// put behind it: a database decides that after the body was made.
func Deafness() []byte { return []byte{0x80, 0x01, 0x01} } // peal.stored.v1.Call.deaf, true.
