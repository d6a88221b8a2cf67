package node

import (
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// invitation is a call to be made.
type invitation struct {
	call.Invite
	// charged says that it has been counted against the account's quota.
	charged bool
	// busy are the effects of its busy variant.
	busy []call.Effect
}

// attemptInvite makes the call, unless it is there already: then this is a
// repeat, and the answer is its state.
func (n *Node) attemptInvite(t *turn, j *job) {
	inv := j.invite
	if t.exists() {
		if t.call.Caller().Device.Is(inv.Caller) {
			n.finish(t, &t.call, nil)
		} else {
			n.finish(t, nil, protocol.CallIDTaken.Error())
		}
		return
	}
	if !inv.charged {
		if bad := n.quota.invite(inv.Caller.Account, inv.Callee, n.now); bad != nil {
			n.finish(t, nil, bad)
			return
		}
		inv.charged = true
	}
	c, effects, err := call.New(inv.Invite, n.now)
	if err != nil {
		n.finish(t, nil, refusal(err))
		return
	}
	busy, told, err := call.NewBusy(inv.Invite, n.now)
	if err != nil {
		n.finish(t, nil, refusal(err))
		return
	}
	inv.busy = told
	n.commit(t, store.Change{Call: c, Busy: &busy}, effects)
}

// settlement is what an invitation, whose caller is claimed by another call,
// asks of that call: to be merged into it, or to end, or neither.
type settlement struct {
	turn *turn // Of the invitation, which is its first job.
	job  *job
	// merge says that the other call was asked to take the invitation in.
	merge bool
}

// settle has the invitation wait until the call that claims its caller has
// been looked at.
func (n *Node) settle(t *turn, holder call.ID) {
	t.busy = true
	n.enqueue(holder, &job{settle: &settlement{turn: t, job: t.queue[0]}})
}

// attemptSettle looks at the call h that claims the caller of an invitation.
func (n *Node) attemptSettle(h *turn, j *job) {
	s, c := j.settle, &h.call
	s.merge = false
	if !h.exists() {
		n.finish(h, c, nil)
		return
	}
	in, err := c.Meet(s.job.invite.Invite)
	_, s.merge = in.(call.Merge)
	next, effects := *c, []call.Effect(nil)
	if in != nil {
		next, effects, err = call.Step(*c, in, n.now)
	}
	switch {
	case err != nil && !j.reloaded:
		j.reloaded, h.known = true, false
	case err != nil:
		n.finish(h, c, protocol.BusyElsewhere.Error())
	case next.Rev == c.Rev:
		n.finish(h, c, nil)
	default:
		n.commit(h, store.Change{Call: next, From: c.Rev}, effects)
	}
}

// settled resumes the invitation.
func (n *Node) settled(s *settlement, c *call.Call, failure *pealv1.Error) {
	t := s.turn
	t.busy = false
	switch {
	case failure != nil:
		n.finish(t, nil, failure)
	case s.merge && c.Live():
		n.merged(t, c)
	default:
		t.known = false
		n.again(t)
	}
	n.run(t)
}

// merged answers the invitation by the call that it became part of.
func (n *Node) merged(t *turn, c *call.Call) {
	a := t.queue[0].asker
	t.queue = t.queue[1:]
	u := n.update(c, a.device, call.WithOffer|call.WithServers)
	u.MergedInto = string(c.ID)
	a.device.session.Reply(a.id, &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Call{Call: u}})
	n.part(a.device, t.id)
	n.involve(a.device, c)
	if a.device.kicked {
		// While its invitation was under way: it became this call, which had not
		// been its own when it was kicked from all that were.
		n.enqueue(c.ID, &job{in: call.Kick{Device: a.device.who}})
	}
}
