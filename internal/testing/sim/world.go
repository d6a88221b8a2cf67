// Package sim runs real nodes, sessions, client devices and the memory store
// under virtual time, with faults, all of it from one seed: the same seed gives
// the same run, to the last message. Several nodes share one store. A node that is
// alone has its own over a journal, from which each of its starts opens it again.
//
// Tests call Run. A world is owned by the goroutine that runs it; nothing in
// it is concurrent, all that looks so is the order of events in one queue.
//
// The parts: a host is a machine with a node, a person is somebody with a program on the real
// client core, a rude client is one that says what it likes and knows nothing. A browser is what
// programs of one account remember together. The audit holds every commit to the safety invariants
// as it is made; the watch holds what everybody sees to the liveness bounds.
package sim

import (
	"cmp"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
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
	// Patient has everybody let things ring and go on.
	Patient bool
	// Hasty has those who were logged out by another login log in again within seconds.
	Hasty bool
	// ShortTokens has tokens last for one to three minutes, and not for an hour.
	ShortTokens bool
	// Active is how long people call each other; after that faults cease,
	// everybody holds still, then leaves, and all must come to rest.
	Active time.Duration
	// Still is how long everybody holds still then; zero means stillness.
	Still  time.Duration
	Faults Faults
	// Languages are those of the devices; all but Go need a Worker.
	Languages Languages
	Worker    *Worker
	// Keep, where it is not nil, lets only those faults happen, by their
	// numbers in the run without it.
	Keep map[int]bool
	// Trace, if set, gets a line for each thing that happens.
	Trace func(string)
}

// Result is what a run saw.
type Result struct {
	Calls    int
	Deaf     int // Of these, those that their callee did not hear.
	Outcomes map[call.Reason]int
	Faults   int // How many happened.
	Drawn    int // How many would have, without Config.Keep.
	Events   int
	Virtual  time.Duration
	// Delivered is how many events arrived at endpoints.
	Delivered int
	// Back is how long those who were connected to a node that died were
	// without a connection.
	Back []time.Duration
}

const (
	// stillness is how long everybody holds still once the faults are over.
	stillness = 10 * time.Second
	// settle is how long after that everything must be at rest: the longest
	// ring time-out, and every grace after that.
	settle = 4 * time.Minute
)

// Run runs one schedule. The error names the first violation.
func Run(cfg Config) (Result, error) {
	w := newWorld(cfg)
	if cfg.Worker != nil {
		if err := cfg.Worker.clear(); err != nil {
			return w.result, err
		}
	}
	w.start()
	w.runUntil(w.epoch.Add(cfg.Active))
	w.calm()
	w.runUntil(w.now.Add(cmp.Or(cfg.Still, stillness)))
	w.leave()
	for end := w.now.Add(settle); w.err == nil && w.now.Before(end); {
		w.runUntil(w.now.Add(5 * time.Second))
		if w.resting() {
			break
		}
	}
	if w.err == nil {
		w.atRest()
	}
	w.result.Virtual, w.result.Drawn = w.now.Sub(w.epoch), w.drawn
	if w.err == nil {
		w.backend.drain()
	}
	if w.err != nil {
		return w.result, fmt.Errorf("seed %d at %s: %w", cfg.Seed, w.now.Sub(w.epoch), w.err)
	}
	return w.result, nil
}

// world is everything there is.
type world struct {
	cfg   Config
	rng   *rand.Rand // For what people do and how long things take.
	chaos *rand.Rand // For faults.
	drawn int
	// languages chooses those of devices.
	languages *rand.Rand
	epoch     time.Time
	now       time.Time
	queue     events
	seq       uint64

	store *audited
	// away is until when no host reaches the store. It is nobody's death.
	away time.Time
	// hangs says that requests wait for a store which cannot be reached, and are not refused.
	hangs bool
	// jumped is how far the store's clock is from what it would be by the first machine's.
	jumped time.Duration
	// unseen says until when readers do not see changes.
	unseen map[unseen]time.Time
	// journal is that of a world with one host; nil where there are several.
	journal *journal
	audit   *audit
	watch   *watch
	backend *backend
	hosts   []*host
	clients []client
	// loggedOut says when a backend logged an account out last: tokens from before are of no
	// use. logOuts are those that no node has answered, by their requests.
	loggedOut map[string]time.Time
	logOuts   map[uint64]*logOut
	requests  uint64
	// stepped is how far the wall clock has been set from the time that passes; clock is the store's.
	stepped time.Duration
	clock   *store.Clock

	// calmed: no faults any more. still: nobody does anything. leaving: everybody
	// goes home.
	calmed, still, leaving bool
	result                 Result
	err                    error
}

