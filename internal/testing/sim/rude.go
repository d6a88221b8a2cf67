package sim

import (
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// rude is a client that knows nothing of calls: it sends what comes to its mind, at times that the
// seed chooses, in whatever state its calls are, and watches what it receives. The device machine of a
// person would never send most of that, so without rude clients the server's refusals were hardly
// tested, and no invariant would be held against a client written by somebody else.
type rude struct {
	w       *world
	account string
	device  string

	link  *link
	ready bool
	fresh bool // It has no memory of its calls.
	heard time.Time
	// refused: its last hello had a token that is none.
	refused bool
	id      uint32
	view    map[string]*pealv1.Call // The newest snapshot of each call.
	rung    map[string]bool         // Calls that it told it rings for.
	leaves  bool                    // It goes home.
	// loginAt is what its login was said to be at, and away until when it does
	// not try to come back after it was kicked.
	loginAt *timestamppb.Timestamp
	away    time.Time
}

func newRude(w *world, account, device string) *rude {
	return &rude{
		w: w, account: account, device: device, fresh: true,
		view: make(map[string]*pealv1.Call), rung: make(map[string]bool),
	}
}

func (g *rude) name() string { return g.account + "/" + g.device }

// turn is one moment of acting; each plans the next.
func (g *rude) turn() {
	g.act()
	g.w.after(g.w.between(50*time.Millisecond, 3*time.Second), g.turn)
}

func (g *rude) act() {
	switch {
	case g.link == nil && (g.leaves || g.w.now.Before(g.away)):
	case g.link == nil:
		g.connect()
	case g.w.now.Sub(g.heard) > 6*time.Second:
		// Silence: it gives the connection up, as a client does whose ping gets no answer.
		l := g.link
		l.deadUp, l.deadDown = true, true
		l.tellClient(true, "silent")
	case !g.ready:
	case g.w.fault(g.w.cfg.Faults.Disconnect, g.name()+" is cut"):
		g.link.cut(g.w.chance(g.w.cfg.Faults.HalfOpen))
	default:
		g.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Ping{Ping: &pealv1.Ping{}}})
		if !g.w.still {
			g.play()
		}
	}
}

func (g *rude) connect() {
	h := g.w.anyHost()
	if h == nil {
		return
	}
	g.heard = g.w.now
	if g.w.fault(g.w.cfg.Faults.Reload, g.name()+" has forgotten everything") {
		g.fresh = true
	}
	g.link = dial(g, g.w, h)
	if g.fresh {
		g.view, g.rung = make(map[string]*pealv1.Call), make(map[string]bool)
	}
	token := g.w.tokenOf(g.account, time.Hour)
	if g.refused = g.w.chance(0.02); g.refused {
		token = "of nobody"
	}
	g.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Hello{Hello: &pealv1.Hello{
		Token: token, DeviceId: g.device, Fresh: g.fresh, Resume: g.fresh && g.w.chance(0.5), LoginAt: g.loginAt,
	}}})
}

func (g *rude) send(f *pealv1.ClientFrame) {
	if g.link == nil {
		return
	}
	g.id++
	f.Id = g.id
	g.link.toServer(f)
}

// play acts on the call that concerns this device, or starts one.
func (g *rude) play() {
	c := g.current()
	switch {
	case !g.leaves && g.w.chance(0.1):
		g.rant()
	case c == nil:
		if !g.leaves && g.w.chance(0.3) {
			g.call()
		}
	case c.State == pealv1.CallState_CALL_STATE_RINGING && c.Role == pealv1.Role_ROLE_CALLER:
		switch {
		case g.leaves || g.w.chance(0.05):
			g.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Cancel{Cancel: &pealv1.Cancel{CallId: c.CallId}}})
		case g.w.chance(0.02):
			g.hangup(c)
		case g.w.chance(0.02):
			g.call()
		}
	case c.State == pealv1.CallState_CALL_STATE_RINGING:
		g.ring(c)
	default:
		g.talk(c)
	}
}

// current is the live call that this device rings for or is in.
func (g *rude) current() *pealv1.Call {
	var found *pealv1.Call
	for _, c := range g.view {
		if c.State == pealv1.CallState_CALL_STATE_ENDED || c.Role == pealv1.Role_ROLE_OBSERVER || c.RingStopped {
			continue
		}
		if found == nil || c.CallId > found.CallId {
			found = c
		}
	}
	return found
}

func (g *rude) call() {
	callee := accountName(g.w.rng.IntN(g.w.cfg.Accounts))
	if callee == g.account {
		return
	}
	var timeout uint32
	if g.w.chance(0.3) {
		timeout = 1000 + uint32(g.w.rng.IntN(119_000))
	}
	f := &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Invite{Invite: &pealv1.Invite{
		CallId: g.w.uuid(), Callee: callee, Type: pealv1.CallType(1 + g.w.rng.IntN(3)),
		Offer: offer(1, g.name()), RingTimeoutMs: timeout, IcePolicy: g.w.policy(),
	}}}
	g.send(f)
	if g.w.chance(0.1) { // A repeat, as after a lost reply. It must not become a second call.
		g.send(&pealv1.ClientFrame{Command: f.Command})
	}
}

