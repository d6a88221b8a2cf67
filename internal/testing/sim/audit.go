package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// audit sees every commit that is made and keeps a copy of its own of what each call is. All that
// clients see, all records and all events are held to this copy, never to what a node remembers.
//
// The names of the invariants are those of docs/understand/reliability.md: S1 to S11 are broken at a
// moment, and named by the commit or the frame that breaks them; L1 to L8 need time to be broken.
type audit struct {
	w     *world
	calls map[call.ID]call.Call
	live  map[call.Account]call.ID
	// policy is what each call was made with: later ones may be stricter.
	policy map[call.ID]call.Policy
	// blocked are the blocks that there are: the blocked account, and the one that blocks it.
	blocked map[[2]call.Account]bool
}

func newAudit(w *world) *audit {
	return &audit{w: w, calls: make(map[call.ID]call.Call), live: make(map[call.Account]call.ID), policy: make(map[call.ID]call.Policy), blocked: make(map[[2]call.Account]bool)}
}

// audited is the store with the audit at its door.
type audited struct {
	store.Store
	audit *audit
}

func (a *audited) Commit(ctx context.Context, changes []store.Change) ([]store.Result, error) {
	results, err := a.Store.Commit(ctx, changes)
	// Also where err is set: some of the batch may be done, and what is done counts.
	for i, r := range results {
		c := &changes[i].Call
		switch r.Verdict {
		case store.Done:
			a.audit.deaf(&changes[i], r)
			stored := *c
			stored.Deaf = stored.Deaf || r.Deaf
			a.audit.made(changes[i].From, stored)
			if m := changes[i].Merged; m != nil {
				a.audit.made(0, *m)
			}
		case store.CalleeBusy:
			a.audit.holds(c.Callee().Account, r.Holder)
			a.audit.deaf(&changes[i], r)
			stored := *changes[i].Busy
			stored.Deaf = r.Deaf
			a.audit.made(changes[i].From, stored)
		case store.CallerClaimed:
			a.audit.holds(c.Caller().Account, r.Holder)
		case store.Conflict:
		}
	}
	b := a.audit.w.backend
	b.feed.compare(b.outbox())
	b.look()
	return results, err
}

// holds holds S4 where somebody is refused for the sake of a call: there is that call.
func (a *audit) holds(who call.Account, holder call.ID) {
	if id, busy := a.live[who]; !busy || id != holder {
		a.w.violate("S4: %s is said to be in %q, and is in %q", who, holder, id)
	}
}

// made holds a committed transition to S2, S4 and S7.
func (a *audit) made(from uint32, c call.Call) {
	was, known := a.calls[c.ID]
	a.calls[c.ID] = c
	if !known {
		a.policy[c.ID] = c.Policy
	}
	a.w.watch.made(&c)
	a.w.watch.moves(&was, &c)
	a.w.backend.feed.made(&was, known, &c)
	a.w.trace("commit %s rev %d state %d reason %d", short(c.ID), c.Rev, c.State, c.Outcome.Reason)
	switch {
	case !known && from != 0:
		a.w.violate("S7: call %s changed before it was made", c.ID)
	// The compare-and-set of the store, checked once more: a store that lost it would pass every
	// other check as long as nobody races.
	case known && (from != was.Rev || c.Rev != was.Rev+1):
		a.w.violate("S7: call %s went from rev %d to %d", c.ID, was.Rev, c.Rev)
	case known && c.State < was.State:
		a.w.violate("S7: call %s went back from state %d to %d", c.ID, was.State, c.State)
	case known && !was.Live():
		a.w.violate("S2: call %s changed after it ended", c.ID)
	case !known && c.State != call.Ringing && c.Outcome.Reason != call.Busy && c.Outcome.Reason != call.Cancelled:
		a.w.violate("S2: call %s began in state %d, with %s", c.ID, c.State, reasonNames[c.Outcome.Reason])
	}
	if c.Outcome.Reason == call.Lost {
		a.w.watch.lost(&c, was.State)
	} else if c.Outcome.Reason == call.Failed {
		a.w.watch.failed(&c)
	}
	if known && was.Live() && !c.Live() {
		a.w.watch.times(&c)
	}
	for i := range was.Legs {
		before, now := &was.Legs[i], &c.Legs[i]
		if before.Device.ID != "" && now.Device.ID != before.Device.ID {
			a.w.violate("S1: %s was in call %s with %s, and then with %s", now.Account, c.ID, before.Device.ID, now.Device.ID)
		}
		if before.Gone.IsZero() && !now.Gone.IsZero() {
			a.w.watch.missed(now)
		}
		if now.Finder != "" && now.Finder != before.Finder {
			a.buried(&c, now)
		}
		if !before.Gone.IsZero() && !now.Gone.IsZero() && now.Gone.After(before.Gone) {
			a.w.watch.regranted(before)
		}
	}
	a.described(&was, &c)
	if r := c.Outcome.Reason; known && !c.Live() && reasonsOf(was.State)&(1<<r) == 0 {
		a.w.violate("S2: call %s ended with %s from state %d", c.ID, reasonNames[r], was.State)
	}
	if !known {
		a.w.result.Calls++
	}
	if !known && c.Deaf {
		a.w.result.Deaf++
	}
	for _, member := range c.Members() {
		a.claim(&c, member.Account)
	}
	if !c.Live() {
		a.w.result.Outcomes[c.Outcome.Reason]++
	}
}

