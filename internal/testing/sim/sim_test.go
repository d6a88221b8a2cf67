package sim_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/testing/sim"
)

var (
	seed      = flag.Uint64("seed", 0, "run this one schedule and print what happens")
	schedules = flag.Int("schedules", 300, "how many schedules to run")
	keep      = flag.String("keep", "all", "with -seed: let only these faults happen, by their numbers")
	untilOne  = flag.Bool("until-one", false, "stop at the first schedule that fails")
	first     = flag.Uint64("first", 1, "the seed of the first schedule")
	locksteps = flag.Int("locksteps", 300, "how many schedules TestLockstep runs")
	randoms   = flag.Int("randoms", 100, "how many devices TestLockstepRandom gives random inputs")
	devices   = flag.String("devices", "mixed", "the languages of the devices: go, ts, mixed, or lockstep, which compares both")
	bundled   = flag.String("worker", "", "a bundle of the worker; by default one is built")
)

// bundle is the worker of devices in TypeScript.
var bundle = sync.OnceValues(func() (string, error) {
	if *bundled != "" {
		return *bundled, nil
	}
	var err error
	if bundleFolder, err = os.MkdirTemp("", "peal-sim-"); err != nil {
		return "", err
	}
	path := filepath.Join(bundleFolder, "worker.cjs")
	return path, bundleWorker(filepath.Join(root, "web"), path)
})

var bundleFolder string

func TestMain(m *testing.M) {
	code := m.Run()
	if bundleFolder != "" {
		if err := os.RemoveAll(bundleFolder); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.Exit(code)
}

// bundleWorker bundles the worker whose sources are in a folder like web.
func bundleWorker(web, out string) error {
	sources, err := filepath.Abs(web)
	if err != nil {
		return err
	}
	built, err := exec.Command("go", "run", "-C", filepath.Join(root, "tools"), "./webbuild",
		"-web", sources, "-bundle", filepath.Join(sources, "sdk/test/device/worker.ts"), "-o", out).CombinedOutput()
	if err != nil {
		return fmt.Errorf("bundle the worker: %w\n%s", err, built)
	}
	return nil
}

// startWorker starts a worker for schedules whose devices are in these languages, with
// a bundle other than the usual one if that is not empty. It is nil where they need none.
func startWorker(t testing.TB, languages sim.Languages, path string) *sim.Worker {
	t.Helper()
	switch languages {
	case sim.Go:
		return nil
	case sim.TypeScript, sim.Mixed, sim.Lockstep:
	default:
		t.Fatalf("-devices=%s: want go, ts, mixed or lockstep", languages)
	}
	if path == "" {
		var err error
		if path, err = bundle(); err != nil {
			t.Fatal(err)
		}
	}
	w, err := sim.StartWorker(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("the worker ends: %v", err)
		}
	})
	return w
}

