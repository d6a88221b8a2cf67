package callqueue

import (
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// Host is the node around the queues. Its methods are called while a queue is at work, and
// may add jobs to any queue.
type Host interface {
	Store
	Policy
	Audience
}

// Store takes requests. A queue has one under way at most; Queues.Loaded or
// Queues.Committed brings the answer.
type Store interface {
	// Now is the store's time.
	Now() time.Time
	Load(call.ID)
	// Commit stores a change. A patient one may wait a little for others.
	Commit(c store.Change, patient bool)
	// Hurry ends the patience of the commits so far.
	Hurry()
	// Wake asks for Queues.Ticked at a time, in place of the time before; zero for never.
	Wake(call.ID, time.Time)
}

// Policy says what an account may do, and hears what was stored.
type Policy interface {
	// Admit counts an invitation, or, without a callee, a cancellation of one that never
	// came. The error refuses it.
	Admit(caller, callee call.Account) *pealv1.Error
	// NoCall hears that an invitation that was counted made no call: the callee did not ring.
	NoCall(callee call.Account)
	// First is the input that a call needs before what a device asks of it; nil for none.
	First(Asker, *call.Call) Presence
	// Learned hears of the newest copy of a call, and of the input by which this node made it;
	// nil where the call was read, or another node made it.
	Learned(c *call.Call, by call.Input)
	// Moved hears of a change of state that this node committed.
	Moved(c *call.Call, from call.State)
	// Doubted hears of a commit, of a successor of rev, whose result is unknown.
	Doubted(id call.ID, rev uint32)
}

// Audience are the devices that hear of calls.
type Audience interface {
	// Answer answers an asker about the call of id. c is nil where it may not see the call.
	Answer(a Asker, id call.ID, c *call.Call, failure *pealv1.Error)
	// AnswerMerged answers an invitation that became part of another call.
	AnswerMerged(a Asker, id call.ID, into *call.Call)
	// Tell carries out an effect here and at the other nodes. The asker, where there is one,
	// has had its answer.
	Tell(c *call.Call, e call.Effect, answered Asker)
	// Update tells the devices here that know an older state of a call.
	Update(*call.Call)
	// Introduce tells the devices here that should know of a call and do not.
	Introduce(*call.Call)
	// Pass gives candidates to the other side, and answers the asker.
	Pass(a Asker, c *call.Call, candidates *pealv1.Candidates, to call.Account, device call.DeviceID)
}

// Asker waits for what a job comes to. A queue hands it back and knows no more of it.
type Asker interface {
	// Sender is the device that asks, by its connection; zero for a backend.
	Sender() call.Device
}

// Presence is a device that is connected here. Its input is asked for when its turn comes: a
// device that was welcomed meanwhile is back, and not reloaded.
type Presence interface{ Input() call.Input }
