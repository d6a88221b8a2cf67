package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

const (
	// heapFloor is how large the heap may become before it is collected, however little
	// of it is in use. A server of a few devices has some megabytes in use; with the
	// default of Go, which collects whenever they have doubled, collecting took a tenth of
	// the processor time of a call: see docs/performance.md.
	heapFloor = 48 << 20
	// usualPercent is Go's default of GOGC: above the floor it is as ever.
	usualPercent = 100
	// mostPercent bounds the next goal where what is in use grows at once.
	mostPercent = 1000
)

// heapGoal keeps the goal of the garbage collector at heapFloor or above. Where the
// operator has said by GOGC or GOMEMLIMIT what to do, it does nothing.
type heapGoal struct {
	percent int
	stopped atomic.Bool
	sample  []metrics.Sample
}

// keepHeapFloor begins to keep the goal; stop ends it, and goes back to what was.
func keepHeapFloor() (stop func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	g := &heapGoal{percent: usualPercent, sample: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	runtime.GC() // What is in use is known from a collection.
	g.adjust()
	g.afterEach(&cycle{})
	return func() {
		g.stopped.Store(true)
		debug.SetGCPercent(usualPercent)
	}
}

// cycle is found unused by each collection.
type cycle struct{ _ *cycle }

// afterEach adjusts the goal after each collection: it is of use as long as what is in
// use changes.
func (g *heapGoal) afterEach(c *cycle) {
	runtime.SetFinalizer(c, func(c *cycle) {
		if !g.stopped.Load() {
			g.adjust()
			g.afterEach(c)
		}
	})
}

// adjust sets the goal by what is in use. Setting it stops the world for a moment, so it
// is done when it makes a difference.
func (g *heapGoal) adjust() {
	metrics.Read(g.sample)
	percent := percentFor(g.sample[0].Value.Uint64())
	if math.Abs(float64(percent-g.percent)) > float64(g.percent)/10 {
		g.percent = percent
		debug.SetGCPercent(percent)
	}
}

// percentFor gives the percentage of GOGC by which the goal is the floor, or Go's default
// where that is more.
func percentFor(live uint64) int {
	if live >= heapFloor {
		return usualPercent
	}
	return min(max(int(100*(heapFloor-live)/max(live, 1)), usualPercent), mostPercent)
}
