package node

import (
	"time"

	"golang.org/x/time/rate"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// quota bounds what one account may make the server and others do. It counts on this node alone,
// and by account: a new connection or another device restarts no count.
type quota struct {
	limits  *protocol.Limits
	invites budgets[call.Account] // By the caller.
	pairs   budgets[pair]
	rings   budgets[call.Account] // By callee, over all callers.
	// deaf is a callee's rings budget as a caller that it blocks sees it: the caller's own
	// invitations alone count, and take nothing from the others'.
	deaf     budgets[pair]
	hellos   budgets[call.Account]
	signals  budgets[call.Account] // Bytes.
	declined map[pair]*declined
	pruned   time.Time
}

type pair struct{ caller, callee call.Account }

// declined is a caller whose calls a callee has declined or let ring, and who was
// not answered since.
type declined struct {
	last  time.Time // When the last call ended so,
	call  call.ID   // and which that was.
	times int
}

func newQuota(l *protocol.Limits) *quota {
	return &quota{
		limits:   l,
		invites:  perMinute[call.Account](l.InvitesPerMin),
		pairs:    perMinute[pair](l.PairPerMin),
		rings:    perMinute[call.Account](l.RingsPerMin),
		deaf:     perMinute[pair](l.RingsPerMin),
		hellos:   perMinute[call.Account](l.HellosPerMin),
		signals:  newBudgets[call.Account](rate.Limit(l.SignalRate), l.SignalBytes),
		declined: make(map[pair]*declined),
	}
}

// invite takes one invitation from the budgets of the caller, of the pair and of
// the callee; from none of them where it is refused.
func (q *quota) invite(caller, callee call.Account, now time.Time) *pealv1.Error {
	p := pair{caller, callee}
	if rest := q.pause(p, now); rest > 0 {
		e := protocol.RateLimited.After(rest)
		e.Message = "the callee has declined or not answered several calls in a row; wait before you call again"
		return e
	}
	wait := max(q.invites.wait(caller, 1, now), q.pairs.wait(p, 1, now))
	if wait > 0 {
		return protocol.RateLimited.After(wait)
	}
	if wait := max(q.rings.wait(callee, 1, now), q.deaf.wait(p, 1, now)); wait > 0 {
		e := protocol.RateLimited.After(wait)
		e.Message = "too many calls to this account at the moment; try again later"
		return e
	}
	q.invites.take(caller, 1, now)
	q.pairs.take(p, 1, now)
	q.rings.take(callee, 1, now)
	return nil
}

// noCall learns that an invitation made no call: it gives the callee back what the invitation took.
func (q *quota) noCall(callee call.Account, now time.Time) { q.rings.giveBack(callee, 1, now) }

// ringsNobody learns that an invitation became a deaf call: it gives the callee back what the
// invitation took, as nobody there rings, and counts it for the caller.
func (q *quota) ringsNobody(c *call.Call, now time.Time) {
	q.rings.giveBack(c.Callee().Account, 1, now)
	q.deaf.take(pair{c.Caller().Account, c.Callee().Account}, 1, c.CreatedAt)
}

// tombstone takes an invitation that was cancelled before it came.
func (q *quota) tombstone(caller call.Account, now time.Time) *pealv1.Error {
	return q.invites.spend(caller, 1, now)
}

// hello takes one hello of an account.
func (q *quota) hello(a call.Account, now time.Time) *pealv1.Error {
	return q.hellos.spend(a, 1, now)
}

// signal takes bytes that an account sends to another.
func (q *quota) signal(a call.Account, bytes int, now time.Time) *pealv1.Error {
	return q.signals.spend(a, min(bytes, q.limits.SignalBytes), now)
}

// longRinging is from when on a call that nobody took counts as one that was
// declined, because a ringing callee is busy to all other callers.
const longRinging = 10 * time.Second

// heard learns how a call between two accounts went. It may be the same call
// again: each ending counts once.
func (q *quota) heard(c *call.Call) {
	p := pair{c.Caller().Account, c.Callee().Account}
	switch {
	case c.State == call.Connecting || c.State == call.Connected:
		delete(q.declined, p)
		delete(q.declined, pair{p.callee, p.caller})
	case untaken(c):
		d := q.declined[p]
		if d == nil {
			d = &declined{}
			q.declined[p] = d
		}
		if ended := c.Outcome.EndedAt; ended.After(d.last) || ended.Equal(d.last) && d.call != c.ID {
			d.last, d.call, d.times = ended, c.ID, d.times+1
		}
	}
}

// untaken says that the callee did not want the call, or was kept ringing by it.
func untaken(c *call.Call) bool {
	switch c.Outcome.Reason {
	case call.Rejected:
		return true
	case call.Timeout, call.Cancelled, call.Lost, call.Superseded, call.Kicked, call.Terminated:
		return c.Callee().Device.ID == "" && c.Outcome.EndedAt.Sub(c.CreatedAt) >= longRinging
	case call.Busy, call.Completed, call.Failed:
	}
	return false
}

// pause is how much longer a caller has to wait whom the callee declines.
func (q *quota) pause(p pair, now time.Time) time.Duration {
	d := q.declined[p]
	if d == nil || d.times < 2 {
		return 0
	}
	pause := q.limits.DeclinedPause
	for i := 2; i < d.times && pause < q.limits.DeclinedPauseMost; i++ {
		pause *= 2
	}
	return min(pause, q.limits.DeclinedPauseMost) - now.Sub(d.last)
}

// prune forgets those whose budget is full again.
func (q *quota) prune(now time.Time) {
	if now.Sub(q.pruned) < time.Minute {
		return
	}
	q.pruned = now
	q.invites.prune(now)
	q.pairs.prune(now)
	q.rings.prune(now)
	q.deaf.prune(now)
	q.hellos.prune(now)
	q.signals.prune(now)
	for p, d := range q.declined {
		if now.Sub(d.last) > 2*q.limits.DeclinedPauseMost {
			delete(q.declined, p)
		}
	}
}

// budgets holds a budget for each key that has spent something lately.
type budgets[K comparable] struct {
	each  map[K]*rate.Limiter
	limit rate.Limit
	burst int
}

func newBudgets[K comparable](limit rate.Limit, burst int) budgets[K] {
	return budgets[K]{make(map[K]*rate.Limiter), limit, burst}
}

func perMinute[K comparable](n int) budgets[K] {
	return newBudgets[K](rate.Every(time.Minute/time.Duration(max(n, 1))), n)
}

// wait is how long until a key can spend so much; zero where it can now.
func (b *budgets[K]) wait(k K, amount int, now time.Time) time.Duration {
	l := b.each[k]
	if l == nil {
		return 0
	}
	missing := float64(amount) - l.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return max(time.Duration(missing/float64(b.limit)*float64(time.Second)), time.Millisecond)
}

func (b *budgets[K]) take(k K, amount int, now time.Time) {
	l := b.each[k]
	if l == nil {
		l = rate.NewLimiter(b.limit, b.burst)
		b.each[k] = l
	}
	l.AllowN(now, amount)
}

// giveBack is the reverse of take. A budget is never more than full.
func (b *budgets[K]) giveBack(k K, amount int, now time.Time) {
	if l := b.each[k]; l != nil {
		l.AllowN(now, -amount)
	}
}

// spend takes so much, or refuses.
func (b *budgets[K]) spend(k K, amount int, now time.Time) *pealv1.Error {
	if wait := b.wait(k, amount, now); wait > 0 {
		return protocol.RateLimited.After(wait)
	}
	b.take(k, amount, now)
	return nil
}

func (b *budgets[K]) prune(now time.Time) {
	for k, l := range b.each {
		if l.TokensAt(now) >= float64(b.burst) {
			delete(b.each, k)
		}
	}
}
