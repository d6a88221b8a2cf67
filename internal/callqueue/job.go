package callqueue

import (
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// Job is one thing to do to a call: Apply, Present, Look, Pass, or an invitation, which
// Queues.Invite adds. A job never changes.
type Job interface {
	// asks is the asker of the job; nil for what the node does by itself.
	asks() Asker
	// attempt does the job on the queue's copy of the call. It finishes the job, or has it wait.
	attempt(*Queue)
	// finished answers the asker. c is nil where it is not to see the call.
	finished(q *Queue, c *call.Call, failure *pealv1.Error)
	// answered is the asker who hears of a commit by its answer, and of no effect.
	answered() Asker
	// patient says that nobody waits for the result: the commit may wait for others.
	patient() bool
}

// Apply gives a call an input. Asker is nil for what the node does by itself.
type Apply struct {
	Input call.Input
	Asker Asker
}

func (j Apply) asks() Asker     { return j.Asker }
func (j Apply) answered() Asker { return j.Asker }

// A device that tells how it does asks for nothing.
func (j Apply) patient() bool {
	switch j.Input.(type) {
	case call.Ring, call.Report, call.SetTracks:
		return true
	}
	return false
}

func (j Apply) attempt(q *Queue) {
	switch {
	case !q.exists(), q.call.Outcome.Merged != "":
		j.attemptAbsent(q)
	case j.strange(&q.call):
		q.finish(nil, protocol.NoSuchCall.Error())
	default:
		q.step(j.Input)
	}
}

// strange says that a device asks that has no part in the call.
func (j Apply) strange(c *call.Call) bool {
	if j.Asker == nil {
		return false
	}
	account := j.Asker.Sender().Account
	return account != "" && c.Leg(account) == nil
}

// attemptAbsent answers for a call that does not exist. A cancellation leaves a tombstone,
// so that the invitation is dead when it arrives. Where the invitation was merged there is one: the
// device has not heard of the call that took it in, and hangs that up when it gets an update of it.
func (j Apply) attemptAbsent(q *Queue) {
	cancel, ok := j.Input.(call.Cancel)
	if !ok || j.Asker == nil {
		q.finish(nil, protocol.NoSuchCall.Error())
		return
	}
	grave := call.Tombstone(q.id, cancel.Device, q.all.cfg.Timing, q.host().Now())
	if q.exists() {
		q.finish(&grave, nil)
		return
	}
	if bad := q.host().Admit(cancel.Device.Account, ""); bad != nil {
		q.finish(nil, bad)
		return
	}
	q.commit(pending{change: store.Change{Call: grave}})
}

func (j Apply) finished(q *Queue, c *call.Call, failure *pealv1.Error) {
	q.answer(j.Asker, c, failure)
}

// answer tells an asker, where there is one, what its job came to.
func (q *Queue) answer(a Asker, c *call.Call, failure *pealv1.Error) {
	if a != nil {
		q.host().Answer(a, q.id, c, failure)
	}
}

// Present tells a call that a device is connected here. Asker is nil unless the device is
// being greeted.
type Present struct {
	Device Presence
	Asker  Asker
}

func (j Present) asks() Asker     { return j.Asker }
func (j Present) answered() Asker { return nil }
func (j Present) patient() bool   { return false }

func (j Present) attempt(q *Queue) {
	if !q.exists() {
		q.finish(nil, protocol.NoSuchCall.Error())
		return
	}
	q.step(j.Device.Input())
}

func (j Present) finished(q *Queue, c *call.Call, failure *pealv1.Error) {
	q.answer(j.Asker, c, failure)
}

// Look tells a call to those here who should know of it and do not. Asker may be nil.
type Look struct{ Asker Asker }

func (j Look) asks() Asker     { return j.Asker }
func (j Look) answered() Asker { return nil }
func (j Look) patient() bool   { return false }

func (j Look) attempt(q *Queue) {
	c := q.call
	q.finish(&c, nil)
	if c.ID != "" {
		q.host().Introduce(&c)
	}
}

func (j Look) finished(q *Queue, c *call.Call, failure *pealv1.Error) {
	q.answer(j.Asker, c, failure)
}
