package load

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Codes of failures that are found here; the others are the server's.
const (
	codeNoDevice = "no_idle_device"
	codeTimeout  = "call_not_over"
)

// Result is what came of a run.
type Result struct {
	Devices int     `json:"devices"`
	Rate    float64 `json:"rate_per_s"`
	Elapsed float64 `json:"elapsed_s"`
	// Calls were due, Completed rang, were answered and ended as they should.
	Calls     int `json:"calls"`
	Completed int `json:"completed"`
	Failed    int `json:"failed"`
	// Errors counts failures by code: the server's, or one of the run's own.
	Errors map[string]int `json:"errors"`
	// Ring is from when an invitation was due until the callee rings, Accept from
	// when an answer was due until the caller has it, Hangup from when a call was
	// due to end until the other side knows.
	Ring   Spread `json:"invite_to_ring"`
	Accept Spread `json:"accept_to_accepted"`
	Hangup Spread `json:"hangup_to_ended"`
	// Late is how late this program itself was; it is part of the others.
	Late Spread `json:"own_lateness"`
}

// Spread is how some durations spread, in milliseconds.
type Spread struct {
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

// spread sorts what it is given.
func spread(d []time.Duration) Spread {
	slices.Sort(d)
	return Spread{P50: at(d, 0.5), P95: at(d, 0.95), P99: at(d, 0.99), Max: at(d, 1)}
}

// at is the least of some sorted durations that a share of them does not exceed.
func at(sorted []time.Duration, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := int(share*float64(len(sorted))+0.999999) - 1
	return float64(sorted[min(max(i, 0), len(sorted)-1)].Microseconds()) / 1000
}

// tally counts during a run.
type tally struct {
	begun, ended, failed int
	errors               map[string]int
	ring, accept, hangup []time.Duration
	told                 int // How many of ring the last progress has reported.
}

func newTally() tally { return tally{errors: make(map[string]int)} }

// add takes a call that is over.
func (t *tally) add(c *call) {
	if c.code != "" {
		t.failed++
		t.errors[c.code]++
		return
	}
	t.ended++
	t.ring, t.accept, t.hangup = append(t.ring, c.ring), append(t.accept, c.accept), append(t.hangup, c.hangup)
}

func (t *tally) progress() Progress {
	recent := slices.Sorted(slices.Values(t.ring[t.told:]))
	t.told = len(t.ring)
	p := Progress{Begun: t.begun, Ended: t.ended, Failed: t.failed}
	if len(recent) > 0 {
		p.RingP99 = time.Duration(at(recent, 0.99) * float64(time.Millisecond))
	}
	return p
}

func (t *tally) result(cfg Config, elapsed time.Duration) *Result {
	return &Result{
		Devices: cfg.Devices, Rate: cfg.Rate, Elapsed: elapsed.Seconds(),
		Calls: t.begun, Completed: t.ended, Failed: t.failed, Errors: maps.Clone(t.errors),
		Ring: spread(slices.Clone(t.ring)), Accept: spread(slices.Clone(t.accept)), Hangup: spread(slices.Clone(t.hangup)),
	}
}

// Write writes a result for people.
func (r *Result) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d devices, %d calls at %g/s in %.1f s: %d complete, %d failed\n",
		r.Devices, r.Calls, r.Rate, r.Elapsed, r.Completed, r.Failed)
	// A builder refuses nothing.
	table := tabwriter.NewWriter(&b, 0, 0, 3, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "\tp50\tp95\tp99\tmax\t")
	for _, row := range []struct {
		name string
		s    Spread
	}{
		{"invite to ring", r.Ring}, {"accept to accepted", r.Accept}, {"hangup to ended", r.Hangup}, {"lateness of this program", r.Late},
	} {
		_, _ = fmt.Fprintf(table, "%s\t%.1f ms\t%.1f ms\t%.1f ms\t%.1f ms\t\n", row.name, row.s.P50, row.s.P95, row.s.P99, row.s.Max)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, code := range slices.Sorted(maps.Keys(r.Errors)) {
		fmt.Fprintf(&b, "%6d × %s%s\n", r.Errors[code], code, hints[code])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// hints say what to do about some codes.
var hints = map[string]string{
	codeNoDevice:       ": all devices were in a call: give more --devices",
	codeTimeout:        ": the call did not go through",
	"rate_limited":     ": loosen limits-invites-per-min, limits-pair-per-min and limits-rings-per-min of the server, or give more --devices",
	"request_timeout":  ": the server did not answer in time",
	"ended busy":       ": the callee was in an earlier call",
	"too_many_devices": ": loosen limits-devices of the server",
}
