package sim

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// host is a machine that runs one node at a time: the shell around it.
type host struct {
	w      *world
	index  int
	limits protocol.Limits
	// skew is how far its clock is ahead of the store's.
	skew time.Duration

	alive bool
	// stopping: it takes no connections any more.
	stopping bool
	start    int       // Which incarnation this is,
	booted   time.Time // and since when.
	node     *node.Node
	conns    map[node.ConnID]*link
	last     node.ConnID
	subs     map[call.Account]*subscription
	wake     time.Time // The wake-up that is in the queue.

	stranded time.Time // Until when it is cut off from the bus,
	cutOff   time.Time // and from the store.
	beat     time.Time // When its last sign of life came to the store,
	unheard  time.Time // and when one had been missed before that.

	batch  batch
	offset offset
	// format is the newest that its node steps, and lowest that of all nodes, as it knows.
	format, lowest uint8
}

// blind is until when it could not do its work: the store was away for it, or for all.
func (h *host) blind() time.Time { return latest(h.silent(), h.w.away) }

// silent is until when the others may have taken it for dead: it was cut off from the
// store, or its signs of life did not come there. Where the store was away for all nobody
// may be.
func (h *host) silent() time.Time {
	if h.alive && h.w.now.Sub(latest(h.beat, h.w.away)) > lease {
		return h.w.now
	}
	return latest(h.unheard, h.cutOff)
}

// heard notes that a sign of life has come to the store.
func (h *host) heard() {
	if gap := h.w.now.Sub(latest(h.beat, h.w.away)); gap > lease {
		h.unheard = h.w.now
		h.w.watch.died(h)
	}
	h.beat = h.w.now
}

func newHost(w *world, index int, limits protocol.Limits) *host {
	skew := w.cfg.Faults.Skew
	return &host{w: w, index: index, limits: limits, skew: w.between(-skew, skew)}
}

func (h *host) label() string { return fmt.Sprintf("n%d.%d", h.index, h.start) }

