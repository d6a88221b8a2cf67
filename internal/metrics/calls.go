package metrics

import (
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// calls counts calls by what is stored of them. Any goroutine may use it.
type calls struct {
	started, ended, rings, paths *prometheus.CounterVec
	lives                        *prometheus.GaugeVec
	answer, setup, seconds       *prometheus.HistogramVec

	// shared: other nodes store calls too, so that what was committed here is not all.
	shared bool

	mu   sync.Mutex // Guards what follows.
	live map[call.ID]liveCall
	// doubtful are calls whose last commit may have been made. Reading them back tells.
	doubtful map[call.ID]bool
	pruneAt  int // How many calls there are when old ones are looked for next.
}

// liveCall is what a call was when it was last stored.
type liveCall struct {
	rev        uint32
	state      call.State
	kind       call.Type
	ringers    int
	generation uint32
	// answered is when the answer was stored; zero before, and where that was before the
	// server started.
	answered time.Time
	seen     time.Time // When this was noted, by the clock of the machine.
}

const (
	// forgetAfter is how long a call is remembered of which nothing was heard. Nodes alone hear of
	// the end of every call.
	forgetAfter = 4 * time.Hour
	// pruneLeast is how many calls are remembered before old ones are looked for.
	pruneLeast = 10_000
)

// path says of which call and generation a device reported its path last.
type path struct {
	call       call.ID
	generation uint32
}

func (c *calls) register(r *prometheus.Registry) {
	c.live, c.doubtful = make(map[call.ID]liveCall), make(map[call.ID]bool)
	c.started, c.ended, c.rings = callsStarted.counter(r), callsEnded.counter(r), callRings.counter(r)
	c.paths = mediaPaths.counter(r)
	if c.shared {
		c.lives = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: callsLive.Name}, callsLive.Labels) // Of nobody.
	} else {
		c.lives = callsLive.gauge(r)
	}
	c.answer, c.setup, c.seconds = callAnswer.histogram(r), callSetup.histogram(r), callSeconds.histogram(r)
	for _, s := range []call.State{call.Ringing, call.Connecting, call.Connected} {
		c.lives.WithLabelValues(nameOf(pealv1.CallState(s)))
	}
	// A rate needs the zero before the first one.
	for _, t := range []call.Type{call.Audio, call.Video, call.Other} {
		kind := typeName(t)
		c.started.WithLabelValues(kind)
		c.rings.WithLabelValues(kind)
		c.answer.WithLabelValues(kind)
		c.setup.WithLabelValues(kind)
		c.seconds.WithLabelValues(kind)
		for _, reason := range []call.Reason{call.Completed, call.Failed, call.Lost} {
			c.ended.WithLabelValues(nameOf(pealv1.Reason(reason)), nameOf(pealv1.RecordKind(call.KindCompleted)), kind)
		}
	}
}

// began takes the calls that were live at the start.
func (c *calls) began(list []call.Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range list {
		one := &list[i]
		c.set(one, liveCall{}, liveCall{
			rev: one.Rev, state: one.State, kind: one.Type, ringers: ringersOf(one), generation: one.Media.Generation,
		})
	}
}

// stored takes a call as it was just stored.
func (c *calls) stored(stored *call.Call, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step(stored, now)
}

// learned takes a call as another node may have left it: that one has counted it.
func (c *calls) learned(l *call.Call, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.learn(l, now)
}

// learn needs the lock.
func (c *calls) learn(l *call.Call, now time.Time) {
	last, known := c.live[l.ID]
	switch {
	case !c.shared, c.doubtful[l.ID] || known && l.Rev <= last.rev:
	case !l.Live():
		delete(c.live, l.ID)
	default:
		next := liveCall{
			rev: l.Rev, state: l.State, kind: l.Type, ringers: max(last.ringers, ringersOf(l)), generation: l.Media.Generation,
			answered: last.answered, seen: time.Now(),
		}
		if last.state == call.Ringing && next.state > call.Ringing {
			next.answered = now
		}
		c.keep(l.ID, next)
	}
}

// keep needs the lock. Of some calls the end is never heard, once their devices went to other nodes.
func (c *calls) keep(id call.ID, l liveCall) {
	c.live[id] = l
	if len(c.live) < c.pruneAt {
		return
	}
	for old, one := range c.live {
		if time.Since(one.seen) > forgetAfter {
			delete(c.live, old)
		}
	}
	c.pruneAt = 2*len(c.live) + pruneLeast
}

// doubt notes that nobody knows whether a change was made.
func (c *calls) doubt(id call.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doubtful[id] = true
}

