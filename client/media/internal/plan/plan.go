// Package plan decides which description this side of a call owes to one other side, of
// which generation and on which peer connection, and what is to be sent again. It is pure,
// and equals the plan in TypeScript (web/sdk/src/media/plan.ts): both play the same
// transcripts.
//
//	caller   offer 1 ──Invited──► Commit, Release ──generation──► offer n, commit, send
//	callee   offer ──► answer ──Accepted──► Release ──offer──► answer n, give
package plan

import "github.com/peal-rtc/peal/internal/device"

// Call is what a plan goes by of the call, as the newest snapshot has it.
type Call struct {
	Caller     bool // This side called; otherwise it is the callee.
	Ringing    bool
	Generation uint32
	// Rebuild: a connection of an earlier generation than this one is of no use any more.
	Rebuild uint32
	// KeptBack: the server kept back candidates of the caller's until the acceptance.
	KeptBack bool
	// Held is how many of the caller's candidates the device that answered had.
	Held int
}

// Input is what a plan hears: the facts of the call, what the person does, and how media
// fare. Begun is the generation that the connection has begun, which comes after its order.
type Input interface{ input() }

// The inputs.
type (
	// Calls: this device calls.
	Calls struct{}
	// Invited: the server has taken the invitation.
	Invited struct{}
	// Merged: the server has merged the invitation with the other side's, which is
	// accepted by that.
	Merged struct{}
	// Rings: it rings here.
	Rings struct {
		Call  Call
		Offer string
	}
	// Resumed: the call went on while this program was started again.
	Resumed struct {
		Call  Call
		Offer string
	}
	// Updated: the call has changed. Descriptions are of Generation.
	Updated struct {
		Call          Call
		Begun         uint32
		Changes       []device.Change
		Generation    uint32
		Offer, Answer string
	}
	// Accepts: the person accepts. The prepared answer goes as it is, unless its
	// connection failed.
	Accepts struct{ Failed bool }
	// Accepting: the acceptance goes out, with the newest answer.
	Accepting struct{}
	// Accepted: the server has confirmed the acceptance.
	Accepted struct{}
	// Lapsed: what was prepared while it rings is of no use any more.
	Lapsed struct{ Begun uint32 }
	// Lost: no media arrives. A restart of ICE would help, or with Rebuild new connections.
	Lost struct {
		Begun   uint32
		Rebuild bool
	}
)

func (Calls) input()     {}
func (Invited) input()   {}
func (Merged) input()    {}
func (Rings) input()     {}
func (Resumed) input()   {}
func (Updated) input()   {}
func (Accepts) input()   {}
func (Accepting) input() {}
func (Accepted) input()  {}
func (Lapsed) input()    {}
func (Lost) input()      {}

// Order is what is to be done about the peer connection and the server.
type Order interface{ order() }

// The orders.
type (
	// Offer makes an offer, with Rebuild on a connection of its own; with Send it starts
	// ICE and sends it.
	Offer struct {
		Generation    uint32
		Rebuild, Send bool
	}
	// Commit starts ICE for the offer that is made.
	Commit struct{}
	// Answer makes the answer to an offer; with Give it is sent.
	Answer struct {
		Generation    uint32
		Rebuild, Give bool
		Offer         string
	}
	// Give sends the answer that is made.
	Give struct{ Generation uint32 }
	// Apply uses the other side's answer.
	Apply struct {
		Generation uint32
		Answer     string
	}
	// Release: from here on candidates flow both ways, and media is sent.
	Release struct{}
	// Replace: another connection takes the place of this one, for another call.
	Replace struct{}
	// Resend sends candidates again, where more than Beyond were sent.
	Resend struct{ Beyond int }
	// Tracks tells the other side what this one sends.
	Tracks struct{}
	// Report tells the server whether media is up.
	Report struct{}
	// Look: the server was lost, and is found again. Does media come?
	Look struct{}
	// Restart asks the server for another generation.
	Restart struct {
		FromGeneration uint32
		Rebuild        bool
	}
)

func (Offer) order()   {}
func (Commit) order()  {}
func (Answer) order()  {}
func (Give) order()    {}
func (Apply) order()   {}
func (Release) order() {}
func (Replace) order() {}
func (Resend) order()  {}
func (Tracks) order()  {}
func (Report) order()  {}
func (Look) order()    {}
func (Restart) order() {}

// all is every candidate, however many were sent.
const all = -1

// Plan is that of one side for one other side.
type Plan struct {
	call       Call
	generation uint32 // Of the newest description that was ordered; 0 before the first.
	answering  uint32 // Whose offer is answered, or being answered.
	offer      string // That of answering.
	accepting  uint32 // Whose answer goes with the acceptance.
	released   bool
	orders     []Order
}

