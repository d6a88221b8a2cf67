package store_test

import (
	"cmp"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/store"
)

// A clock that is read each second keeps to the time that passes, whatever becomes of the
// wall clock, and comes nearer to that.
func TestClock(t *testing.T) {
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, set := range map[string]time.Duration{
		"an hour back": -time.Hour, "an hour forward": time.Hour, "years forward": 20_000 * time.Hour, "not at all": 0,
	} {
		t.Run(name, func(t *testing.T) {
			var passed, jump time.Duration
			clock := store.NewClock(func() (time.Time, time.Duration) { return begin.Add(passed + jump), passed }, time.Time{})
			last := clock.Now()
			jump = set
			for range 7200 {
				passed += time.Second
				at := clock.Now()
				if !at.After(last) {
					t.Fatalf("%s after %s", at, last)
				}
				last = at
			}
			off := last.Sub(begin) - passed
			if off.Abs() > time.Second {
				t.Errorf("two hours are measured %s wrong", off)
			}
			met := 720 * time.Millisecond * time.Duration(cmp.Compare(set, 0))
			if off.Round(10*time.Millisecond) != met {
				t.Errorf("it has gone %s to meet a wall clock that was set by %s", off, set)
			}
		})
	}
}

// What is stored stays in the past, also where the wall clock was set back before the start.
func TestClockBeginsAfterWhatIsStored(t *testing.T) {
	wall := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	read := func() (time.Time, time.Duration) { return wall, 0 }
	if at := store.NewClock(read, wall.Add(time.Hour)).Now(); !at.Equal(wall.Add(time.Hour)) {
		t.Errorf("begins at %s", at)
	}
	if at := store.NewClock(read, wall.Add(-time.Hour)).Now(); !at.Equal(wall) {
		t.Errorf("begins at %s", at)
	}
}

// A small difference, as of a leap second, is made up and then kept.
func TestClockMeetsTheWall(t *testing.T) {
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var passed, jump time.Duration
	clock := store.NewClock(func() (time.Time, time.Duration) { return begin.Add(passed + jump), passed }, time.Time{})
	jump = 100 * time.Millisecond
	for range 2000 {
		passed += time.Second
		clock.Now()
	}
	if off := begin.Add(passed + jump).Sub(clock.Now()); off != 0 {
		t.Errorf("it is still %s off", off)
	}
}
