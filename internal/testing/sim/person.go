package sim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/device"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// person is somebody with a program on the client core: the shell around a
// device, and what the person does, at times that the seed chooses.
type person struct {
	w       *world
	account string
	id      string
	// slow: it lets things ring and go on.
	slow bool
	// steady: in a call it says what a page says that has media, once, and nothing else.
	steady bool
	said   report
	// resumes: after a restart it goes on with the call in the welcome.
	resumes bool
	greeted bool // The device takes a welcome.

	device machine
	starts int           // How often the program was started.
	ahead  time.Duration // How far the program's clock is ahead.
	wake   time.Time
	// sockets are those that the device has not given up, oldest first: one, or two
	// while it tries another. links are those that have opened.
	sockets []device.Socket
	links   map[device.Socket]*link
	dialed  map[device.Socket]time.Time
	hello   string               // The token of the latest hello.
	ends    map[string]time.Time // When tokens end, of which the server said so.
	life    time.Duration        // Of its tokens.
	fetches bool                 // It waits for a token.
	noToken time.Time            // Until when there are none.

	ticket device.Ticket
	asked  map[device.Ticket]wish   // What is not answered yet.
	made   map[device.Ticket]string // The calls that it asked for.
	sulks  time.Time                // Until when it calls nobody, its call having failed.
	calls  map[string]device.End    // How calls were over, as it learned.
	over   map[string]time.Time     // When that was.
	agreed map[string]bool          // Those that it accepted, or that became of its own.
	revs   map[string]uint32        // What was shown of them last.
	media  map[string]uint32        // The generations that any start of the program was shown.
	filed  map[string]bool          // Records that it received.
	unsent map[string]bool          // Drafts, until it has sent them.
	// browser has the memory of its records, and reads is which of its writes this program knows.
	browser *browser
	reads   int
	heard   map[string]*pealv1.Call // The newest that came of each call since the welcome.

	since   time.Time // Since when it is online, or not.
	leaves  bool
	logsOut bool
	kicked  bool
	away    time.Time // Until when it does not log in again,
	tunnel  time.Time // or has no network,
	sleeps  time.Time // or does nothing at all.
}

// wish is what a person asked for, and when.
type wish struct {
	what string
	at   time.Time
}

// report is what a page tells of its media: of each generation, and again after each
// new connection.
type report struct {
	call       string
	generation uint32
	online     time.Time
}

func newPerson(w *world, account, id string) *person {
	p := &person{
		w: w, account: account, id: id, ahead: w.between(-time.Hour, time.Hour), since: w.now,
		slow: w.chance(0.3) || w.cfg.Patient, steady: w.chance(0.3), media: make(map[string]uint32),
		life: time.Hour,
	}
	if w.cfg.ShortTokens {
		p.life = w.between(time.Minute, 3*time.Minute).Truncate(time.Millisecond)
	}
	p.browser, p.filed = w.browserOf(account), make(map[string]bool)
	p.browser.persons = append(p.browser.persons, p)
	p.start()
	return p
}

// start begins the program with an empty memory, but for that of records.
func (p *person) start() {
	p.starts++
	p.wake = time.Time{}
	p.sockets, p.links, p.dialed = nil, make(map[device.Socket]*link), make(map[device.Socket]time.Time)
	p.fetches, p.ends = false, make(map[string]time.Time)
	p.asked, p.heard = make(map[device.Ticket]wish), nil
	p.unsent = make(map[string]bool)
	p.revs, p.agreed = make(map[string]uint32), make(map[string]bool)
	p.made, p.sulks = make(map[device.Ticket]string), time.Time{}
	p.calls, p.over = make(map[string]device.End), make(map[string]time.Time)
	p.resumes = p.w.chance(0.5)
	p.device = p.w.newDevice(p.name(), device.Config{
		ID: p.id, Client: "sim", Resume: p.resumes, Seed: p.w.rng.Uint32(),
	})
	p.reads = p.browser.writes
	if p.browser.memory.Latest != 0 || len(p.browser.memory.Told) > 0 {
		p.step(device.RecordsRemembered{RecordMemory: p.browser.memory})
	}
}

func (p *person) name() string { return p.account + "/" + p.id }

