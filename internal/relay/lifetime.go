package relay

import (
	"context"
	"sync"
	"time"
)

const (
	// AfterCall is how long relayed addresses stay after their call has ended: both ends
	// hang up first, and a store that lags behind must not cut a call that has just begun.
	AfterCall = 3 * time.Minute
	// liveEvery is how often the relay asks which calls are live.
	liveEvery = time.Minute
	// liveTimeout is how long the answer may take.
	liveTimeout = 30 * time.Second
	// endedMost bounds how many ended calls the relay remembers to refuse them. A call
	// that it had to forget may allocate again, until the next AfterCall.
	endedMost = 10_000
)

// lifetimes decides when relayed addresses end although they are refreshed. What it
// knows comes from the answers about live calls.
type lifetimes struct {
	mu sync.Mutex // Guards what follows.
	// missing has the calls that held relayed addresses and were not live when the
	// relay asked, since when.
	missing map[string]time.Time
	// ended has the calls whose relayed addresses were closed, and until when their
	// credentials could allocate again.
	ended map[string]time.Time
}

func newLifetimes() *lifetimes {
	return &lifetimes{missing: make(map[string]time.Time), ended: make(map[string]time.Time)}
}

// over reports whether a login may hold no relayed address any more: its call has
// ended, or without a call its credential expired, each some minutes ago.
func (l *lifetimes) over(who login, now time.Time) bool {
	if who.user.Call == "" {
		return !now.Before(who.expires.Add(AfterCall))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ended := l.ended[who.user.Call]
	return ended
}

// answered takes which of the calls that hold relayed addresses are live. A call that
// is missing for AfterCall has ended; credentials are the time for which those that
// may still be in use allocate.
func (l *lifetimes) answered(now time.Time, held []string, live map[string]bool, credentials time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for call, until := range l.ended {
		if !now.Before(until) {
			delete(l.ended, call)
		}
	}
	// One that holds nothing at the moment may take an address again, while its
	// credentials last: the time since its end goes on.
	for call, since := range l.missing {
		if live[call] || now.Sub(since) >= AfterCall+credentials {
			delete(l.missing, call)
		}
	}
	for _, call := range held {
		if live[call] {
			continue
		}
		since, before := l.missing[call]
		if !before {
			since = now
			l.missing[call] = now
		}
		if now.Sub(since) >= AfterCall {
			l.remember(call, now.Add(credentials))
		}
	}
}

// remember needs the lock. Where there is no room it forgets any other call.
func (l *lifetimes) remember(call string, until time.Time) {
	if _, ok := l.ended[call]; !ok && len(l.ended) >= endedMost {
		for other := range l.ended {
			delete(l.ended, other)
			break
		}
	}
	l.ended[call] = until
}

// watch ends relayed addresses until ctx is over.
func (r *Relay) watch(ctx context.Context) {
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.endOld(ctx)
		}
	}
}

// endOld asks which calls are live and ends the relayed addresses that are over. An
// error ends no address of a call.
func (r *Relay) endOld(ctx context.Context) {
	r.askLive(ctx)
	now, ended := r.cfg.Now(), 0
	for _, a := range r.ports.all() {
		if r.lifetimes.over(a.holder, now) {
			a.end()
			ended++
		}
	}
	if ended > 0 {
		r.cfg.Logger.Info("relay closed relayed addresses whose call has ended", "allocations", ended)
	}
}

// askLive asks which of the calls that hold relayed addresses are live, unless the relay drains:
// then the store is closed, and every call counts as live.
func (r *Relay) askLive(ctx context.Context) {
	r.asks.Lock()
	defer r.asks.Unlock()
	if r.cfg.Live == nil || r.asking.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	defer context.AfterFunc(r.asking, cancel)()
	held := r.ports.calls()
	live, err := r.cfg.Live(ctx, held)
	switch {
	case err == nil:
		r.lifetimes.answered(r.cfg.Now(), held, live, r.cfg.CredentialTTL)
	case r.asking.Err() == nil:
		r.cfg.Logger.Warn("relay cannot ask which calls are live", "error", err)
	}
}
