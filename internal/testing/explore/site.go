package explore

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/callqueue"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// site is a node in a world of several calls: the real queues, and around them what they
// need of a node. The store answers whenever the walk has it answer.
type site struct {
	walk   *duels
	world  *duel
	number int8
	queues *callqueue.Queues
	// commit is the one whose answer the queues take now, and heard are those who hear of it.
	commit *committed
}

// committed is a change that was stored.
type committed struct {
	was, next call.Call
	at        time.Time
	heard     map[call.DeviceID]bool
}

// request is a commit that a queue has asked for.
type request struct {
	site   int8
	call   int8
	change store.Change
	at     time.Time // When it was asked for.
}

// read is a call that a queue has asked for.
type read struct {
	site *site
	call int8
}

// asker waits for an invitation, or for what it asked about a call.
type asker struct {
	device call.Device
	act    Act // None for an invitation.
	dial   int8
}

// Sender implements callqueue.Asker.
func (a asker) Sender() call.Device { return a.device }

// Now implements callqueue.Host.
func (s *site) Now() time.Time { return s.world.now }

// Load implements callqueue.Host.
func (s *site) Load(id call.ID) {
	s.world.reads = append(s.world.reads, read{s, numberOf(id)})
}

// Commit implements callqueue.Host.
func (s *site) Commit(c store.Change, _ bool) {
	s.world.requests = append(s.world.requests, request{s.number, numberOf(c.Call.ID), c, s.world.now})
}

// Hurry implements callqueue.Host.
func (s *site) Hurry() {}

// Wake implements callqueue.Host. The walk lets the time of any call come.
func (s *site) Wake(call.ID, time.Time) {}

// Admit implements callqueue.Host.
func (s *site) Admit(call.Account, call.Account) *pealv1.Error { return nil }

// NoCall implements callqueue.Host.
func (s *site) NoCall(call.Account) {}

// First implements callqueue.Host. Nobody reconnects here.
func (s *site) First(callqueue.Asker, *call.Call) callqueue.Presence { return nil }

// Learned implements callqueue.Host. It holds what the queue stepped to what a step may do.
func (s *site) Learned(c *call.Call, by call.Input) {
	done := s.commit
	if by == nil || done == nil || done.next.ID != c.ID {
		return
	}
	next, _, err := taken(&done.was, by, done.at)
	if err == nil && string(digest(nil, &next, done.at)) != string(digest(nil, c, done.at)) {
		err = fmt.Errorf("%T was stepped on another state than the stored one", by)
	}
	s.world.violates(err)
	if supersede, ok := by.(call.Supersede); ok && c.Live() {
		s.world.violates(fmt.Errorf("a call goes on that %s left for another", supersede.Device.ID))
	}
}

// Moved implements callqueue.Host.
func (s *site) Moved(*call.Call, call.State) {}

// Doubted implements callqueue.Host.
func (s *site) Doubted(id call.ID, _ uint32) {
	s.world.violates(fmt.Errorf("the result of a commit of %s counts as unknown", id))
}

// Answer implements callqueue.Host.
func (s *site) Answer(a callqueue.Asker, _ call.ID, c *call.Call, failure *pealv1.Error) {
	asked := a.(asker)
	s.hears(asked.device)
	s.world.violates(s.concerns(c, asked.device))
	switch {
	case asked.act == "" && failure == nil:
		s.answered(asked, made, int(asked.dial))
	case asked.act == "":
		if failure.Code != string(protocol.BusyElsewhere) {
			s.world.violates(fmt.Errorf("an invitation of %s is refused: %s", asked.device.ID, failure.Code))
		}
		s.world.violates(s.elsewhere(asked))
		s.answered(asked, elsewhere, 0)
	case asked.act == Cancel && failure != nil && c != nil && c.Live():
		s.world.order(order{Hangup, numberOf(c.ID), asked.dial}) // Too late to cancel.
	}
}

// concerns checks that a device receives no call that its account has no part in. A device that
// cancels an invitation after it was merged receives that its own invitation has ended.
func (s *site) concerns(c *call.Call, d call.Device) error {
	if c == nil {
		return nil
	}
	stored := &s.world.calls[numberOf(c.ID)]
	if stored.Leg(d.Account) != nil || stored.Outcome.Merged != "" && !c.Live() && c.Caller().Device.Is(d) {
		return nil
	}
	return fmt.Errorf("S5: %s is told of call %s, which it has no part in", d.ID, c.ID)
}

// elsewhere holds that somebody who is refused has a device in another call.
func (s *site) elsewhere(a asker) error {
	h := s.world.holder(a.device.Account)
	if h < 0 {
		return nil // It ended meanwhile.
	}
	switch c := &s.world.calls[h]; {
	case c.Has(a.device):
		return errors.New("a device is refused for the sake of its own call")
	case c.State == call.Ringing && c.Callee().Account == a.device.Account:
		return errors.New("somebody who is only rung cannot call")
	}
	return nil
}

// AnswerMerged implements callqueue.Host.
func (s *site) AnswerMerged(a callqueue.Asker, _ call.ID, into *call.Call) {
	asked := a.(asker)
	s.hears(asked.device)
	// A repetition may arrive when the call has ended: its answer is still that call.
	repeated := s.world.calls[asked.dial].Outcome.Merged == into.ID
	if !into.Live() && !repeated || !into.Has(asked.device) || into.Leg(s.walk.scope.Dials[asked.dial].To) == nil {
		s.world.violates(errors.New("an invitation is merged into a call that its device is not in"))
	}
	s.answered(asked, merged, int(numberOf(into.ID)))
}