func (p *person) seen() sight {
	var blind time.Time
	if l := p.link(); l != nil {
		blind = l.host.blind()
	}
	return sight{
		blind: blind, kicked: p.kicked, steady: p.steady, leaves: p.leaves && p.logsOut,
		account: p.account, online: p.online(), since: latest(p.since, p.sleeps), call: p.device.Call(),
		asks: p.asks,
		over: func(id string) (time.Time, bool) { at, over := p.over[id]; return at, over },
	}
}

// asks is what it has waited for longest, if anything.
func (p *person) asks() (what string, at time.Time) {
	for _, x := range p.asked {
		if what == "" || x.at.Before(at) {
			what, at = x.what, x.at
		}
	}
	return what, at
}

// online says whether the server can be reached, and not only by a connection that it believes to
// be alive.
func (p *person) online() bool {
	l := p.link()
	return p.device.State() == device.Online && l != nil && !l.deadUp && !l.deadDown && !p.frozen()
}

// frozen says that it does nothing, and that all that comes waits.
func (p *person) frozen() bool { return p.w.now.Before(p.sleeps) }

func (p *person) rests() bool {
	return p.device.Call() == nil && len(p.asked) == 0 && p.device.Idle() && (p.online() || p.device.State() == device.Offline)
}

// ---------------------------------------------------------------- the program

func (p *person) step(in device.Input) {
	if p.frozen() {
		p.later(p.sleeps.Sub(p.w.now), in)
		return
	}
	if p.w.err != nil {
		return
	}
	p.greeted = false
	switch in := in.(type) {
	case device.Received:
		if in.Socket == p.listens() {
			p.hears(in.Frame)
			p.greeted = in.Frame.GetWelcome() != nil
		}
	case device.Closed:
		p.forget(in.Socket)
	case device.GotToken:
		p.fetches = false
	}
	for _, e := range p.device.Step(p.w.now.Add(p.ahead), in) {
		p.carryOut(e)
	}
	p.heeds()
	if p.steady {
		p.steadily()
	}
	p.rewake()
}

func (p *person) later(d time.Duration, in device.Input) {
	start := p.starts
	p.w.after(d, func() {
		if p.starts == start {
			p.step(in)
		}
	})
}

func (p *person) rewake() {
	at, ok := p.device.Deadline()
	at = at.Add(-p.ahead)
	if !ok || !p.wake.IsZero() && !p.wake.After(at) {
		return
	}
	if at.Before(p.w.now) {
		at = p.w.now
	}
	p.wake = at
	start := p.starts
	p.w.after(at.Sub(p.w.now), func() {
		if p.starts == start && p.wake.Equal(at) {
			p.wake = time.Time{}
			p.step(device.Woke{})
		}
	})
}

func (p *person) carryOut(e device.Effect) {
	w := p.w
	switch e := e.(type) {
	case device.GetToken:
		p.fetch()
	case device.Dial:
		if p.sockets = append(p.sockets, e.Socket); len(p.sockets) > 2 {
			w.violate("%s has the sockets %v", p.name(), p.sockets)
		}
		p.dial(e.Socket)
	case device.Send:
		p.sends(e)
	case device.Close:
		p.forget(e.Socket)
		if l := p.links[e.Socket]; l != nil {
			delete(p.links, e.Socket)
			l.hangUp()
		}
	case device.Answer:
		p.answered(e)
	case device.StateChanged:
		p.since = w.now
		w.trace("%s is %s", p.name(), [...]string{"offline", "connecting", "online"}[e.State])
		w.watch.back(p.name(), e.State == device.Online)
	case device.LoggedOut:
		p.loggedOut(protocol.Code(e.Error.GetCode()))
	case device.Incoming:
		p.sees("rings", e.Update)
	case device.Resumed:
		if !p.resumes || !p.greeted {
			w.violate("S1: %s is put into %s, and has asked for nothing", p.name(), e.Update.Call.CallId)
		}
		if c := e.Update.Call; c.Generation <= p.media[c.CallId] {
			w.violate("L5: %s goes on with %s, generation %d, and its peer connection of that is gone", p.name(), c.CallId, c.Generation)
		}
		p.sees("goes on with", e.Update)
	case device.Updated:
		p.sees(fmt.Sprint(e.Changes), e.Update)
		if c := e.Update.Call; slices.Contains(e.Changes, device.Accepted) && c.Role == pealv1.Role_ROLE_CALLEE && !p.agreed[c.CallId] {
			w.violate("S1: %s is in %s, and has not answered", p.name(), c.CallId)
		}
	case device.Ended:
		p.ended(e)
	case device.Filed:
		w.trace("%s has the record of %s", p.name(), short(call.ID(e.Record.CallId)))
		if p.filed[e.Record.CallId] {
			w.violate("S3: %s is told twice of the record of %s", p.name(), e.Record.CallId)
		}
		w.reads(p.name(), e.Record)
		p.filed[e.Record.CallId], p.browser.filed[e.Record.CallId] = true, true
	case device.RememberRecords:
		p.browser.remember(p, e.RecordMemory)
	case device.Failed:
		w.trace("%s: %s", p.name(), e.Error.GetCode())
	}
}

