package session

import (
	"time"

	"github.com/peal-rtc/peal/internal/protocol"
)

// life finds out whether a client is still there. Anything heard is a sign of
// life; silence is asked about by a ping, and silence after that is death.
type life struct {
	hello  time.Time // Until when to say hello; zero once said.
	last   time.Time // When something was heard last.
	pinged time.Time // When it was asked last.
	rhythm protocol.Pulse
	active bool // It rings or is in a call.
}

func newLife(l *protocol.Limits, now time.Time) life {
	return life{hello: now.Add(l.Hello), last: now, rhythm: l.PingIdle}
}

func (l *life) heard(now time.Time) { l.last = now }

func (l *life) greeted(now time.Time) {
	l.hello, l.last, l.pinged = time.Time{}, now, now
}

// deadline is when to look again.
func (l *life) deadline() time.Time {
	if !l.hello.IsZero() {
		return l.hello
	}
	ping, dead := l.nextPing(), l.last.Add(l.rhythm.Dead)
	if dead.Before(ping) {
		return dead
	}
	return ping
}

func (l *life) nextPing() time.Time {
	if l.pinged.After(l.last) {
		return l.pinged.Add(l.rhythm.Every)
	}
	return l.last.Add(l.rhythm.Every)
}

// Active says whether the client rings or is in a call, which wants its death found sooner. An
// earlier silence counts from now on at the most: a device that was idle for 20 s, which is
// allowed, must not be cut the moment that it starts to ring.
func (s *Session) Active(active bool, now time.Time) {
	rhythm := s.limits.PingIdle
	if active {
		rhythm = s.limits.PingActive
	}
	l := &s.life
	l.active = active
	if l.rhythm == rhythm {
		return
	}
	l.rhythm = rhythm
	if l.last.Add(rhythm.Every).Before(now) {
		// Ask at once, and give the answer its full time.
		l.last = now.Add(-rhythm.Every)
	}
}

// Ponged tells that the client answered a ping.
func (s *Session) Ponged(now time.Time) { s.life.heard(now) }

// Deadline is when Expire is due; ok is false when never.
func (s *Session) Deadline() (at time.Time, ok bool) {
	if s.phase == closed {
		return time.Time{}, false
	}
	at = s.life.deadline()
	if expiry := s.expiry(); s.idles() && expiry.Before(at) {
		at = expiry
	}
	return at, true
}

// idles reports whether the client is logged in and neither rings nor is in a call.
func (s *Session) idles() bool {
	return s.phase == ready && !s.life.active
}

// Expire does what is due by now: asks a silent client, or closes it.
func (s *Session) Expire(now time.Time) {
	l := &s.life
	switch {
	case s.phase == closed:
	case !l.hello.IsZero():
		if !now.Before(l.hello) {
			s.Close(protocol.HelloTimeout)
		}
	case s.idles() && !now.Before(s.expiry()):
		// The client comes back with a fresh token, or not at all.
		s.Close(protocol.TokenExpired)
	case !now.Before(l.last.Add(l.rhythm.Dead)):
		// No goodbye: nobody is there to read it.
		s.close("silent", protocol.CloseSilent)
	case !now.Before(l.nextPing()):
		l.pinged = now
		s.line.Ping()
	}
}
