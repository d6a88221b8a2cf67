package server

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// pruneEvery is how often old calls and records are deleted.
	pruneEvery = time.Hour
	// keepCalls is how long an ended call is kept beside its record: commands
	// about it may be repeated until then. In a database that many calls a second fill it is
	// keepSharedCalls: devices that come back ask for the last 5 minutes.
	keepCalls       = 24 * time.Hour
	keepSharedCalls = time.Hour
	// firstPruneMost is how long after its start a node deletes what is old at the latest.
	firstPruneMost = time.Minute
	// pruneSpread is the part of pruneEvery by which nodes are apart when they delete.
	pruneSpread = 4
	// choreTimeout limits one chore in the store.
	choreTimeout = 10 * time.Second
	// keyringFailure is logged where the last use of API keys cannot be stored.
	keyringFailure = "cannot store when API keys were used"
)

// upkeep does what has to be done now and then, until the server stops.
func (s *Server) upkeep() {
	// Also at the start: a server that is restarted often must not keep all for ever.
	prunes := time.NewTimer(s.cfg.firstPrune())
	clocks, uses := time.NewTicker(s.cfg.clockEvery()), time.NewTicker(usedTo)
	defer clocks.Stop()
	defer prunes.Stop()
	defer uses.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-clocks.C:
			s.do("cannot read the store's clock", func(ctx context.Context) error { return followClock(ctx, s) })
		case <-prunes.C:
			s.prune()
			prunes.Reset(s.cfg.nextPrune())
		case <-uses.C:
			s.do(keyringFailure, s.keyring.file)
		}
	}
}

// firstPrune and nextPrune are the pauses before what is old is deleted. Nodes that share a store
// do so at different times.
func (c *Config) firstPrune() time.Duration {
	if !c.shared() {
		return 0
	}
	return rand.N(firstPruneMost)
}

func (c *Config) nextPrune() time.Duration {
	if !c.shared() {
		return pruneEvery
	}
	return pruneEvery + rand.N(pruneEvery/pruneSpread)
}

// clockEvery is how often the clock of the store is measured.
func (c *Config) clockEvery() time.Duration {
	if !c.shared() {
		return clockEvery
	}
	return databaseClockEvery
}

// forget deletes old events, until the server stops. There may be many: it takes the time that it
// needs, a short portion after the other.
func (s *Server) forget() {
	outbox := s.outbox()
	if outbox == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.chores.Go(func() {
		defer cancel()
		select {
		case <-s.quit:
		case <-ctx.Done():
		}
	})
	prunes := time.NewTimer(s.cfg.firstPrune())
	defer prunes.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-prunes.C:
			prunes.Reset(s.cfg.nextPrune())
		}
		if _, err := outbox.Prune(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("cannot delete old events", "error", storeError{err})
		}
	}
}

func (c *Config) keepCalls() time.Duration {
	if c.Settings.Cluster.On() {
		return keepSharedCalls
	}
	return keepCalls
}

func (s *Server) prune() {
	s.do("cannot delete what is old", func(ctx context.Context) error {
		now := s.clock.now()
		_, err := s.store.Prune(ctx, now.Add(-s.cfg.keepCalls()), now.Add(-s.cfg.Settings.Keep))
		return err
	})
	s.do("cannot delete what is old of the audit", func(ctx context.Context) error {
		// After that no token is good any more that was made before a log-out.
		holds := s.wall().Add(-max(logOutsHold, s.keys.Load().longest))
		_, err := s.store.PruneBooks(ctx, s.clock.now().Add(-s.cfg.Settings.Keep), holds)
		if err == nil {
			s.logOuts.drop(holds)
		}
		return err
	})
}

func (s *Server) do(failure string, chore func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), choreTimeout)
	defer cancel()
	if err := chore(ctx); err != nil {
		s.log.Error(failure, "error", storeError{err})
	}
}