// leaves is the call that a command is to leave, if any.
func leaves(f *pealv1.ClientFrame) string {
	return cmp.Or(f.GetHangup().GetCallId(), f.GetCancel().GetCallId(), f.GetReject().GetCallId())
}

// hears keeps what the server says of calls in mind, whatever the device makes of it.
func (p *person) hears(f *pealv1.ServerFrame) {
	news := []*pealv1.CallUpdate{f.GetCall()}
	if w := f.GetWelcome(); w != nil {
		p.heard, news = make(map[string]*pealv1.Call), w.Calls
		p.ends[p.hello] = p.w.now.Add(time.Duration(w.TokenExpiresInMs) * time.Millisecond)
	}
	for _, u := range news {
		if c := u.GetCall(); c != nil && p.heard != nil && c.Rev > p.heard[c.CallId].GetRev() {
			p.heard[c.CallId] = c
		}
	}
}

// heeds holds L2 and L5 for what has come to the device: where it shows no call there is
// none that is said to ring here, or that it is said to be in, unless it is done with that.
func (p *person) heeds() {
	if p.device.State() != device.Online || p.device.Call() != nil || p.leaves && p.logsOut {
		return
	}
	if at, ok := p.device.Deadline(); ok && !at.After(p.w.now.Add(p.ahead)) {
		return // It has still to take up what rings.
	}
	for _, id := range slices.Sorted(maps.Keys(p.heard)) {
		c := p.heard[id]
		_, over := p.over[id]
		switch {
		case over || p.browser.filed[id] || c.State == pealv1.CallState_CALL_STATE_ENDED:
		case c.Role == pealv1.Role_ROLE_CALLEE && c.State == pealv1.CallState_CALL_STATE_RINGING && !c.RingStopped:
			p.w.violate("L2: %s was told that %s rings, is in no call, and does not ring", p.name(), id)
		case c.Role == pealv1.Role_ROLE_CALLER, c.Role == pealv1.Role_ROLE_CALLEE && c.State != pealv1.CallState_CALL_STATE_RINGING:
			p.w.violate("L5: %s was told that it is in %s, and shows no call", p.name(), id)
		}
	}
}

// reload starts the program again, without a word to anyone.
func (p *person) reload() {
	if p.link() != nil {
		if p.w.chance(0.5) {
			p.step(device.Leaving{})
		}
	}
	for _, s := range p.sockets {
		if l := p.links[s]; l != nil {
			l.hangUp()
		}
	}
	p.start()
	p.since = p.w.now
	p.step(device.Login{})
}

// ------------------------------------------------------------- what it receives

func (p *person) loggedOut(why protocol.Code) {
	p.w.trace("%s is logged out: %s", p.name(), why)
	for id, e := range p.calls {
		if e.Reason == device.ReasonKicked && !e.Answered && p.heard[id].GetRole() == pealv1.Role_ROLE_CALLEE {
			// That was the end of the login. It may ring for the next one.
			delete(p.calls, id)
			delete(p.over, id)
		}
	}
	p.heard = nil
	delete(p.w.watch.dropped, p.name())
	switch {
	case why == protocol.Kicked && p.w.cfg.SingleLogin:
		// Someone logs in again there, later.
		most := time.Minute
		if p.w.cfg.Hasty {
			most = 10 * time.Second
		}
		p.kicked, p.away = true, p.w.now.Add(p.w.upTo(most))
	case (why == protocol.LoggedOut || why == protocol.TokenRevoked) && p.w.wasLoggedOut(p.account):
		p.away = p.w.now.Add(p.w.upTo(time.Minute))
	case why == protocol.LoggedOut && p.leaves:
	case why == protocol.TokenExpired && p.w.now.Sub(p.sleeps) < 2*p.life:
		// It slept while it connected, time and again.
	default:
		p.w.violate("%s was logged out: %s", p.name(), why)
	}
}

