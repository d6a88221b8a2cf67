package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/load"
)

// saturationOptions say how saturation is measured.
type saturationOptions struct {
	rounds int
	first  float64
	each   time.Duration
	p99    time.Duration
}

// closeEnough ends the search: the rate that holds and the one that does not differ by it.
const closeEnough = 1.06

func benchSaturation(ctx context.Context, args []string) error {
	var o saturationOptions
	f := flags("saturation")
	binary := pealFlag(f)
	against := f.String("against", "", "command of another Peal to measure as well, with further flags of peal serve: 'bin/peal --loop goroutines'")
	f.IntVar(&o.rounds, "rounds", 3, "number of rounds, each of which searches once for every server; 20 at most")
	f.Float64Var(&o.first, "first", 100, "calls to start each second at first; they double until ringing is late")
	f.DurationVar(&o.each, "each", 4*time.Second, "time to measure one rate; 1m at most")
	f.DurationVar(&o.p99, "p99", 100*time.Millisecond, "time within which 99 of 100 callees have to ring")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.rounds < 1 || o.rounds > 20 || o.first < 1 || o.first > load.MaxRate || o.each < time.Second || o.each > time.Minute {
		return errors.New("-rounds, -first or -each is out of bounds: see bench saturation -h")
	}
	commands := [][]string{{*binary}}
	if other := strings.Fields(*against); len(other) > 0 {
		commands = append(commands, other)
	}
	printLoad("at the beginning")
	tops := make([][]float64, len(commands))
	for round := range o.rounds {
		for i, command := range commands {
			top, err := o.saturate(ctx, command)
			if err != nil {
				return err
			}
			fmt.Printf("round %d  %-40s  %5.0f calls/s\n", round+1, strings.Join(command, " "), top)
			tops[i] = append(tops[i], top)
		}
	}
	printLoad("at the end")
	last := fmt.Sprintf("saturation_calls_s=%.0f", median(tops[0]))
	if len(tops) > 1 {
		last += fmt.Sprintf(" other_saturation_calls_s=%.0f saturation_ratio=%.2f", median(tops[1]), ratio(tops[0], tops[1]))
	}
	fmt.Println(last)
	return nil
}

// saturate searches for the highest rate at which a server has calls ring in time.
func (o *saturationOptions) saturate(ctx context.Context, command []string) (float64, error) {
	s, err := startPeal(ctx, command[0], command[1:]...)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	return search(o.first, load.MaxRate, func(rate float64) (bool, error) {
		return o.inTime(ctx, strings.Join(command, " "), rate, func() (*load.Result, error) {
			cfg := s.load(max(400, 4*int(rate)))
			cfg.Rate, cfg.Duration = rate, o.each
			_, r, err := calls(ctx, s, cfg)
			return r, err
		})
	})
}

// inTime says whether calls at a rate ring in time. What else runs on a machine fails a rate now and
// then, and never helps one, so a rate has two tries. Devices that cannot log in within their timeout
// are an overload too.
func (o *saturationOptions) inTime(ctx context.Context, name string, rate float64, run func() (*load.Result, error)) (bool, error) {
	for range 2 {
		r, err := run()
		switch {
		case err != nil && ctx.Err() != nil:
			return false, err
		case err != nil:
			fmt.Printf("%s at %.0f calls/s: %v\n", name, rate, err)
		case good(r, o.each) && r.Ring.P99 <= float64(o.p99.Milliseconds()):
			return true, nil
		}
	}
	return false, nil
}

// search returns the highest rate that holds, to within closeEnough; 0 where the first one
// does not hold. It doubles the rate, and then bisects.
func search(first, most float64, holds func(rate float64) (bool, error)) (float64, error) {
	var last, fails float64
	for rate := first; rate <= most && (fails == 0 || fails > last*closeEnough); {
		ok, err := holds(rate)
		switch {
		case err != nil:
			return 0, err
		case ok:
			last = rate
		default:
			fails = rate
		}
		switch {
		case last == 0:
			return 0, nil
		case fails == 0:
			rate *= 2
		default:
			rate = (last + fails) / 2
		}
	}
	return last, nil
}
