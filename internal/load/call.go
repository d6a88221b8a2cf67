package load

import (
	"sync"
	"time"
)

// call is one call of a run, from when it was due until both sides are done.
type call struct {
	fleet          *Fleet
	id             string
	due            time.Time
	caller, callee *phone

	mu       sync.Mutex // Guards what follows; nothing else is locked under it.
	acceptAt time.Time  // When the callee was due to accept.
	hangupAt time.Time  // When the caller was due to hang up.
	ring     time.Duration
	accept   time.Duration
	hangup   time.Duration
	left     int // How many sides are still in it.
	code     string
	timer    *time.Timer
}

func (c *call) rings(now time.Time, ring time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ring, c.acceptAt = now.Sub(c.due), now.Add(ring)
}

func (c *call) accepted(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accept = now.Sub(c.acceptAt)
}

func (c *call) connected(now time.Time, talk time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hangupAt = now.Add(talk)
}

// fail notes the first thing that went wrong, and gives the call up.
func (c *call) fail(code string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.code != "" || c.left == 0 {
		return
	}
	c.code = code
	c.timer.Stop()
	c.left = 0
	c.fleet.done(c)
}

// over notes that a side is done. It may be called with that side's mu held.
func (c *call) over(caller bool, reason string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == 0 {
		return
	}
	c.left--
	if c.hangupAt.IsZero() || reason != "completed" {
		c.left = 0
		if c.code == "" {
			c.code = "ended " + reason
		}
	} else if !caller {
		c.hangup = now.Sub(c.hangupAt)
	}
	if c.left == 0 {
		c.timer.Stop()
		c.fleet.done(c)
	}
}
