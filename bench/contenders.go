package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// contender is one server that is compared.
type contender struct {
	name string
	// pids are its processes, without their children. The CPU of all counts.
	pids []int
	// calls makes calls, and returns how many there were.
	calls func(context.Context) (int, error)
	// check finds out at the end whether it has done its work; nil where nothing can tell.
	check func(context.Context) error
	// allocations counts those of one call; nil where nothing can tell.
	allocations func(context.Context) (float64, error)
	stop        func()

	// These are of each round, for one call.
	us, waits, preempts []float64
}

// starter starts a contender. Relays play the steps.
type starter func(ctx context.Context, o *callOptions, steps []step) (*contender, error)

// peer is a server that can be measured beside Peal.
type peer struct {
	name  string
	start starter
	// needs is true of one that needs programs which may not be installed.
	needs bool
}

// peers are in the order in which they are measured.
func peers() []peer {
	return []peer{
		{name: "peal-json", start: pealStarter("peal-json", true)},
		{name: "relay", start: relayStarter("relay")},
		{name: "loop-relay", start: relayStarter("loop-relay")},
		{name: "kamailio", start: kamailioStarter("kamailio", nil), needs: true},
		{name: "kamailio-mariadb", start: kamailioStarter("kamailio-mariadb", startMariaDB), needs: true},
		{name: "kamailio-postgres", start: kamailioStarter("kamailio-postgres", startPostgres), needs: true},
	}
}

func peerNames() []string {
	var names []string
	for _, p := range peers() {
		names = append(names, p.name)
	}
	return names
}

func pealStarter(name string, json bool) starter {
	return func(ctx context.Context, o *callOptions, _ []step) (*contender, error) {
		return startCalls(ctx, o, name, json, o.peal)
	}
}

func relayStarter(kind string) starter {
	return func(ctx context.Context, o *callOptions, steps []step) (*contender, error) {
		relay, err := startFloor(ctx, kind, o.devices()/2, steps)
		if err != nil {
			return nil, err
		}
		calls := func(ctx context.Context) (int, error) {
			n := int(o.rate * o.each.Seconds())
			_, err := relay.run(ctx, o.rate, n)
			return n, err
		}
		return &contender{name: kind, pids: []int{relay.pid()}, calls: calls, stop: relay.stop}, nil
	}
}

func kamailioStarter(name string, db func(context.Context) (*database, error)) starter {
	return func(ctx context.Context, o *callOptions, _ []step) (*contender, error) {
		k, err := startKamailio(ctx, o, db)
		if err != nil {
			return nil, err
		}
		return &contender{name: name, pids: k.pids(), calls: k.run, check: k.check, stop: k.stop}, nil
	}
}

// startCalls starts a server of Peal and its devices.
func startCalls(ctx context.Context, o *callOptions, name string, json bool, binary string, more ...string) (*contender, error) {
	s, err := startPeal(ctx, binary, more...)
	if err != nil {
		return nil, err
	}
	cfg := s.load(o.devices())
	cfg.Rate, cfg.Duration, cfg.Ring, cfg.Talk, cfg.JSON = o.rate, o.each, o.ring, o.talk, json
	all, err := fleet(ctx, cfg)
	if err != nil {
		s.stop()
		return nil, err
	}
	calls := func(ctx context.Context) (int, error) {
		before := all.Completed()
		r, err := all.Run(ctx)
		if err == nil && r.Failed > 0 {
			err = fmt.Errorf("calls failed: %v", r.Errors)
		}
		return all.Completed() - before, err
	}
	allocations := func(ctx context.Context) (float64, error) {
		return countAllocations(ctx, o, json, binary, more...)
	}
	return &contender{
		name: name, pids: []int{s.pid()}, calls: calls, allocations: allocations,
		stop: func() { all.Close(); s.stop() },
	}, nil
}