func (g *rude) ring(c *pealv1.Call) {
	id := c.CallId
	if !g.rung[id] {
		g.rung[id] = true
		var timeout uint32
		if g.w.chance(0.2) {
			timeout = 1000 + uint32(g.w.rng.IntN(20_000))
		}
		g.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Ringing{Ringing: &pealv1.Ringing{CallId: id, RingTimeoutMs: timeout}}})
		return
	}
	switch p := g.w.rng.Float64(); {
	case g.leaves || p < 0.05:
		g.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Reject{Reject: &pealv1.Reject{CallId: id}}})
	case p < 0.08:
		g.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_RingTimeout{RingTimeout: &pealv1.RingTimeout{CallId: id}}})
	case p < 0.35:
		f := &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Accept{Accept: &pealv1.Accept{
			CallId: id, Answer: answer(c.Generation, g.name()), Generation: c.Generation,
		}}}
		g.send(f)
		if g.w.chance(0.1) { // A repeat is the same acceptance, and not "accepted already".
			g.send(&pealv1.ClientFrame{Command: f.Command})
		}
	case p < 0.38: // Glare, or near enough.
		g.call()
	}
}

func (g *rude) talk(c *pealv1.Call) {
	id, p := c.CallId, g.w.rng.Float64()
	switch {
	case g.leaves || p < 0.05:
		g.hangup(c)
	case p < 0.5:
		g.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Media{Media: &pealv1.MediaReport{
			CallId: id, Generation: c.Generation, Up: g.w.chance(0.85),
		}}})
	case p < 0.6:
		g.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Restart{Restart: &pealv1.Restart{
			CallId: id, FromGeneration: c.Generation, Rebuild: g.w.chance(0.3),
		}}})
	case p < 0.7:
		g.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Tracks{Tracks: &pealv1.TrackReport{
			CallId: id, Tracks: &pealv1.Tracks{Audio: true, AudioMuted: g.w.chance(0.5)},
		}}})
	case p < 0.8:
		g.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Candidates{Candidates: &pealv1.Candidates{
			CallId: id, Generation: c.Generation, Candidates: candidates(g.name()),
		}}})
	case p < 0.85:
		g.describe(c)
	case p < 0.9:
		g.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_SwitchType{SwitchType: &pealv1.SwitchType{
			CallId: id, Type: pealv1.CallType(1 + g.w.rng.IntN(2)),
		}}})
	case p < 0.92:
		g.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Leaving{Leaving: &pealv1.Leaving{}}})
	}
}

// describe sends what this side owes of the present generation, maybe twice.
func (g *rude) describe(c *pealv1.Call) {
	if c.Role == pealv1.Role_ROLE_CALLER {
		g.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Offer{Offer: &pealv1.Offer{
			CallId: c.CallId, Generation: c.Generation, Sdp: offer(c.Generation, g.name()),
		}}})
		return
	}
	g.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Answer{Answer: &pealv1.Answer{
		CallId: c.CallId, Generation: c.Generation, Sdp: answer(c.Generation, g.name()),
	}}})
}

// rant says something about any call that it has heard of, as any side of it.
func (g *rude) rant() {
	ids := slices.Sorted(maps.Keys(g.view))
	if len(ids) == 0 {
		return
	}
	c := g.view[ids[g.w.rng.IntN(len(ids))]]
	id := c.CallId
	commands := []*pealv1.ClientFrame{
		{Command: &pealv1.ClientFrame_Ringing{Ringing: &pealv1.Ringing{CallId: id}}},
		{Command: &pealv1.ClientFrame_Accept{Accept: &pealv1.Accept{CallId: id, Answer: answer(1, g.name()), Generation: 1, Candidates: candidates(g.name())}}},
		{Command: &pealv1.ClientFrame_Reject{Reject: &pealv1.Reject{CallId: id}}},
		{Command: &pealv1.ClientFrame_Cancel{Cancel: &pealv1.Cancel{CallId: id}}},
		{Command: &pealv1.ClientFrame_Offer{Offer: &pealv1.Offer{CallId: id, Generation: c.Generation, Sdp: offer(c.Generation, g.name())}}},
		{Command: &pealv1.ClientFrame_Answer{Answer: &pealv1.Answer{CallId: id, Generation: c.Generation, Sdp: answer(c.Generation, g.name())}}},
		{Command: &pealv1.ClientFrame_Media{Media: &pealv1.MediaReport{CallId: id, Generation: c.Generation, Up: true}}},
		{Command: &pealv1.ClientFrame_Restart{Restart: &pealv1.Restart{CallId: id, FromGeneration: c.Generation}}},
		{Command: &pealv1.ClientFrame_Candidates{Candidates: &pealv1.Candidates{
			CallId: id, Generation: c.Generation, Candidates: candidates(g.name()),
		}}},
	}
	g.send(commands[g.w.rng.IntN(len(commands))])
}

