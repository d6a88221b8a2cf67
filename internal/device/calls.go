package device

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// remembered is how many ended calls a device remembers. A server that was cut off may send the
// ringing of an ended call again; without the memory that call would ring once more.
const remembered = 64

// past are the latest calls that are over here, the oldest first.
type past []string

func (p *past) add(id string) {
	if p.has(id) {
		return
	}
	if len(*p) == remembered {
		*p = (*p)[1:]
	}
	*p = append(*p, id)
}

func (p *past) drop(id string) {
	if i := slices.Index(*p, id); i >= 0 {
		*p = slices.Delete(*p, i, i+1)
	}
}

func (p past) has(id string) bool {
	return slices.Contains(p, id)
}

// ------------------------------------------------------- what the person does

// free says whether a call can begin here, and answers where it cannot.
func (d *Device) free(t Ticket) bool {
	switch {
	case d.link.phase == offline || d.logsOut:
		d.do(Answer{Ticket: t, Error: problem(CodeOffline, "log in first", false)})
	case d.active != nil:
		d.do(Answer{Ticket: t, Error: problem(CodeWrongState, "there is a call already: one at a time", false)})
	default:
		return true
	}
	return false
}

// draft begins a call, and sends nothing.
func (d *Device) draft(in Draft) {
	if d.free(in.Ticket) {
		d.begin(&view{seen: d.now, draft: true, call: d.invitation(in.Invite)})
		d.do(Answer{Ticket: in.Ticket})
	}
}

func (d *Device) abandonDraft(id string) {
	if v := d.active; v != nil && v.draft && v.call.CallId == id {
		d.abandon(v)
		d.unshade()
	}
}

func (d *Device) invite(in Invite) {
	v := d.active
	switch {
	case d.past.has(in.Invite.CallId):
		// It was given up while it was a draft: the person cancelled before the offer was made. The
		// server has never heard of it, and must not.
		d.do(Answer{Ticket: in.Ticket})
		return
	case v != nil && v.draft && v.call.CallId == in.Invite.CallId:
		v.draft, v.call = false, d.invitation(in.Invite)
	case !d.free(in.Ticket):
		return
	default:
		v = &view{seen: d.now, call: d.invitation(in.Invite)}
		d.begin(v)
	}
	command := &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Invite{Invite: in.Invite}}
	d.request(&request{command: command, ticket: in.Ticket, then: func(r reply) { d.invited(v, in.Ticket, r) }})
}

// invitation is the snapshot of a call that the server does not know.
func (d *Device) invitation(in *pealv1.Invite) *pealv1.Call {
	caller := &pealv1.Party{Account: d.account, Present: true, Role: pealv1.Role_ROLE_CALLER}
	callee := &pealv1.Party{Account: in.Callee, Present: true, Role: pealv1.Role_ROLE_CALLEE}
	return &pealv1.Call{
		CallId: in.CallId, State: pealv1.CallState_CALL_STATE_RINGING, Type: in.Type,
		Role: pealv1.Role_ROLE_CALLER, Generation: 1, RebuildGeneration: 1, Attachment: in.Attachment,
		IcePolicy: in.IcePolicy, Caller: caller, Callee: callee, Parties: []*pealv1.Party{caller, callee},
	}
}

// invited takes the answer to an invitation. v is the call that it was made for, which may be over
// by now, and another call may be active.
func (d *Device) invited(v *view, t Ticket, r reply) {
	switch {
	case v.over:
		// Given up meanwhile, which is no failure.
		d.do(Answer{Ticket: t, Update: r.update})
		d.update(r.update)
		if id := r.update.GetMergedInto(); id != "" {
			// It became the other side's call, which is not wanted either.
			d.dismiss(id)
		}
	case r.err != nil:
		d.abandon(v)
		if code := r.code(); code == CodeTimeout || code == protocol.Unavailable {
			// It may have arrived, or arrive yet: it must not ring.
			d.withdraw(v.call.CallId, func(r reply) { d.update(r.update) })
		}
		d.do(Answer{Ticket: t, Error: r.err})
		d.unshade()
	case r.update.GetMergedInto() != "" && r.update.Call != nil:
		d.merge(v, t, r.update)
	default:
		d.do(Answer{Ticket: t, Update: r.update})
		d.update(r.update)
	}
}