// answered gives a device the result of its invitation. One that has given up, or has
// an answer already, wants nothing of what is made now.
func (s *site) answered(a asker, what answer, into int) {
	n, i := s.world, a.dial
	late := n.answers[i] != waits && (n.answers[i] != what || int(n.into[i]) != into)
	if n.answers[i] == waits {
		n.answers[i], n.into[i] = what, int8(into)
	}
	c := int(i)
	if what == merged {
		c = into
	}
	if (n.gaveUp[i] || late) && what != elsewhere && n.calls[c].Live() {
		n.order(order{Hangup, int8(c), i})
	}
}

// Tell implements callqueue.Host. Everybody is there all the time, at whichever node.
func (s *site) Tell(c *call.Call, e call.Effect, _ callqueue.Asker) {
	for _, d := range s.walk.people {
		if e.Account == d.Account && (e.Device == "" || e.Device == d.ID) {
			s.hears(d)
			s.world.violates(s.concerns(c, d))
			s.world.violates(given(c, d, e.With))
		}
	}
}

// Update implements callqueue.Host.
func (s *site) Update(*call.Call) {}

// Introduce implements callqueue.Host.
func (s *site) Introduce(*call.Call) {}

// Pass implements callqueue.Host.
func (s *site) Pass(callqueue.Asker, *call.Call, *pealv1.Candidates, call.Account, call.DeviceID) {}

func (s *site) hears(d call.Device) {
	if s.commit != nil {
		s.commit.heard[d.ID] = true
	}
}

// read answers the first read.
func (s *duel) read() {
	r := s.reads[0]
	s.reads = s.reads[1:]
	if c := s.calls[r.call]; c.ID != "" {
		r.site.queues.Loaded(c.ID, c, nil)
	} else {
		r.site.queues.Loaded(idOf(int(r.call)), call.Call{}, store.ErrNotFound)
	}
}

// serve has the store carry out one commit, and the queues take the answer.
func (w *duels) serve(n *duel, at int) error {
	r := n.requests[at]
	n.requests = slices.Delete(n.requests, at, at+1)
	s := n.sites[r.site]
	id := idOf(int(r.call))
	w.result.Steps++
	was := n.calls[r.call]
	result := n.commit(r)
	if result.Verdict == store.Done || result.Verdict == store.CalleeBusy {
		s.commit = &committed{was, n.calls[r.call], r.at, make(map[call.DeviceID]bool)}
	}
	s.queues.Committed(id, result)
	done := s.commit
	s.commit = nil
	if done == nil || n.err != nil || was.ID == "" {
		return n.err
	}
	for _, d := range w.people {
		if err := told(&done.was, &done.next, d, done.heard[d.ID]); err != nil {
			return err
		}
	}
	return nil
}

// commit is the store at work: compare and set, and the claims that live calls are.
func (s *duel) commit(r request) store.Result {
	stored, c := &s.calls[r.call], r.change.Call
	switch {
	case stored.Rev != r.change.From || stored.ID != "" && !stored.Live():
		return store.Result{Verdict: store.Conflict}
	case r.change.Merged != nil:
		grave := &s.calls[numberOf(r.change.Merged.ID)]
		if grave.ID != "" {
			return store.Result{Verdict: store.Conflict}
		}
		*grave, *stored = *r.change.Merged, c
		return store.Result{Verdict: store.Done}
	case r.change.From != 0 || !c.Live():
		*stored = c
		return store.Result{Verdict: store.Done}
	}
	if h := s.holder(c.Caller().Account); h >= 0 {
		return store.Result{Verdict: store.CallerClaimed, Holder: idOf(h)}
	}
	if b := s.sites[r.site].walk.scope.Block; s.blocked && b.From == c.Caller().Account && b.By == c.Callee().Account {
		*stored = c
		stored.Deaf = true
		return store.Result{Verdict: store.Done, Deaf: true}
	}
	if h := s.holder(c.Callee().Account); h >= 0 {
		*stored = *r.change.Busy
		stored.Deaf = s.calls[h].Deaf && s.calls[h].Callee().Account == c.Caller().Account
		return store.Result{Verdict: store.CalleeBusy, Holder: idOf(h), Deaf: stored.Deaf}
	}
	*stored = c
	return store.Result{Verdict: store.Done}
}

// holder is the live call that claims an account, or -1.
func (s *duel) holder(a call.Account) int {
	for i := range s.calls {
		if c := &s.calls[i]; c.ID != "" && c.Live() && c.Leg(a) != nil {
			return i
		}
	}
	return -1
}

// order notes what a device asks for, once.
func (s *duel) order(o order) {
	if !slices.Contains(s.orders, o) {
		s.orders = append(s.orders, o)
	}
}

// violates keeps the first violation.
func (s *duel) violates(err error) {
	if s.err == nil {
		s.err = err
	}
}

// The calls are named for their dials.
func idOf(dial int) call.ID { return call.ID(rune('0' + dial)) }

func numberOf(id call.ID) int8 { return int8(id[0] - '0') }
