package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite" // The driver, for filling a store.

	"github.com/peal-rtc/peal/internal/load"
)

// costOptions say how far to go.
type costOptions struct {
	peal           string
	first, most    float64
	each           time.Duration
	live, accounts []int
}

func benchCost(ctx context.Context, args []string) error {
	f := flags("cost")
	var o costOptions
	binary := pealFlag(f)
	f.Float64Var(&o.first, "first", 20, "calls a second to begin with; it is doubled until the machine is saturated")
	f.Float64Var(&o.most, "most", 3200, "calls a second to end with")
	f.DurationVar(&o.each, "each", 4*time.Second, "how long each is measured at a time; 1m at most")
	live := f.String("live", "100,1000,2500", "how many calls are live while others are made; 10000 needs 20000 file descriptors here and there")
	accounts := f.String("accounts", "10000,100000,1000000", "how many accounts have records in the store")
	if err := f.Parse(args); err != nil {
		return err
	}
	o.peal = *binary
	var err1, err2 error
	o.live, err1 = numbers(*live, 12_000)
	o.accounts, err2 = numbers(*accounts, 5_000_000)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if o.first < 1 || o.most > load.MaxRate || o.each < time.Second || o.each > time.Minute {
		return errors.New("-first, -most or -each is out of bounds: see bench cost -h")
	}
	top, err := o.rates(ctx)
	if err != nil {
		return err
	}
	tail, err := o.half(ctx, top/2)
	if err != nil {
		return err
	}
	byLive, err := o.lives(ctx)
	if err != nil {
		return err
	}
	byAccounts, err := o.stores(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("saturation_calls_s=%.0f p99_ratio_at_half=%.1f live_cost_ratio=%.2f accounts_cost_ratio=%.2f\n", top, tail, byLive, byAccounts)
	return nil
}

func numbers(list string, most int) ([]int, error) {
	var all []int
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1 || n > most {
			return nil, fmt.Errorf("%q: give numbers of 1 to %d with commas between them", list, most)
		}
		all = append(all, n)
	}
	return all, nil
}

// calls makes calls without pauses in them, and gives their CPU.
func calls(ctx context.Context, s *peal, cfg load.Config) (us float64, r *load.Result, err error) {
	f, err := fleet(ctx, cfg)
	if err != nil {
		return 0, nil, err
	}
	defer f.Close()
	before, err := cpu(s.pid())
	if err != nil {
		return 0, nil, err
	}
	if r, err = f.Run(ctx); err != nil {
		return 0, nil, err
	}
	after, err := cpu(s.pid())
	return float64((after - before).Microseconds()) / float64(max(r.Completed, 1)), r, err
}

// good tells whether a server keeps up: no queue grows. The slowest are no sign
// of that on a machine that others use as well.
func good(r *load.Result, d time.Duration) bool {
	return r.Failed == 0 && r.Ring.P50 < 500 && r.Elapsed < 1.5*d.Seconds()
}

// rates doubles the rate until the machine is saturated, load included, and
// gives the last rate before.
func (o *costOptions) rates(ctx context.Context) (float64, error) {
	s, err := startPeal(ctx, o.peal)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	fmt.Println("calls/s     CPU a call   ring p50   ring p99   failed")
	var last float64
	for rate := o.first; rate <= o.most; rate *= 2 {
		cfg := s.load(max(400, 6*int(rate)))
		cfg.Rate, cfg.Duration = rate, o.each
		us, r, err := calls(ctx, s, cfg)
		if err != nil {
			return 0, err
		}
		fmt.Printf("%7.0f   %7.0f µs   %5.1f ms   %5.1f ms   %v\n", rate, us, r.Ring.P50, r.Ring.P99, r.Errors)
		if !good(r, o.each) {
			break
		}
		last = rate
	}
	if last == 0 {
		fmt.Printf("the machine, or what else runs on it, does not keep up with %g calls/s; what follows says little\n", o.first)
		last = o.first
	}
	return last, nil
}

// half compares the slowest hundredth of the invitations, at half of what
// saturates, with that of the bare relay.
func (o *costOptions) half(ctx context.Context, rate float64) (float64, error) {
	s, err := startPeal(ctx, o.peal)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	script, relay, err := o.floor(ctx, int(rate)/2+50)
	if err != nil {
		return 0, err
	}
	defer relay.stop()
	var ours, theirs []float64
	for range 3 {
		cfg := s.load(max(400, 6*int(rate)))
		cfg.Rate, cfg.Duration = rate, o.each
		_, r, err := calls(ctx, s, cfg)
		if err != nil {
			return 0, err
		}
		rings, err := relay.run(ctx, rate, int(rate*o.each.Seconds()))
		if err != nil {
			return 0, err
		}
		slices.Sort(rings)
		p99 := rings[len(rings)*99/100].Seconds() * 1000
		ours, theirs = append(ours, r.Ring.P99), append(theirs, p99)
		fmt.Printf("at %.0f calls/s of %d frames: ring p99 %.1f ms, by the bare relay %.1f ms\n", rate, script, r.Ring.P99, p99)
	}
	return ratio(ours, theirs), nil
}

