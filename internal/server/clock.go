package server

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/peal-rtc/peal/internal/store"
)

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
