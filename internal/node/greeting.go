package node

import (
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/callqueue"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// greeting is a hello under way, in three steps: the node reads the account's calls, gives Back to
// those of the device, and only then sends the welcome. With the welcome first, a page that reloads
// would show Bob's call as ringing although Bob hung up while the node still read it, and would
// show its own side as gone.
type greeting struct {
	device  *device
	calls   []call.Call
	pending int
	failed  bool
}

// Sender implements callqueue.Asker.
func (g *greeting) Sender() call.Device { return g.device.who }

// again is a greeting that looks at a call once more.
type again struct{ *greeting }

// greetings welcome devices.
type greetings struct {
	*loop
	calls    *callqueue.Queues
	devices  *devices
	delivery *delivery
}

// begin reads the calls of a device's account.
func (gs *greetings) begin(d *device) {
	t := gs.await(func(in Input) {
		// A refusal has the client retry with a pause. A welcome without the calls would have it
		// believe that its call had ended.
		if r := in.(Listed); r.Err != nil {
			gs.log.Warn("cannot read calls for a hello", "error", r.Err)
			d.session.Refuse(protocol.Unavailable)
			gs.devices.watch(d)
		} else {
			gs.present(d, r.Calls)
		}
	})
	gs.do(List{t, d.who.Account, gs.now.Add(-gs.cfg.Limits.Recent)})
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

// present tells the live calls of the device that it is here.
func (gs *greetings) present(d *device, calls []call.Call) {
	if !d.session.Greeting() {
		return // The connection closed, or was replaced, during the read.
	}
	calls = latest(calls)
	// pending starts at one for this loop itself: an input that is answered at once must not
	// send the welcome before the other calls are queued.
	g := &greeting{device: d, calls: calls, pending: 1}
	for i := range calls {
		c := &calls[i]
		// The read began before a commit whose result this node has by now.
		if newer := gs.calls.Copy(c.ID); newer != nil && newer.Rev > c.Rev {
			*c = *newer
		}
		gs.calls.Learn(*c)
		if !c.Live() {
			continue
		}
		gs.kickAbsent(g, c)
		if !concerns(c, d.who) {
			continue
		}
		g.pending++
		gs.calls.Add(c.ID, callqueue.Present{Device: d, Asker: g})
	}
	gs.told(g, nil, nil)
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

// told is called as each call has taken the device back; the last one welcomes.
func (gs *greetings) told(g *greeting, c *call.Call, failure *pealv1.Error) {
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
		gs.devices.watch(g.device)
		return
	}
	gs.welcome(g)
}

func (gs *greetings) welcome(g *greeting) {
	d, l := g.device, &gs.cfg.Limits
	w := &pealv1.Welcome{
		Account:          string(d.who.Account),
		DeviceId:         string(d.who.ID),
		Idle:             heartbeat(l.ClientIdle),
		Active:           heartbeat(l.ClientActive),
		RingTimeoutMs:    protocol.Millis(gs.cfg.Timing.Ring),
		MaxRingTimeoutMs: protocol.Millis(l.RingMax),
		LoginAt:          timestamppb.New(d.loginAt),
	}
	for i := range g.calls {
		c := &g.calls[i]
		if c.Live() && slices.Contains(d.over, c.ID) {
			continue // It ended while they were read, and its end is sent next.
		}
		// A page that reloaded has lost the session descriptions too.
		u := gs.delivery.update(c, d, call.WithNeeds)
		if !c.Live() {
			u.Call.Attachment = "" // It invited; an ended call invites nobody.
		}
		w.Calls = append(w.Calls, u)
		gs.delivery.involve(d, c, u)
		gs.calls.Learn(*c)
	}
	d.session.Welcome(w, gs.now)
	gs.devices.watch(d)
}

func heartbeat(p protocol.Pulse) *pealv1.Heartbeat {
	return &pealv1.Heartbeat{EveryMs: protocol.Millis(p.Every), DeadAfterMs: protocol.Millis(p.Dead)}
}

// kickAbsent has a new login end what other devices of its account, which are
// away, left going. Those that are connected are kicked by the node that has them.
func (gs *greetings) kickAbsent(g *greeting, c *call.Call) {
	d := g.device
	leg := c.Leg(d.who.Account)
	if leg == nil || !d.single(&gs.cfg) || !newLogin(d.session.Hello()) {
		return
	}
	away := []call.Device{leg.Device}
	for _, r := range leg.Ringers {
		away = append(away, r.Device)
	}
	for _, other := range away {
		if other.ID != "" && other.ID != d.who.ID {
			g.pending++
			gs.calls.Add(c.ID, callqueue.Apply{Input: call.Kick{Device: other}, Asker: g})
		}
	}
}
