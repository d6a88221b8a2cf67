package node

import (
	"time"

	"golang.org/x/time/rate"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// quota bounds the invitations of each account, and to each callee.
type quota struct {
	limits   *protocol.Limits
	accounts map[call.Account]*rate.Limiter
	pairs    map[pair]*rate.Limiter
	pruned   time.Time
}

type pair struct{ caller, callee call.Account }

func newQuota(l *protocol.Limits) quota {
	return quota{limits: l, accounts: make(map[call.Account]*rate.Limiter), pairs: make(map[pair]*rate.Limiter)}
}

// invite takes one from the account's budget and, where a callee is named,
// from the pair's. It takes from neither when one is used up.
func (q *quota) invite(caller, callee call.Account, now time.Time) bool {
	own := limiter(q.accounts, caller, q.limits.InvitesPerMin)
	if own.TokensAt(now) < 1 {
		return false
	}
	if callee != "" && !limiter(q.pairs, pair{caller, callee}, q.limits.PairPerMin).AllowN(now, 1) {
		return false
	}
	return own.AllowN(now, 1)
}

func (q *quota) refusal() *pealv1.Error {
	return protocol.RateLimited.After(time.Minute / time.Duration(max(q.limits.PairPerMin, 1)))
}

// prune forgets those whose budget is full again.
func (q *quota) prune(now time.Time) {
	if now.Sub(q.pruned) < time.Minute {
		return
	}
	q.pruned = now
	full(q.accounts, now)
	full(q.pairs, now)
}

func limiter[K comparable](m map[K]*rate.Limiter, k K, perMinute int) *rate.Limiter {
	l := m[k]
	if l == nil {
		l = rate.NewLimiter(rate.Every(time.Minute/time.Duration(max(perMinute, 1))), perMinute)
		m[k] = l
	}
	return l
}

func full[K comparable](m map[K]*rate.Limiter, now time.Time) {
	for k, l := range m {
		if l.TokensAt(now) >= float64(l.Burst()) {
			delete(m, k)
		}
	}
}
