package device

import "time"

// attempt is a connection that is being made: what its hello says.
type attempt struct {
	token string
	kept  bool // The server took the token before.
	at    time.Time
}

// second is another connection, which is tried while the first one does not
// answer. A new connection takes several trips to open: where it opens before an
// answer comes by the first, the network is another. It takes over then.
type second struct {
	socket  Socket // Zero when there is none.
	attempt attempt
	// tryAt is when to dial, and wanted says that a token is waited for first.
	tryAt  time.Time
	wanted bool
	// suspectedAt is when the first connection was suspected last.
	suspectedAt time.Time
}

const (
	// suspicionLeast is how long a ping may take when media does not come either:
	// more than by satellite. It is at least three times what the last one took.
	suspicionLeast = 700 * time.Millisecond
	// suspicionRest is how long a connection that was suspected is trusted.
	suspicionRest = 2 * time.Second
	// headStart is how long the ping has, at least, before a second socket is dialed.
	headStart = 100 * time.Millisecond
)

// suspect finds out soon whether the connection is alive: media does not come.
func (d *Device) suspect() {
	l := &d.link
	if l.phase != online {
		d.probe()
		return
	}
	// Media that pause reports several losses in a row, which are one suspicion.
	if at := l.second.suspectedAt; !at.IsZero() && d.now.Before(at.Add(suspicionRest)) {
		return
	}
	l.second.suspectedAt = d.now
	d.ping(max(suspicionLeast, 3*l.roundTrip))
	l.second.tryAt = d.now.Add(max(headStart, (l.roundTrip * 3 / 2).Truncate(time.Millisecond)))
}

// networkChanged forgets a suspicion: it was of another network.
func (d *Device) networkChanged() {
	d.closeSecond()
	d.link.second.suspectedAt = time.Time{}
}

// tryAnother dials a second socket, unless the first one has answered meanwhile.
func (d *Device) tryAnother() {
	l := &d.link
	if l.silentAt.IsZero() || l.second.socket != 0 {
		return
	}
	if token, kept, ok := l.tokens.serving(d.now); ok {
		d.dialSecond(token, kept)
		return
	}
	l.second.wanted = true
	d.getToken()
}

func (d *Device) dialSecond(token string, kept bool) {
	s := &d.link.second
	s.socket, s.attempt = d.nextSocket(), d.attempt(token, kept)
	d.do(Dial{s.socket})
}

// answered forgets what was planned: the first connection is alive.
func (s *second) answered() { s.tryAt, s.wanted = time.Time{}, false }

// closeSecond closes the second socket, if there is one.
func (d *Device) closeSecond() {
	s := &d.link.second
	if s.socket != 0 {
		d.do(Close{s.socket})
		s.socket, s.attempt = 0, attempt{}
	}
}

// takeOver makes the second connection the connection. The first is closed before the hello of the
// second: the server replaces it anyway, and its goodbye must not be read as one to this device.
func (d *Device) takeOver() {
	l := &d.link
	socket, begun := l.second.socket, l.second.attempt
	l.second.socket = 0
	d.drop()
	d.unanswered()
	l.socket, l.attempt = socket, begun
	d.enter(dialing)
	l.silentAt = d.now.Add(l.patience())
}

// nextSocket numbers a connection.
func (d *Device) nextSocket() Socket {
	d.link.last++
	return d.link.last
}

// attempt begins a connection, later than all before: clocks are set back at times.
func (d *Device) attempt(token string, kept bool) attempt {
	l := &d.link
	if l.attemptAt = l.attemptAt.Add(time.Millisecond); d.now.After(l.attemptAt) {
		l.attemptAt = d.now
	}
	return attempt{token, kept, l.attemptAt}
}