// merge is glare: both people called each other at once. The other side's invitation is the call
// now, and this device has accepted it. The application sees one call that goes from ringing to
// accepted. So the view takes the other call's state as it was one revision before, and advances.
func (d *Device) merge(v *view, t Ticket, u *pealv1.CallUpdate) {
	d.past.add(v.call.CallId)
	before := proto.Clone(u.Call).(*pealv1.Call)
	before.State, before.Type, before.Rev = pealv1.CallState_CALL_STATE_RINGING, v.call.Type, u.Call.Rev-1
	v.call, v.asked = before, true
	d.do(Answer{Ticket: t, Update: u})
	d.update(u)
}

func (d *Device) accept(in Accept) {
	v := d.active
	if v == nil || v.call.CallId != in.Accept.CallId || !v.ringing(pealv1.Role_ROLE_CALLEE) {
		d.do(Answer{Ticket: in.Ticket, Error: problem(CodeWrongState, "there is no invitation to answer", false)})
		return
	}
	// Not yet accepted: another device of the account, or the caller, may be first. The answer says.
	v.asked = true
	d.ask(Ask{in.Ticket, &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Accept{Accept: in.Accept}}})
}

func (d *Device) reject(in Reject) {
	v := d.active
	if v == nil || v.call.CallId != in.Call || !v.ringing(pealv1.Role_ROLE_CALLEE) {
		d.do(Answer{Ticket: in.Ticket, Error: problem(CodeWrongState, "there is no invitation to reject", false)})
		return
	}
	d.leave(v, &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Reject{Reject: &pealv1.Reject{CallId: in.Call}}}, ReasonRejected, in.Ticket)
}

func (d *Device) cancel(in Cancel) {
	v := d.active
	switch {
	case v == nil || v.call.CallId != in.Call || !v.ringing(pealv1.Role_ROLE_CALLER):
		d.do(Answer{Ticket: in.Ticket, Error: problem(CodeWrongState, "there is no invitation to cancel", false)})
	case v.draft:
		d.giveUpDraft(v, in.Ticket)
	case d.link.phase != online || v.call.Rev == 0:
		// Nobody waits for a server that is away, or knows nothing yet, to stop one's own ringing.
		d.giveUp(v, in.Ticket)
	default:
		d.request(&request{command: cancelCommand(in.Call), lasting: true, then: func(r reply) {
			if r.code() == protocol.CallEnded {
				r.err = nil
			}
			d.do(Answer{Ticket: in.Ticket, Update: r.update, Error: r.err})
			d.update(r.update)
		}})
	}
}

// hangup ends the call in whatever state it is; the command follows from the state. A page that
// unmounts, or a person in a hurry, need not know which of the four applies.
func (d *Device) hangup(in Hangup) {
	v := d.active
	switch {
	case v == nil || v.call.CallId != in.Call:
		d.do(Answer{Ticket: in.Ticket}) // It is over already.
	case v.draft:
		d.giveUpDraft(v, in.Ticket)
	case v.ringing(pealv1.Role_ROLE_CALLER):
		d.giveUp(v, in.Ticket)
	case v.ringing(pealv1.Role_ROLE_CALLEE):
		d.leave(v, hangupCommand(in.Call), ReasonRejected, in.Ticket)
	default:
		d.leave(v, hangupCommand(in.Call), ReasonCompleted, in.Ticket)
	}
}

// leave ends the call here at once, and repeats the command until the server has answered it. A
// person who hangs up is done with the call; a server that is away must not hold the microphone.
func (d *Device) leave(v *view, command *pealv1.ClientFrame, why Reason, t Ticket) {
	id := v.call.CallId
	d.request(&request{command: command, lasting: true, then: func(r reply) {
		if r.code() == protocol.AlreadyAccepted && r.update.GetCall().GetRole() == pealv1.Role_ROLE_CALLEE {
			// An acceptance that this device gave up waiting for has arrived.
			d.request(&request{command: hangupCommand(id), lasting: true, then: func(r reply) { d.left(t, r) }})
			return
		}
		d.left(t, r)
	}})
	d.end(v.leave(d.account, why, d.now))
}

// giveUp is leave for an invitation, which the server may never have seen.
func (d *Device) giveUp(v *view, t Ticket) {
	d.withdraw(v.call.CallId, func(r reply) { d.left(t, r) })
	d.end(v.leave(d.account, ReasonCancelled, d.now))
}