func (p *person) answered(e device.Answer) {
	wish, asked := p.asked[e.Ticket]
	if !asked {
		p.w.violate("%s is answered what it did not ask", p.name())
	}
	delete(p.asked, e.Ticket)
	id, made := p.made[e.Ticket]
	delete(p.made, e.Ticket)
	_, gaveUp := p.over[id]
	if into := e.Update.GetMergedInto(); into != "" && !gaveUp {
		p.agreed[into] = true
		// It may have rung here before.
		delete(p.calls, into)
		delete(p.over, into)
	}
	if made && e.Error != nil {
		p.over[id] = p.w.now
		if p.w.chance(0.3) {
			p.sulks = p.w.now.Add(p.w.upTo(time.Minute))
		}
	}
	p.w.trace("%s %s: %s", p.name(), wish.what, e.Error.GetCode())
}

// sees holds a snapshot to the invariants that one can see.
func (p *person) sees(what string, u *pealv1.CallUpdate) {
	c := u.Call
	p.w.trace("%s %s %s rev %d %v", p.name(), what, short(call.ID(c.CallId)), c.Rev, c.State)
	if c.Rev < p.revs[c.CallId] {
		p.w.violate("S7: %s is shown rev %d of %s after rev %d", p.name(), c.Rev, c.CallId, p.revs[c.CallId])
	}
	p.revs[c.CallId], p.media[c.CallId] = c.Rev, max(p.media[c.CallId], c.Generation)
	p.w.sees(p.account, p.name(), u)
}

func (p *person) ended(e device.Ended) {
	p.w.trace("%s: %s is over: %+v", p.name(), short(call.ID(e.Call)), e.End)
	if was, twice := p.calls[e.Call]; twice {
		p.w.violate("S2: %s is told twice that %s is over: %v, then %v", p.name(), e.Call, was, e.End)
	}
	if e.End.Record != nil {
		p.w.reads(p.name(), e.End.Record)
	}
	p.calls[e.Call], p.over[e.Call] = e.End, p.w.now
	p.holds(e.Call, e.End)
}

// holds holds S2 where it receives how a call ended; where it left by itself, the
// record says the rest.
func (p *person) holds(id string, e device.End) {
	truth, known := p.w.audit.calls[call.ID(id)]
	switch {
	case !e.Final:
	case !known:
		p.w.violate("S2: %s is told how %s ended, which never was", p.name(), id)
	case e.Reason == device.ReasonAnsweredElsewhere:
		if d := truth.Leg(call.Account(p.account)).Device.ID; d == "" || string(d) == p.id {
			p.w.violate("S2: %s is told that %s was answered elsewhere, and it was not", p.name(), id)
		}
	case e.Reason == device.ReasonTimeout && e.ByThisDevice:
	case string(e.Reason) != reasonNames[truth.Outcome.Reason]:
		p.w.violate("S2: %s is told that %s ended %s, the store says %s", p.name(), id, e.Reason, reasonNames[truth.Outcome.Reason])
	}
}

// agrees holds S3 and L5 at rest: this person has received all that happened.
func (p *person) agrees() {
	w := p.w
	if c := p.device.Call(); c != nil {
		w.violate("L5: %s is still in %s", p.name(), c.CallId)
	}
	if what, at := p.asks(); what != "" {
		w.violate("%s %s at %s, and never got an answer", p.name(), what, at.Sub(w.epoch))
	}
	if !p.online() {
		return
	}
	for id, c := range w.audit.calls {
		if _, filed := c.Record(); filed && c.Leg(call.Account(p.account)) != nil && !p.browser.filed[string(id)] {
			w.violate("S3: %s never got the record of %s", p.name(), id)
		}
	}
}

// reasonNames are the reasons as clients have them.
var reasonNames = func() map[call.Reason]string {
	names := make(map[call.Reason]string)
	for n, name := range pealv1.Reason_name {
		names[call.Reason(n)] = strings.ToLower(strings.TrimPrefix(name, "REASON_"))
	}
	return names
}()
