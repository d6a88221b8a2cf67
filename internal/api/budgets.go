package api

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// budgets limit the requests of each key, and the wrong keys of each address. Any goroutine may use
// them.
type budgets struct {
	mu     sync.Mutex // Guards what follows.
	keys   map[string]*rate.Limiter
	wrong  map[netip.Addr]*rate.Limiter
	pruned time.Time
}

func newBudgets() *budgets {
	return &budgets{keys: make(map[string]*rate.Limiter), wrong: make(map[netip.Addr]*rate.Limiter)}
}

// spend takes one request from a key's budget, and returns how many are left, or how long to wait.
func (b *budgets) spend(id string, now time.Time) (left int, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.keys[id]
	if l == nil {
		l = rate.NewLimiter(keyRate, keyBurst)
		b.keys[id] = l
	}
	if !l.AllowN(now, 1) {
		return 0, time.Second / keyRate
	}
	return int(l.TokensAt(now)), 0
}

// fails counts a wrong key of an address, and returns how long the address has to wait where it sent too
// many.
func (b *budgets) fails(from netip.Addr, now time.Time) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.pruned) > time.Minute {
		b.pruned = now
		for a, l := range b.wrong {
			if l.TokensAt(now) >= wrongKeysPerMin {
				delete(b.wrong, a)
			}
		}
	}
	if b.wrong[from] == nil && len(b.wrong) >= addressesMost {
		from = netip.Addr{} // The rest share one budget.
	}
	l := b.wrong[from]
	if l == nil {
		l = rate.NewLimiter(rate.Every(time.Minute/wrongKeysPerMin), wrongKeysPerMin)
		b.wrong[from] = l
	}
	if l.AllowN(now, 1) {
		return 0
	}
	return time.Duration((1 - l.TokensAt(now)) * float64(time.Minute) / wrongKeysPerMin)
}