// loaded takes a call that was read. Only one in doubt says anything new: other calls were
// counted when they were stored.
func (c *calls) loaded(id call.ID, l *node.Loaded, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.doubtful[id]:
		if l.Err == nil {
			c.learn(&l.Call, now)
		}
	case l.Err == nil:
		delete(c.doubtful, id)
		c.step(&l.Call, now)
	case errors.Is(l.Err, store.ErrNotFound):
		delete(c.doubtful, id)
	}
}

// step needs the lock. It counts what is new since the call was last stored.
func (c *calls) step(stored *call.Call, now time.Time) {
	last, known := c.live[stored.ID]
	if known && stored.Rev <= last.rev {
		return
	}
	kind := typeName(stored.Type)
	if stored.Rev == 1 && (stored.Live() || stored.Outcome.Kind != 0) {
		c.started.WithLabelValues(kind).Inc()
	}
	if !stored.Live() {
		c.end(stored, last, kind)
		return
	}
	next := liveCall{
		stored.Rev, stored.State, stored.Type, max(last.ringers, ringersOf(stored)), stored.Media.Generation, last.answered,
		time.Now(),
	}
	if more := next.ringers - last.ringers; more > 0 {
		c.rings.WithLabelValues(kind).Add(float64(more))
	}
	if (known || stored.Rev == 1) && last.state <= call.Ringing && next.state > call.Ringing {
		next.answered = now
		c.answer.WithLabelValues(kind).Observe(max(now.Sub(stored.CreatedAt), 0).Seconds())
	}
	if last.state < call.Connected && next.state == call.Connected && !next.answered.IsZero() {
		c.setup.WithLabelValues(kind).Observe(now.Sub(next.answered).Seconds())
	}
	c.set(stored, last, next)
}

// end needs the lock. A tombstone is no call: it files no record.
func (c *calls) end(stored *call.Call, last liveCall, kind string) {
	if last.state != 0 {
		c.lives.WithLabelValues(nameOf(pealv1.CallState(last.state))).Dec()
		delete(c.live, stored.ID)
	}
	o := &stored.Outcome
	if o.Kind == 0 {
		return
	}
	c.ended.WithLabelValues(nameOf(pealv1.Reason(o.Reason)), nameOf(pealv1.RecordKind(o.Kind)), kind).Inc()
	if !stored.ConnectedAt.IsZero() {
		c.seconds.WithLabelValues(kind).Observe(max(o.EndedAt.Sub(stored.ConnectedAt), 0).Seconds())
	}
}

// set needs the lock.
func (c *calls) set(stored *call.Call, last, next liveCall) {
	if c.shared {
		c.keep(stored.ID, next)
	} else {
		c.live[stored.ID] = next
	}
	if last.state != 0 {
		c.lives.WithLabelValues(nameOf(pealv1.CallState(last.state))).Dec()
	}
	c.lives.WithLabelValues(nameOf(pealv1.CallState(next.state))).Inc()
}

// reported counts the path of media that a device reports, once for each generation.
func (c *calls) reported(p *peer, f *pealv1.ClientFrame) {
	r := f.GetMedia()
	if p == nil || r == nil || !r.Up || r.Path == pealv1.MediaPath_MEDIA_PATH_UNSPECIFIED {
		return
	}
	reported := path{call.ID(r.CallId), r.Generation}
	c.mu.Lock()
	defer c.mu.Unlock()
	live, ok := c.live[reported.call]
	if !ok || live.generation != reported.generation || p.path == reported {
		return
	}
	p.path = reported
	if _, known := pealv1.MediaPath_name[int32(r.Path)]; known {
		c.paths.WithLabelValues(nameOf(r.Path), typeName(live.kind)).Inc()
	}
}

func ringersOf(c *call.Call) int {
	n := 0
	for i := range c.Legs {
		n += len(c.Legs[i].Ringers)
	}
	return n
}

func typeName(t call.Type) string { return nameOf(pealv1.CallType(t)) }

// value is a value of an enum of the protocol.
type value interface {
	~int32
	String() string
}

// nameOf is a value's name in the protocol without the prefix of its enum:
// CALL_STATE_RINGING is ringing. One that the protocol does not have is other.
func nameOf[V value](v V) string {
	prefix := ""
	switch any(v).(type) {
	case pealv1.CallState:
		prefix = "CALL_STATE_"
	case pealv1.CallType:
		prefix = "CALL_TYPE_"
	case pealv1.Reason:
		prefix = "REASON_"
	case pealv1.RecordKind:
		prefix = "RECORD_KIND_"
	case pealv1.MediaPath:
		prefix = "MEDIA_PATH_"
	}
	name, ok := strings.CutPrefix(v.String(), prefix)
	if !ok || name == "UNSPECIFIED" {
		return "other"
	}
	return strings.ToLower(name)
}
