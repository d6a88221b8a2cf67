package node

import (
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/callqueue"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// commands turn what devices ask for into jobs of calls.
type commands struct {
	*loop
	calls   *callqueue.Queues
	devices *devices
	quota   *quota
}

// take turns a command into a job of the call that it is about.
func (cs *commands) take(d *device, f *pealv1.ClientFrame) {
	if bad := cs.spends(d, f); bad != nil {
		d.session.Fail(f.Id, bad)
		return
	}
	who := d.who
	switch c := f.Command.(type) {
	case *pealv1.ClientFrame_Invite:
		cs.invite(d, f.Id, c.Invite)
	case *pealv1.ClientFrame_Ringing:
		cs.ask(d, f.Id, c.Ringing.CallId, call.Ring{Device: who, For: millis(c.Ringing.RingTimeoutMs)}, 0)
	case *pealv1.ClientFrame_RingTimeout:
		cs.ask(d, f.Id, c.RingTimeout.CallId, call.StopRinging{Device: who}, 0)
	case *pealv1.ClientFrame_Accept:
		cs.accept(d, f.Id, c.Accept)
	case *pealv1.ClientFrame_Reject:
		cs.ask(d, f.Id, c.Reject.CallId, call.Reject{Device: who}, 0)
	case *pealv1.ClientFrame_Cancel:
		cs.ask(d, f.Id, c.Cancel.CallId, call.Cancel{Device: who}, 0)
	case *pealv1.ClientFrame_Hangup:
		cs.ask(d, f.Id, c.Hangup.CallId, call.Hangup{Device: who}, 0)
	case *pealv1.ClientFrame_Offer:
		cs.ask(d, f.Id, c.Offer.CallId, call.Offer{Device: who, Generation: c.Offer.Generation, SDP: call.SDP(c.Offer.Sdp)}, 0)
	case *pealv1.ClientFrame_Answer:
		cs.ask(d, f.Id, c.Answer.CallId, call.Answer{Device: who, Generation: c.Answer.Generation, SDP: call.SDP(c.Answer.Sdp)}, 0)
	case *pealv1.ClientFrame_Media:
		cs.notePath(d, c.Media)
		cs.ask(d, f.Id, c.Media.CallId, call.Report{Device: who, Generation: c.Media.Generation, Up: c.Media.Up}, 0)
	case *pealv1.ClientFrame_Restart:
		cs.ask(d, f.Id, c.Restart.CallId, call.Restart{Device: who, From: c.Restart.FromGeneration, Rebuild: c.Restart.Rebuild}, call.WithServers)
	case *pealv1.ClientFrame_Tracks:
		cs.ask(d, f.Id, c.Tracks.CallId, call.SetTracks{Device: who, Tracks: tracksFrom(c.Tracks.Tracks)}, 0)
	case *pealv1.ClientFrame_SwitchType:
		cs.ask(d, f.Id, c.SwitchType.CallId, call.SwitchType{Device: who, Type: call.Type(c.SwitchType.Type)}, 0)
	case *pealv1.ClientFrame_ListRecords:
		cs.listRecords(d, f.Id, c.ListRecords)
	case *pealv1.ClientFrame_Candidates:
		cs.candidates(d, f.Id, c.Candidates)
	case *pealv1.ClientFrame_Leaving:
		cs.leaving(d, f.Id)
	case *pealv1.ClientFrame_Logout:
		cs.logout(d, f.Id)
	default:
		d.session.Fail(f.Id, protocol.UnknownCommand.Error())
	}
}

// snapshotBytes is about what a snapshot with its attachment costs those who receive it.
const snapshotBytes = 5 << 10

// spends takes from the account's budget what a command makes the other side receive. Commands that
// only end something cost nothing: whoever has spent everything must still be able to hang up.
func (cs *commands) spends(d *device, f *pealv1.ClientFrame) *pealv1.Error {
	bytes := 0
	candidates := func(list []*pealv1.Candidate) {
		for _, c := range list {
			bytes += candidateBytes(c)
		}
	}
	switch c := f.Command.(type) {
	case *pealv1.ClientFrame_Invite:
		bytes = snapshotBytes + len(c.Invite.Offer)
	case *pealv1.ClientFrame_Restart, *pealv1.ClientFrame_Tracks, *pealv1.ClientFrame_SwitchType, *pealv1.ClientFrame_Media:
		bytes = snapshotBytes
	case *pealv1.ClientFrame_Offer:
		bytes = len(c.Offer.Sdp)
	case *pealv1.ClientFrame_Answer:
		bytes = len(c.Answer.Sdp)
	case *pealv1.ClientFrame_Accept:
		bytes = len(c.Accept.Answer)
		candidates(c.Accept.Candidates)
	case *pealv1.ClientFrame_Candidates:
		candidates(c.Candidates.Candidates)
	}
	if bytes == 0 {
		return nil
	}
	return cs.quota.signal(d.who.Account, bytes, cs.now)
}

func candidateBytes(c *pealv1.Candidate) int { return len(c.GetSdpMid()) + 1 + len(c.Candidate) }

// ask queues a device's input, and answers the device with the result. The device joins the call
// before: if another step commits first, its update must reach this device too. Where the call turns
// out not to exist, or not to concern it, devices.unheard parts it again.
func (cs *commands) ask(d *device, id uint32, callID string, in call.Input, with call.Attachments) {
	cs.devices.join(d, call.ID(callID))
	cs.calls.Add(call.ID(callID), callqueue.Apply{Input: in, Asker: newCommand(d, id, with)})
}

func (cs *commands) invite(d *device, id uint32, in *pealv1.Invite) {
	// The stricter of the two: a page may ask for relayed media, and an operator may demand it.
	policy := max(call.Policy(in.IcePolicy), cs.cfg.Policy)
	if policy != call.AnyAddress && len(cs.cfg.Servers(call.ID(in.CallId), d.who, cs.now)) == 0 {
		d.session.Fail(id, protocol.NoRelay.Error())
		return
	}
	inv := call.Invite{
		ID: call.ID(in.CallId), Caller: d.who, Card: d.card(), Callee: call.Account(in.Callee),
		Type: call.Type(in.Type), Offer: call.SDP(in.Offer), Attachment: in.Attachment, Policy: policy, Tracks: tracksFrom(in.Tracks),
		Ring: millis(in.RingTimeoutMs), Timing: cs.cfg.Timing, Format: cs.writes(),
	}
	cs.devices.join(d, inv.ID)
	cs.calls.Invite(newCommand(d, id, call.WithServers), inv)
}

// accept queues a device's answer. Its candidates are queued behind it, in the same queue of the
// call, so they follow the answer. Where another device answered first, this one is no side of the
// call by then, and the candidates go nowhere.
func (cs *commands) accept(d *device, id uint32, c *pealv1.Accept) {
	cs.ask(d, id, c.CallId, call.Accept{
		Device: d.who, Generation: c.Generation, Answer: call.SDP(c.Answer), Held: c.CandidatesHeld, Card: d.card(),
	}, 0)
	if len(c.Candidates) > 0 {
		first := &pealv1.Candidates{CallId: c.CallId, Generation: c.Generation, Candidates: c.Candidates}
		cs.calls.Add(call.ID(c.CallId), callqueue.Pass{Candidates: first, Asker: &command{device: d}})
	}
}

// notePath notes what media flow by, once for each generation. A path that is noted before the call
// is connected is reported when it is.
func (cs *commands) notePath(d *device, c *pealv1.MediaReport) {
	if v := d.calls[call.ID(c.CallId)]; v != nil && v.inCall && c.Up && c.Path != pealv1.MediaPath_MEDIA_PATH_UNSPECIFIED && v.pathOf < c.Generation {
		now := cs.calls.Copy(call.ID(c.CallId))
		if now == nil || c.Generation != now.Media.Generation {
			return
		}
		v.path, v.pathOf = c.Path, c.Generation
		if now.State == call.Connected {
			cs.do(Flows{call.ID(c.CallId), d.who, c.Path})
		}
	}
}

// candidates passes ICE candidates on.
func (cs *commands) candidates(d *device, id uint32, c *pealv1.Candidates) {
	cs.devices.join(d, call.ID(c.CallId))
	cs.calls.Add(call.ID(c.CallId), callqueue.Pass{Candidates: c, Asker: &command{device: d, id: id}})
}

// leaving notes in the calls of a page that it closes. That shortens the grace and ends nothing: a
// reload sends the same command, and the page is back within seconds.
func (cs *commands) leaving(d *device, id uint32) {
	for _, c := range sorted(d.calls) {
		cs.calls.Add(c, callqueue.Apply{Input: call.Leave{Device: d.who}})
	}
	d.session.Done(id)
}

// logout ends the calls that the device is in. One that only rings here rings
// on elsewhere.
func (cs *commands) logout(d *device, id uint32) {
	// A person who logs out hangs up. A kick would tell the other party of a newer login.
	for _, c := range sorted(d.calls) {
		if d.calls[c].inCall {
			cs.calls.Add(c, callqueue.Apply{Input: call.Hangup{Device: d.who}})
		}
	}
	d.session.Done(id)
	d.session.Close(protocol.LoggedOut)
}

func millis(ms uint32) time.Duration { return time.Duration(ms) * time.Millisecond }