// New makes a plan for a call.
func New(c Call) *Plan { return &Plan{call: c} }

// Answering is the generation whose answer is made; 0 where there is none.
func (p *Plan) Answering() uint32 { return p.answering }

// Step takes an input, and gives what is to be done, in order.
func (p *Plan) Step(in Input) []Order {
	p.orders = nil
	switch in := in.(type) {
	case Calls:
		p.makeOffer(1, false, false)
	case Invited:
		p.do(Commit{})
		p.release()
	case Merged:
		p.generation = 0
		p.do(Replace{})
		p.release()
	case Rings:
		p.call = in.Call
		p.takeOffer(in.Call.Generation, in.Offer)
	case Resumed:
		p.call = in.Call
		p.release()
		p.offerAgain()
		p.takeOffer(in.Call.Generation, in.Offer)
	case Updated:
		p.updated(in)
	case Accepts:
		if in.Failed {
			p.answerAgain()
		}
	case Accepting:
		p.accepting = p.answering
	case Accepted:
		if !p.released {
			p.release()
		}
	case Lapsed:
		p.renew(in.Begun)
	case Lost:
		p.restart(in.Begun, in.Rebuild)
	}
	return p.orders
}

func (p *Plan) do(o Order) { p.orders = append(p.orders, o) }

func (p *Plan) release() {
	p.released = true
	p.do(Release{})
}

func (p *Plan) updated(u Updated) {
	p.call = u.Call
	if u.Answer != "" && u.Generation == p.generation {
		p.do(Apply{u.Generation, u.Answer})
	}
	for _, change := range u.Changes {
		switch change {
		case device.Accepted:
			p.answered()
		case device.Generation:
			p.offerAgain()
		case device.PeerEpoch:
			p.do(Resend{all})
		case device.Reconnected:
			p.reconnected(u.Begun)
		case device.TypeChanged, device.VideoRequest, device.VideoAnswer, device.PeerPresence,
			device.PeerMedia, device.PeerTracks, device.Connected:
		}
	}
	p.takeOffer(u.Generation, u.Offer)
}

// answered: the call is. What the other side may have missed goes again.
func (p *Plan) answered() {
	unknown := !p.released // The word that the acceptance holds was lost.
	if unknown {
		p.release()
	}
	if p.call.Caller {
		beyond := p.call.Held
		if p.call.KeptBack {
			beyond = all
		}
		p.do(Resend{beyond})
		return
	}
	if unknown {
		p.do(Resend{all})
	}
	// The caller may have offered again while the acceptance was on its way.
	if p.answering > p.accepting && p.answering == p.call.Generation {
		p.do(Give{p.answering})
	}
	p.do(Tracks{})
}

// reconnected: this side has a connection to the server again, and what it sent may have
// been lost.
func (p *Plan) reconnected(begun uint32) {
	p.do(Resend{all})
	if !p.call.Ringing || p.call.Caller {
		p.do(Tracks{})
	}
	p.do(Look{})
	if p.call.Ringing {
		p.renew(begun)
	} else {
		p.do(Report{})
	}
}

// offerAgain: the caller offers each new generation; the callee waits for the offer.
func (p *Plan) offerAgain() {
	if p.call.Caller && p.generation < p.call.Generation {
		p.makeOffer(p.call.Generation, p.call.Rebuild > p.generation, true)
	}
}

func (p *Plan) makeOffer(generation uint32, rebuild, send bool) {
	p.generation = generation
	p.do(Offer{generation, rebuild, send})
}

// takeOffer answers an offer: while it rings for the acceptance, otherwise at once.
func (p *Plan) takeOffer(of uint32, offer string) {
	c := p.call
	if c.Caller || offer == "" || of != c.Generation || p.answering >= c.Generation {
		return
	}
	fresh := p.generation > 0 && (c.Ringing || c.Rebuild > p.generation)
	p.generation, p.answering, p.offer = c.Generation, c.Generation, offer
	p.do(Answer{c.Generation, fresh, !c.Ringing, offer})
}

// renew: the caller offers again; the callee's answer is made again, unless it is on its
// way.
func (p *Plan) renew(begun uint32) {
	switch {
	case !p.call.Ringing:
	case p.call.Caller:
		p.restart(begun, true)
	case p.accepting < p.answering:
		p.answerAgain()
	}
}

func (p *Plan) answerAgain() {
	if p.answering != 0 {
		p.do(Answer{p.answering, true, false, p.offer})
	}
}

// restart asks for another generation, unless there is one that has not begun. If new
// connections are needed, a restart of ICE in between does not count.
func (p *Plan) restart(begun uint32, rebuild bool) {
	last := p.call.Generation
	if rebuild {
		last = p.call.Rebuild
	}
	if last <= begun {
		p.do(Restart{p.call.Generation, rebuild})
	}
}