// boot starts a new incarnation with an empty memory. Starts differ in what an operator may differ in:
// how long a drain takes, and the release.
func (h *host) boot() {
	if h.alive {
		return
	}
	h.w.openStore()
	h.start++
	h.release()
	n, err := node.New(node.Config{
		SingleLogin: h.w.cfg.SingleLogin,
		Incarnation: h.label(),
		Alone:       h.w.cfg.Nodes == 1,
		Drain:       time.Duration(h.start%3) * 6 * time.Second,
		Format:      h.format,
		Lowest:      func() uint8 { return h.lowest },
		Limits:      h.limits,
		Timing:      call.DefaultTiming(),
		Verify:      h.w.verify,
		Logger:      slog.New(slog.NewTextHandler(h, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Announced:   func(netip.Addr) bool { return true },
		Servers: func(call.ID, call.Device, time.Time) []*pealv1.IceServer {
			return []*pealv1.IceServer{{Urls: []string{"stun:sim"}}}
		},
	})
	if err != nil {
		h.w.violate("node does not start: %v", err)
		return
	}
	h.alive, h.stopping, h.node, h.booted, h.beat = true, false, n, h.w.now, h.w.now
	h.conns, h.subs, h.wake = make(map[node.ConnID]*link), make(map[call.Account]*subscription), time.Time{}
	h.w.trace("boot %s", h.label())
	h.rewake()
	if h.index == 0 {
		h.w.backend.boot()
	}
}

// crash is a kill -9, or the death of the machine, of which the clients get no notice: memory and
// connections are gone; what was on its way to the store may still arrive.
func (h *host) crash() {
	h.alive = false
	if h.index == 0 {
		h.w.backend.die()
	}
	if h.stopping {
		h.w.watch.died(h) // And what it was still about to do.
	} else {
		h.w.watch.crashed(h)
	}
	for id := range h.last {
		if l := h.conns[id+1]; l != nil {
			// A machine that dies sends no reset; one whose process dies does.
			if h.w.fault(h.w.cfg.Faults.HalfOpen/2, l.client.name()+" is not told") {
				l.deadUp, l.deadDown, l.serverSaw = true, true, true
			} else {
				l.cutByServer()
			}
			if p, ok := l.client.(*person); ok && !h.stopping && h.w.fault(10*h.w.cfg.Faults.Tunnel, p.name()+" does not come back for long") {
				p.enterTunnel()
			}
		}
	}
	h.conns = nil
}

// stop is the end that a node is asked for: its clients are asked to connect again, the other nodes
// count it as dead from then on, and a while later the process is gone, whether it is done or not.
func (h *host) stop(lasts, down time.Duration) {
	start := h.start
	h.stopping = true
	h.w.watch.crashed(h)
	h.step(node.Stopping{})
	h.w.after(lasts, func() {
		if !h.alive || h.start != start {
			return
		}
		h.crash()
		if h.w.calmed {
			down = 0
		}
		h.w.after(down, h.boot)
	})
}

// loseStore cuts it off from the store. Where that is for longer than it can be without a
// sign of life the others take it for dead.
func (h *host) loseStore(d time.Duration) {
	h.cutOff = latest(h.cutOff, h.w.now.Add(d))
	if h.alive && d > missable {
		h.w.watch.died(h)
	}
}

// lease is how long a sign of life lasts, and missable what is left of it where the next
// one does not come.
const (
	lease    = 6*time.Second - 100*time.Millisecond
	missable = 4 * time.Second
)

// healthy says whether the host can do its work.
func (h *host) healthy() bool { return h.alive && h.node.Ready() && !h.cut() }

// cut says that the host cannot reach the store.
func (h *host) cut() bool { return h.w.now.Before(latest(h.cutOff, h.w.away)) }

// tokenPrefix begins all tokens, and nothing else.
const tokenPrefix = "token of "

// tokenOf is a token of an account, which nobody else has, made now and good for a time.
func (w *world) tokenOf(account string, life time.Duration) string {
	return fmt.Sprintf("%s%s at %d until %d", tokenPrefix, account, w.now.UnixNano(), w.now.Add(life).UnixMilli())
}

func (w *world) verify(token string, now time.Time) (auth.Identity, error) {
	rest, end, ok := strings.Cut(strings.TrimPrefix(token, tokenPrefix), " until ")
	account, begin, _ := strings.Cut(rest, " at ")
	issued, _ := strconv.ParseInt(begin, 10, 64)
	ms, err := strconv.ParseInt(end, 10, 64)
	switch until := time.UnixMilli(ms); {
	case !ok || err != nil:
		return auth.Identity{}, auth.ErrInvalid
	case !now.Before(until):
		return auth.Identity{}, auth.ErrExpired
	case !w.loggedOut[account].IsZero() && !time.Unix(0, issued).After(w.loggedOut[account]):
		return auth.Identity{IssuedAt: time.Unix(0, issued)}, auth.ErrRevoked
	default:
		return auth.Identity{Account: account, ExpiresAt: until}, nil
	}
}

// Write holds what a node logs, at all levels, to S10.
func (h *host) Write(line []byte) (int, error) {
	for _, secret := range []string{tokenPrefix, "v=0", " typ "} {
		if bytes.Contains(line, []byte(secret)) {
			h.w.violate("S10: %s logs %q", h.label(), line)
		}
	}
	return len(line), nil
}

// step gives the node an input and carries out its effects, in order. Their results come back as later
// inputs, never within this step: a real shell cannot answer at once either.
func (h *host) step(in node.Input) {
	if !h.alive || h.w.err != nil {
		return
	}
	for _, e := range h.node.Step(h.clock(), in) {
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

// rewake keeps one wake-up in the queue at or before the node's deadline. The node reads the clock of
// the store, which may be ahead of this machine's, so the deadline is converted.
func (h *host) rewake() {
	at, ok := h.node.Deadline()
	at = h.w.now.Add(at.Sub(h.clock()))
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
	case node.Named, node.Moved, node.Flows: // They are for the log.
	case node.LoggedOut:
		h.w.answeredLogOut(e)
	case node.Terminated: // The backend needs no answer: the watch sees the end.
	case node.Hurry: // No commit here waits on purpose.
	case node.Request:
		h.ask(e)
	case node.Publish:
		h.publish(e.Message)
	case node.Subscribe:
		h.subscribe(e)
	case node.Unsubscribe:
		delete(h.subs, e.Account)
	default:
		h.w.violate("the host has no hands for %T", e)
	}
}

// subscription is one of a node; it hears only once that is in effect.
type subscription struct{ inEffect bool }

// subscribe has a subscription take effect after a while, and no sooner than the bus is there.
func (h *host) subscribe(e node.Subscribe) {
	s := &subscription{}
	h.subs[e.Account] = s
	h.takeEffect(e, s, h.w.upTo(h.w.cfg.Faults.SubscribeDelay))
}

func (h *host) takeEffect(e node.Subscribe, s *subscription, after time.Duration) {
	start := h.start
	h.w.after(after, func() {
		switch {
		case h.start != start || h.subs[e.Account] != s:
		case h.w.now.Before(h.stranded):
			h.takeEffect(e, s, h.stranded.Sub(h.w.now))
		default:
			s.inEffect = true
			h.later(h.w.upTo(h.w.cfg.Faults.BusDelay), node.Subscribed{Ticket: e.Ticket})
		}
	})
}

// strand cuts it off from the bus for a while. When the bus is back the node is notified.
func (h *host) strand(d time.Duration) {
	h.stranded = latest(h.stranded, h.w.now.Add(d))
	start := h.start
	h.w.after(d, func() {
		if h.start == start && h.stranded.Equal(h.w.now) {
			h.step(node.Reconnected{})
		}
	})
}

func (h *host) publish(m bus.Message) {
	w, f := h.w, &h.w.cfg.Faults
	for _, other := range w.hosts {
		if s := other.subs[m.Account]; other == h || !other.alive || s == nil || !s.inEffect {
			continue
		}
		if w.now.Before(h.stranded) || w.now.Before(other.stranded) || w.fault(f.BusDrop, "a message to "+other.label()+" is lost") {
			continue
		}
		other.later(w.upTo(f.BusDelay), node.Heard{Message: m})
		if w.fault(f.BusTwice, "a message to "+other.label()+" comes twice") {
			other.later(w.upTo(f.BusDelay), node.Heard{Message: m})
		}
	}
}
