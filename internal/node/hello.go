package node

import (
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// greeting is a hello under way: the account's calls are read, those of the
// device are told that it is back, and only then is it welcomed, so that the
// welcome shows what is and nothing rings that is over.
type greeting struct {
	device  *device
	calls   []call.Call
	pending int
	failed  bool
}

// greet reads the calls of a device's account.
func (n *Node) greet(d *device) {
	t := n.await(func(in Input) {
		if r := in.(Listed); r.Err != nil {
			n.log.Warn("cannot read calls for a hello", "error", r.Err)
			d.session.Refuse(protocol.Unavailable)
			n.watch(d)
		} else {
			n.greetWith(d, r.Calls)
		}
	})
	n.do(List{t, d.who.Account, n.now.Add(-n.cfg.Limits.Recent)})
}

// endedMost is how many calls that have ended a welcome tells of: the latest. A device
// that was in another one asks for it, and the records tell of all.
const endedMost = 32

// latest leaves those out that ended before the last endedMost.
func latest(calls []call.Call) []call.Call {
	var ended []time.Time
	for i := range calls {
		if !calls[i].Live() {
			ended = append(ended, calls[i].Outcome.EndedAt)
		}
	}
	if len(ended) <= endedMost {
		return calls
	}
	slices.SortFunc(ended, time.Time.Compare)
	first := ended[len(ended)-endedMost]
	return slices.DeleteFunc(calls, func(c call.Call) bool { return !c.Live() && c.Outcome.EndedAt.Before(first) })
}

// greetWith tells the live calls of the device that it is here.
func (n *Node) greetWith(d *device, calls []call.Call) {
	if !d.session.Greeting() {
		return
	}
	calls = latest(calls)
	g := &greeting{device: d, calls: calls, pending: 1}
	for i := range calls {
		c := &calls[i]
		if t := n.turns[c.ID]; t != nil && t.known && t.call.Rev > c.Rev {
			*c = t.call
		}
		n.learn(*c)
		if !c.Live() {
			continue
		}
		n.kickAbsent(g, c)
		if !concerns(c, d.who) {
			continue
		}
		g.pending++
		n.enqueue(c.ID, &job{back: d, greeting: g})
	}
	n.greeted(g, nil, nil)
}

// concerns says whether a call names the device: in the call, or ringing.
func concerns(c *call.Call, d call.Device) bool {
	l := c.Leg(d.Account)
	if l == nil {
		return false
	}
	for _, r := range l.Ringers {
		if r.Device.Is(d) {
			return true
		}
	}
	return l.Device.Is(d)
}

// greeted is called as each call has been told; the last one welcomes.
func (n *Node) greeted(g *greeting, c *call.Call, failure *pealv1.Error) {
	g.pending--
	g.failed = g.failed || failure != nil
	if c != nil {
		for i := range g.calls {
			if g.calls[i].ID == c.ID && g.calls[i].Rev < c.Rev {
				g.calls[i] = *c
			}
		}
	}
	if g.pending > 0 || !g.device.session.Greeting() {
		return
	}
	if g.failed {
		g.device.session.Refuse(protocol.Unavailable)
		n.watch(g.device)
		return
	}
	n.welcome(g)
}

func (n *Node) welcome(g *greeting) {
	d, l := g.device, &n.cfg.Limits
	w := &pealv1.Welcome{
		Account:          string(d.who.Account),
		DeviceId:         string(d.who.ID),
		Idle:             heartbeat(l.ClientIdle),
		Active:           heartbeat(l.ClientActive),
		RingTimeoutMs:    protocol.Millis(n.cfg.Timing.Ring),
		MaxRingTimeoutMs: protocol.Millis(l.RingMax),
		LoginAt:          timestamppb.New(d.loginAt),
	}
	for i := range g.calls {
		c := &g.calls[i]
		if c.Live() && slices.Contains(d.over, c.ID) {
			continue // It ended while they were read, and that is told next.
		}
		u := n.update(c, d, call.WithNeeds)
		if !c.Live() {
			u.Call.Attachment = "" // Nobody is invited by it any more.
		}
		w.Calls = append(w.Calls, u)
		n.involve(d, c)
		n.learn(*c)
	}
	d.session.Welcome(w, n.now)
	n.watch(d)
}

func heartbeat(p protocol.Pulse) *pealv1.Heartbeat {
	return &pealv1.Heartbeat{EveryMs: protocol.Millis(p.Every), DeadAfterMs: protocol.Millis(p.Dead)}
}
