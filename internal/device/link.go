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

// link is the connection to the server. Each attempt has a socket of its own, with a number that is
// never used twice: what a closed socket still delivers names an old number, and is dropped.
type link struct {
	phase  phase
	socket Socket // Zero when there is none.
	last   Socket
	// attempt is that of the socket, until its welcome.
	attempt attempt
	second  second
	tokens  tokens
	// fresh: no earlier call is in memory, until the first welcome. It says so in the hello, and the
	// server then has the other party build a new peer connection, or ends the call.
	fresh bool
	// failures counts the attempts since the last welcome that failed.
	failures int
	// renewed: a second token was fetched because the first had expired. Only one more is fetched
	// until the next welcome: a backend whose clock is wrong issues expired tokens for ever.
	renewed bool
	// loginAt, idle and active are the server's, of the last welcome.
	loginAt      *timestamppb.Timestamp
	idle, active heartbeat
	lastID       uint32
	// attemptAt is when the latest socket was begun.
	attemptAt time.Time

	retryAt  time.Time // Of the next attempt.
	silentAt time.Time // When silence means that the connection is dead.
	beatAt   time.Time // Of the next question for a sign of life.
	renewAt  time.Time // Of the next token.

	pinged   uint32        // The last ping,
	pingedAt time.Time     // when it was sent,
	grants   time.Duration // and how long it may go without an answer.
	// roundTrip is how long the last answer to a ping took.
	roundTrip time.Duration
}

// heartbeat is how often to ask, and how long without an answer means death.
type heartbeat struct{ every, dead time.Duration }

func (l *link) deadline() time.Time {
	return earlier(earlier(earlier(l.retryAt, l.silentAt), earlier(l.beatAt, l.renewAt)), l.second.tryAt)
}