func newWorld(cfg Config) *world {
	epoch := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	w := &world{
		cfg: cfg, epoch: epoch, now: epoch,
		rng: rand.New(rand.NewPCG(cfg.Seed, 0x9ea1)), chaos: rand.New(rand.NewPCG(cfg.Seed, 0xfa17)),
		languages: rand.New(rand.NewPCG(cfg.Seed, 0x1a46)),
		unseen:    make(map[unseen]time.Time), loggedOut: make(map[string]time.Time), logOuts: make(map[uint64]*logOut),
		result: Result{Outcomes: make(map[call.Reason]int)},
	}
	w.audit = newAudit(w)
	w.clock = store.NewClock(func() (time.Time, time.Duration) { return w.now.Add(w.stepped), w.now.Sub(w.epoch) }, time.Time{})
	w.store = &audited{audit: w.audit}
	if cfg.Nodes == 1 {
		w.journal = &journal{Volatile: store.NewVolatile(), w: w}
	} else {
		w.store.Store = store.NewMemory(w.time)
	}
	w.watch = newWatch(w)
	w.backend = newBackend(w)
	return w
}

func (w *world) start() {
	// The limits have tests of their own. Here they would only hide what comes after them.
	limits := protocol.DefaultLimits()
	limits.InvitesPerMin, limits.PairPerMin, limits.RingsPerMin, limits.HellosPerMin = 1000, 1000, 10_000, 10_000
	limits.SignalBytes, limits.SignalRate, limits.DeclinedPause = 1<<24, 1<<24, 0
	for i := range w.cfg.Nodes {
		w.hosts = append(w.hosts, newHost(w, i, limits))
	}
	for i, h := range w.hosts {
		if i == 0 {
			h.boot()
		} else { // Their signs of life come at different times.
			w.after(w.between(0, 2*time.Second), h.boot)
		}
	}
	for a := range w.cfg.Accounts {
		for d := range w.cfg.Devices {
			var c client
			if w.rng.IntN(6) == 0 {
				c = newRude(w, accountName(a), fmt.Sprintf("d%d", d))
			} else {
				c = newPerson(w, accountName(a), fmt.Sprintf("d%d", d))
			}
			w.clients = append(w.clients, c)
			w.after(w.between(0, 2*time.Second), c.turn)
		}
	}
	w.after(time.Second, w.calamity)
	w.after(time.Second, w.watch.look)
	w.after(time.Second, w.backend.turn)
}

func accountName(i int) string { return fmt.Sprintf("acc%d", i) }

// calm ends the faults, and everybody holds still.
func (w *world) calm() {
	w.calmed, w.still = true, true
	w.trace("calm")
	for _, h := range w.hosts {
		if h.stranded.After(w.now) {
			h.stranded = w.now
			h.step(node.Reconnected{})
		}
		if h.cutOff.After(w.now) {
			h.cutOff = w.now
		}
		h.boot()
	}
	if w.away.After(w.now) {
		w.away = w.now
	}
	w.watch.calmed()
}

// leave sends everybody home.
func (w *world) leave() {
	w.still, w.leaving = false, true
	w.trace("leave")
	for _, c := range w.clients {
		c.goHome()
	}
}

// resting says whether nothing is left to wait for: what changed last is news
// for a while, however soon all else is at rest.
func (w *world) resting() bool {
	if len(w.audit.live) > 0 || w.now.Sub(w.watch.changed) < w.watch.news() {
		return false
	}
	for _, c := range w.clients {
		if !c.rests() {
			return false
		}
	}
	for _, h := range w.hosts {
		if !h.node.Idle() {
			return false
		}
	}
	return true
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

// after has something done later. Things at the same time keep their order: without that a seed would
// not replay, since a heap breaks ties as it likes.
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

func (w *world) upTo(most time.Duration) time.Duration { return w.between(time.Millisecond, most) }

func (w *world) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

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

// policy is what an invitation asks for: mostly nothing.
func (w *world) policy() pealv1.IcePolicy {
	if w.chance(0.7) {
		return pealv1.IcePolicy_ICE_POLICY_UNSPECIFIED
	}
	return pealv1.IcePolicy(1 + w.rng.IntN(2))
}
