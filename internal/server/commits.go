package server

import (
	"sync"
	"time"

	"github.com/peal-rtc/peal/internal/node"
)

const (
	// commitEvery is how far apart commits begin at least: each flushes the disk,
	// and costs the same for one change and for many. One that comes after a
	// pause does not wait.
	commitEvery = 5 * time.Millisecond
	// companyWait is how long a change that is in no hurry waits for others to go with.
	companyWait = 25 * time.Millisecond
)

// commits are the changes that wait to be committed. Putting never blocks, so
// that the loop cannot wait for those who wait for it.
type commits struct {
	// news wakes take.
	news chan struct{}
	// taking is held by who waits for changes. Others who would take wait for that one.
	taking sync.Mutex
	timer  *time.Timer // Guarded by taking.

	mu      sync.Mutex // Guards what follows.
	waiting []node.Commit
	due     time.Time // When what waits is to be committed; at once where it is in the past.
	last    time.Time // When the last commit began.
	closed  bool
}

func newCommits() *commits {
	c := &commits{news: make(chan struct{}, 1), timer: time.NewTimer(0)}
	c.timer.Stop()
	return c
}

func (c *commits) put(e node.Commit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := time.Now()
	if e.Patient {
		at = at.Add(companyWait)
	}
	if c.waiting = append(c.waiting, e); len(c.waiting) == 1 || at.Before(c.due) {
		c.due = at
		c.wake()
	}
}

// hurry ends the patience of what waits.
func (c *commits) hurry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due = time.Time{}
	c.wake()
}

func (c *commits) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.wake()
}

// length is how many changes wait.
func (c *commits) length() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting)
}

// wake tells take to look again. The caller holds mu.
func (c *commits) wake() {
	select {
	case c.news <- struct{}{}:
	default: // The failure is reported already.
	}
}

// take waits for changes that are due and takes them with all others that wait,
// up to batchSize, the oldest first. None means that the queue is closed and empty.
func (c *commits) take() []node.Commit {
	c.taking.Lock()
	defer c.taking.Unlock()
	defer c.timer.Stop()
	for {
		taken, wait, ended := c.next(time.Now())
		switch {
		case len(taken) > 0 || ended:
			return taken
		case wait > 0:
			c.timer.Reset(wait)
		default:
			c.timer.Stop()
		}
		select {
		case <-c.news:
		case <-c.timer.C:
		}
	}
}

// next takes what is due, or says how long to wait until something is; zero is
// until something is put.
func (c *commits) next(now time.Time) (taken []node.Commit, wait time.Duration, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		return nil, 0, c.closed
	}
	at := c.due
	if next := c.last.Add(commitEvery); at.Before(next) {
		at = next
	}
	if now.Before(at) && !c.closed {
		return nil, at.Sub(now), false
	}
	n := min(batchSize, len(c.waiting))
	taken, c.waiting = c.waiting[:n:n], c.waiting[n:]
	if c.last, c.due = now, now; len(c.waiting) == 0 {
		c.waiting = nil
	}
	return taken, 0, false
}
