package sim

import (
	"errors"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
)

// Faults are chances, each for one opportunity, and how bad things get.
type Faults struct {
	Disconnect float64 // A client's connection is cut, at each of its turns.
	Tunnel     float64 // The same, and it cannot connect again for longer than any grace.
	HalfOpen   float64 // A cut is noticed by neither side by itself, or is one of one direction.
	Reload     float64 // A client that is cut has forgotten everything.
	Anew       float64 // A client that waits for an answer is started again, at each of its turns.
	Refused    float64 // A connection fails to open,
	Late       float64 // or is cut, and what was said by it comes seconds later.
	Freeze     float64 // A client does nothing for a while, as a computer that sleeps, at each of its turns.
	TokenFail  float64 // A token cannot be had, nor another one for a while.

	Crash     float64 // A node is killed, each second; another start follows,
	Stop      float64 // or it is asked to stop, and ends soon,
	Strand    float64 // or it hears and tells nothing on the bus for a while,
	StoreLost float64 // or it cannot reach the store for a while,
	StoreDown float64 // or no node can,
	Failover  float64 // or another machine becomes the store.
	Older     float64 // A node that starts is one of an older release.

	Ended     float64 // A backend ends a call, each second,
	LoggedOut float64 // or logs an account out,
	Block     float64 // or has one account block another, or ends that: nothing goes wrong by it.

	CommitSkip   float64 // A commit fails.
	CommitRefuse float64 // The same, and the store says that it is not done.
	CommitBatch  float64 // All commits of a node fail for a moment, in one way or each in its own.
	CommitHide   float64 // A commit is done and reported as failed.
	CommitLate   float64 // A commit is reported as failed and done later.
	CommitSlow   float64 // A commit takes seconds.
	// Of the journal of a host that is alone:
	AppendSkip float64 // The disk is full.
	AppendFail float64 // A flush fails, and what it was to flush is there or not.
	PowerLoss  float64 // The same, and the host is gone at once.

	ReadFail float64 // A read of the store fails.
	ReadSlow float64 // A read takes seconds.
	Disorder float64 // A reader sees a change later than one that was made after it.

	BusDrop  float64 // A message between nodes is lost,
	BusTwice float64 // or comes twice, at different times.

	LinkDelay  time.Duration // The longest, one way.
	StoreDelay time.Duration
	BusDelay   time.Duration
	// SubscribeDelay is the longest until a node hears about an account that it subscribes to.
	SubscribeDelay time.Duration
	// ClockStep is that the wall clock, which the store's begins with, is set by minutes to hours.
	ClockStep float64
	// Skew is how far the clock of a node may be from the store's, and by how
	// much more a client's.
	Skew time.Duration
}

var errInjected = errors.New("injected fault")

// fault draws whether something goes wrong. Each fault that happens has a number, so that the shrinker
// can run the same seed again with some of them left out (Config.Keep). Faults have a generator of
// their own: leaving one out must not change what people do.
func (w *world) fault(p float64, what string) bool {
	if w.calmed || p <= 0 || w.chaos.Float64() >= p {
		return false
	}
	w.drawn++
	if w.cfg.Keep != nil && !w.cfg.Keep[w.drawn] {
		return false
	}
	w.result.Faults++
	w.trace("fault %d: %s", w.drawn, what)
	return true
}

// calamity befalls a node now and then.
func (w *world) calamity() {
	if w.calmed {
		return
	}
	f := &w.cfg.Faults
	h := w.hosts[w.chaos.IntN(len(w.hosts))]
	// Down for less than a grace mostly: the calls have to survive that. At times for longer than any:
	// then they have to end, and everybody has to agree on how.
	down := time.Duration(w.chaos.Int64N(int64(20 * time.Second)))
	if w.chaos.IntN(8) == 0 {
		down += 50 * time.Second
	}
	if h.alive && w.fault(f.Crash, h.label()+" is killed") {
		h.crash()
		w.after(down, h.boot)
	}
	if h.alive && w.fault(f.Stop, h.label()+" is told to stop") {
		h.stop(w.upTo(15*time.Second), down)
	}
	if h.alive && w.fault(f.Strand, h.label()+" is cut off from the bus") {
		h.strand(down)
	}
	if h.alive && w.fault(f.StoreLost, h.label()+" is cut off from the store") {
		w.hangs = w.chaos.IntN(2) == 0
		h.loseStore(down)
	}
	if w.fault(f.StoreDown, "the store is down") {
		w.hangs = w.chaos.IntN(2) == 0
		w.away = latest(w.away, w.now.Add(down))
		w.watch.lostStore()
	}
	if len(w.hosts) > 1 && w.fault(f.Failover, "another machine becomes the store") {
		w.hangs = w.chaos.IntN(2) == 0
		w.failover()
		w.watch.lostStore()
	}
	if live := w.live(); len(live) > 0 && h.healthy() && w.fault(f.Ended, "a backend ends a call") {
		h.step(node.Terminate{ID: live[w.chaos.IntN(len(live))]})
	}
	if live := w.live(); len(live) > 0 && h.healthy() && w.fault(f.LoggedOut, "a backend logs an account out") {
		c := w.audit.calls[live[w.chaos.IntN(len(live))]]
		w.logOut(c.Legs[w.chaos.IntN(len(c.Legs))].Account)
	}
	if w.fault(f.Block, "a backend blocks, or ends a block") {
		w.blockSomebody()
	}
	if w.fault(f.ClockStep, "the wall clock is set to another time") {
		by := time.Minute + time.Duration(w.chaos.Int64N(int64(3*time.Hour)))
		if w.chaos.IntN(2) == 0 {
			by = -by
		}
		w.stepped += by
	}
	w.after(time.Second, w.calamity)
}

// live are the live calls, in the order of ids.
func (w *world) live() (ids []call.ID) {
	for _, id := range sortedIDs(w.audit.calls) {
		if c := w.audit.calls[id]; c.Live() {
			ids = append(ids, id)
		}
	}
	return ids
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
