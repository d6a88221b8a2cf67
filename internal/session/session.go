// Package session is one connection of one client as the server sees it: who
// it is, whether it is alive, and whether it may say what it says.
//
// A Session has no goroutine, clock or socket. The node that owns the
// connection calls it with the time, one call at a time, and gives it a Line
// to speak through.
package session

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Line is the way to the client.
type Line interface {
	Send(*pealv1.ServerFrame)
	Ping()
	// Close ends the connection after what was sent before.
	Close(status int, reason string)
}

// Verify judges a bearer token.
type Verify func(token string, now time.Time) (auth.Identity, error)

// phase is how far a session has come. It only moves forward.
type phase uint8

const (
	// waiting for a hello. Left by a valid one, or closed when none comes in time.
	waiting phase = iota
	// greeting: the client is known and its calls are being fetched. News for
	// it is held back. Left by Welcome.
	greeting
	// ready: commands pass. Left by closing.
	ready
	// closed: said goodbye, or the socket is gone. Nothing is sent any more.
	closed
)

// Session is one connection. Its owner is the node's loop.
type Session struct {
	line   Line
	limits *protocol.Limits
	verify Verify

	phase    phase
	identity auth.Identity
	hello    *pealv1.Hello // Until the welcome.
	helloID  uint32
	held     []*pealv1.ServerFrame
	// quiet are the commands under way of which only a failure is answered; nil
	// where there are none.
	quiet map[uint32]struct{}

	budget *rate.Limiter
	// patience is how many commands above the budget are refused; nil until there are some.
	patience *rate.Limiter
	life     life
}

// floodBursts is how many bursts of commands a client may send above its budget, beside as
// many commands a second as the budget allows. A client with more is not worth what decoding
// its frames takes from all others.
const floodBursts = 10

// New is a connection that was opened now.
func New(line Line, limits *protocol.Limits, verify Verify, now time.Time) *Session {
	return &Session{
		line: line, limits: limits, verify: verify,
		budget: rate.NewLimiter(rate.Limit(limits.MessageRate), limits.MessageBurst),
		life:   newLife(limits, now),
	}
}

// Account is who the client is; empty before its hello.
func (s *Session) Account() string { return s.identity.Account }

// IssuedAt is when the client's token, the latest, was issued.
func (s *Session) IssuedAt() time.Time { return s.identity.IssuedAt }

// Card is how the client's token, the latest, shows its account.
func (s *Session) Card() auth.Card { return s.identity.Card }

// SingleLogin reports whether the client's token says that its account may be
// logged in on one device only.
func (s *Session) SingleLogin() bool { return s.identity.SingleLogin }

// Hello is what the client introduced itself with, from then until its welcome.
func (s *Session) Hello() *pealv1.Hello { return s.hello }

// Ready reports whether the client has been welcomed and not been closed.
func (s *Session) Ready() bool { return s.phase == ready }

// Greeting reports whether the client waits to be welcomed.
func (s *Session) Greeting() bool { return s.phase == greeting }

// Closed reports whether the connection is over.
func (s *Session) Closed() bool { return s.phase == closed }

// Receive takes a frame, or the complaint about what could not be decoded. It
// returns a command that the node is to carry out, or nil where the session
// dealt with it. The first command it returns is the Hello; the node answers
// that by Welcome.
func (s *Session) Receive(f *pealv1.ClientFrame, bad *pealv1.Error, now time.Time) *pealv1.ClientFrame {
	if s.phase == closed {
		return nil
	}
	s.life.heard(now)
	if !s.budget.AllowN(now, 1) {
		s.limit(f.GetId(), now)
		return nil
	}
	if bad != nil {
		s.fail(f.GetId(), bad)
		return nil
	}
	if f.Quiet {
		if s.quiet == nil {
			s.quiet = make(map[uint32]struct{})
		}
		s.quiet[f.Id] = struct{}{}
	}
	switch c := f.Command.(type) {
	case *pealv1.ClientFrame_Ping:
		s.Reply(f.Id, &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Pong{Pong: &pealv1.Pong{}}})
		return nil
	case *pealv1.ClientFrame_Hello:
		return s.receiveHello(f, c.Hello, now)
	case *pealv1.ClientFrame_Authenticate:
		if s.phase != waiting {
			s.authenticate(f.Id, c.Authenticate.Token, now)
			return nil
		}
	}
	if s.phase != ready {
		s.fail(f.Id, protocol.HelloRequired.Error())
		return nil
	}
	if begins(f) && !now.Before(s.expiry()) {
		s.fail(f.Id, protocol.TokenExpired.Error())
		return nil
	}
	return f
}

// begins reports whether a command begins something that takes a valid token. What
// a live call needs takes none: expiry never cuts a call.
func begins(f *pealv1.ClientFrame) bool {
	switch f.Command.(type) {
	case *pealv1.ClientFrame_Invite, *pealv1.ClientFrame_ListRecords:
		return true
	}
	return false
}

// expiry is when the client's token is of no use any more.
func (s *Session) expiry() time.Time { return s.identity.ExpiresAt.Add(s.limits.TokenGrace) }

