package sim

import (
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// sight is what can be seen of a client from outside.
type sight struct {
	account string
	online  bool
	since   time.Time // Since when.
	call    *pealv1.Call
	over    func(id string) (at time.Time, over bool)
	asks    func() (what string, at time.Time) // What it has waited for longest, if anything.
	blind   time.Time                          // Until when its node is cut off from the store.
	rude    bool                               // It shows nothing more.
	kicked  bool                               // It was logged out by a newer login, and has not logged in since.
	leaves  bool                               // It logs out.
	steady  bool                               // It tells that it has media as soon as it is in a call.
}

// watch holds the run to the liveness invariants, second by second: L1 to L6
// with their bounds where there are no faults, and with the time that it takes
// to get over them where there are.
type watch struct {
	w *world
	// since is when the faults ceased.
	since time.Time
	// history has each call's commits, oldest first.
	history map[call.ID][]moment
	// changed is when any call was last changed.
	changed time.Time
	// light counts the seconds in which a node could do its work.
	light int
	// deaths are of nodes that died, or were counted as dead, oldest first, and
	// nodes those where each call's devices have been.
	deaths []death
	nodes  map[call.ID]map[string]bool
	outage outage
	// dropped is when each client lost its node.
	dropped map[string]drop
	// apart is since when, in light, nobody of a call has been there, gone since
	// when it has waited for one side, and away since when that side has not been
	// there.
	apart map[call.ID]moment
	gone  map[absence]int
	away  map[absence]spell
}

// death is the end of a node's incarnation, or what the others believe to be that.
type death struct {
	at   time.Time
	node string
}

// drop is when a client lost its node.
type drop struct {
	at    time.Time
	light int
}

// absence is one side's of a call, from one time on.
type absence struct {
	id    call.ID
	leg   int
	from  time.Time
	epoch uint32 // Of the device's connections: between two looks it may have been there.
}

// spell is how a side has not been there: since when, and the longest grace that
// the call had for it meanwhile.
type spell struct {
	at    time.Time
	light int
	grace time.Duration
}

// moment is one commit of a call.
type moment struct {
	at         time.Time
	state      call.State
	generation uint32
	light      int
	call       call.Call
}

func newWatch(w *world) *watch {
	return &watch{w: w, history: make(map[call.ID][]moment), nodes: make(map[call.ID]map[string]bool), dropped: make(map[string]drop), apart: make(map[call.ID]moment), gone: make(map[absence]int), away: make(map[absence]spell)}
}

// made notes a commit.
func (x *watch) made(c *call.Call) {
	x.changed = x.w.now
	x.history[c.ID] = append(x.history[c.ID], moment{x.w.now, c.State, c.Media.Generation, x.light, c.Clone()})
	if x.nodes[c.ID] == nil {
		x.nodes[c.ID] = make(map[string]bool)
	}
	for i := range c.Legs {
		x.nodes[c.ID][c.Legs[i].Device.Conn.Incarnation] = true
		x.nodes[c.ID][c.Legs[i].Finder] = true
	}
}

// died notes that a node is dead, or counts as dead.
func (x *watch) died(h *host) { x.deaths = append(x.deaths, death{x.w.now, h.label()}) }

// findDead is how long it may take until a node, or a connection, is found dead.
const findDead = 10 * time.Second

// setback is by how much the deaths of nodes since then may have held up a call: of one where its
// devices were, or that found that one dead, they are granted the grace again; any other may have
// taken a step of it along, and so may one that died just before.
func (x *watch) setback(id call.ID, since time.Time, grace time.Duration) (sum time.Duration) {
	for i := len(x.deaths) - 1; i >= 0 && !x.deaths[i].at.Before(since.Add(-findDead)); i-- {
		if x.deaths[i].at.After(since) && x.nodes[id][x.deaths[i].node] {
			sum += grace
		} else {
			sum += 5 * time.Second
		}
	}
	return sum
}

// crashed notes who loses its node.
func (x *watch) crashed(h *host) {
	x.died(h)
	for _, l := range h.conns {
		if c := l.client; c.seen().online && !c.seen().rude && !l.deadUp {
			x.dropped[c.name()] = drop{x.w.now, x.light}
		}
	}
}

// dark is for how long no node could do its work, in all.
func (x *watch) dark() time.Duration {
	return x.w.now.Sub(x.w.epoch) - time.Duration(x.light)*time.Second
}

// back notes that a client is online again, or that it failed to be.
func (x *watch) back(name string, online bool) {
	was, waits := x.dropped[name]
	if !waits || !online {
		return
	}
	delete(x.dropped, name)
	// It counts where there was another node all the time.
	if took := x.w.now.Sub(was.at); time.Duration(x.light-was.light+1)*time.Second > took {
		x.w.result.Back = append(x.w.result.Back, took)
	}
}

func (x *watch) calmed() {
	x.since = x.w.now
	// A device that is not back yet has been away for at least that long.
	for name, was := range x.dropped {
		if took := x.w.now.Sub(was.at); took > 3*time.Second {
			x.back(name, true)
		}
	}
}

// calm says that nothing goes wrong in this schedule at all: there are delays alone.
func (f Faults) calm() bool {
	return f == Faults{LinkDelay: f.LinkDelay, StoreDelay: f.StoreDelay, BusDelay: f.BusDelay, SubscribeDelay: f.SubscribeDelay, Skew: f.Skew, Block: f.Block}
}

// served says that the nodes, the store and the bus do their work in this schedule, and
// nothing comes so late that it has to be looked up what it came to.
func (f Faults) served() bool {
	f.Disconnect, f.Tunnel, f.HalfOpen, f.Reload, f.Anew, f.Refused, f.Freeze, f.TokenFail = 0, 0, 0, 0, 0, 0, 0, 0
	return f.calm()
}

// stored says that the nodes live and the store does its work in this schedule.
func (f Faults) stored() bool {
	return f.Crash+f.Stop+f.StoreLost+f.StoreDown+f.CommitSkip+f.CommitHide+f.CommitLate+f.CommitSlow+f.ReadFail+f.ReadSlow == 0 &&
		f.CommitRefuse+f.CommitBatch+f.Failover+f.Older+f.Disorder == 0 &&
		f.AppendSkip+f.AppendFail+f.PowerLoss == 0
}

// news is how long it may take until those who are connected know.
func (x *watch) news() time.Duration {
	switch f := &x.w.cfg.Faults; {
	case f.calm():
		return time.Second
	case f.served():
		return time.Second + f.StoreDelay + f.BusDelay + f.LinkDelay
	case !x.since.IsZero():
		return 5 * time.Second
	}
	// A node is found dead, or a cut is over, and what was missed is looked up.
	return 30 * time.Second
}

// retries is how much longer what needs a commit may take: it may have to be tried again
// and again.
func (x *watch) retries() time.Duration {
	switch f := &x.w.cfg.Faults; {
	case f.served(): // What no node has a device of is found late.
		return 4 * time.Second
	case f.CommitSlow > 0.1: // What is due waits its turn behind many slow ones.
		return time.Minute
	}
	return 22 * time.Second
}

// answers is how long it may take until who is connected has the answer to what it asked,
// which at times is found by asking twice.
func (x *watch) answers() time.Duration {
	f := &x.w.cfg.Faults
	if f.Older > 0 { // A device at an older node asks again and again, until the call is over.
		return 3 * time.Minute
	}
	if f.served() {
		return time.Second + 10*f.StoreDelay + 4*f.LinkDelay
	}
	return 30 * time.Second
}

// look is done every second.
func (x *watch) look() {
	w := x.w
	for _, h := range w.hosts {
		x.beats(h)
	}
	for _, h := range w.hosts {
		if h.healthy() && h.format == newer {
			x.light++
			break
		}
	}
	for _, id := range sortedIDs(w.audit.calls) {
		if c := w.audit.calls[id]; c.Live() {
			x.outcome(&c)
			x.answered(&c)
			x.vanished(&c)
			x.graces(&c)
			x.absences(&c)
			x.media(&c)
			x.orphans(&c)
		}
	}
	for _, c := range w.clients {
		if s := c.seen(); s.online && !s.rude && !w.still || s.online && !s.rude && w.now.Sub(x.since) > x.news() {
			x.told(c.name(), s)
			x.replied(c.name(), s)
		}
	}
	w.after(time.Second, x.look)
}

// outcome holds L1: an invitation has an outcome in time.
func (x *watch) outcome(c *call.Call) {
	if c.State != call.Ringing {
		return
	}
	slack := x.retries()
	made := x.history[c.ID][0]
	lit := time.Duration(x.light-made.light) * time.Second
	if lit > c.Timing.Ring+slack && x.w.now.Sub(made.at) > c.Timing.Ring+slack {
		x.w.violate("L1: %s rings for %s, its time-out is %s", c.ID, x.w.now.Sub(made.at), c.Timing.Ring)
	}
}

// accepted is the moment in which a call was answered.
func (x *watch) accepted(id call.ID) (m moment, ok bool) {
	for _, m := range x.history[id] {
		if m.state == call.Connecting {
			return m, true
		}
	}
	return moment{}, false
}

// answered holds L1 of a call that is answered: its media is up in time, or it
// is over. Time in which a node was dead does not count.
func (x *watch) answered(c *call.Call) {
	since, ok := x.accepted(c.ID)
	if !ok || c.State != call.Connecting {
		return
	}
	limit := c.Timing.Connect + x.setback(c.ID, since.at, c.Timing.Connect) + x.retries()
	lit := time.Duration(x.light-since.light) * time.Second
	if lit > limit && x.w.now.Sub(since.at) > limit {
		x.w.violate("L1: %s has been connecting for %s", c.ID, x.w.now.Sub(since.at))
	}
}

// failed holds that a call was given its time for media, by the clocks of two nodes.
// Its acceptance was on its way to the store, and may have been for seconds.
func (x *watch) failed(c *call.Call) {
	f := &x.w.cfg.Faults
	slack := 2*f.Skew + f.StoreDelay + f.jumps()
	if f.CommitSlow+f.CommitLate > 0 {
		slack += 10 * time.Second
	}
	if f.stored() && x.steady(c, 0) && x.steady(c, 1) {
		x.w.violate("L4: %s failed, and both sides have told that their media is up", c.ID)
	}
	if since, ok := x.accepted(c.ID); ok && x.w.now.Sub(since.at) < c.Timing.Connect-slack {
		x.w.violate("L4: %s failed %s after it was answered", c.ID, x.w.now.Sub(since.at))
	}
}

// times holds L1 by the time that passes: whatever the wall clock says, a call rings for its time,
// and its record says for how long both sides had media.
func (x *watch) times(c *call.Call) {
	f := &x.w.cfg.Faults
	slack := 2*f.Skew + f.StoreDelay + time.Second + f.jumps()
	if f.CommitSlow+f.CommitLate > 0 {
		slack += 10 * time.Second
	}
	rang := x.w.now.Sub(x.history[c.ID][0].at)
	if c.Outcome.Reason == call.Timeout && rang < c.Timing.Ring-slack {
		x.w.violate("L1: %s timed out after %s, its time-out is %s", c.ID, rang, c.Timing.Ring)
	}
	r, _ := c.Record()
	for _, m := range x.history[c.ID] {
		if m.state != call.Connected {
			continue
		}
		if took := x.w.now.Sub(m.at); (took - r.Duration).Abs() > slack {
			x.w.violate("L1: the record of %s says %s, and both sides had media for %s", c.ID, r.Duration, took)
		}
		break
	}
	if c.Outcome.EndedAt.Before(c.CreatedAt) {
		x.w.violate("L1: %s ended at %s, and began at %s", c.ID, c.Outcome.EndedAt, c.CreatedAt)
	}
}

// media holds L5 for what a page reported of its media, once: the call knows.
func (x *watch) media(c *call.Call) {
	if c.State == call.Ringing || !x.w.cfg.Faults.stored() {
		return
	}
	moments := x.history[c.ID]
	var since time.Time // Of its generation, or the acceptance.
	for i := len(moments) - 1; i >= 0 && moments[i].state != call.Ringing && moments[i].generation == c.Media.Generation; i-- {
		since = moments[i].at
	}
	for i := range c.Legs {
		if !c.Legs[i].MediaUp && x.w.now.Sub(since) > 10*time.Second && x.steady(c, i) {
			x.w.violate("L5: %s has told that its media is up in %s, generation %d, and the call does not know", nameOf(&c.Legs[i]), c.ID, c.Media.Generation)
		}
	}
}

// steady says that a side has been there for long enough to have reported its media,
// which is up, and of nothing else.
func (x *watch) steady(c *call.Call, leg int) bool {
	for _, k := range x.w.clients {
		s := k.seen()
		if k.name() == nameOf(&c.Legs[leg]) {
			return s.steady && s.online && s.call.GetCallId() == string(c.ID) && x.w.now.Sub(s.since) > 10*time.Second
		}
	}
	return false
}

// vanished holds L3: a call whose people are all gone does not keep them busy.
func (x *watch) vanished(c *call.Call) {
	for i := range c.Legs {
		// A device that connected, and lost its connection before it had the welcome, was there too:
		// the server began another grace by then.
		if x.w.connected(&c.Legs[i]) && (i == 0 || c.State != call.Ringing) {
			delete(x.apart, c.ID)
			return
		}
		for _, k := range x.w.clients {
			s := k.seen()
			caller := i == 0
			if c.State == call.Ringing && !caller {
				continue // While it rings the caller alone counts.
			}
			if s.account == string(c.Legs[i].Account) && k.name() == s.account+"/"+string(c.Legs[i].Device.ID) && s.online {
				delete(x.apart, c.ID)
				return
			}
		}
	}
	since, apart := x.apart[c.ID]
	if !apart {
		x.apart[c.ID] = moment{at: x.w.now, light: x.light}
		return
	}
	// The server finds out in 10 s, and grants at most 30 s of grace, from the
	// latest death of a node of theirs on; and a commit may have to be tried again.
	limit := 45*time.Second + 15*time.Second + x.setback(c.ID, since.at, 45*time.Second)
	if lit := time.Duration(x.light-since.light) * time.Second; lit > limit {
		x.w.violate("L3: nobody has been in %s for %s, and it is in state %d", c.ID, lit, c.State)
	}
}

// graces holds L3 for one side: a call does not wait for it any longer than the
// longest grace. A commit may have to be tried again and again.
func (x *watch) graces(c *call.Call) {
	limit := c.Timing.GraceHold
	if c.State == call.Ringing {
		limit = c.Timing.CallerGrace
	}
	for i := range c.Legs {
		l := &c.Legs[i]
		if l.Gone.IsZero() {
			continue
		}
		a := absence{id: c.ID, leg: i, from: l.Gone}
		since, known := x.gone[a]
		if !known {
			x.gone[a] = x.light
			continue
		}
		if lit := time.Duration(x.light-since) * time.Second; lit > limit+15*time.Second {
			x.w.violate("L3: %s has been waiting for %s for %s", c.ID, l.Account, lit)
		}
	}
}

// absences holds L3 for one side as it is seen from outside, whatever the server
// takes for true: it finds out in a while, and then the grace is all.
func (x *watch) absences(c *call.Call) {
	for i := range c.Legs {
		if d := c.Legs[i].Device; d.ID != "" {
			x.absent(c, absence{id: c.ID, leg: i, epoch: c.Legs[i].Epoch}, string(d.Account)+"/"+string(d.ID))
		}
	}
}

func (x *watch) absent(c *call.Call, a absence, name string) {
	var s sight
	for _, k := range x.w.clients {
		if k.name() == name {
			s = k.seen()
		}
	}
	if s.online {
		delete(x.away, a)
		return
	}
	// A device with the error that another login exists was refused by a node, which then ends the
	// calls that it is in. It does not see calls that begin after that.
	f := &x.w.cfg.Faults
	ended := s.kicked && x.joined(c, &c.Legs[a.leg]).Before(s.since.Add(-f.LinkDelay))
	if ended && f.stored() && x.w.now.Sub(s.since) > 2*time.Second+10*f.StoreDelay {
		x.w.violate("L3: %s was logged out %s ago by a newer login, and %s goes on with it", name, x.w.now.Sub(s.since), c.ID)
	}
	since, known := x.away[a]
	if !known {
		since = spell{at: x.w.now, light: x.light}
	}
	since.grace = max(since.grace, grace(c, a.leg))
	x.away[a] = since
	setback := x.setback(c.ID, since.at, findDead+since.grace)
	limit := findDead + since.grace + 15*time.Second + setback
	if ended && setback == 0 {
		limit = 20 * time.Second
	}
	if lit := time.Duration(x.light-since.light) * time.Second; lit > limit && x.w.now.Sub(since.at) > limit {
		x.w.violate("L3: %s has not been there for %s, and %s goes on with it", name, x.w.now.Sub(since.at), c.ID)
	}
}

// joined is when a side's device joined a call.
func (x *watch) joined(c *call.Call, l *call.Leg) time.Time {
	if l == c.Caller() {
		return x.history[c.ID][0].at
	}
	m, _ := x.accepted(c.ID)
	return m.at
}

// grace is how long a call in its present state waits for a side.
func grace(c *call.Call, leg int) time.Duration {
	switch other := &c.Legs[1-leg]; {
	case c.State == call.Ringing:
		return c.Timing.CallerGrace
	case other.MediaUp:
		return c.Timing.GraceHold
	}
	return c.Timing.Grace
}
