// Package sim runs real nodes, sessions and the memory store under virtual
// time, with scripted clients and faults, all of it from one seed: the same
// seed gives the same run, to the last message.
//
// Tests call Run. A world is owned by the goroutine that runs it; nothing in
// it is concurrent, all that looks so is the order of events in one queue.
package sim

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/store"
)

// Config is one schedule. The seed decides all that is left open.
type Config struct {
	Seed     uint64
	Nodes    int
	Accounts int
	Devices  int // Of each account.
	// SingleLogin lets the newest login of an account win.
	SingleLogin bool
	// Calm is how long the clients are active; after that faults cease, every
	// client leaves, and all must come to rest.
	Active time.Duration
	Faults Faults
	// Trace, if set, gets a line for each thing that happens.
	Trace func(string)
}

// Faults are chances, each for one opportunity.
type Faults struct {
	Disconnect   float64 // A client's connection is cut, at each of its turns.
	HalfOpen     float64 // A cut is noticed by neither side by itself.
	Reload       float64 // A client that reconnects has forgotten everything.
	Crash        float64 // A node is killed, each second; another start follows.
	CommitSkip   float64 // A commit fails.
	CommitHide   float64 // A commit is done and reported as failed.
	BusDrop      float64 // A message between nodes is lost.
	LongestDelay time.Duration
}

// Result is what a run saw.
type Result struct {
	Calls    int
	Outcomes map[call.Reason]int
	Faults   int
	Events   int
	Virtual  time.Duration
}

// settle is how long after the last fault everything must be at rest: the
// longest ring time-out, and every grace after that.
const settle = 4 * time.Minute

// Run runs one schedule. The error names the first violation.
func Run(cfg Config) (Result, error) {
	w := newWorld(cfg)
	w.start()
	w.runUntil(w.epoch.Add(cfg.Active))
	w.calm()
	w.runUntil(w.now.Add(settle))
	if w.err == nil {
		w.atRest()
	}
	w.result.Virtual = w.now.Sub(w.epoch)
	if w.err != nil {
		return w.result, fmt.Errorf("seed %d at %s: %w", cfg.Seed, w.now.Sub(w.epoch), w.err)
	}
	return w.result, nil
}

// world is everything there is.
type world struct {
	cfg    Config
	rng    *rand.Rand
	epoch  time.Time
	now    time.Time
	queue  events
	seq    uint64
	store  store.Store
	audit  *audit
	hosts  []*host
	agents []*agent
	calmed bool
	result Result
	err    error
}

func newWorld(cfg Config) *world {
	epoch := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	w := &world{
		cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0x9ea1)),
		epoch: epoch, now: epoch,
		result: Result{Outcomes: make(map[call.Reason]int)},
	}
	w.audit = newAudit(w)
	memory := store.NewMemory(func() time.Time { return w.now })
	w.store = store.NewFaulty(&audited{memory, w.audit}, w.spoil, nil)
	return w
}

func (w *world) start() {
	limits := protocol.DefaultLimits()
	limits.InvitesPerMin, limits.PairPerMin = 1000, 1000
	for i := range w.cfg.Nodes {
		w.hosts = append(w.hosts, newHost(w, i, limits))
	}
	for _, h := range w.hosts {
		h.boot()
	}
	for a := range w.cfg.Accounts {
		for d := range w.cfg.Devices {
			g := newAgent(w, accountName(a), fmt.Sprintf("d%d", d))
			w.agents = append(w.agents, g)
			w.after(w.between(0, 2*time.Second), g.turn)
		}
	}
	w.after(time.Second, w.calamity)
}

func accountName(i int) string { return fmt.Sprintf("acc%d", i) }

// calamity kills a node now and then.
func (w *world) calamity() {
	if w.calmed {
		return
	}
	if w.chance(w.cfg.Faults.Crash) {
		h := w.hosts[w.rng.IntN(len(w.hosts))]
		if h.alive {
			h.crash()
			w.after(w.between(100*time.Millisecond, 20*time.Second), h.boot)
		}
	}
	w.after(time.Second, w.calamity)
}

// calm ends the faults and sends every client home.
func (w *world) calm() {
	w.calmed = true
	w.trace("calm")
	for _, h := range w.hosts {
		if !h.alive {
			h.boot()
		}
	}
	for _, g := range w.agents {
		g.goHome()
	}
}

// spoil decides about one commit.
func (w *world) spoil([]store.Change) store.Fault {
	if w.calmed {
		return store.NoFault
	}
	switch {
	case w.fault(w.cfg.Faults.CommitSkip):
		return store.Skip
	case w.fault(w.cfg.Faults.CommitHide):
		return store.Hide
	}
	return store.NoFault
}

func (w *world) runUntil(end time.Time) {
	for w.err == nil && len(w.queue) > 0 && !w.queue[0].at.After(end) {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		w.result.Events++
		e.do()
	}
	if w.err == nil {
		w.now = end
	}
}

// after has something done later. Things at the same time keep their order.
func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.queue, event{at: w.now.Add(d), seq: w.seq, do: do})
}

func (w *world) between(least, most time.Duration) time.Duration {
	if most <= least {
		return least
	}
	return least + time.Duration(w.rng.Int64N(int64(most-least)))
}

func (w *world) delay() time.Duration {
	return w.between(time.Millisecond, w.cfg.Faults.LongestDelay)
}

func (w *world) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

// fault is chance, counted.
func (w *world) fault(p float64) bool {
	hit := w.chance(p)
	if hit {
		w.result.Faults++
	}
	return hit
}

func (w *world) violate(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
		w.trace("VIOLATION %v", w.err)
	}
}

func (w *world) trace(format string, args ...any) {
	if w.cfg.Trace != nil {
		w.cfg.Trace(fmt.Sprintf("%10s ", w.now.Sub(w.epoch)) + fmt.Sprintf(format, args...))
	}
}

// event is something to do at a time.
type event struct {
	at  time.Time
	seq uint64
	do  func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	if q[i].at.Equal(q[j].at) {
		return q[i].seq < q[j].seq
	}
	return q[i].at.Before(q[j].at)
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = event{}
	*q = (*q)[:last]
	return e
}