func (g *rude) hangup(c *pealv1.Call) {
	g.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Hangup{Hangup: &pealv1.Hangup{CallId: c.CallId}}})
}

// goHome ends what this client is in. Half of them log out as well; the others
// stay and are to hear how everything ended.
func (g *rude) goHome() {
	g.leaves = true
	if g.link == nil || !g.ready {
		return
	}
	if g.w.chance(0.5) {
		g.send(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Logout{Logout: &pealv1.Logout{}}})
	}
}

func (g *rude) disconnected(l *link, retry bool, reason string) {
	if g.link != l {
		return
	}
	g.w.trace("%s disconnected: %s", g.name(), reason)
	g.link, g.ready = nil, false
	if reason == "kicked" && g.w.cfg.SingleLogin {
		// Someone logs in again there, later.
		g.fresh, g.loginAt, g.away = true, nil, g.w.now.Add(g.w.between(0, time.Minute))
		return
	}
	if (reason == string(protocol.LoggedOut) || reason == string(protocol.TokenRevoked)) && !g.leaves && g.w.wasLoggedOut(g.account) {
		g.fresh, g.loginAt, g.away = true, nil, g.w.now.Add(g.w.between(0, time.Minute))
		return
	}
	if g.refused != (reason == string(protocol.BadToken)) && !retry {
		g.w.violate("S9: %s, with a token that is none (%v), was closed by %s", g.name(), g.refused, reason)
	}
	if g.refused {
		return
	}
	// It has one connection at a time, and no older hello of it can be on its way.
	if !retry && reason != "logged_out" {
		g.w.violate("%s was closed for good: %s", g.name(), reason)
	}
}

// rests: it has received how everything ended, and has nothing to wait for.
func (g *rude) rests() bool { return true }

func (g *rude) seen() sight {
	return sight{account: g.account, online: g.ready && g.link != nil && !g.link.deadUp && !g.link.deadDown, rude: true}
}

// receive watches one frame.
func (g *rude) receive(l *link, f *pealv1.ServerFrame) {
	if g.link != l {
		return
	}
	g.heard = g.w.now
	switch b := f.Body.(type) {
	case *pealv1.ServerFrame_Welcome:
		if g.refused {
			g.w.violate("S9: %s is welcome with a token that is none", g.name())
		}
		g.ready, g.fresh, g.loginAt = true, false, b.Welcome.LoginAt
		g.w.trace("%s welcome, %d calls", g.name(), len(b.Welcome.Calls))
		for _, u := range b.Welcome.Calls {
			g.see(u)
		}
	case *pealv1.ServerFrame_Call:
		if !g.ready {
			g.w.violate("%s is told of a call before its welcome", g.name())
		}
		g.see(b.Call)
	case *pealv1.ServerFrame_Candidates:
		g.w.hearsCandidates(g.account, g.name(), b.Candidates)
	}
}

// see holds a snapshot to the invariants and keeps the newest.
func (g *rude) see(u *pealv1.CallUpdate) {
	c := u.Call
	g.w.trace("%s sees %s rev %d state %v role %v", g.name(), short(call.ID(c.CallId)), c.Rev, c.State, c.Role)
	g.w.sees(g.account, g.name(), u)
	was := g.view[c.CallId]
	switch {
	// Older snapshots may come late: between connections, and by messages of other nodes. That is
	// allowed, since each says its rev. Two contents of one rev are not.
	case was == nil || c.Rev > was.Rev:
		if was != nil && c.State < was.State {
			g.w.violate("S7: %s sees %s go back from %v to %v", g.name(), c.CallId, was.State, c.State)
		}
		g.view[c.CallId] = c
	case c.Rev == was.Rev && (c.State != was.State || c.Reason != was.Reason):
		g.w.violate("S2: %s sees two versions of rev %d of %s", g.name(), c.Rev, c.CallId)
	}
}

// agrees holds S2 and L5 at rest: what this client saw is what happened.
func (g *rude) agrees() {
	for id, c := range g.view {
		truth := g.w.audit.calls[call.ID(id)]
		ended := c.State == pealv1.CallState_CALL_STATE_ENDED
		switch {
		case ended && int32(c.Reason) != int32(truth.Outcome.Reason):
			g.w.violate("S2: %s saw %s end %v, the store says %d", g.name(), id, c.Reason, truth.Outcome.Reason)
		case !ended && g.ready:
			g.w.violate("L5: %s still takes %s for live, which ended with %d", g.name(), id, truth.Outcome.Reason)
		}
	}
}