// described holds what is stored of the media: the descriptions are those of the present generation,
// and stay while it lasts.
func (a *audit) described(was, c *call.Call) {
	m, before := &c.Media, &was.Media
	switch {
	case !c.Live():
	case m.Offer != "" && string(m.Offer) != offer(m.Generation, nameOf(c.Caller())),
		m.Answer != "" && string(m.Answer) != answer(m.Generation, nameOf(c.Callee())):
		a.w.violate("S5: in generation %d call %s is stored with %q and %q", m.Generation, c.ID, m.Offer, m.Answer)
	case m.Generation == before.Generation && (before.Offer != "" && m.Offer == "" || before.Answer != "" && m.Answer == ""):
		a.w.violate("S7: call %s lost a description of generation %d", c.ID, m.Generation)
	}
}

// buried holds the word that a node is dead to what it is: those that always gave signs
// of life in time are not.
func (a *audit) buried(c *call.Call, l *call.Leg) {
	for _, h := range a.w.hosts {
		if h.alive && h.label() == l.Device.Conn.Incarnation && h.silent().Before(h.booted) {
			a.w.violate("L4: %s takes %s for dead in %s, and it lives", l.Finder, h.label(), c.ID)
		}
	}
}

// reasonsOf are the reasons, as bits, that a call may end with from a state.
func reasonsOf(s call.State) uint {
	either := uint(1<<call.Lost | 1<<call.Superseded | 1<<call.Kicked | 1<<call.Terminated)
	switch s {
	case call.Ringing:
		return either | 1<<call.Cancelled | 1<<call.Rejected | 1<<call.Timeout
	case call.Connecting:
		return either | 1<<call.Completed | 1<<call.Failed
	case call.Connected:
		return either | 1<<call.Completed
	case call.Ended:
	}
	return 0
}

// claim holds S4: no account is in two live calls.
func (a *audit) claim(c *call.Call, who call.Account) {
	other := a.live[who]
	switch {
	case c.Live() && other != "" && other != c.ID:
		a.w.violate("S4: %s is in the calls %s and %s", who, other, c.ID)
	case c.Live():
		a.live[who] = c.ID
	case other == c.ID:
		delete(a.live, who)
	}
}

// sees holds what a client is shown of a call to S1, S2, S5 and S6.
func (w *world) sees(account, name string, u *pealv1.CallUpdate) {
	c := u.Call
	if c.Caller.Account != account && c.Callee.Account != account {
		w.violate("S5: %s is told of a call between %s and %s", name, c.Caller.Account, c.Callee.Account)
	}
	if u.Offer != "" && c.Role != pealv1.Role_ROLE_CALLEE || u.Answer != "" && c.Role != pealv1.Role_ROLE_CALLER {
		w.violate("S5: %s as %v is given a description that is not for it", name, c.Role)
	}
	truth := w.audit.calls[call.ID(c.CallId)]
	if truth.ID != "" && truth.Leg(call.Account(account)) == nil {
		w.violate("S5: %s is told of %s, whose caller it blocks", name, c.CallId)
		return
	}
	w.watch.tells(name, c)
	ended := c.State == pealv1.CallState_CALL_STATE_ENDED
	switch {
	case u.Answer != "" && c.State == pealv1.CallState_CALL_STATE_RINGING:
		w.violate("S6: %s is given an answer to %s while it rings", name, c.CallId)
	case u.Answer != "" && u.Answer != answer(c.Generation, nameOf(truth.Callee())):
		w.violate("S1: %s is given %q in %s, generation %d, which %s answered", name, u.Answer, c.CallId, c.Generation, nameOf(truth.Callee()))
	case u.Offer != "" && u.Offer != offer(c.Generation, nameOf(truth.Caller())):
		w.violate("S5: %s is given %q in %s, generation %d, by %s", name, u.Offer, c.CallId, c.Generation, nameOf(truth.Caller()))
	case ended && call.Reason(c.Reason) != truth.Outcome.Reason:
		w.violate("S2: %s sees %s end %v, the store says %s", name, c.CallId, c.Reason, reasonNames[truth.Outcome.Reason])
	}
	if ended || c.State == pealv1.CallState_CALL_STATE_RINGING || c.Role != pealv1.Role_ROLE_CALLEE {
		return
	}
	if d := truth.Callee().Device; string(d.Account)+"/"+string(d.ID) != name {
		w.violate("S1: %s takes itself for the one that answered %s, which is %s", name, c.CallId, d.ID)
	}
}

