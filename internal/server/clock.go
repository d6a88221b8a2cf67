package server

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/session"
	"github.com/peal-rtc/peal/internal/store"
)

const (
	// apart is how far the wall clock may be from the store's before it is worth a line in the log.
	apart = time.Second
	// clockEvery is how often the distance to the store's clock is measured, and
	// databaseClockEvery how often to that of a database: when another server takes its
	// place that is another clock.
	clockEvery         = time.Minute
	databaseClockEvery = 2 * time.Second
	// clockJump is how far the store's clock may jump before that is worth a line in the log.
	clockJump = 500 * time.Millisecond
	// clockSlew is the part of the time that goes by that this clock is moved back at most: it
	// runs slower, and no reading is before an earlier one.
	clockSlew = 10
)

// clock tells the store's time without asking the store each time: the time
// that went by here since start, which no change of this machine's clock
// touches, and the distance measured last. Any goroutine may read it.
type clock struct {
	start time.Time
	pace  atomic.Pointer[pace]
}

// pace says how a clock goes on from a measurement. It never changes.
type pace struct {
	// offset is how far the store's clock is ahead of the local one.
	offset time.Duration
	// excess is how far this clock was ahead of the store's at since: that is made up for slowly.
	excess time.Duration
	since  time.Time
}

func newClock() *clock {
	c := &clock{start: time.Now()}
	c.pace.Store(&pace{})
	return c
}

func (c *clock) now() time.Time { return c.pace.Load().at(c.local()) }

func (c *clock) local() time.Time {
	return c.start.Add(time.Since(c.start)).Round(0).UTC()
}

// at is the reading at a local time.
func (p *pace) at(local time.Time) time.Time {
	return local.Add(p.offset + max(p.excess-local.Sub(p.since)/clockSlew, 0))
}

// measure asks the store, and returns how far its clock has jumped since the last time.
func (c *clock) measure(ctx context.Context, s store.Store) (jump time.Duration, err error) {
	before := c.local()
	at, err := s.Now(ctx)
	if err != nil {
		return 0, fmt.Errorf("read store's clock: %w", err)
	}
	return c.measured(before, at, c.local()), nil
}

// measured takes the answer of a store that was asked between two local times. What the question
// took is shared between both ways: the store's clock is no closer to known than by half of it.
func (c *clock) measured(before, at, after time.Time) (jump time.Duration) {
	half := after.Sub(before) / 2
	was, offset := c.pace.Load(), at.Sub(before.Add(half))
	jump = offset - was.offset
	next := &pace{offset: offset, since: after}
	switch {
	case was.since.IsZero(): // The first answer: nobody has read the clock yet.
	case jump.Abs() <= half:
		return 0
	default:
		next.excess = max(was.at(after).Sub(next.at(after)), 0)
	}
	c.pace.Store(next)
	return jump
}

// wall reads the wall clock of this machine.
func (s *Server) wall() time.Time {
	wall, _ := s.cfg.Clocks()
	return wall
}

// byWallClock judges tokens by the wall clock, as those who make them do, whatever the
// store's says. When one expires it says by the store's: the node goes by that.
func (s *Server) byWallClock(verify session.Verify) session.Verify {
	return func(token string, now time.Time) (auth.Identity, error) {
		wall := s.wall()
		who, err := verify(token, wall)
		if err == nil && s.logOuts.admitted != nil {
			s.logOuts.admitted.note(who, wall, now)
			err = s.logOuts.judge(who) // Once more: the look for log-outs finds who was noted before it.
		}
		who.ExpiresAt = who.ExpiresAt.Add(now.Sub(wall))
		return who, err
	}
}

// followClock measures the store's clock, and logs what an operator should know of it.
func followClock(ctx context.Context, s *Server) error {
	jump, err := s.clock.measure(ctx, s.store)
	if s.cfg.shared() && jump.Abs() > clockJump {
		s.log.WarnContext(ctx, "the clock of the database has jumped: have its servers set by a time server",
			"jump", jump.Round(time.Millisecond))
	}
	s.compare(ctx)
	return err
}

// compare says in the log when the wall clock was set to another time.
func (s *Server) compare(ctx context.Context) {
	ahead := s.clock.now().Sub(s.wall())
	if (ahead - s.ahead).Abs() < apart {
		return
	}
	s.ahead = ahead
	if s.cfg.shared() {
		s.log.WarnContext(ctx, "the clock of the database is not that of this machine: have both set by a time server. "+
			"Calls and records go by the database's, tokens by the machine's", "ahead", ahead.Round(time.Millisecond))
		return
	}
	s.log.WarnContext(ctx, "the clock of calls and records is not the machine's: that was set to another time, or what is stored is later. "+
		"Deadlines keep their length, and the two meet by 9 s a day; to have it at once restart the server when no call is on",
		"ahead", ahead.Round(time.Millisecond))
}