func (s *Session) receiveHello(f *pealv1.ClientFrame, h *pealv1.Hello, now time.Time) *pealv1.ClientFrame {
	if s.phase != waiting {
		s.fail(f.Id, protocol.BadRequest.Because("hello was said already"))
		return nil
	}
	who, bad := s.judge(h.Token, now)
	if bad != nil {
		s.fail(f.Id, bad)
		s.close(protocol.Code(bad.Code), protocol.CloseFinal)
		return nil
	}
	s.identity, s.hello, s.helloID, s.phase = who, h, f.Id, greeting
	h.Token = "" // Nothing needs it again, so nothing can leak it.
	s.life.greeted(now)
	return f
}

// limit refuses a command that is one too many, and closes the connection of a client that does
// not stop.
func (s *Session) limit(id uint32, now time.Time) {
	if s.patience == nil {
		s.patience = rate.NewLimiter(rate.Limit(s.limits.MessageRate), floodBursts*s.limits.MessageBurst)
	}
	if !s.patience.AllowN(now, 1) {
		s.Close(protocol.RateLimited)
		return
	}
	wait := time.Duration(float64(time.Second) / s.limits.MessageRate)
	s.fail(id, protocol.RateLimited.After(wait))
}

// authenticate takes a fresh token.
func (s *Session) authenticate(id uint32, token string, now time.Time) {
	who, bad := s.judge(token, now)
	if bad == nil && who.Account != s.identity.Account {
		bad = protocol.OtherAccount.Error()
	}
	if bad != nil {
		s.fail(id, bad)
		return
	}
	s.identity = who
	s.Reply(id, &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Done{Done: &pealv1.Done{}}})
}

func (s *Session) judge(token string, now time.Time) (auth.Identity, *pealv1.Error) {
	who, err := s.verify(token, now)
	switch {
	case errors.Is(err, auth.ErrExpired):
		return who, protocol.TokenExpired.Error()
	case errors.Is(err, auth.ErrRevoked):
		return who, protocol.RevokedToken(who.IssuedAt)
	case err != nil:
		return who, protocol.BadToken.Because("%v", err)
	case !protocol.ValidAccount(who.Account, s.limits):
		return who, protocol.BadAccount(s.limits)
	}
	return who, nil
}

// Welcome answers the hello and lets go what was held back.
func (s *Session) Welcome(w *pealv1.Welcome, now time.Time) {
	if s.phase != greeting {
		return
	}
	s.phase = ready
	w.TokenExpiresInMs = protocol.Millis(s.identity.ExpiresAt.Sub(now))
	s.Reply(s.helloID, &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Welcome{Welcome: w}})
	for _, f := range s.held {
		if !outdated(f.GetCall().GetCall(), w) {
			s.line.Send(f)
		}
	}
	s.hello, s.held = nil, nil
}

// outdated says that the welcome tells of that state of a call, or of a later one.
func outdated(c *pealv1.Call, w *pealv1.Welcome) bool {
	return c != nil && slices.ContainsFunc(w.Calls, func(u *pealv1.CallUpdate) bool {
		return u.Call.CallId == c.CallId && u.Call.Rev >= c.Rev
	})
}

// Tell sends an event, or holds it until the client has been welcomed.
func (s *Session) Tell(f *pealv1.ServerFrame) {
	switch s.phase {
	case greeting:
		if len(s.held) == s.limits.QueueMessages-1 { // The welcome comes before them.
			s.Close(protocol.SlowConsumer)
			return
		}
		s.held = append(s.held, f)
	case ready:
		s.line.Send(f)
	case waiting, closed:
	}
}

// Quiet reports whether the command that is under way with this id wants no
// answer unless it fails.
func (s *Session) Quiet(id uint32) bool {
	_, quiet := s.quiet[id]
	return quiet
}

// Reply answers a command.
func (s *Session) Reply(id uint32, f *pealv1.ServerFrame) {
	s.answered(id)
	if s.phase == closed {
		return
	}
	f.ReplyTo = id
	s.line.Send(f)
}

// answered notes that a command is not under way any more.
func (s *Session) answered(id uint32) {
	if delete(s.quiet, id); len(s.quiet) == 0 {
		s.quiet = nil
	}
}

// Done answers a command that succeeded and has nothing else to say.
func (s *Session) Done(id uint32) {
	if s.Quiet(id) {
		s.answered(id)
		return
	}
	s.Reply(id, &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Done{Done: &pealv1.Done{}}})
}

// Fail answers a command by an error.
func (s *Session) Fail(id uint32, e *pealv1.Error) { s.fail(id, e) }

func (s *Session) fail(id uint32, e *pealv1.Error) {
	s.Reply(id, &pealv1.ServerFrame{Error: e})
}

// Refuse answers the hello by an error and ends the connection.
func (s *Session) Refuse(code protocol.Code) { s.RefuseWith(code.Error()) }

// RefuseWith is Refuse by an error with particulars.
func (s *Session) RefuseWith(e *pealv1.Error) {
	s.fail(s.helloID, e)
	s.Close(protocol.Code(e.Code))
}

// Close says goodbye.
func (s *Session) Close(code protocol.Code) {
	if s.phase == closed {
		return
	}
	bye, status := code.Goodbye()
	s.line.Send(bye)
	s.close(code, status)
}

func (s *Session) close(code protocol.Code, status int) {
	s.line.Close(status, string(code))
	s.Gone()
}

// Gone tells that the socket is closed.
func (s *Session) Gone() {
	s.phase = closed
	s.held = nil
}