// offer and answer show whose they are, as candidates do.
func offer(generation uint32, name string) string {
	return describe("offer", generation, name)
}

func answer(generation uint32, name string) string {
	return describe("answer", generation, name)
}

// describe makes a session description that says this and describes nothing.
func describe(what string, generation uint32, name string) string {
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=mid:%s %d of %s\r\n", what, generation, name)
}

// candidates are those of a client, which show whose they are: one of an address
// of its own, and one of the relay.
func candidates(name string) []*pealv1.Candidate {
	return []*pealv1.Candidate{
		{Candidate: "candidate:1 1 udp 2 192.0.2.1 9 typ host of " + name},
		{Candidate: "candidate:2 1 udp 1 203.0.113.1 9 typ relay raddr 192.0.2.1 rport 9 of " + name},
	}
}

// hearsCandidates holds S5 and S6: signals pass between the two sides alone, and
// from the callee only after the acceptance; and they tell no more than the
// policy of the call lets them.
func (w *world) hearsCandidates(account, name string, f *pealv1.Candidates) {
	c := w.audit.calls[call.ID(f.CallId)]
	// What was sent while it rang may be on its way to all of the callee's devices still, and
	// be passed on by a node that has not heard of the acceptance.
	at, answered := w.watch.accepted(c.ID)
	// Before that a candidate at another device of the callee is late, and after that it leaks.
	settled := answered && w.now.Sub(at.at) > w.watch.news()+w.cfg.Faults.BusDelay+w.cfg.Faults.LinkDelay
	for _, x := range f.Candidates {
		words := strings.Fields(x.Candidate)
		from, own := words[len(words)-1], words[7] != "relay" || words[9] != "0.0.0.0"
		policy := w.audit.policy[c.ID]
		switch {
		case own && (policy == call.RelayOnly || policy == call.RelayUntilAccept && c.State == call.Ringing):
			w.violate("%s is told %q, which the policy %d keeps back", name, x.Candidate, policy)
		case c.Leg(call.Account(account)) == nil:
			w.violate("S5: %s is sent a candidate of a stranger's call", name)
		case settled && name != nameOf(c.Caller()) && name != nameOf(c.Callee()):
			w.violate("S5: %s is sent a candidate of %s, and is not in the call", name, from)
		case from == name:
			w.violate("%s is sent its own candidate", name)
		case from != nameOf(c.Caller()) && from != nameOf(c.Callee()) && c.State != call.Ringing:
			w.violate("S5: %s is sent a candidate of %s, which is not in the call", name, from)
		case c.State == call.Ringing && from != nameOf(c.Caller()):
			w.violate("S6: %s is sent a candidate of %s while it rings", name, from)
		}
	}
}

// nameOf is the device of a leg.
func nameOf(l *call.Leg) string { return string(l.Account) + "/" + string(l.Device.ID) }

