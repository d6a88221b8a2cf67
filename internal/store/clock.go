package store

import (
	"sync"
	"time"
)

// slew is the part of the time that goes by that a clock is moved at most, so as to meet
// the wall clock: a call of two hours is measured to a second.
const slew = 10_000

// Clock is the time of a store that has the machine's wall clock alone to go by. It begins
// with that, and then goes on with the time that passes: when the wall clock is set to
// another time the clock does not jump, and slowly goes to meet it. So deadlines keep their
// length, and no reading is before an earlier one. Any goroutine may read it.
type Clock struct {
	// read gives the wall clock, and how much time has passed since any moment.
	read func() (wall time.Time, passed time.Duration)

	mu     sync.Mutex
	at     time.Time
	passed time.Duration
}

// NewClock makes a clock that begins with the wall clock, and not before a time, such as
// the latest that is stored.
func NewClock(read func() (wall time.Time, passed time.Duration), least time.Time) *Clock {
	wall, passed := read()
	if wall.Before(least) {
		wall = least
	}
	return &Clock{read: read, at: wall, passed: passed}
}

// Now reads the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, passed := c.read()
	went := passed - c.passed
	if went <= 0 {
		return c.at
	}
	c.passed = passed
	c.at = c.at.Add(went)
	c.at = c.at.Add(min(max(wall.Sub(c.at), -went/slew), went/slew))
	return c.at
}

// Machine reads the machine's clocks.
func Machine() func() (wall time.Time, passed time.Duration) {
	start := time.Now()
	return func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0).UTC(), now.Sub(start)
	}
}
