package sim

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// host is a machine that runs one node at a time: the shell around it.
type host struct {
	w      *world
	index  int
	limits protocol.Limits

	alive bool
	start int // Which incarnation this is.
	node  *node.Node
	conns map[node.ConnID]*link
	last  node.ConnID
	subs  map[call.Account]bool
	wake  time.Time // The wake-up that is in the queue.
}

func newHost(w *world, index int, limits protocol.Limits) *host {
	return &host{w: w, index: index, limits: limits}
}

// boot starts a new incarnation with an empty memory.
func (h *host) boot() {
	if h.alive {
		return
	}
	h.start++
	n, err := node.New(node.Config{
		SingleLogin: h.w.cfg.SingleLogin,
		Incarnation: fmt.Sprintf("n%d.%d", h.index, h.start),
		Limits:      h.limits,
		Timing:      call.DefaultTiming(),
		Verify:      verify,
		Servers: func(call.ID, call.Device, time.Time) []*pealv1.IceServer {
			return []*pealv1.IceServer{{Urls: []string{"stun:sim"}}}
		},
	})
	if err != nil {
		h.w.violate("node does not start: %v", err)
		return
	}
	h.alive, h.node = true, n
	h.conns, h.subs, h.wake = make(map[node.ConnID]*link), make(map[call.Account]bool), time.Time{}
	h.w.trace("boot n%d.%d", h.index, h.start)
	h.rewake()
}

// crash is a kill -9: memory and connections are gone; what was on its way to
// the store may still arrive.
func (h *host) crash() {
	h.w.result.Faults++
	h.w.trace("crash n%d.%d", h.index, h.start)
	h.alive = false
	for id := range h.last {
		if l := h.conns[id+1]; l != nil {
			l.cutByServer()
		}
	}
	h.conns = nil
}

// verify takes "account" itself for its token.
func verify(token string, now time.Time) (auth.Identity, error) {
	if token == "" || strings.HasPrefix(token, "bad") {
		return auth.Identity{}, auth.ErrInvalid
	}
	return auth.Identity{Account: token, ExpiresAt: now.Add(time.Hour)}, nil
}

// step gives the node an input and carries out what it asks.
func (h *host) step(in node.Input) {
	if !h.alive || h.w.err != nil {
		return
	}
	for _, e := range h.node.Step(h.w.now, in) {
		h.carryOut(e)
	}
	h.rewake()
}

// later gives an input to this incarnation, if it still is there then.
func (h *host) later(d time.Duration, in node.Input) {
	start := h.start
	h.w.after(d, func() {
		if h.start == start {
			h.step(in)
		}
	})
}

// rewake keeps one wake-up in the queue at or before the node's deadline.
func (h *host) rewake() {
	at, ok := h.node.Deadline()
	if !ok || !h.wake.IsZero() && !h.wake.After(at) {
		return
	}
	if at.Before(h.w.now) {
		at = h.w.now
	}
	h.wake = at
	start := h.start
	h.w.after(at.Sub(h.w.now), func() {
		if h.start == start && h.wake.Equal(at) {
			h.wake = time.Time{}
			h.step(node.Woke{})
		}
	})
}

func (h *host) carryOut(e node.Effect) {
	ctx, s := context.Background(), h.w.store
	switch e := e.(type) {
	case node.Send:
		if l := h.conns[e.Conn]; l != nil {
			l.toClient(e.Frame)
		}
	case node.Ping:
		if l := h.conns[e.Conn]; l != nil {
			l.ping()
		}
	case node.Close:
		if l := h.conns[e.Conn]; l != nil {
			l.closeByServer(e.Status, e.Reason)
		}
	case node.Commit:
		h.commit(e)
	case node.Load:
		h.w.after(h.w.delay(), func() {
			c, err := s.Call(ctx, e.ID)
			h.later(0, node.Loaded{Ticket: e.Ticket, Call: c, Err: err})
		})
	case node.List:
		h.ask(func() node.Input {
			calls, err := s.CallsOf(ctx, e.Account, e.EndedSince)
			return node.Listed{Ticket: e.Ticket, Calls: calls, Err: err}
		})
	case node.ListLive:
		h.ask(func() node.Input {
			calls, err := s.Live(ctx, e.After, e.Limit)
			return node.Listed{Ticket: e.Ticket, Calls: calls, Err: err}
		})
	case node.ListRecords:
		h.ask(func() node.Input {
			records, err := s.Records(ctx, e.Account, e.Page)
			return node.ListedRecords{Ticket: e.Ticket, Records: records, Err: err}
		})
	case node.FindDue:
		h.ask(func() node.Input {
			ids, err := s.Due(ctx, h.w.now, e.Limit)
			return node.FoundDue{IDs: ids, Err: err}
		})
	case node.Beat:
		incarnation := fmt.Sprintf("n%d.%d", h.index, h.start)
		h.ask(func() node.Input {
			alive, err := s.Beat(ctx, incarnation, e.TTL)
			return node.Beaten{Alive: alive, Err: err}
		})
	case node.Publish:
		h.publish(e.Message)
	case node.Subscribe:
		h.subs[e.Account] = true
	case node.Unsubscribe:
		delete(h.subs, e.Account)
	}
}

// ask does a read of the store on this incarnation's behalf, after a while,
// and gives the answer a while later.
func (h *host) ask(read func() node.Input) {
	start := h.start
	h.w.after(h.w.delay(), func() {
		if h.alive && h.start == start {
			h.later(h.w.delay(), read())
		}
	})
}

// commit reaches the store whether the host lives to see that or not.
func (h *host) commit(e node.Commit) {
	start := h.start
	h.w.after(h.w.delay(), func() {
		results, err := h.w.store.Commit(context.Background(), []store.Change{e.Change})
		r := store.Result{Err: err}
		if err == nil {
			r = results[0]
		}
		if h.start == start {
			h.later(h.w.delay(), node.Committed{Ticket: e.Ticket, Result: r})
		}
	})
}

func (h *host) publish(m bus.Message) {
	for _, other := range h.w.hosts {
		if other == h || !other.alive || !other.subs[m.Account] {
			continue
		}
		if !h.w.calmed && h.w.fault(h.w.cfg.Faults.BusDrop) {
			continue
		}
		other.later(h.w.delay(), node.Heard{Message: m})
	}
}
