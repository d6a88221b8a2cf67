package callqueue

import (
	"slices"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// invite is a call to be made.
type invite struct {
	call.Invite
	asker Asker
}

func (j invite) asks() Asker     { return j.asker }
func (j invite) answered() Asker { return j.asker }
func (j invite) patient() bool   { return false }

// attempt makes the call, unless it is there already: then this is a repeat, and the answer
// is the call's state.
func (j invite) attempt(q *Queue) {
	if into := q.call.Outcome.Merged; q.exists() && into != "" {
		q.busy = true
		q.all.Add(into, mergedRepeat{j})
		return
	}
	if q.exists() {
		if q.call.Caller().Device.Is(j.Caller) {
			q.finish(&q.call, nil)
		} else {
			q.finish(nil, protocol.CallIDTaken.Error())
		}
		return
	}
	if e := &q.jobs[0]; !e.admitted {
		if bad := q.host().Admit(j.Caller.Account, j.Callee); bad != nil {
			q.finish(nil, bad)
			return
		}
		e.admitted = true
	}
	now := q.host().Now()
	c, effects, err := call.New(j.Invite, now)
	if err != nil {
		q.finish(nil, refusal(err))
		return
	}
	busy, told, err := call.NewBusy(j.Invite, now)
	if err != nil {
		q.finish(nil, refusal(err))
		return
	}
	q.commit(pending{change: store.Change{Call: c, Busy: &busy}, effects: effects, busy: told})
}

func (j invite) finished(q *Queue, c *call.Call, failure *pealv1.Error) {
	q.answer(j.asker, c, failure)
}

// settle has the first job, an invitation, wait until the call that claims its caller has
// been looked at.
func (q *Queue) settle(holder call.ID) {
	q.busy = true
	q.all.Add(holder, &settlement{invite: q.jobs[0].Job.(invite)})
}

// settlement is what an invitation, whose caller is claimed by another call, asks of that
// call: to take the invitation in, or to end, or neither. It is a job of the other call.
type settlement struct {
	invite invite
	// merges says that the other call was asked to take the invitation in.
	merges bool
}

func (j *settlement) asks() Asker   { return j.invite.asker }
func (j *settlement) patient() bool { return false }

// A device that calls somebody else is answered about that call, and not about the one that
// this ends.
func (j *settlement) answered() Asker {
	if j.merges {
		return j.invite.asker
	}
	return nil
}

func (j *settlement) attempt(q *Queue) {
	j.merges = false
	if !q.exists() {
		q.finish(&q.call, nil)
		return
	}
	in, err := q.call.Meet(j.invite.Invite)
	_, j.merges = in.(call.Merge)
	switch {
	case err != nil && !q.jobs[0].reread:
		q.reread()
	case err != nil:
		q.finish(&q.call, refusal(err))
	case in == nil:
		q.finish(&q.call, nil)
	default:
		q.step(in)
	}
}

// conflicted has the invitation be read again, for the conflict may be about that: its device
// may have cancelled it through another node, or it was merged by one.
func (j *settlement) conflicted(q *Queue) {
	j.merges = false
	q.finish(&q.call, nil)
}

// finished resumes the invitation.
func (j *settlement) finished(holder *Queue, c *call.Call, failure *pealv1.Error) {
	q := holder.all.queue(j.invite.ID)
	q.busy = false
	switch {
	case failure != nil && c != nil:
		q.finish(nil, protocol.BusyElsewhere.Error())
	case failure != nil:
		q.finish(nil, failure)
	case j.merges:
		q.mergedInto(c)
	default:
		q.known = false
		q.again()
	}
	q.run()
}

// mergedRepeat is an invitation that was merged before: the answer is the call that it became the
// answer to, whatever happened to that since.
type mergedRepeat struct{ invite invite }

func (j mergedRepeat) asks() Asker     { return j.invite.asker }
func (j mergedRepeat) answered() Asker { return nil }
func (j mergedRepeat) patient() bool   { return false }

func (j mergedRepeat) attempt(q *Queue) {
	if q.exists() && q.call.Has(j.invite.Caller) {
		q.finish(&q.call, nil)
	} else {
		q.finish(nil, protocol.CallIDTaken.Error())
	}
}

func (j mergedRepeat) finished(into *Queue, c *call.Call, failure *pealv1.Error) {
	q := into.all.queue(j.invite.ID)
	q.busy = false
	if failure != nil {
		q.finish(nil, failure)
	} else {
		q.mergedInto(c)
	}
	q.run()
}

// mergedInto answers the first job, an invitation, by the call that it became the answer to.
func (q *Queue) mergedInto(c *call.Call) {
	q.jobs[0].uncount(q.host())
	q.host().AnswerMerged(q.pop().asks(), q.id, c)
}

// withdraw ends the call of an invitation that was refused, if its commit was done: the
// client may never ask again, and the call would keep both accounts busy. The ending
// notifies everyone, so the call is not announced before. Where the client has repeated
// the invitation already, the repetition decides.
func (q *Queue) withdraw(caller call.Device) {
	if slices.ContainsFunc(q.jobs, func(e entry) bool {
		switch e.Job.(type) {
		case invite, withdrawal:
			return true
		}
		return false
	}) {
		return
	}
	q.announce = false
	q.jobs = append(q.jobs, entry{Job: withdrawal{Apply{Input: call.Hangup{Device: caller}}}})
}

// withdrawal ends the call of an invitation that was refused.
type withdrawal struct{ Apply }

// retake keeps the call of an invitation that its client repeats before the call is ended.
func (q *Queue) retake(caller call.Device) {
	if q.busy && q.known {
		return // The first job is being committed.
	}
	before := len(q.jobs)
	q.jobs = slices.DeleteFunc(q.jobs, func(e entry) bool {
		w, ok := e.Job.(withdrawal)
		return ok && w.Input.Sender().Is(caller)
	})
	if len(q.jobs) < before {
		q.known, q.announce, q.paused = false, true, false
	}
}
