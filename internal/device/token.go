package device

import (
	"time"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// tokens are the bearer tokens of a login. A token that lasts is used again for
// reconnects: the network that a new one comes by may be half away.
type tokens struct {
	// kept is the newest token that the server took, and life how long it lasts in
	// all, as far as that is known. It serves until until.
	kept  string
	life  time.Duration
	until time.Time
	// spare came while no hello waited for it: the next one carries it.
	spare string
	// awaited: a GetToken is not answered yet. There is one at a time.
	awaited bool
	// late: that was asked for the login before. A failure of it counts for nothing.
	late bool
}

// Parts of the life of a token: renewed when a fifth of it is left, and not used
// for a hello when a twentieth of it is left.
const (
	renewPart = 5
	servePart = 20
)

// serving gives the token for a hello, if there is one. One that was kept was
// taken by the server before.
func (t *tokens) serving(now time.Time) (token string, kept, ok bool) {
	if t.spare != "" {
		token, t.spare = t.spare, ""
		return token, false, true
	}
	return t.kept, true, t.kept != "" && now.Before(t.until)
}

// welcomed keeps the token of a hello, of whose life so much is left.
func (t *tokens) welcomed(a attempt, left time.Duration, now time.Time) {
	if !a.kept {
		t.life = 0
	}
	t.kept, t.life = a.token, max(t.life, left)
	t.until = now.Add(left - t.part(servePart))
}

// renewed keeps a new token, which lives as long as the one before.
func (t *tokens) renewed(token string, now time.Time) {
	t.kept, t.until = token, now.Add(t.life-t.part(servePart))
}

// part is a part of the life, in whole milliseconds.
func (t *tokens) part(n time.Duration) time.Duration {
	return (t.life / n).Truncate(time.Millisecond)
}

// drop forgets the token that was kept: the server does not take it any more.
func (t *tokens) drop() { t.kept, t.life, t.until = "", 0, time.Time{} }

// getToken asks for a token, unless one is on its way.
func (d *Device) getToken() {
	if !d.link.tokens.awaited {
		d.link.tokens.awaited = true
		d.do(GetToken{})
	}
}

// gotToken uses a token for whatever needs one now.
func (d *Device) gotToken(in GotToken) {
	l := &d.link
	if !l.tokens.awaited {
		return
	}
	late := l.tokens.late
	l.tokens.awaited, l.tokens.late = false, false
	if in.Err != nil && late && l.phase == fetching {
		d.getToken()
		return
	}
	if in.Err != nil {
		d.tokenFailed(in.Err)
		return
	}
	switch l.phase {
	case offline:
	case fetching:
		d.dial(in.Token, false)
	case dialing, pausing: // It was asked for while online, and that connection is gone.
		l.tokens.spare = in.Token
	case online:
		d.authenticate(in.Token)
		if l.second.wanted {
			l.second.wanted = false
			d.dialSecond(in.Token, false)
		}
	}
}

func (d *Device) tokenFailed(err error) {
	l := &d.link
	switch l.phase {
	case fetching:
		if l.fresh {
			d.stop(problem(CodeToken, "cannot get a token: "+err.Error(), false), ReasonLost)
			return
		}
		// A backend that is away for a moment must not end a login that has been good.
		d.lost()
	case online:
		l.second.wanted = false
		if l.renewAt.IsZero() && l.tokens.life > 0 {
			l.renewAt = d.now.Add(renewRetry)
		}
	case offline, dialing, pausing: // The next hello asks again, and then a failure matters.
	}
}

// authenticate renews the token of the connection. The next renewal is not due at
// once, however short the life of a token is.
func (d *Device) authenticate(token string) {
	l := &d.link
	d.write(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Authenticate{Authenticate: &pealv1.Authenticate{Token: token}}})
	l.tokens.renewed(token, d.now)
	d.planRenewal(max(l.tokens.life, renewRetry+l.tokens.part(renewPart)))
}

// planRenewal plans the next token, where so much is left of the life of this one.
func (d *Device) planRenewal(left time.Duration) {
	if l := &d.link; l.tokens.life > 0 {
		l.renewAt = d.now.Add(left - l.tokens.part(renewPart))
	}
}
