package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/load"
)

// clusterOptions say how nodes over PostgreSQL and NATS are measured.
type clusterOptions struct {
	peal  string
	nodes []int
	// search is how saturation is found; without rounds it is not.
	search saturationOptions
	rate   float64
	each   time.Duration
}

// mostNodes is how many nodes a bench starts.
const mostNodes = 8

func clusterFlags(args []string) (*clusterOptions, error) {
	var o clusterOptions
	f := flags("cluster")
	binary := pealFlag(f)
	nodes := f.String("nodes", "1,2,3", "how many nodes to measure, one after the other, beside one server with SQLite")
	f.IntVar(&o.search.rounds, "rounds", 1, "number of rounds, each of which searches once for the saturation of all; 20 at most, 0 for none")
	f.Float64Var(&o.search.first, "first", 50, "calls to start each second at first; they double until ringing is late")
	f.DurationVar(&o.search.p99, "p99", 100*time.Millisecond, "time within which 99 of 100 callees have to ring")
	f.Float64Var(&o.rate, "rate", 100, "calls to start each second where the cost of a call is measured; 1000 at most")
	f.DurationVar(&o.each, "each", 4*time.Second, "time to measure one rate; 1m at most")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	var err error
	if o.nodes, err = numbers(*nodes, mostNodes); err != nil {
		return nil, err
	}
	o.peal, o.search.each = *binary, o.each
	if o.search.rounds < 0 || o.search.rounds > 20 || o.search.first < 1 || o.rate < 1 || o.rate > 1000 || o.each < time.Second || o.each > time.Minute {
		return nil, errors.New("-rounds, -first, -rate or -each is out of bounds: see bench cluster -h")
	}
	return &o, nil
}

func benchCluster(ctx context.Context, args []string) error {
	o, err := clusterFlags(args)
	if err != nil {
		return err
	}
	if err := need("nats-server", "nats-server"); err != nil {
		return err
	}
	printLoad("at the beginning")
	sizes := append([]int{0}, o.nodes...) // 0 is one server with SQLite.
	costs := make(map[int]costOfCall)
	for _, size := range sizes {
		if costs[size], err = o.cost(ctx, size); err != nil {
			return fmt.Errorf("%s: %w", sizeName(size), err)
		}
	}
	o.printCosts(sizes, costs)
	tops := make(map[int][]float64)
	for round := range o.search.rounds {
		for _, size := range sizes {
			top, err := o.saturate(ctx, size)
			if err != nil {
				return fmt.Errorf("%s: %w", sizeName(size), err)
			}
			fmt.Printf("round %d  %-8s  %5.0f calls/s\n", round+1, sizeName(size), top)
			tops[size] = append(tops[size], top)
		}
	}
	printLoad("at the end")
	var last []string
	for _, size := range sizes {
		name := strings.ReplaceAll(sizeName(size), " ", "_")
		last = append(last, fmt.Sprintf("%s_cpu_us=%.0f", name, costs[size].cpu()))
		if len(tops[size]) > 0 {
			last = append(last, fmt.Sprintf("%s_calls_s=%.0f", name, median(tops[size])))
		}
	}
	fmt.Println(strings.Join(last, " "))
	return nil
}

// sizeName is how so many nodes are printed.
func sizeName(size int) string {
	switch size {
	case 0:
		return "sqlite"
	case 1:
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", size)
}

// saturate searches for the highest rate at which nodes have calls ring in time.
func (o *clusterOptions) saturate(ctx context.Context, size int) (float64, error) {
	s, err := startSite(ctx, o.peal, size, false)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	return search(o.search.first, load.MaxRate, func(rate float64) (bool, error) {
		return o.search.inTime(ctx, sizeName(size), rate, func() (*load.Result, error) { return s.run(ctx, rate, o.each) })
	})
}

// cost measures what one call costs at the rate that is given. What is counted at the wire is
// counted in a run of its own, which pays for the counting.
func (o *clusterOptions) cost(ctx context.Context, size int) (c costOfCall, err error) {
	for _, counted := range []bool{false, true} {
		if counted && size == 0 {
			continue
		}
		s, err := startSite(ctx, o.peal, size, counted)
		if err != nil {
			return c, err
		}
		one, err := o.costAt(ctx, s)
		s.stop()
		if err != nil {
			return c, err
		}
		if counted {
			c.trips = one.trips
		} else {
			c = one
		}
	}
	return c, nil
}

func (o *clusterOptions) costAt(ctx context.Context, s *site) (c costOfCall, err error) {
	if _, err := s.run(ctx, o.rate, o.each); err != nil { // To warm up.
		return c, err
	}
	f, err := s.fleet(ctx, o.rate, o.each)
	if err != nil {
		return c, err
	}
	defer f.Close()
	before, err := s.figures(ctx)
	if err != nil {
		return c, err
	}
	r, err := f.Run(ctx)
	if err != nil {
		return c, err
	}
	after, err := s.figures(ctx)
	if err != nil {
		return c, err
	}
	if r.Completed == 0 {
		return c, fmt.Errorf("no call completed: %v", r.Errors)
	}
	return after.since(before, r), nil
}

// costOfCall is what one call costs.
type costOfCall struct {
	ringP99 float64 // ms
	// nodes, database and bus are CPU in µs.
	nodes, database, bus float64
	// changes is how many a commit has.
	changes float64
	// trips is how many round trips to the database a commit or a read takes.
	trips float64
	// wal and busBytes are bytes, written and published; rows are written, messages published and
	// received.
	wal, rows, in, out, busBytes float64
	// hot is the share of updates of calls that touch no index, dead that of their dead rows.
	hot, dead float64
	deadlocks float64
	failed    int
}

func (c costOfCall) cpu() float64 { return c.nodes + c.database + c.bus }

func (o *clusterOptions) printCosts(sizes []int, costs map[int]costOfCall) {
	fmt.Printf("One call, at %.0f calls/s:\n", o.rate)
	fmt.Println("            nodes µs  database µs  bus µs  ring p99 ms  changes/commit  trips/request  WAL bytes  rows  HOT  dead  published  received  their bytes  deadlocks  failed")
	for _, size := range sizes {
		c := costs[size]
		fmt.Printf("  %-8s  %8.0f  %11.0f  %6.0f  %11.1f  %14.1f  %13.2f  %9.0f  %4.1f  %2.0f%%  %3.0f%%  %9.1f  %8.1f  %11.0f  %9.0f  %6d\n", sizeName(size),
			c.nodes, c.database, c.bus, c.ringP99, c.changes, c.trips, c.wal, c.rows, 100*c.hot, 100*c.dead, c.in, c.out, c.busBytes, c.deadlocks, c.failed)
	}
	if sizes = slices.DeleteFunc(slices.Clone(sizes), func(n int) bool { return n == 0 }); len(sizes) < 2 {
		return
	}
	for i, size := range sizes[1:] {
		more, fewer := costs[size], costs[sizes[i]]
		fmt.Printf("  %s cost %+.0f %% of the CPU of %s\n", sizeName(size), 100*(more.cpu()/fewer.cpu()-1), sizeName(sizes[i]))
	}
}