// atRest is what must hold once all faults are over and every client has gone.
func (w *world) atRest() {
	ctx := context.Background()
	live, err := w.store.Live(ctx, "", 1000)
	if err != nil {
		w.violate("cannot list live calls: %v", err)
	}
	for i := range live {
		w.violate("call %s is still in state %d", live[i].ID, live[i].State)
	}
	for i := range w.cfg.Accounts {
		w.records(call.Account(accountName(i)))
		w.free(ctx, call.Account(accountName(i)), i)
	}
	in := make(map[string]int)
	for _, c := range w.clients {
		if !c.rests() {
			w.violate("%s does not come to rest", c.name())
		}
		c.agrees()
		if s := c.seen(); s.online {
			in[s.account]++
		}
	}
	// Where the bus loses messages, a login may stay unknown to the other node: the node repeats it
	// once and not for ever.
	for i := range w.cfg.Accounts {
		if a := accountName(i); w.cfg.SingleLogin && w.cfg.Faults.BusDrop == 0 && in[a] > 1 {
			w.violate("%s is logged in on %d devices", a, in[a])
		}
	}
	for _, h := range w.hosts {
		if !h.node.Idle() {
			w.violate("node %s still waits for the store", h.label())
		}
		if l := h.node.Held(); l.Connections != len(h.conns) || l.Accounts != len(h.subs) || l.Calls != 0 || l.Alarms > 1+l.Connections {
			w.violate("node %s holds %+v, with %d connections and %d accounts", h.label(), l, len(h.conns), len(h.subs))
		}
	}
}

// records holds S3: one record per call, which says what the call says.
func (w *world) records(a call.Account) {
	list, err := w.store.Records(context.Background(), a, store.Newest(1<<20))
	if err != nil {
		w.violate("cannot list records: %v", err)
	}
	filed := make(map[call.ID]call.Record)
	for _, r := range list {
		filed[r.Call] = r
	}
	for _, id := range sortedIDs(w.audit.calls) {
		c := w.audit.calls[id]
		want, any := c.Record()
		if c.Leg(a) == nil || !any {
			if _, ok := filed[id]; ok {
				w.violate("S5: %s has a record of %s, which it has no part in", a, id)
			}
			continue
		}
		if got, ok := filed[id]; !ok || got != want {
			w.violate("S3: the record of %s is %+v, want %+v", id, got, want)
		}
	}
}

// reads holds S3 for a record that a device receives: it is that of a call that has ended.
func (w *world) reads(name string, r *pealv1.Record) {
	c := w.audit.calls[call.ID(r.CallId)]
	account, _, _ := strings.Cut(name, "/")
	if c.Leg(call.Account(account)) == nil {
		w.violate("S5: %s is told the record of %s, which it has no part in", name, r.CallId)
	}
	got := call.Record{
		Call: call.ID(r.CallId), Kind: call.Kind(r.Kind), Type: call.Type(r.Type), Reason: call.Reason(r.Reason),
		Caller: call.Account(r.Caller), Callee: call.Account(r.Callee),
		CreatedAt: r.CreatedAt.AsTime(), EndedAt: r.EndedAt.AsTime(), Duration: time.Duration(r.DurationS) * time.Second,
		Deaf: c.Deaf, // No device receives it.
	}
	if want, filed := c.Record(); !filed || got != want {
		w.violate("S3: %s is told the record %+v, and it is %+v", name, got, want)
	}
}

// free holds S4: nobody is busy without a call. It tries a new call in the store itself, since a claim
// that was left behind shows in no call and no record.
func (w *world) free(ctx context.Context, a call.Account, i int) {
	caller := call.Device{Account: a, ID: "probe"}
	c, _, err := call.New(call.Invite{
		ID: call.ID(w.uuid()), Caller: caller, Callee: call.Account("probe" + string(a)),
		Type: call.Audio, Timing: call.DefaultTiming(),
	}, w.now)
	if err != nil {
		w.violate("probe: %v", err)
		return
	}
	r, err := w.store.Commit(ctx, []store.Change{{Call: c, Events: call.Events(nil, nil, &c)}})
	if err != nil || r[0].Verdict != store.Done {
		w.violate("S4: %s is busy with %v and has no call (%v)", a, r, err)
	}
}

func sortedIDs(m map[call.ID]call.Call) []call.ID {
	ids := make([]call.ID, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// uuid makes a version 7 id of the virtual time and the seed.
func (w *world) uuid() string {
	ms := uint64(w.now.UnixMilli())
	a, b := w.rng.Uint64(), w.rng.Uint64()
	return fmt.Sprintf("%08x-%04x-7%03x-%04x-%012x", ms>>16, ms&0xffff, a&0xfff, 0x8000|a>>12&0x3fff, b&0xffff_ffff_ffff)
}

// short is the part of an id that tells calls apart in a trace.
func short(id call.ID) string { return string(id[len(id)-6:]) }