// giveUpDraft is giveUp for a call of which the server has never heard, and does not hear.
func (d *Device) giveUpDraft(v *view, t Ticket) {
	d.end(v.leave(d.account, ReasonCancelled, d.now))
	d.left(t, reply{})
}

func (d *Device) left(t Ticket, r reply) {
	if t != 0 {
		d.do(Answer{Ticket: t, Update: r.update})
	}
	d.update(r.update) // It may be this device's again, merged with a call that it made since.
}

// withdraw cancels an invitation for good. It may have been answered at the
// last moment: that it is to end holds all the same.
func (d *Device) withdraw(id string, then func(reply)) {
	d.request(&request{command: cancelCommand(id), lasting: true, then: func(r reply) {
		if r.code() != protocol.AlreadyAccepted {
			then(r)
			return
		}
		d.request(&request{command: hangupCommand(id), lasting: true, then: then})
	}})
}

func cancelCommand(id string) *pealv1.ClientFrame {
	return &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Cancel{Cancel: &pealv1.Cancel{CallId: id}}}
}

func hangupCommand(id string) *pealv1.ClientFrame {
	return &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Hangup{Hangup: &pealv1.Hangup{CallId: id}}}
}

// ----------------------------------------------------- what the server tells

// greeted takes the calls of a welcome.
func (d *Device) greeted(w *pealv1.Welcome) {
	// A welcome lists all live calls of the account. So a call that it does not list has ended, and
	// so long ago that it is not among those that ended lately.
	v, listed := d.active, false
	d.shadows = nil // Whether they still are, the welcome tells.
	for _, u := range w.Calls {
		mine := v != nil && u.GetCall().GetCallId() == v.call.CallId
		listed = listed || mine
		// Of what is over without this device having been in it the records tell.
		if mine || u.GetCall().GetState() != pealv1.CallState_CALL_STATE_ENDED {
			d.update(u)
		}
	}
	switch {
	case v == nil || d.active != v || v.call.Rev == 0: // Rev 0: its invitation is still to be sent.
	case listed:
		d.ring(v)
		d.do(Updated{&pealv1.CallUpdate{Call: v.call}, []Change{Reconnected}})
	default:
		d.lookUp(v)
	}
}

// lookUp finds out how a call ended that ended too long ago for a welcome. Of
// one that has ended a hang-up asks just that.
func (d *Device) lookUp(v *view) {
	d.request(&request{command: hangupCommand(v.call.CallId), lasting: true, then: func(r reply) {
		d.update(r.update)
		if !v.over {
			d.end(v.leave(d.account, ReasonLost, d.now))
		}
	}})
}

// ring tells the server that this device rings, so that it can tell the caller. Where a later
// message repeats the time-out, the earlier end stays: repeats do not prolong the ringing.
func (d *Device) ring(v *view) {
	if v.ringing(pealv1.Role_ROLE_CALLEE) {
		d.mention(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Ringing{Ringing: &pealv1.Ringing{
			CallId: v.call.CallId, RingTimeoutMs: v.ringTimeoutMs,
		}}})
	}
}

// update processes the state of a call, from whichever frame it came. The cases are in order: what
// has ended first, since an ended call never begins here; then the calls that must wait beside the
// active one; then those that this device is in without knowing them; then those that ring.
func (d *Device) update(u *pealv1.CallUpdate) {
	c := u.GetCall()
	if c == nil || c.State == pealv1.CallState_CALL_STATE_UNSPECIFIED {
		return
	}
	if v := d.active; v != nil && v.call.CallId == c.CallId {
		d.advance(v, u)
		return
	}
	switch {
	case c.State == pealv1.CallState_CALL_STATE_ENDED:
		d.shadows.drop(c.CallId)
		d.past.add(c.CallId) // Older news of it may come later.
		d.file(u)
	case d.active != nil, !d.unshadeAt.IsZero() && d.shadows.index(c.CallId) >= 0:
		d.shadows.keep(u)
	case d.records.has(c.CallId): // Its end was delivered: this update is late.
	case in(c) && (d.past.has(c.CallId) || !d.resumes):
		d.dismiss(c.CallId)
	case d.past.has(c.CallId) || c.Role != pealv1.Role_ROLE_CALLER && c.Role != pealv1.Role_ROLE_CALLEE:
	case d.logsOut: // Nothing rings on the way out.
	case c.Role == pealv1.Role_ROLE_CALLEE && c.State == pealv1.CallState_CALL_STATE_RINGING:
		if !c.RingStopped {
			v := &view{call: c, seen: d.now}
			d.begin(v)
			d.do(Incoming{u})
			d.ring(v)
		}
	default:
		d.begin(&view{call: c, seen: d.now})
		d.do(Resumed{u})
	}
}

