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

// apart is how far the wall clock may be from the store's before it is worth a line in the log.
const apart = time.Second

// clockEvery is how often the distance to the store's clock is measured.
const clockEvery = time.Minute

// clock tells the store's time without asking the store each time: the time
// that went by here since start, which no change of this machine's clock
// touches, and the distance measured last. Any goroutine may read it.
type clock struct {
	start  time.Time
	offset atomic.Int64
}

func newClock() *clock { return &clock{start: time.Now()} }

func (c *clock) now() time.Time {
	return c.local().Add(time.Duration(c.offset.Load()))
}

func (c *clock) local() time.Time {
	return c.start.Add(time.Since(c.start)).Round(0).UTC()
}

// measure asks the store. What the question took is shared between both ways.
func (c *clock) measure(ctx context.Context, s store.Store) error {
	before := c.local()
	at, err := s.Now(ctx)
	if err != nil {
		return fmt.Errorf("read store's clock: %w", err)
	}
	after := c.local()
	c.offset.Store(int64(at.Sub(before.Add(after.Sub(before) / 2))))
	return nil
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
		who.ExpiresAt = who.ExpiresAt.Add(now.Sub(wall))
		return who, err
	}
}

// compare says in the log when the wall clock was set to another time.
func (s *Server) compare(ctx context.Context) {
	ahead := s.clock.now().Sub(s.wall())
	if (ahead - s.ahead).Abs() < apart {
		return
	}
	s.ahead = ahead
	s.log.WarnContext(ctx, "the clock of calls and records is not the machine's: that was set to another time, or what is stored is later. "+
		"Deadlines keep their length, and the two meet by 9 s a day; to have it at once restart the server when no call is on",
		"ahead", ahead.Round(time.Millisecond))
}