// startAll starts Peal and what is to be measured beside it. Those that need programs
// which are not installed are left out, unless the command line names them.
func startAll(ctx context.Context, o *callOptions, steps []step) (all []*contender, err error) {
	defer func() {
		if err != nil {
			stopAll(all)
		}
	}()
	ours, err := startCalls(ctx, o, "peal", false, o.peal)
	if err != nil {
		return nil, err
	}
	all = append(all, ours)
	if command := strings.Fields(o.against); len(command) > 0 {
		other, err := startCalls(ctx, o, "other", false, command[0], command[1:]...)
		if err != nil {
			return all, err
		}
		all = append(all, other)
	}
	for _, p := range peers() {
		if o.peers != nil && !slices.Contains(o.peers, p.name) {
			continue
		}
		c, err := p.start(ctx, o, steps)
		if absent := new(missingError); p.needs && o.peers == nil && errors.As(err, &absent) {
			fmt.Printf("Without %s: %v\n", p.name, err)
			continue
		}
		if err != nil {
			return all, fmt.Errorf("%s: %w", p.name, err)
		}
		all = append(all, c)
	}
	return all, nil
}

func stopAll(all []*contender) {
	for _, c := range slices.Backward(all) {
		c.stop()
	}
}

func compareCalls(ctx context.Context, o *callOptions, steps []step) error {
	all, err := startAll(ctx, o, steps)
	if err != nil {
		return err
	}
	defer stopAll(all)
	printLoad("at the beginning")
	if err := measure(ctx, o.rounds, all); err != nil {
		return err
	}
	printLoad("at the end")
	if o.profile {
		printProfile(ctx, all)
	}
	for _, c := range all {
		if c.check == nil {
			continue
		}
		if err := c.check(ctx); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	printSummary(all)
	fmt.Println(lastLine(all, o.rate))
	return nil
}

// printLoad prints how busy the machine is, which the figures need to be judged.
func printLoad(when string) {
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		fmt.Printf("load average %s: %s\n", when, strings.Join(strings.Fields(string(text))[:3], " "))
	}
}

// measure measures each in turn. The first round is to warm up, and not counted.
func measure(ctx context.Context, rounds int, all []*contender) error {
	for round := range rounds + 1 {
		for _, c := range all {
			if err := c.retry(ctx, round); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	return nil
}

// retry measures once more where calls failed: a machine that others use as well stalls
// now and then, and a run of minutes is not to end by that.
func (c *contender) retry(ctx context.Context, round int) error {
	err := c.measure(ctx, round)
	if err == nil || ctx.Err() != nil {
		return err
	}
	fmt.Printf("round %d  %-17s  is measured again: %.200s\n", round, c.name, err)
	return c.measure(ctx, round)
}

func (c *contender) measure(ctx context.Context, round int) error {
	before, err := cpu(c.pids...)
	if err != nil {
		return err
	}
	switched := switches(c.pids...)
	calls, err := c.calls(ctx)
	if err != nil {
		return err
	}
	after, err := cpu(c.pids...)
	if err != nil {
		return err
	}
	sw, each := switches(c.pids...).since(switched), float64(max(calls, 1))
	if round == 0 {
		return nil
	}
	us, waits, preempts := float64((after-before).Microseconds())/each, float64(sw.waited)/each, float64(sw.preempted)/each
	c.us, c.waits, c.preempts = append(c.us, us), append(c.waits, waits), append(c.preempts, preempts)
	fmt.Printf("round %d  %-17s  %6.0f µs CPU, %4.0f switches a call (%d calls)\n", round, c.name, us, waits, calls)
	return nil
}

// printSummary prints medians, and Peal by each.
func printSummary(all []*contender) {
	fmt.Printf("\n%-17s  %10s  %16s\n", "medians", "CPU a call", "peal by this one")
	for _, c := range all {
		fmt.Printf("%-17s  %7.0f µs  %16.2f\n", c.name, median(c.us), ratio(all[0].us, c.us))
	}
	fmt.Println()
}

// lastLine is the line for programs. all begins with Peal.
func lastLine(all []*contender, rate float64) string {
	by := func(name string, invert bool) string {
		for _, c := range all {
			if c.name != name {
				continue
			}
			if invert {
				return fmt.Sprintf("%.2f", ratio(c.us, all[0].us))
			}
			return fmt.Sprintf("%.2f", ratio(all[0].us, c.us))
		}
		return "none"
	}
	return fmt.Sprintf("call_cpu_us=%.0f floor_ratio=%s kamailio_mariadb_ratio=%s kamailio_postgres_ratio=%s json_ratio=%s rate=%g",
		median(all[0].us), by("relay", false), by("kamailio-mariadb", false), by("kamailio-postgres", false), by("peal-json", true), rate)
}
