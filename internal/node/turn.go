package node

import (
	"errors"
	"slices"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// turn serialises what happens to one call on this node: one job at a time is
// loaded, stepped and committed, and only then is anyone told.
type turn struct {
	id call.ID
	// call is a copy of the stored call; it has no id where there is none.
	// known is false while there is no copy to go by.
	call  call.Call
	known bool
	// newest is the highest rev that there is known to be. On an older copy what somebody
	// asks for, having been told of that, may change nothing.
	newest uint32
	queue  []*job
	// busy: the first job waits for the store, or for another call to be settled.
	busy bool
	// patient: what the first job has the store do may wait for company.
	patient bool
	// running: run is on the stack.
	running bool
	// paused: the store failed; the alarm tries again.
	paused bool
	// announce: a commit's result was unknown, so that once the call has been
	// read back everyone is told what it says.
	announce bool
	// unknown: the result of a commit is, so that what is read may be its doing.
	unknown bool
	// sent are the candidates of each side's in the present generation.
	sent map[call.Account]*sentCandidates
	// refs counts the devices here that have to do with the call.
	refs int
}

func (t *turn) exists() bool { return t.call.ID != "" }

// job is one thing to do to a call.
type job struct {
	// Exactly one of these six.
	in     call.Input
	back   *device // Is here: it came back, or its program was started again.
	invite *invitation
	settle *settlement
	signal *pealv1.Candidates
	look   bool // Tells those who do not know of the call.

	// Who waits for it; neither for what the node does by itself.
	asker    *asker
	greeting *greeting

	// withdraws says that it ends the call of an invitation that was refused, whose
	// commit may have been done all the same.
	withdraws bool

	tries    int
	reloaded bool
}

// asker is a device that waits for the answer to a command; for nothing where
// id is zero, or the command quiet.
type asker struct {
	device *device
	id     uint32
	with   call.Attachments
}

// triesMost bounds how often a job is done again before its asker hears that
// the store is unavailable. Conflicts count too: each means that another node
// got something done.
const triesMost = 8

func (n *Node) turn(id call.ID) *turn {
	t := n.turns[id]
	if t == nil {
		t = &turn{id: id}
		n.turns[id] = t
	}
	return t
}

// enqueue adds a job to a call's turn.
func (n *Node) enqueue(id call.ID, j *job) {
	t := n.turn(id)
	t.queue = append(t.queue, j)
	if t.patient {
		t.patient = false
		n.do(Hurry{})
	}
	n.run(t)
}

// run does jobs until one has to wait.
func (n *Node) run(t *turn) {
	if t.running {
		return
	}
	t.running = true
	for !t.busy && !t.paused && len(t.queue) > 0 {
		if t.known {
			n.attempt(t, t.queue[0])
		} else {
			n.load(t)
		}
	}
	t.running = false
	n.forget(t)
}

// forget drops a turn that nobody here needs.
func (n *Node) forget(t *turn) {
	if t.running || t.busy || len(t.queue) > 0 || t.refs > 0 || t.announce {
		return
	}
	if n.turns[t.id] == t {
		delete(n.turns, t.id)
		n.schedule.drop(alarm{call: t.id})
	}
}

func (n *Node) load(t *turn) {
	t.busy = true
	n.do(Load{n.await(func(in Input) { n.loaded(t, in.(Loaded)) }), t.id})
}

func (n *Node) loaded(t *turn, in Loaded) {
	t.busy = false
	switch {
	case in.Err == nil:
		if t.unknown {
			n.moved(&in.Call, t.call.State)
		}
		t.unknown = false
		n.set(t, in.Call)
		if t.announce {
			n.announce(&t.call)
		} else {
			n.catchUp(&t.call)
		}
		t.announce = false
	case errors.Is(in.Err, store.ErrNotFound):
		t.call, t.known, t.announce, t.unknown = call.Call{}, true, false, false
	default:
		n.log.Warn("cannot read a call", "call", t.id, "error", in.Err)
		n.again(t)
	}
	n.run(t)
}

// set takes a newer copy of the call.
func (n *Node) set(t *turn, c call.Call) {
	t.call, t.known = c, true
	if len(t.queue) == 0 || t.queue[0].settle == nil { // Who calls somebody else declines nobody.
		n.quota.heard(&c)
	}
	n.arm(t)
	n.reconcile(t)
}

// arm sets the alarm to the deadline of the call. While the turn is paused the
// alarm is there to end that.
func (n *Node) arm(t *turn) {
	if t.paused {
		return
	}
	if at, ok := t.call.Deadline(); ok {
		n.schedule.set(alarm{call: t.id}, at)
	} else {
		n.schedule.drop(alarm{call: t.id})
	}
}

// learn takes what another node committed, where this one keeps a copy. Where it is
// yet to be read what a commit of this one came to, that says this as well.
func (n *Node) learn(c call.Call) {
	t := n.turns[c.ID]
	if t == nil {
		return
	}
	t.newest = max(t.newest, c.Rev)
	if t.busy || t.announce || t.known && t.call.Rev >= c.Rev {
		return
	}
	n.set(t, c)
	n.catchUp(&c)
	n.run(t)
}

// attempt does the first job on the copy of the call: it is finished, or waits.
func (n *Node) attempt(t *turn, j *job) {
	switch {
	case t.call.Rev < t.newest && !j.reloaded:
		j.reloaded, t.known = true, false
		return
	case n.presents(t, j):
		return
	case j.look:
		n.attemptLook(t)
		return
	case j.invite != nil:
		n.attemptInvite(t, j)
		return
	case j.settle != nil:
		n.attemptSettle(t, j)
		return
	case !t.exists():
		n.attemptAbsent(t, j)
		return
	case j.asker != nil && t.call.Leg(j.asker.device.who.Account) == nil:
		n.finish(t, nil, protocol.NoSuchCall.Error())
		return
	case j.signal != nil:
		n.attemptSignal(t, j)
		return
	}
	in := j.in
	if j.back != nil {
		in = j.back.back()
	}
	next, effects, err := call.Step(t.call, in, n.now)
	switch {
	case err != nil && !j.reloaded:
		// The copy may be old: before refusing, look.
		j.reloaded, t.known = true, false
	case err != nil:
		n.finish(t, &t.call, refusal(err))
	case next.Rev == t.call.Rev:
		n.finish(t, &t.call, nil)
	default:
		n.commit(t, store.Change{Call: next, From: t.call.Rev}, effects)
	}
}

// attemptAbsent answers for a call that does not exist. A cancellation leaves
// a tombstone, so that the invitation is dead when it arrives.
func (n *Node) attemptAbsent(t *turn, j *job) {
	cancel, ok := j.in.(call.Cancel)
	if !ok || j.asker == nil {
		n.finish(t, nil, protocol.NoSuchCall.Error())
		return
	}
	if bad := n.quota.tombstone(cancel.Device.Account, n.now); bad != nil {
		n.finish(t, nil, bad)
		return
	}
	grave := call.Tombstone(t.id, cancel.Device, n.cfg.Timing, n.now)
	n.commit(t, store.Change{Call: grave}, nil)
}

// commit asks the store; the first job waits.
func (n *Node) commit(t *turn, ch store.Change, effects []call.Effect) {
	t.busy, t.patient = true, t.queue[0].patient() && len(t.queue) == 1
	n.do(Commit{n.await(func(in Input) {
		n.committed(t, ch, effects, in.(Committed).Result)
	}), ch, t.patient})
}

// patient says that nobody is kept from anything while the job waits: it tells
// how a device does, and asks for nothing.
func (j *job) patient() bool {
	switch j.in.(type) {
	case call.Ring, call.Report, call.SetTracks:
		return true
	}
	return false
}

func (n *Node) committed(t *turn, ch store.Change, effects []call.Effect, r store.Result) {
	t.busy, t.patient, t.running = false, false, true
	switch r.Verdict {
	case store.Done:
		n.moved(&ch.Call, t.call.State)
		n.set(t, ch.Call)
		n.finishWith(t, effects)
	case store.CalleeBusy:
		n.moved(ch.Busy, t.call.State)
		n.set(t, *ch.Busy)
		n.finishWith(t, t.queue[0].invite.busy)
	case store.CallerClaimed:
		n.settle(t, r.Holder)
	case store.Conflict:
		t.known = false
		n.again(t)
	default:
		// Unknown: it may have been done. Read it back before anyone is answered.
		n.log.Warn("commit without a result", "call", t.id, "error", r.Err)
		t.unknown = true
		t.known, t.announce = false, true
		n.doubt(t.id, ch.From)
		n.again(t)
	}
	t.running = false
	n.run(t)
}

// again leaves the first job to be done once more, unless that was tried often
// enough. What the node does by itself is never given up, only put off.
func (n *Node) again(t *turn) {
	j := t.queue[0]
	j.tries++
	switch {
	case j.tries < triesMost:
	case j.asker != nil || j.greeting != nil || j.settle != nil:
		n.finish(t, nil, protocol.Unavailable.Error())
		if j.invite != nil && t.announce {
			t.withdraw(j.invite.Caller)
		}
		if t.announce && len(t.queue) == 0 {
			// Nobody waits for it any more, and what it came to is to be told all the same.
			n.schedule.set(alarm{call: t.id}, n.now.Add(retryAfter))
		}
	default:
		j.tries = 0
		t.paused = true
		n.schedule.set(alarm{call: t.id}, n.now.Add(retryAfter))
	}
}

// withdraw ends the call of an invitation that was refused, if its commit was done: the
// client may never ask again, and the call would keep both accounts busy. The ending
// notifies everyone, so the call is not announced before. Where the client has repeated
// the invitation already, the repetition decides.
func (t *turn) withdraw(caller call.Device) {
	if slices.ContainsFunc(t.queue, func(j *job) bool { return j.invite != nil || j.withdraws }) {
		return
	}
	t.announce = false
	t.queue = append(t.queue, &job{in: call.Hangup{Device: caller}, withdraws: true})
}

// retake keeps the call of an invitation that its client repeats before the call is ended.
func (t *turn) retake(caller call.Device) {
	if t.busy && t.known {
		return // The first job is being committed.
	}
	before := len(t.queue)
	t.queue = slices.DeleteFunc(t.queue, func(j *job) bool {
		in, ends := j.in.(call.Hangup)
		return j.withdraws && ends && in.Device.Is(caller)
	})
	if len(t.queue) < before {
		t.known, t.announce, t.paused = false, true, false
	}
}

// ticked is the alarm of a call.
func (n *Node) ticked(t *turn) {
	if t.paused {
		t.paused = false
		if t.known {
			n.arm(t)
		}
	}
	for _, j := range t.queue {
		if _, ok := j.in.(call.Tick); ok {
			n.run(t)
			return
		}
	}
	n.enqueue(t.id, &job{in: call.Tick{}})
}

// finishWith answers whoever waits for the first job, then tells the others.
func (n *Node) finishWith(t *turn, effects []call.Effect) {
	j, c := t.queue[0], t.call
	var answered *device
	if a := j.answering(); a != nil {
		answered = a.device
	}
	n.finish(t, &c, nil)
	for _, e := range effects {
		n.spread(&c, e, answered)
	}
	if j.back != nil && j.greeting == nil && c.Live() {
		// The device may have been welcomed, or its calls read, before this one was made, for
		// which its program had asked before. Who is greeted hears of it by the welcome.
		n.introduce(&c)
	}
}

// answering is who learns of the call by the answer to what it asked. Who calls
// someone else is answered about another call than the one that this ends.
func (j *job) answering() *asker {
	switch {
	case j.settle == nil && j.asker != nil && j.asker.device.session.Quiet(j.asker.id):
		return nil // By an event, as everybody else.
	case j.settle == nil:
		return j.asker
	case j.settle.merge:
		return j.settle.job.asker
	}
	return nil
}

// finish takes the first job off the queue and answers whoever waits for it.
// c is nil where the device is not to see the call.
func (n *Node) finish(t *turn, c *call.Call, failure *pealv1.Error) {
	j := t.queue[0]
	t.queue = t.queue[1:]
	switch {
	case j.settle != nil:
		n.settled(j.settle, c, failure)
	case j.greeting != nil:
		if c != nil && c.Rev < t.newest && !j.look {
			// Another node changed it meanwhile: the welcome is to tell of that.
			j.greeting.pending++
			t.queue = append(t.queue, &job{look: true, greeting: j.greeting})
		}
		n.greeted(j.greeting, c, failure)
	case j.asker != nil:
		n.answer(t.id, j.asker, c, failure)
	}
}

func (n *Node) answer(id call.ID, a *asker, c *call.Call, failure *pealv1.Error) {
	if a.id == 0 {
		return
	}
	defer n.unheard(a.device, id)
	if failure == nil && c != nil && c.Live() && a.device.session.Quiet(a.id) {
		a.device.session.Done(a.id)
		return
	}
	f := &pealv1.ServerFrame{Error: failure}
	if c != nil {
		f.Body = &pealv1.ServerFrame_Call{Call: n.update(c, a.device, a.with)}
	}
	a.device.session.Reply(a.id, f)
	if c != nil {
		n.involve(a.device, c)
	}
}

// unheard parts a device from a call that it spoke of, and was never told of.
func (n *Node) unheard(d *device, id call.ID) {
	if v := d.calls[id]; v != nil && v.rev == 0 {
		n.part(d, id)
	}
}

// spread carries out one effect: here and on the other nodes.
func (n *Node) spread(c *call.Call, e call.Effect, answered *device) {
	if n.tellBut(c, e.Account, e.Device, e.With, answered) && e.Device != "" {
		return // The one device is connected here.
	}
	n.do(Publish{bus.Message{Account: e.Account, Device: e.Device, Call: c, With: e.With}})
}

// announce tells everyone what a call has come to, and all they need of it.
func (n *Node) announce(c *call.Call) {
	for i := range c.Legs {
		if a := c.Legs[i].Account; a != "" {
			n.spread(c, call.Effect{Account: a, With: call.WithNeeds}, nil)
		}
	}
}

// catchUp tells the devices here that know of a call what another node should
// have told them.
func (n *Node) catchUp(c *call.Call) {
	for i := range c.Legs {
		for _, d := range n.devicesOf(c.Legs[i].Account, "") {
			if v := d.calls[c.ID]; v != nil && v.rev < c.Rev && v.rev > 0 {
				n.tell(c, d.who.Account, d.who.ID, call.WithNeeds)
			}
		}
	}
}

// refusal is the wire's word for a refused step.
func refusal(err error) *pealv1.Error {
	var r call.Refusal
	switch {
	case !errors.As(err, &r):
		return protocol.Unavailable.Error()
	case r == call.Stranger:
		return protocol.NoSuchCall.Error()
	}
	return protocol.Code(r).Error()
}