// schedule is the schedule of a seed: calm ones, ones with a kind of faults, and
// ones with all of them.
func schedule(seed uint64) sim.Config {
	cfg := sim.Config{
		Seed: seed, Nodes: 3, Accounts: 2 + int(seed%5), Devices: 1 + int(seed/5%3),
		Active: 75 * time.Second, SingleLogin: seed%3 == 0, ShortTokens: seed/8%2 == 1,
		Faults: sim.Faults{
			LinkDelay: 50 * time.Millisecond, StoreDelay: 20 * time.Millisecond, BusDelay: 50 * time.Millisecond,
			SubscribeDelay: 50 * time.Millisecond,
			Skew:           100 * time.Millisecond,
		},
	}
	f, near := &cfg.Faults, cfg.Faults
	switch seed % 8 {
	case 0: // Nothing goes wrong.
		if seed%32 == 16 { // Or people come and go while subscriptions take their time.
			f.Disconnect, f.Reload, f.SubscribeDelay = 0.05, 0.3, 900*time.Millisecond
		}
	case 1: // Nodes die, and no more; or some are without a network for long, as after that.
		f.Crash, f.Stop = 0.04, 0.02
		switch seed % 32 {
		case 9:
			f.Crash, f.Stop, f.Tunnel = 0.02, 0.01, 0.01
			cfg.Active = 150 * time.Second
		case 25: // Or nobody hurries, and many are away for long, while others call them.
			f.Crash, f.Stop, f.Tunnel = 0, 0, 0.02
			cfg.Active, cfg.Patient = 10*time.Minute, true
		}
	case 2: // The network of the clients is bad.
		f.Disconnect, f.Tunnel, f.HalfOpen, f.Reload, f.Refused = 0.05, 0.03, 0.5, 0.3, 0.2
		f.Freeze, f.TokenFail, f.LinkDelay = 0.005, 0.1, 2*time.Second
		cfg.Active = 150 * time.Second // Long enough for a silence to be noticed.
		switch seed % 32 {
		case 18: // Or programs restart while the store is slow to do what they asked for.
			cfg.Nodes = 1 + 2*int(seed/32%2)
			*f = near
			f.Disconnect, f.Reload, f.Anew, f.CommitSlow, f.LinkDelay = 0.05, 0.3, 0.2, 0.3, 500*time.Millisecond
		case 26: // Or what they say comes when they are elsewhere.
			*f = near
			f.Disconnect, f.Late, f.LinkDelay = 0.02, 0.3, 500*time.Millisecond
		}
	case 3: // That of the nodes is.
		f.Strand, f.BusDrop, f.BusTwice, f.BusDelay, f.ClockStep = 0.02, 0.1, 0.1, 2*time.Second, 0.01
		f.SubscribeDelay = 3 * time.Second
		switch seed % 32 {
		case 11: // And people go from device to device, each of which ends the login on the one before.
			f.Disconnect, f.Reload, f.Strand, f.BusDrop = 0.05, 0.5, 0.05, 0.3
			cfg.SingleLogin, cfg.Devices, cfg.Hasty = true, 2+int(seed/32%2), true
		case 19: // Or the store is far away: word of what others do overtakes its answers.
			f.StoreDelay, f.BusDelay = 500*time.Millisecond, 50*time.Millisecond
		}
	case 4: // The store is.
		f.CommitSkip, f.CommitHide, f.CommitLate, f.CommitSlow, f.ReadFail, f.StoreLost = 0.03, 0.03, 0.03, 0.03, 0.02, 0.02
		f.ReadSlow, f.StoreDown, f.StoreDelay = 0.02, 0.005, 100*time.Millisecond
		f.CommitRefuse, f.CommitBatch, f.Disorder, f.Failover = 0.02, 0.01, 0.1, 0.01
		switch seed % 32 {
		case 4: // Or it is away alone, for all.
			*f = near
			f.StoreDown, f.Failover = 0.02, 0.01
			cfg.Patient, cfg.Active = true, 150*time.Second
		case 12: // Or it is away for moments, and its answers take their time.
			*f = near
			f.Failover, f.ReadSlow = 0.15, 0.3
			cfg.Patient = true
		case 28: // Or nodes come and go, and look at what was a while ago.
			*f = near
			f.Crash, f.Stop, f.ReadSlow = 0.1, 0.1, 0.4
		}
	default:
		*f = sim.Faults{
			Disconnect: 0.02, Tunnel: 0.005, HalfOpen: 0.5, Reload: 0.3, Refused: 0.1, Freeze: 0.002, TokenFail: 0.05,
			Crash: 0.02, Stop: 0.01, Strand: 0.01, StoreLost: 0.01, StoreDown: 0.003,
			CommitSkip: 0.02, CommitHide: 0.02, CommitLate: 0.02, CommitSlow: 0.02, ReadFail: 0.02, ReadSlow: 0.02,
			CommitRefuse: 0.01, CommitBatch: 0.005, Disorder: 0.05, Failover: 0.003,
			BusDrop: 0.1, BusTwice: 0.1, ClockStep: 0.005, Ended: 0.02, LoggedOut: 0.02,
			LinkDelay: 500 * time.Millisecond, StoreDelay: 200 * time.Millisecond, BusDelay: 2 * time.Second,
			SubscribeDelay: 3 * time.Second,
			Skew:           500 * time.Millisecond,
		}
	}
	if seed%8 > 4 && seed%3 == 1 || seed%32 == 17 {
		f.Older = 0.4
	}
	if f.Crash+f.StoreDown > 0 {
		cfg.Still = 25 * time.Second
	}
	if seed%5 == 2 {
		f.Block = 0.15
	}
	if seed%11 == 0 {
		// As the server is: alone with a store of its own, in which nothing is done
		// behind its back.
		cfg.Nodes, f.CommitLate, f.CommitBatch = 1, 0, 0
		f.AppendSkip, f.AppendFail, f.PowerLoss = f.CommitSkip/2, f.CommitHide/4, (f.Crash+f.CommitSkip)/8
	}
	return cfg
}

// total sums up many runs.
type total struct {
	mu                    sync.Mutex // Guards what follows.
	ran                   int
	calls, faults, events int
	deaf                  int
	delivered             int
	virtual               time.Duration
	outcomes              map[call.Reason]int
	back                  []time.Duration
	failed                []uint64
}

func (x *total) add(seed uint64, r sim.Result, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ran++
	if err != nil {
		x.failed = append(x.failed, seed)
		return
	}
	x.calls, x.faults, x.events, x.virtual = x.calls+r.Calls, x.faults+r.Faults, x.events+r.Events, x.virtual+r.Virtual
	x.deaf += r.Deaf
	x.delivered += r.Delivered
	for reason, n := range r.Outcomes {
		x.outcomes[reason] += n
	}
	if seed%16 == 1 { // Nodes die in it, and nothing else goes wrong.
		x.back = append(x.back, r.Back...)
	}
}

