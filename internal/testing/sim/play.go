package sim

import (
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/peal-rtc/peal/internal/device"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// What a person does, at times that the seed chooses.

// turn is one moment of acting; each plans the next.
func (p *person) turn() {
	p.act()
	p.w.after(p.w.between(50*time.Millisecond, 3*time.Second), p.turn)
}

// act draws a fault of this person's machine or network first, and only then what the person does. A
// person who sleeps has no faults: nothing that it could lose is under way.
func (p *person) act() {
	w, f := p.w, &p.w.cfg.Faults
	switch {
	case p.frozen():
	case p.device.State() == device.Offline:
		if !p.leaves && !w.now.Before(p.away) && p.device.Idle() {
			p.kicked = false
			p.step(device.Login{})
		}
	case p.link() != nil && w.fault(f.Disconnect, p.name()+" is cut"):
		p.link().cut(w.chance(f.HalfOpen))
	case p.link() != nil && w.fault(f.Tunnel, p.name()+" is without a network for long"):
		p.enterTunnel()
		for _, s := range p.sockets {
			if l := p.links[s]; l != nil {
				l.cut(w.chance(f.HalfOpen))
			}
		}
	case w.fault(f.Freeze, p.name()+" sleeps"):
		p.sleeps = w.now.Add(w.upTo(time.Minute))
	case !p.leaves && w.fault(f.Disconnect*f.Reload, p.name()+" starts its program again"):
		p.reload()
	// Restarts while an answer is awaited get a chance of their own: the page has asked for a call
	// that its successor knows nothing of. Drawn from all turns they would be too rare.
	case !p.leaves && len(p.asked) > 0 && w.fault(f.Anew, p.name()+" starts its program again, and waits for an answer"):
		p.reload()
	case w.still:
	case w.chance(0.01):
		p.step(device.NetworkChanged{})
		p.step(device.Probe{})
	case p.device.Call() != nil && w.chance(p.doubts()):
		p.step(device.Suspect{})
	default:
		p.play()
	}
}

// doubts is the chance that media seem not to come: mostly where nothing comes.
func (p *person) doubts() float64 {
	if l := p.link(); l != nil && (l.deadUp || l.deadDown) {
		return 0.3
	}
	return 0.02
}

// enterTunnel is the beginning of a time without a network, longer than a grace.
func (p *person) enterTunnel() {
	p.tunnel = p.w.now.Add(p.w.between(20*time.Second, 100*time.Second))
}

// ask makes a ticket for a wish.
func (p *person) ask(what string) device.Ticket {
	p.ticket++
	p.asked[p.ticket] = wish{what, p.w.now}
	return p.ticket
}

// play acts on the call that it is in, whether it is online or not, or makes one.
func (p *person) play() {
	c := p.device.Call()
	online := p.device.State() == device.Online
	switch {
	case c == nil && p.leaves:
		if p.logsOut && online {
			p.step(device.Logout{Ticket: p.ask("logs out")})
		}
	case c == nil:
		if p.w.now.After(p.sulks) && p.w.chance(0.3) && (online || p.w.chance(0.1)) {
			p.invite()
		}
	case p.leaves || p.decides(0.03):
		p.step(device.Hangup{Ticket: p.ask("hangs up"), Call: c.CallId})
	case c.State != pealv1.CallState_CALL_STATE_RINGING && p.steady:
		if p.w.chance(0.003) { // Another network, and media restart.
			p.restart(c)
		}
	case c.State != pealv1.CallState_CALL_STATE_RINGING:
		p.talk(c)
	case c.Role == pealv1.Role_ROLE_CALLER:
		if p.decides(0.05) || p.unsent[c.CallId] && p.w.chance(0.2) {
			p.step(device.Cancel{Ticket: p.ask("cancels"), Call: c.CallId})
		}
	case p.decides(1):
		p.ring(c)
	}
}

// decides draws whether it does what changes the state of a call. Slow people let calls reach their
// time-outs, which no call of the others would live to see.
func (p *person) decides(chance float64) bool {
	if p.slow {
		chance /= 10
	}
	return p.w.chance(chance)
}

func (p *person) invite() {
	callee := accountName(p.w.rng.IntN(p.w.cfg.Accounts))
	if callee == p.account {
		return
	}
	var timeout uint32
	if p.w.chance(0.3) {
		timeout = 1000 + uint32(p.w.rng.IntN(119_000))
	}
	invite := &pealv1.Invite{
		CallId: p.w.uuid(), Callee: callee, Type: pealv1.CallType(1 + p.w.rng.IntN(3)),
		RingTimeoutMs: timeout, IcePolicy: p.w.policy(),
	}
	if p.w.chance(0.4) {
		p.draft(invite)
	} else {
		p.send(invite)
	}
}

func (p *person) send(invite *pealv1.Invite) {
	invite = proto.CloneOf(invite)
	invite.Offer = offer(1, p.name())
	ticket := p.ask("invites")
	p.made[ticket] = invite.CallId
	p.step(device.Invite{Ticket: ticket, Invite: invite})
}

// draft has a person open a microphone before the invitation is sent. Some cannot, and
// some give up meanwhile: their page may send it all the same, and their device does not.
func (p *person) draft(invite *pealv1.Invite) {
	id, start := invite.CallId, p.starts
	p.unsent[id] = true
	p.step(device.Draft{Ticket: p.ask("drafts"), Invite: invite})
	p.w.after(p.w.upTo(5*time.Second), func() {
		own := p.device.Call().GetCallId() == id
		switch {
		case p.starts != start || p.frozen():
		case own && p.w.chance(0.3):
			p.over[id] = p.w.now
			p.step(device.Abandon{Call: id})
		case own:
			delete(p.unsent, id)
			p.send(invite)
		case p.given(id): // The page did not notice that its call was given up.
			p.send(invite)
		}
	})
}

// given says that a draft was given up.
func (p *person) given(id string) bool {
	_, over := p.calls[id]
	return over
}

func (p *person) ring(c *pealv1.Call) {
	id := c.CallId
	switch x := p.w.rng.Float64(); {
	case x < 0.05:
		p.step(device.Reject{Ticket: p.ask("rejects"), Call: id})
	case x < 0.08:
		p.tell("stops ringing", &pealv1.ClientFrame{Command: &pealv1.ClientFrame_RingTimeout{RingTimeout: &pealv1.RingTimeout{CallId: id}}})
	case x < 0.13:
		p.tell("sets its time-out", &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Ringing{Ringing: &pealv1.Ringing{
			CallId: id, RingTimeoutMs: 1000 + uint32(p.w.rng.IntN(20_000)),
		}}})
	case x < 0.16: // What a page must not do, and the server not pass on.
		p.candidates(c)
	case x < 0.4:
		p.agreed[id] = true
		p.step(device.Accept{Ticket: p.ask("accepts"), Accept: &pealv1.Accept{
			CallId: id, Answer: answer(c.Generation, p.name()), Generation: c.Generation,
			Candidates: candidates(p.name()),
		}})
	}
}

