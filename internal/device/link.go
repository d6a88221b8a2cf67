package device

import (
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// phase is what a device is doing about its connection.
type phase uint8

const (
	// offline: nothing. Left by Login.
	offline phase = iota
	// fetching: a token was asked for. Left when it comes.
	fetching
	// dialing: a socket is being opened, or a hello was said. Left by a welcome,
	// a refusal, or when patience is over.
	dialing
	// pausing before the next attempt. Left when that is over.
	pausing
	// online: welcomed. Left when the connection is lost or the login ends.
	online
)

func (p phase) state() State {
	switch p {
	case offline:
		return Offline
	case online:
		return Online
	case fetching, dialing, pausing:
	}
	return Connecting
}

// link is the connection to the server.
type link struct {
	phase  phase
	socket Socket // Zero when there is none.
	last   Socket
	token  string
	// fresh: no call of before is in memory, until the first welcome.
	fresh bool
	// attempt counts the failures since the last welcome.
	attempt int
	// renewed: a second token was fetched because the first had expired.
	renewed bool
	// loginAt, idle and active are the server's, of the last welcome.
	loginAt      *timestamppb.Timestamp
	idle, active heartbeat
	lastID       uint32
	// attemptAt is when the socket was begun.
	attemptAt time.Time

	retryAt  time.Time // Of the next attempt.
	silentAt time.Time // When silence means that the connection is dead.
	beatAt   time.Time // Of the next question for a sign of life.
	renewAt  time.Time // Of the next token.

	pinged uint32        // The last ping,
	grants time.Duration // and how long it may go without an answer.
}

// heartbeat is how often to ask, and how long without an answer means death.
type heartbeat struct{ every, dead time.Duration }

func (l *link) deadline() time.Time {
	return earlier(earlier(l.retryAt, l.silentAt), earlier(l.beatAt, l.renewAt))
}

func (d *Device) login() {
	if d.link.phase == offline {
		d.enter(fetching)
		d.do(GetToken{})
	}
}

// enter moves to a phase and tells of it.
func (d *Device) enter(p phase) {
	was := d.link.phase
	d.link.phase = p
	if was.state() != p.state() {
		d.do(StateChanged{p.state()})
	}
}

func (d *Device) gotToken(in GotToken) {
	l := &d.link
	switch {
	case l.phase == online && in.Err == nil:
		d.write(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Authenticate{Authenticate: &pealv1.Authenticate{Token: in.Token}}})
	case l.phase != fetching:
		// The next hello asks again, and then a failure matters.
	case in.Err == nil:
		l.last++
		l.socket, l.token = l.last, in.Token
		// Clocks are set back at times; attempts only go on.
		if l.attemptAt = l.attemptAt.Add(time.Millisecond); d.now.After(l.attemptAt) {
			l.attemptAt = d.now
		}
		d.enter(dialing)
		l.silentAt = d.now.Add(l.patience())
		d.do(Dial{l.socket})
	case l.loginAt != nil:
		// A backend that is away for a moment must not end a login that has been good.
		d.lost()
	default:
		d.stop(problem(CodeToken, "cannot get a token: "+in.Err.Error(), false))
	}
}

func (l *link) patience() time.Duration {
	p := patienceFirst
	for range l.attempt {
		if p = p * 3 / 2; p >= patienceMost {
			return patienceMost
		}
	}
	return p
}

func (d *Device) opened(s Socket) {
	l := &d.link
	if s != l.socket || l.phase != dialing {
		return
	}
	h := &pealv1.Hello{
		Token: l.token, DeviceId: d.cfg.ID, Client: d.cfg.Client,
		Fresh: l.fresh, Resume: l.fresh && d.cfg.Resume, LoginAt: l.loginAt,
		AttemptAt: timestamppb.New(l.attemptAt),
	}
	l.token = ""
	d.write(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Hello{Hello: h}})
}

// write sends a frame under the next id, which it returns.
func (d *Device) write(f *pealv1.ClientFrame) uint32 {
	l := &d.link
	l.lastID++
	d.do(Send{l.socket, &pealv1.ClientFrame{Id: l.lastID, Command: f.Command, Quiet: f.Quiet}})
	return l.lastID
}

// mention sends what nobody waits for: only a failure is answered.
func (d *Device) mention(f *pealv1.ClientFrame) {
	if d.link.phase == online {
		d.write(&pealv1.ClientFrame{Command: f.Command, Quiet: true})
	}
}

func (d *Device) received(s Socket, f *pealv1.ServerFrame) {
	l := &d.link
	if s != l.socket {
		return
	}
	if l.silentAt.IsZero() || l.phase == dialing || f.ReplyTo == l.pinged {
		l.silentAt = time.Time{}
	} else { // It may have been on its way before the ping, whose answer is to come.
		l.silentAt = d.now.Add(l.grants)
	}
	if l.phase == dialing {
		d.receivedFirst(f)
		return
	}
	switch b := f.Body.(type) {
	case *pealv1.ServerFrame_Goodbye:
		if !b.Goodbye.Reconnect {
			d.stop(b.Goodbye.GetError())
		}
		return
	case *pealv1.ServerFrame_Candidates:
		if d.active != nil && d.active.call.CallId == b.Candidates.CallId {
			d.do(Candidates{b.Candidates})
		}
		return
	}
	if f.ReplyTo == 0 || !d.answered(f) {
		d.passing(f.GetCall())
	}
}