// runAll runs schedules on all processors until they are through, or, where one
// is enough, until one has failed. The path is that of startWorker.
func runAll(t *testing.T, languages sim.Languages, workerPath string, first uint64, n int, untilOne bool) *total {
	t.Helper()
	// Schedules leave much garbage and keep little: collecting it seldom saves a third.
	defer debug.SetGCPercent(debug.SetGCPercent(1000))
	x := &total{outcomes: make(map[call.Reason]int)}
	var next atomic.Uint64
	var over atomic.Bool
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		worker := startWorker(t, languages, workerPath)
		workers.Go(func() {
			for !over.Load() {
				s := next.Add(1) - 1
				if s >= uint64(n) {
					return
				}
				cfg := schedule(first + s)
				cfg.Languages, cfg.Worker = languages, worker
				r, err := sim.Run(cfg)
				x.add(first+s, r, err)
				if err != nil && (untilOne || s > 20) {
					over.Store(true)
				}
			}
		})
	}
	workers.Wait()
	slices.Sort(x.failed)
	slices.Sort(x.back)
	return x
}

func TestSchedules(t *testing.T) {
	languages := sim.Languages(*devices)
	if *seed != 0 {
		cfg := schedule(*seed)
		cfg.Languages, cfg.Worker = languages, startWorker(t, languages, "")
		cfg.Keep = kept(t)
		cfg.Trace = func(line string) { fmt.Println(line) }
		if _, err := sim.Run(cfg); err != nil {
			t.Fatal(err)
		}
		return
	}
	x := runAll(t, languages, "", *first, *schedules, *untilOne)
	x.report(t, languages)
	if len(x.back) > 0 {
		t.Logf("back after the death of a node: %d clients, p50 %s, p99 %s", len(x.back), x.back[len(x.back)/2], x.back[len(x.back)*99/100])
	}
	t.Logf("calls=%d deaf=%d events=%d delivered=%d outcomes=%v", x.calls, x.deaf, x.events, x.delivered, x.outcomes)
	if len(x.failed) > 0 || *untilOne {
		return
	}
	if x.delivered < x.calls {
		t.Errorf("%d events of %d calls were delivered", x.delivered, x.calls)
	}
	// L6.
	if len(x.back) == 0 {
		t.Error("no node died in these: L6 was not looked at")
	} else if p99 := x.back[len(x.back)*99/100]; p99 > 3*time.Second {
		t.Errorf("after the death of a node its clients are back after %s at the 99th percentile", p99)
	}
	if x.deaf == 0 {
		t.Error("nobody called who was blocked")
	}
	for _, reason := range []call.Reason{
		call.Completed, call.Cancelled, call.Rejected, call.Timeout, call.Busy,
		call.Failed, call.Lost, call.Superseded, call.Kicked,
	} {
		if x.outcomes[reason] == 0 {
			t.Errorf("no call ended with reason %d: the schedules do not reach it", reason)
		}
	}
}

// Both machines make the same of the same inputs.
func TestLockstep(t *testing.T) {
	if *seed != 0 || *untilOne {
		return // Of TestSchedules alone.
	}
	// Other schedules than those of TestSchedules.
	runAll(t, sim.Lockstep, "", 500_001, *locksteps, false).report(t, sim.Lockstep)
}

// randomSteps is how many random inputs each of these twins is given.
const randomSteps = 600

// The same of random inputs, also of ones that nobody would give.
func TestLockstepRandom(t *testing.T) {
	if *untilOne {
		return // Of TestSchedules alone.
	}
	worker := startWorker(t, sim.Lockstep, "")
	begin, n := *first, *randoms
	if *seed != 0 {
		begin, n = *seed, 1
	}
	for s := range uint64(n) {
		if err := sim.RunRandom(begin+s, worker, randomSteps); err != nil {
			t.Fatalf("%v\nreplay: go test ./internal/testing/sim -run TestLockstepRandom -seed %d", err, begin+s)
		}
	}
}

// report prints a line, and each failure with as few faults as it needs.
func (x *total) report(t *testing.T, languages sim.Languages) {
	t.Helper()
	for _, s := range x.failed {
		if *untilOne { // It only asks whether one fails.
			t.Errorf("seed %d fails", s)
			continue
		}
		cfg := schedule(s)
		cfg.Languages, cfg.Worker = languages, startWorker(t, languages, "")
		small, failure, err := sim.Shrink(cfg)
		if err != nil {
			t.Fatalf("seed %d failed, and then it did not: %v", s, err)
		}
		keep := strings.Trim(strings.ReplaceAll(fmt.Sprint(small.Kept()), " ", ","), "[]")
		t.Errorf("%v, with %d faults\nreplay: go test ./internal/testing/sim -run TestSchedules -devices=%s -seed %d -keep=%s",
			failure, len(small.Keep), languages, s, keep)
	}
	fmt.Printf("devices=%s schedules=%d faults=%d virtual_hours=%.1f violations=%d\n",
		languages, x.ran, x.faults, x.virtual.Hours(), len(x.failed))
}

// kept reads the numbers of the faults to keep; nil keeps all.
func kept(t *testing.T) map[int]bool {
	if *keep == "all" {
		return nil
	}
	all := make(map[int]bool)
	for text := range strings.SplitSeq(*keep, ",") {
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("-keep: %v", err)
		}
		all[n] = true
	}
	return all
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