// passing takes an answer that nobody waits for, or an event: news, whichever it is.
// An invitation that was given up may have become another call.
func (d *Device) passing(u *pealv1.CallUpdate) {
	if id := u.GetMergedInto(); id != "" && (d.active == nil || d.active.call.CallId != id) {
		d.dismiss(id)
		return
	}
	d.update(u)
}

// in says that the server takes this device for one of the two of a live call.
func in(c *pealv1.Call) bool {
	return c.Role == pealv1.Role_ROLE_CALLER ||
		c.Role == pealv1.Role_ROLE_CALLEE && c.State != pealv1.CallState_CALL_STATE_RINGING
}

// dismiss ends a call that this device is in on the server alone: the person gave it up here, or
// the program restarted, while an earlier invitation or acceptance was still on its way and took
// effect there. Without dismiss the other person would talk to a device that shows no call. Only a
// login that resumes may put a device into a call that nobody asked for here.
func (d *Device) dismiss(id string) {
	d.past.add(id)
	for _, r := range d.requests {
		if r.about() == id {
			return // It is being left already.
		}
	}
	d.request(&request{command: hangupCommand(id), lasting: true, then: func(r reply) {
		if r.update.GetCall().GetState() == pealv1.CallState_CALL_STATE_ENDED {
			d.update(r.update)
		}
	}})
}

func (d *Device) advance(v *view, u *pealv1.CallUpdate) {
	if v.ringing(pealv1.Role_ROLE_CALLEE) && !v.asked && in(u.Call) && u.Call.State != pealv1.CallState_CALL_STATE_ENDED {
		// By an invitation of its own that was given up, and merged: nobody here has answered.
		d.end(v.leave(d.account, ReasonCompleted, d.now))
		d.dismiss(u.Call.CallId)
		return
	}
	changes, end := v.advance(u.Call, d.account, d.cfg.ID, d.now)
	switch late := u.Call.Rev < v.call.Rev; {
	case end != nil:
		d.end(*end)
		d.file(u)
	case late && u.Call.Generation < v.call.Generation: // Nobody needs what it describes.
	case late && u.Offer == "" && u.Answer == "" && len(u.IceServers) == 0:
	case late:
		// The state is older, and the description that comes with it is still the one that media
		// wait for: a reply was overtaken by an event. The description counts, with today's state.
		u = proto.CloneOf(u)
		u.Call = v.call
		d.do(Updated{u, nil})
	case len(changes) > 0 || u.Offer != "" || u.Answer != "" || len(u.IceServers) > 0:
		d.do(Updated{u, changes})
	}
}

// ----------------------------------------------------------- the one call

func (d *Device) begin(v *view) {
	d.active = v
	d.quicken()
}

// end is the end of the call here.
func (d *Device) end(e End) {
	v := d.active
	d.abandon(v)
	d.do(Ended{v.call.CallId, e})
	d.unshade()
}

// abandon ends the call here without the effect Ended: the Answer to the request says it.
func (d *Device) abandon(v *view) {
	v.over = true
	d.past.add(v.call.CallId)
	d.active = nil
	d.quicken()
}

// unshade schedules the calls that rang beside the call that has ended. They ring in a
// later step, so that the application can call at once when it gets the end.
func (d *Device) unshade() {
	if len(d.shadows) > 0 {
		d.unshadeAt = d.now
	}
}

// wokeShadows takes up what still rings, unless there is another call by now.
func (d *Device) wokeShadows() {
	if !due(d.unshadeAt, d.now) {
		return
	}
	d.unshadeAt = time.Time{}
	if d.active != nil {
		return
	}
	for _, u := range d.shadows.take() {
		d.update(u)
	}
}

// quicken changes how soon silence is noticed, as a call begins or ends. The ping that is under way
// may have been granted the patience of an idle connection.
func (d *Device) quicken() {
	if d.link.phase == online {
		d.probe()
	}
}