// floor is the bare relay with the frames of a call without pauses.
func (o *costOptions) floor(ctx context.Context, pairs int) (frames int, f *floor, err error) {
	call := &callOptions{peal: o.peal, ring: 50 * time.Millisecond, talk: 50 * time.Millisecond}
	noted, err := framesOfACall(ctx, call)
	if err != nil {
		return 0, nil, err
	}
	f, err = startFloor(ctx, "relay", pairs, script(noted, &callOptions{}))
	return len(noted), f, err
}

// lives makes calls beside others that stay, and gives by how much the last of
// the levels costs more than the first.
func (o *costOptions) lives(ctx context.Context) (float64, error) {
	var costs []float64
	for _, live := range o.live {
		us, err := o.beside(ctx, live)
		if err != nil {
			return 0, fmt.Errorf("%d live calls: %w", live, err)
		}
		costs = append(costs, us)
	}
	return costs[len(costs)-1] / max(costs[0], 1), nil
}

// beside makes calls while others are live. What those cost by themselves, their
// heartbeats, is measured before and taken off.
func (o *costOptions) beside(ctx context.Context, live int) (float64, error) {
	s, err := startPeal(ctx, o.peal)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	cfg := s.load(2*live + 2)
	cfg.Rate, cfg.Prefix, cfg.Talk = min(float64(live), 100), "live-", load.MaxPause
	cfg.Duration = time.Duration(float64(live) / cfg.Rate * float64(time.Second))
	those, err := fleet(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer those.Close()
	staying, leave := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = those.Run(staying) // It ends by leave.
	}()
	defer func() { leave(); <-over }()
	if err := until(ctx, func() bool { return those.Talking() >= live*99/100 }); err != nil {
		return 0, fmt.Errorf("%d have come about: %w", those.Talking(), err)
	}
	before, err := cpu(s.pid())
	if err != nil {
		return 0, err
	}
	if err := pause(ctx, o.each); err != nil {
		return 0, err
	}
	after, err := cpu(s.pid())
	if err != nil {
		return 0, err
	}
	share := (after - before).Seconds() / o.each.Seconds()
	memory, _, err := memory(s.pid())
	if err != nil {
		return 0, err
	}
	more := s.load(200)
	more.Rate, more.Duration = o.first, o.each
	us, r, err := calls(ctx, s, more)
	if err != nil {
		return 0, err
	}
	us -= share * r.Elapsed * 1e6 / float64(max(r.Completed, 1))
	fmt.Printf("beside %6d live calls, which take %.1f %% of a processor and %.0f MB: %6.0f µs CPU a call, ring p99 %.1f ms, %d failed\n",
		those.Talking(), 100*share, kilobytes(memory)/1024, us, r.Ring.P99, r.Failed)
	return us, nil
}

// stores makes calls on stores of different sizes, and gives by how much the
// last of them costs more than the first.
func (o *costOptions) stores(ctx context.Context) (float64, error) {
	var costs []float64
	for _, accounts := range o.accounts {
		us, err := o.filled(ctx, accounts)
		if err != nil {
			return 0, fmt.Errorf("%d accounts: %w", accounts, err)
		}
		costs = append(costs, us)
	}
	return costs[len(costs)-1] / max(costs[0], 1), nil
}

// fill gives each of some accounts, which are those of a load among others, two
// records: with the one it called and with the one that called it.
const fill = `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)
INSERT INTO records (call_id, kind, type, caller, callee, reason, created_ns, ended_ns, duration_s)
SELECT printf('018f0000-0000-7000-8000-%012x', i), 1, 2, 'bench-' || i, 'bench-' || ((i * 7919 + 1) % ?1), 1,
       ?2 - (i % 86400) * 1000000000, ?2 - (i % 86400) * 1000000000 + 60000000000, 60 FROM n`

// fillParties says who has those records, where the server keeps that in a table.
const fillParties = `INSERT INTO parties (account, ended_ns, call_id)
SELECT caller, ended_ns, call_id FROM records WHERE true ON CONFLICT DO NOTHING;
INSERT INTO parties (account, ended_ns, call_id)
SELECT callee, ended_ns, call_id FROM records WHERE true ON CONFLICT DO NOTHING`

func (o *costOptions) filled(ctx context.Context, accounts int) (float64, error) {
	s, err := startPeal(ctx, o.peal)
	if err != nil {
		return 0, err
	}
	defer func() { s.stop() }()
	s.process.stop() // The tables are there now.
	db, err := sql.Open("sqlite", filepath.Join(s.data, "peal.db"))
	if err != nil {
		return 0, err
	}
	var parties int
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = 'parties'").Scan(&parties)
	if err == nil {
		_, err = db.ExecContext(ctx, fill, accounts, time.Now().Add(-24*time.Hour).UnixNano())
	}
	if err == nil && parties > 0 {
		_, err = db.ExecContext(ctx, fillParties)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return 0, fmt.Errorf("fill the store: %w", err)
	}
	again, err := startPealAt(ctx, o.peal, s.data, s.addr)
	if err != nil {
		return 0, err
	}
	s = again
	cfg := s.load(200)
	cfg.Rate, cfg.Duration = o.first, o.each
	us, r, err := calls(ctx, s, cfg)
	if err != nil {
		return 0, err
	}
	fmt.Printf("with %7d accounts in the store: %6.0f µs CPU a call, ring p99 %.1f ms, %d failed\n", accounts, us, r.Ring.P99, r.Failed)
	return us, nil
}
