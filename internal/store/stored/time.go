package stored

import (
	"math"
	"time"
)

// Nanos is how a column keeps a time. What lies outside of the range, as the zero
// time does, goes to the near end of it and so compares as it should.
func Nanos(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// Time is the time that a column keeps.
func Time(ns int64) time.Time { return time.Unix(0, ns).UTC() }
