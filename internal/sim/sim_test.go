package sim_test

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/sim"
)

var (
	seed      = flag.Uint64("seed", 0, "run this one schedule and print what happens")
	schedules = flag.Int("schedules", 150, "how many schedules to run")
)

// schedule is the schedule of a seed: calm ones, and ones with every fault.
func schedule(seed uint64) sim.Config {
	cfg := sim.Config{
		Seed: seed, Nodes: 2, Accounts: 2 + int(seed%3), Devices: 1 + int(seed/3%3),
		Active: 3 * time.Minute, SingleLogin: seed%5 == 0,
		Faults: sim.Faults{LongestDelay: 50 * time.Millisecond},
	}
	if seed%4 != 0 {
		cfg.Faults = sim.Faults{
			Disconnect: 0.02, HalfOpen: 0.5, Reload: 0.3, Crash: 0.02,
			CommitSkip: 0.03, CommitHide: 0.03, BusDrop: 0.1,
			LongestDelay: 500 * time.Millisecond,
		}
	}
	return cfg
}

func TestSchedules(t *testing.T) {
	if *seed != 0 {
		cfg := schedule(*seed)
		cfg.Trace = func(line string) { fmt.Println(line) }
		if _, err := sim.Run(cfg); err != nil {
			t.Fatal(err)
		}
		return
	}
	var calls, faults, events int
	var virtual time.Duration
	outcomes := make(map[call.Reason]int)
	for s := range uint64(*schedules) {
		r, err := sim.Run(schedule(s + 1))
		if err != nil {
			t.Fatalf("%v\nreplay: go test ./internal/sim -run TestSchedules -seed %d", err, s+1)
		}
		calls, faults, events, virtual = calls+r.Calls, faults+r.Faults, events+r.Events, virtual+r.Virtual
		for reason, n := range r.Outcomes {
			outcomes[reason] += n
		}
	}
	t.Logf("schedules=%d calls=%d faults=%d events=%d virtual_hours=%.1f outcomes=%v violations=0",
		*schedules, calls, faults, events, virtual.Hours(), outcomes)
	for _, reason := range []call.Reason{
		call.Completed, call.Cancelled, call.Rejected, call.Timeout, call.Busy,
		call.Failed, call.Lost, call.Superseded, call.Kicked,
	} {
		if outcomes[reason] == 0 {
			t.Errorf("no call ended with reason %d: the schedules do not reach it", reason)
		}
	}
}

// The same seed must give the same run, or a failure could not be replayed.
func TestReplay(t *testing.T) {
	run := func() (trace []string) {
		cfg := schedule(7)
		cfg.Trace = func(line string) { trace = append(trace, line) }
		if _, err := sim.Run(cfg); err != nil {
			t.Fatal(err)
		}
		return trace
	}
	if diff := cmp.Diff(run(), run()); diff != "" {
		t.Errorf("two runs of one seed differ:\n%s", diff)
	}
}
