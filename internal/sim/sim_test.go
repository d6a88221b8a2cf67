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
	first     = flag.Uint64("first", 1, "the seed of the first schedule")
)

// schedule is the schedule of a seed: calm ones, ones with a kind of faults, and
// ones with all of them.
func schedule(seed uint64) sim.Config {
	cfg := sim.Config{
		Seed: seed, Nodes: 3, Accounts: 2 + int(seed%5), Devices: 1 + int(seed/5%3),
		Active: time.Minute, SingleLogin: seed%7 == 0,
		Faults: sim.Faults{
			LinkDelay: 50 * time.Millisecond, StoreDelay: 20 * time.Millisecond, BusDelay: 50 * time.Millisecond,
			Skew: 100 * time.Millisecond,
		},
	}
	f := &cfg.Faults
	switch seed % 8 {
	case 0: // Nothing goes wrong.
	case 1: // Nodes die, and no more.
		f.Crash = 0.05
	case 2: // The network of the clients is bad.
		f.Disconnect, f.HalfOpen, f.Reload, f.Refused = 0.05, 0.5, 0.3, 0.2
		f.LinkDelay = time.Second
	case 3: // That of the nodes is.
		f.Strand, f.BusDrop, f.BusTwice, f.BusDelay = 0.02, 0.1, 0.1, 2*time.Second
	case 4: // The store is.
		f.CommitSkip, f.CommitHide, f.CommitLate, f.CommitSlow, f.ReadFail, f.StoreLost = 0.03, 0.03, 0.03, 0.03, 0.02, 0.02
		f.StoreDelay = 100 * time.Millisecond
	default:
		*f = sim.Faults{
			Disconnect: 0.02, HalfOpen: 0.5, Reload: 0.3, Refused: 0.1, Crash: 0.02, Strand: 0.01, StoreLost: 0.01,
			CommitSkip: 0.02, CommitHide: 0.02, CommitLate: 0.02, CommitSlow: 0.02, ReadFail: 0.02, BusDrop: 0.1, BusTwice: 0.1,
			LinkDelay: 500 * time.Millisecond, StoreDelay: 200 * time.Millisecond, BusDelay: 2 * time.Second,
			Skew: 500 * time.Millisecond,
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
		r, err := sim.Run(schedule(s + *first))
		if err != nil {
			t.Errorf("%v\nreplay: go test ./internal/sim -run TestSchedules -seed %d", err, s+*first)
			continue
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
