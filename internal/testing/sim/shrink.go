package sim

import (
	"errors"
	"maps"
	"slices"
)

// shrinkRuns bounds how many runs a failure may take to be made smaller.
const shrinkRuns = 400

// Shrink looks for fewer faults under which a schedule still fails, and returns
// it with those, and what goes wrong then. A schedule that does not fail is an
// error.
func Shrink(cfg Config) (Config, error, error) {
	cfg.Trace = nil
	r, failure := Run(cfg)
	if failure == nil {
		return cfg, nil, errors.New("this schedule does not fail")
	}
	keep := make([]int, 0, r.Drawn)
	for n := 1; n <= r.Drawn; n++ {
		if cfg.Keep == nil || cfg.Keep[n] {
			keep = append(keep, n)
		}
	}
	cfg.Keep = set(keep)
	runs := 0
	// fails runs the schedule with some of the faults.
	fails := func(some []int) bool {
		runs++
		c := cfg
		c.Keep = set(some)
		_, err := Run(c)
		if err != nil {
			cfg.Keep, failure = c.Keep, err
		}
		return err != nil
	}
	// Leave out larger parts first, then smaller ones. What a run without some
	// fault makes of the numbers after it is tried like any other.
	for size := len(keep); size >= 1 && runs < shrinkRuns; {
		left := false
		for at := 0; at < len(keep) && runs < shrinkRuns; {
			without := slices.Delete(slices.Clone(keep), at, min(at+size, len(keep)))
			if fails(without) {
				keep, left = without, true
			} else {
				at += size
			}
		}
		if !left || size > len(keep) {
			size /= 2
		}
	}
	return cfg, failure, nil
}

func set(numbers []int) map[int]bool {
	all := make(map[int]bool, len(numbers))
	for _, n := range numbers {
		all[n] = true
	}
	return all
}

// Kept lists the numbers of the faults that a schedule keeps.
func (c *Config) Kept() []int { return slices.Sorted(maps.Keys(c.Keep)) }