func (d *Device) login() {
	if l := &d.link; l.phase == offline {
		l.tokens.late = l.tokens.awaited
		d.connect()
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

// connect begins an attempt, or asks for the token that it needs. A token that still serves is used
// again: after a restart of the server all pages reconnect within seconds, and their backend should
// not issue a token for each of them.
func (d *Device) connect() {
	if token, kept, ok := d.link.tokens.serving(d.now); ok {
		d.dial(token, kept)
		return
	}
	d.enter(fetching)
	d.getToken()
}

func (d *Device) dial(token string, kept bool) {
	l := &d.link
	l.socket, l.attempt = d.nextSocket(), d.attempt(token, kept)
	d.enter(dialing)
	l.silentAt = d.now.Add(l.patience())
	d.do(Dial{l.socket})
}

// patience is how long an attempt may take. It grows with the failures: on a slow network the
// first limit may cut off every attempt just before its welcome.
func (l *link) patience() time.Duration {
	p := patienceFirst
	for range l.failures {
		if p = p * 3 / 2; p >= patienceMost {
			return patienceMost
		}
	}
	return p
}

// opened says hello. A second socket that opened won the race: the network works, and what the
// suspect connection still says no longer matters.
func (d *Device) opened(s Socket) {
	l := &d.link
	if s != 0 && s == l.second.socket {
		d.takeOver()
	}
	if s != l.socket || l.phase != dialing {
		return
	}
	h := &pealv1.Hello{
		Token: l.attempt.token, DeviceId: d.cfg.ID, Client: d.cfg.Client,
		Fresh: l.fresh, Resume: l.fresh && d.cfg.Resume, LoginAt: l.loginAt,
		AttemptAt: timestamppb.New(l.attempt.at),
	}
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

// received takes a frame. Any frame shows that the connection lives, so the race with a second
// socket is over. Only the answer to the ping ends the wait for it.
func (d *Device) received(s Socket, f *pealv1.ServerFrame) {
	l := &d.link
	if s != l.socket {
		return
	}
	d.closeSecond()
	switch {
	case l.silentAt.IsZero():
	case l.phase == dialing:
		l.silentAt = time.Time{}
	case f.ReplyTo == l.pinged:
		l.silentAt, l.roundTrip = time.Time{}, d.now.Sub(l.pingedAt)
		l.second.answered()
	default: // The server may have sent it before the ping arrived, so it restarts the time-out.
		l.silentAt = d.now.Add(l.grants)
	}
	if l.phase == dialing {
		d.receivedFirst(f)
		return
	}
	switch b := f.Body.(type) {
	case *pealv1.ServerFrame_Goodbye:
		switch {
		case !b.Goodbye.Reconnect:
			d.stop(b.Goodbye.GetError(), endOf(b.Goodbye.GetError()))
		case b.Goodbye.GetError().GetCode() == string(protocol.TokenExpired):
			l.tokens.drop()
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
	l.fresh, l.failures, l.renewed = false, 0, false
	l.loginAt, l.idle, l.active = w.LoginAt, rhythm(w.Idle), rhythm(w.Active)
	d.nameAccount(w.Account)
	d.enter(online)
	left := millis(w.TokenExpiresInMs)
	l.tokens.welcomed(l.attempt, left, d.now)
	l.attempt = attempt{}
	d.planRenewal(left)
	if token := l.tokens.spare; token != "" { // It is newer.
		l.tokens.spare = ""
		d.authenticate(token)
	}
	d.beat()
	// The order of what follows is a promise to the application. What ends something is sent
	// before the calls of the welcome are processed: a call that the person hung up offline must
	// not come back as if it were live. What begins or changes something is sent after them: an
	// acceptance can only be judged against the state of the call in the welcome. The list is a
	// copy, since an answer may add requests.
	waiting := append([]*request(nil), d.requests...)
	for _, r := range waiting {
		if r.lasting {
			d.send(r)
		}
	}
	// Before the calls of the welcome: their records must not move the place to ask from.
	missed := d.records.ask(w.LoginAt.AsTime())
	d.greeted(w)
	d.resumes = false
	for _, r := range waiting {
		if !r.lasting {
			d.send(r)
		}
	}
	d.catchUp(missed)
}

// refused takes a refused hello. A token may have expired on its way, or not be
// good any more since the server took it: one more is fetched.
func (d *Device) refused(e *pealv1.Error) {
	l := &d.link
	code := protocol.Code(e.GetCode())
	expired := code == protocol.TokenExpired || code == protocol.TokenRevoked || code == protocol.BadToken && l.attempt.kept
	if expired {
		l.tokens.drop()
	}
	expired = expired && !l.renewed
	if e.GetRetry() || expired {
		l.renewed = l.renewed || expired
		d.lost()
		return
	}
	d.stop(e, endOf(e))
}

// closed takes the end of a socket.
func (d *Device) closed(s Socket) {
	switch l := &d.link; s {
	case 0:
	case l.socket:
		d.lost()
	case l.second.socket:
		l.second.socket, l.second.attempt = 0, attempt{}
	}
}

// lost gives the connection up. A second one that is being made takes its place; otherwise the next
// attempt follows after a random pause, so that the pages of a server that restarted do not all
// dial at once. The limit of the pause doubles, and stays short while a person waits: in a call, or
// with a request unanswered.
func (d *Device) lost() {
	l := &d.link
	if l.second.socket != 0 {
		d.takeOver()
		return
	}
	d.drop()
	if l.phase == offline {
		return
	}
	d.unanswered()
	limit, most := pauseFirst, pauseIdle
	if d.active != nil || len(d.requests) > 0 {
		most = pauseBusy
	}
	for i := 0; i < l.failures && limit < most; i++ {
		limit *= 2
	}
	l.failures++
	l.retryAt = d.now.Add(d.random.below(min(limit, most)))
	d.enter(pausing)
}

// unanswered has what was not answered sent again by the next connection. The server recognizes a
// repeated command by its effect: an invitation by its identifier, an acceptance by the device in
// the call. A chore, such as a list of records, is asked for again when it is needed.
func (d *Device) unanswered() {
	d.requests = slices.DeleteFunc(d.requests, func(r *request) bool { return r.chore })
	for _, r := range d.requests {
		r.id = 0
	}
}

// drop closes the sockets, if there are any.
func (d *Device) drop() {
	l := &d.link
	d.closeSecond()
	if l.socket != 0 {
		d.do(Close{l.socket})
	}
	l.socket, l.attempt, l.second = 0, attempt{}, second{}
	l.retryAt, l.silentAt, l.beatAt, l.renewAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
}

// endOf is why the call of a login ends that the server ended, as the error says.
func endOf(login *pealv1.Error) Reason {
	ended := []protocol.Code{protocol.Kicked, protocol.LoggedOut, protocol.TokenRevoked}
	if slices.Contains(ended, protocol.Code(login.GetCode())) {
		return ReasonKicked
	}
	return ReasonLost
}

// stop goes offline for good: what waits fails, and the call is over here, for that reason.
func (d *Device) stop(why *pealv1.Error, reason Reason) {
	if d.link.phase == offline {
		return
	}
	d.drop()
	l := &d.link
	l.phase, l.fresh, l.loginAt, l.failures = offline, true, nil, 0
	l.renewed, l.tokens.spare = false, ""
	l.tokens.drop()
	d.shadows, d.logsOut = nil, false
	d.failAll(why)
	if v := d.active; v != nil {
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
		d.connect()
		return
	case due(l.silentAt, d.now):
		d.lost()
		return
	}
	if due(l.renewAt, d.now) {
		l.renewAt = time.Time{}
		d.getToken()
	}
	if due(l.second.tryAt, d.now) {
		l.second.tryAt = time.Time{}
		d.tryAnother()
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

// ping asks for a sign of life, one at a time. A shorter patience shortens the wait: an idle
// connection had 25 s to answer, and a call begins.
func (d *Device) ping(patience time.Duration) {
	d.beat()
	l := &d.link
	waits, until := !l.silentAt.IsZero(), d.now.Add(patience)
	if waits && !until.Before(l.silentAt) {
		return
	}
	l.silentAt, l.grants = until, patience
	if !waits {
		l.pinged, l.pingedAt = d.write(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Ping{Ping: &pealv1.Ping{}}}), d.now
	}
}

// probe finds out at once whether the connection is alive, or makes one. The shell calls it when a
// page becomes visible or the network changes: a laptop that woke must not wait out its pause.
func (d *Device) probe() {
	l := &d.link
	switch l.phase {
	case online:
		d.ping(l.active.dead)
	case pausing:
		l.failures, l.retryAt = 0, d.now
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
