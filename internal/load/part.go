package load

import (
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/device"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// The tickets of what a phone asks for. Others are of no interest but when they
// are refused.
const (
	inviteTicket device.Ticket = iota + 1
	acceptTicket
	hangupTicket
	otherTicket
)

// part is what a phone does in its call, as the component in a page would.
//
//	caller: invite ─► candidates ─► (accepted) candidates again, tracks, media ─► (connected, talk) hangup
//	callee: (rings; its device says so) ─► (ring) accept ─► candidates, tracks, media ─► (ended)
type part struct {
	call   *call
	caller bool
	// up: the media was reported.
	up bool
}

// hears takes what the device of a phone tells. The phone's mu is held.
func (w *part) hears(p *phone, effect device.Effect) {
	switch e := effect.(type) {
	case device.Incoming:
		w.rings(p, e.Update.Call.CallId)
	case device.Answer:
		w.answered(p, e)
	case device.Updated:
		if w.call == nil || e.Update.Call.CallId != w.call.id {
			return
		}
		if w.caller && slices.Contains(e.Changes, device.Accepted) {
			w.call.accepted(time.Now())
			w.sendMedia(p)
		}
		if w.caller && slices.Contains(e.Changes, device.Connected) {
			w.talk(p)
		}
	case device.Ended:
		if w.call != nil && w.call.id == e.Call {
			c, caller := w.call, w.caller
			*w = part{}
			c.over(caller, string(e.End.Reason), time.Now())
		}
	}
}

// invite begins a call. The phone's mu is not held.
func (p *phone) invite(c *call) {
	p.mu.Lock()
	p.part = part{call: c, caller: true}
	p.mu.Unlock()
	p.step(device.Invite{Ticket: inviteTicket, Invite: &pealv1.Invite{
		CallId: c.id, Callee: c.callee.account, Type: pealv1.CallType_CALL_TYPE_VIDEO, Offer: offer,
		Tracks: &pealv1.Tracks{Audio: true, Video: true},
	}})
}

func (w *part) rings(p *phone, id string) {
	c := p.fleet.callOf(id)
	if c == nil {
		return // Somebody else's, or one that was given up.
	}
	*w = part{call: c}
	now := time.Now()
	c.rings(now, p.fleet.cfg.Ring)
	accept := device.Accept{Ticket: acceptTicket, Accept: &pealv1.Accept{
		CallId: id, Generation: 1, Answer: answer,
		Candidates: candidates()[:firstBatch], CandidatesHeld: uint32(len(candidates())),
	}}
	if p.fleet.cfg.Ring == 0 {
		p.post(accept)
		return
	}
	time.AfterFunc(p.fleet.cfg.Ring, func() { p.step(accept) })
}

func (w *part) answered(p *phone, e device.Answer) {
	c := w.call
	if e.Error != nil && c != nil {
		c.fail(e.Error.Code)
		return
	}
	switch e.Ticket {
	case inviteTicket:
		if c != nil {
			w.sendCandidates(p, candidates()[:firstBatch])
			w.sendCandidates(p, candidates()[firstBatch:])
		}
	case acceptTicket:
		if c != nil {
			w.sendCandidates(p, candidates()[firstBatch:])
			w.sendMedia(p)
		}
	}
}

// talk hangs up after a while.
func (w *part) talk(p *phone) {
	c := w.call
	c.connected(time.Now(), p.fleet.cfg.Talk)
	hangup := device.Hangup{Ticket: hangupTicket, Call: c.id}
	if p.fleet.cfg.Talk == 0 {
		p.post(hangup)
		return
	}
	time.AfterFunc(p.fleet.cfg.Talk, func() { p.step(hangup) })
}

func (w *part) sendCandidates(p *phone, list []*pealv1.Candidate) {
	w.mention(p, &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Candidates{Candidates: &pealv1.Candidates{
		CallId: w.call.id, Generation: 1, Candidates: list,
	}}})
}

func (w *part) sendMedia(p *phone) {
	if w.up {
		return
	}
	w.up = true
	if !w.caller { // The caller's went with the invitation.
		w.mention(p, &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Tracks{Tracks: &pealv1.TrackReport{
			CallId: w.call.id, Tracks: &pealv1.Tracks{Audio: true, Video: true},
		}}})
	}
	w.mention(p, &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Media{Media: &pealv1.MediaReport{
		CallId: w.call.id, Generation: 1, Up: true,
	}}})
}

func (w *part) mention(p *phone, f *pealv1.ClientFrame) {
	p.post(device.Mention{Command: f})
}
