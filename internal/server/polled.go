package server

import (
	"errors"
	"fmt"
	"time"

	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/ws"
)

// newPoller makes the poller of the plain sockets; none where the system has none.
func (l *loop) newPoller() error {
	p, err := ws.NewPoller(polled{l})
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("start the event loop (--loop goroutines does without): %w", err)
	}
	l.poller = p
	return nil
}

// runPolled owns the node, and serves the plain sockets: what comes on them is read,
// decoded, given to the node and answered before the next comes. All else comes by the
// inbox, as it does to run.
func (l *loop) runPolled() {
	var next alarm
	for {
		l.poller.Wait(next.at(l))
		select {
		case <-l.quit:
			return
		default:
		}
		for range len(l.inbox) {
			l.arrive(<-l.inbox)
			l.poller.Flush()
		}
		if at, ok := l.node.Deadline(); ok {
			if late := l.clock.now().Sub(at); late >= 0 {
				l.woke(at, late)
			}
		}
	}
}

// woke gives the node its turn. The first deadline is at once, and never late.
func (l *loop) woke(at time.Time, late time.Duration) {
	if !at.IsZero() {
		l.metrics.Late(late)
	}
	l.step(node.Woke{})
}

// alarm is the node's deadline by the clock of this machine. It stays the same while the
// deadline does.
type alarm struct{ due, local time.Time }

func (a *alarm) at(l *loop) time.Time {
	due, ok := l.node.Deadline()
	if !ok {
		return time.Time{}
	}
	if now := time.Now(); !due.Equal(a.due) || !now.Before(a.local) {
		a.due, a.local = due, now.Add(due.Sub(l.clock.now()))
	}
	return a.local
}

// polled is the handler of the sockets that the loop itself serves.
type polled struct{ loop *loop }

// Opened implements ws.Handler.
func (p polled) Opened(c *ws.Conn) {
	p.tell(arrival{in: node.Opened{Conn: node.ConnID(c.ID())}, conn: c})
}

// Received implements ws.Handler.
func (p polled) Received(c *ws.Conn, f *pealv1.ClientFrame, bad *pealv1.Error) {
	p.tell(arrival{in: node.Received{Conn: node.ConnID(c.ID()), Frame: f, Error: bad}})
}

// Ponged implements ws.Handler.
func (p polled) Ponged(c *ws.Conn) {
	p.tell(arrival{in: node.Ponged{Conn: node.ConnID(c.ID())}})
}

// Closed implements ws.Handler.
func (p polled) Closed(c *ws.Conn, leaving bool) {
	p.tell(arrival{in: node.Closed{Conn: node.ConnID(c.ID()), Leaving: leaving}})
}

func (p polled) tell(a arrival) {
	if p.loop.metrics != nil {
		a.at = p.loop.poller.Came()
	}
	p.loop.arrive(a)
}
