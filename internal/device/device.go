// Package device is one running client of an account: its login, which lasts over lost connections,
// the one call that it may be in, and what it has received.
//
// A Device is an event loop without a goroutine, as a node is: the shell calls
// Step with one input at a time and carries out the effects in order. It holds
// no lock, reads no clock and does no I/O. The Go SDK (package client) pumps it
// with a real socket, the simulator with a virtual one.
//
// web/sdk/src/device is the same machine in TypeScript, function for function.
// The simulator compares both: the same inputs must give the same effects. For
// that, all times here are whole milliseconds, and chance is integer arithmetic.
//
//	offline ──Login──► connecting ──welcome──► online
//	   ▲                 ▲   │                   │
//	   └── refused ──────┼───┘                   │
//	   ▲                 └──── connection lost ──┤
//	   └──── Logout, replaced, kicked ───────────┘
package device

import (
	"time"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Config is what a device is made of. ID is required.
type Config struct {
	// ID names this device among those of the account.
	ID string
	// Client is name and version of the program, for the operator's eyes.
	Client string
	// Resume goes on with the call that a device of this ID was in before;
	// otherwise the login ends that call.
	Resume bool
	// RecordsSince is where telling of records begins: with those of calls that
	// ended at that time, in whole milliseconds. Zero means the last seven days.
	RecordsSince time.Time
	// AttemptAt is when a device of this ID began a connection last, before this
	// program was started: hello.attemptAt goes on from there. Zero means never.
	AttemptAt time.Time
	// Seed begins the pseudo-random numbers that spread reconnects. Each device
	// needs its own.
	Seed uint32
}

// Device is one running client. One goroutine, the shell's, owns it.
type Device struct {
	cfg      Config
	now      time.Time
	effects  []Effect
	account  string
	link     link
	requests []*request
	active   *view
	shadows  shadows
	// unshadeAt is when they are taken up, after a call has ended.
	unshadeAt time.Time
	logsOut   bool // Nothing rings any more, and no call begins.
	resumes   bool // It takes the first welcome of a login, and goes on with what that tells of.
	past      past
	records   recordLog
	others    []accountLog
	random    random
}

// New makes a device that is offline.
func New(cfg Config) *Device {
	begun := cfg.AttemptAt.Truncate(time.Millisecond)
	return &Device{cfg: cfg, link: link{fresh: true, attemptAt: begun}, records: newRecordLog(cfg.RecordsSince), random: random(cfg.Seed)}
}

// Step takes one input and returns what the shell is to do, in order. Times
// only need to grow; they are not the server's. Less than a millisecond is cut
// off.
func (d *Device) Step(now time.Time, in Input) []Effect {
	d.now, d.effects = now.Truncate(time.Millisecond), nil
	switch in := in.(type) {
	case GotToken:
		d.gotToken(in)
	case Opened:
		d.opened(in.Socket)
	case Received:
		d.received(in.Socket, in.Frame)
	case Closed:
		d.closed(in.Socket)
	case Woke:
		d.woke()
	case Login:
		d.login()
	case Logout:
		d.logout(in.Ticket)
	case Stop:
		d.stop(loggedOut(), ReasonLost)
	case Draft:
		d.draft(in)
	case Abandon:
		d.abandonDraft(in.Call)
	case Invite:
		d.invite(in)
	case Accept:
		d.accept(in)
	case Reject:
		d.reject(in)
	case Cancel:
		d.cancel(in)
	case Hangup:
		d.hangup(in)
	case Ask:
		d.ask(in)
	case Mention:
		d.mention(in.Command)
	case Forget:
		d.forgetTicket(in.Ticket)
	case Probe:
		d.probe()
	case Suspect:
		d.suspect()
	case NetworkChanged:
		d.networkChanged()
	case Leaving:
		d.mention(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Leaving{Leaving: &pealv1.Leaving{}}})
	case RecordsRemembered:
		d.recordsRemembered(in.RecordMemory)
	}
	d.remember()
	return d.effects
}

// Deadline is when the device wants a Woke, in whole milliseconds; ok is false
// when never.
func (d *Device) Deadline() (at time.Time, ok bool) {
	at = earlier(d.link.deadline(), d.unshadeAt)
	for _, r := range d.requests {
		at = earlier(at, r.deadline())
	}
	return at, !at.IsZero()
}

// State says whether the server can be reached.
func (d *Device) State() State { return d.link.phase.state() }

// Account is the account that the token named; empty before the first welcome.
func (d *Device) Account() string { return d.account }

// Call is the newest snapshot of the call that the device is in; nil when it
// is in none.
func (d *Device) Call() *pealv1.Call {
	if d.active == nil {
		return nil
	}
	return d.active.call
}

// Idle reports whether nothing waits for an answer.
func (d *Device) Idle() bool { return len(d.requests) == 0 }

func (d *Device) do(e Effect) { d.effects = append(d.effects, e) }

// woke does what is due.
func (d *Device) woke() {
	d.wokeLink()
	d.wokeShadows()
	for _, r := range append([]*request(nil), d.requests...) {
		d.wokeRequest(r)
	}
}

func due(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// earlier is the first of two times, where zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// loggedOut is the error of a login that the person ended.
func loggedOut() *pealv1.Error { return problem(CodeLoggedOut, "logged out", false) }

// problem is an error that is made here.
func problem(code, message string, retry bool) *pealv1.Error {
	return &pealv1.Error{Code: code, Message: message, Retry: retry}
}