// receivedFirst takes what comes before the welcome, and that.
func (d *Device) receivedFirst(f *pealv1.ServerFrame) {
	switch {
	case f.GetWelcome() != nil:
		d.welcomed(f.GetWelcome())
	case f.Error != nil:
		d.refused(f.Error)
	case f.GetGoodbye() != nil:
		d.refused(f.GetGoodbye().GetError())
	}
}

func (d *Device) welcomed(w *pealv1.Welcome) {
	l := &d.link
	d.resumes = l.fresh && d.cfg.Resume
	l.fresh, l.attempt, l.renewed = false, 0, false
	l.loginAt, l.idle, l.active = w.LoginAt, rhythm(w.Idle), rhythm(w.Active)
	d.account = w.Account
	d.enter(online)
	if life := millis(w.TokenExpiresInMs); life > 0 {
		l.renewAt = d.now.Add((life * 4 / 5).Truncate(time.Millisecond))
	}
	d.beat()
	waiting := append([]*request(nil), d.requests...)
	for _, r := range waiting {
		if r.lasting {
			d.send(r)
		}
	}
	missed := d.records.ask(w.LoginAt.AsTime()) // Before the welcome tells of calls that ended since.
	d.greeted(w)
	d.resumes = false
	for _, r := range waiting {
		if !r.lasting {
			d.send(r)
		}
	}
	d.catchUp(missed)
}

// refused takes a refused hello. A token may have expired on its way: one more
// is fetched.
func (d *Device) refused(e *pealv1.Error) {
	expired := e.GetCode() == string(protocol.TokenExpired) && !d.link.renewed
	if e.GetRetry() || expired {
		d.link.renewed = d.link.renewed || expired
		d.lost()
		return
	}
	d.stop(e)
}

// lost gives the connection up and plans the next.
func (d *Device) lost() {
	l := &d.link
	d.drop()
	if l.phase == offline {
		return
	}
	d.requests = slices.DeleteFunc(d.requests, func(r *request) bool { return r.chore })
	for _, r := range d.requests {
		r.id = 0
	}
	limit, most := pauseFirst, pauseIdle
	if d.active != nil || len(d.requests) > 0 {
		most = pauseBusy
	}
	for i := 0; i < l.attempt && limit < most; i++ {
		limit *= 2
	}
	l.attempt++
	l.retryAt = d.now.Add(d.random.below(min(limit, most)))
	d.enter(pausing)
}

// drop closes the socket, if there is one.
func (d *Device) drop() {
	l := &d.link
	if l.socket != 0 {
		d.do(Close{l.socket})
	}
	l.socket = 0
	l.retryAt, l.silentAt, l.beatAt, l.renewAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
}

// stop goes offline for good: what waits fails, and the call is over here.
func (d *Device) stop(why *pealv1.Error) {
	if d.link.phase == offline {
		return
	}
	d.drop()
	l := &d.link
	l.phase, l.fresh, l.loginAt, l.attempt = offline, true, nil, 0
	d.shadows, d.leaving = nil, false
	d.failAll(why)
	if v := d.active; v != nil {
		reason := ReasonLost
		if why.GetCode() == string(protocol.Kicked) {
			reason = ReasonKicked
		}
		d.end(v.leave(d.account, reason, d.now))
		if v.ringing(pealv1.Role_ROLE_CALLEE) {
			d.past.drop(v.call.CallId) // Where it still rings after the next login, it rings here.
		}
	}
	d.do(StateChanged{Offline})
	d.do(LoggedOut{why})
}

func (d *Device) wokeLink() {
	l := &d.link
	switch {
	case due(l.retryAt, d.now):
		l.retryAt = time.Time{}
		d.enter(fetching)
		d.do(GetToken{})
		return
	case due(l.silentAt, d.now):
		d.lost()
		return
	}
	if due(l.renewAt, d.now) {
		l.renewAt = time.Time{}
		d.do(GetToken{})
	}
	if due(l.beatAt, d.now) {
		h := l.rhythm(d.active != nil)
		d.ping(h.dead - h.every)
	}
}

// beat plans the next question for a sign of life.
func (d *Device) beat() {
	d.link.beatAt = d.now.Add(d.link.rhythm(d.active != nil).every)
}

// ping asks for a sign of life, one at a time.
func (d *Device) ping(patience time.Duration) {
	d.beat()
	l := &d.link
	if l.silentAt.IsZero() {
		l.silentAt, l.grants = d.now.Add(patience), patience
		if l.phase == online {
			l.pinged = d.write(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Ping{Ping: &pealv1.Ping{}}})
		}
	}
}

// probe finds out at once whether the connection is alive, or makes one.
func (d *Device) probe() {
	l := &d.link
	switch l.phase {
	case online:
		d.ping(l.active.dead)
	case pausing:
		l.attempt, l.retryAt = 0, d.now
	case offline, fetching, dialing:
	}
}

func (l *link) rhythm(busy bool) heartbeat {
	if busy {
		return l.active
	}
	return l.idle
}

// rhythm reads a heartbeat; without one it is that of a phone in a pocket.
func rhythm(h *pealv1.Heartbeat) heartbeat {
	every, dead := millis(h.GetEveryMs()), millis(h.GetDeadAfterMs())
	if every == 0 || dead <= every {
		return heartbeat{15 * time.Second, 25 * time.Second}
	}
	return heartbeat{every, dead}
}

func millis(ms uint32) time.Duration { return time.Duration(ms) * time.Millisecond }