func (p *person) tell(what string, f *pealv1.ClientFrame) {
	p.step(device.Ask{Ticket: p.ask(what), Command: f})
}

// talk is what pages send during a call, without any regard to what makes sense next: restarts while
// one is under way, descriptions that nobody asked for, clicks on buttons that should be gone.
func (p *person) talk(c *pealv1.Call) {
	id := c.CallId
	switch x := p.w.rng.Float64(); {
	case x < 0.5:
		p.report(c, p.w.chance(0.85))
	case x < 0.6:
		p.restart(c)
	case x < 0.65:
		p.step(device.Mention{Command: &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Tracks{Tracks: &pealv1.TrackReport{
			CallId: id, Tracks: &pealv1.Tracks{Audio: true, AudioMuted: p.w.chance(0.5)},
		}}}})
	case x < 0.75:
		p.candidates(c)
	case x < 0.85 && c.Role == pealv1.Role_ROLE_CALLER:
		p.tell("offers", &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Offer{Offer: &pealv1.Offer{
			CallId: id, Generation: c.Generation, Sdp: offer(c.Generation, p.name()),
		}}})
	case x < 0.85:
		p.tell("answers", &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Answer{Answer: &pealv1.Answer{
			CallId: id, Generation: c.Generation, Sdp: answer(c.Generation, p.name()),
		}}})
	case x < 0.9:
		p.tell("switches", &pealv1.ClientFrame{Command: &pealv1.ClientFrame_SwitchType{SwitchType: &pealv1.SwitchType{
			CallId: id, Type: pealv1.CallType(1 + p.w.rng.IntN(2)),
		}}})
	case x < 0.92: // A click that comes too late.
		p.tell("rejects too late", &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Reject{Reject: &pealv1.Reject{CallId: id}}})
	case x < 0.94:
		p.tell("cancels too late", &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Cancel{Cancel: &pealv1.Cancel{CallId: id}}})
	}
}

// steadily has a page that has media report them once for each generation and connection, as the real
// component does. Only for such calls does the watch demand that they get connected.
func (p *person) steadily() {
	c := p.device.Call()
	if c == nil || c.State == pealv1.CallState_CALL_STATE_RINGING || p.device.State() != device.Online {
		return
	}
	r := report{c.CallId, c.Generation, p.since}
	if r == p.said {
		return
	}
	p.said = r
	start := p.starts
	p.w.after(p.w.upTo(500*time.Millisecond), func() {
		if now := p.device.Call(); p.starts == start && p.said == r && now.GetCallId() == r.call && now.Generation == r.generation {
			p.report(now, true)
		}
	})
}

func (p *person) restart(c *pealv1.Call) {
	p.tell("restarts", &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Restart{Restart: &pealv1.Restart{
		CallId: c.CallId, FromGeneration: c.Generation, Rebuild: p.w.chance(0.3),
	}}})
}

func (p *person) report(c *pealv1.Call, up bool) {
	p.step(device.Mention{Command: &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Media{Media: &pealv1.MediaReport{
		CallId: c.CallId, Generation: c.Generation, Up: up,
	}}}})
}

func (p *person) candidates(c *pealv1.Call) {
	p.step(device.Mention{Command: &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Candidates{Candidates: &pealv1.Candidates{
		CallId: c.CallId, Generation: c.Generation, Candidates: candidates(p.name()),
	}}}})
}

// goHome ends what this person is in. Half of them log out as well; the others
// stay and are to hear how everything ended.
func (p *person) goHome() { p.leaves, p.logsOut = true, p.w.chance(0.5) }
