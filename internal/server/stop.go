package server

import (
	"context"
	"errors"
	"time"

	"github.com/peal-rtc/peal/internal/node"
)

// drainTime is how long clients have to leave once all were notified that the server stops.
const drainTime = 5 * time.Second

// Why a relay that has outlived its server ends.
const (
	relayEmpty       = "the last relayed address ended"
	relayOverdue     = "turn-drain has passed"
	relayInterrupted = "another signal came"
)

// shutdown is the end of a server, step by step.
type shutdown struct{ *Server }

// Shutdown sends every client elsewhere, waits a while for them to leave, and
// stops everything. Either it or Drain is called, once.
func (s *Server) Shutdown() error {
	steps := shutdown{s}
	steps.leave()
	steps.closeRelay()
	return steps.end(steps.closeStore())
}

// Drain is Shutdown of a server whose relay may outlive it: without bus, store and lease, for
// turn-drain at most, until the last relayed address has ended. interrupted is called when that wait
// begins, which is not where no relayed address is left. It gives a context whose end ends the wait,
// and a function to call after it.
func (s *Server) Drain(interrupted func() (ctx context.Context, stop func())) error {
	limit := s.cfg.Settings.TURN.Drain
	if s.relay == nil || limit == 0 {
		return s.Shutdown()
	}
	steps := shutdown{s}
	steps.leave()
	left, empty := s.relay.Drain()
	err := steps.closeStore()
	if left > 0 {
		ctx, stop := interrupted()
		s.log.Info("server stopped but for its relay", "allocations", left, "limit", limit)
		reason := waitForRelay(ctx, empty, limit)
		s.log.Info("relay stopping", "reason", reason, "allocations", s.relay.Left())
		stop()
	}
	steps.closeRelay()
	return steps.end(err)
}

// waitForRelay waits until a relay has nothing left, and says why it waits no longer.
func waitForRelay(ctx context.Context, empty <-chan struct{}, limit time.Duration) (reason string) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-empty:
		return relayEmpty
	case <-timer.C:
		return relayOverdue
	case <-ctx.Done():
		return relayInterrupted
	}
}

// leave stops everything but the relay, the bus and the store.
func (s shutdown) leave() {
	s.log.Info("server stopping")
	s.stopping.Store(true)
	close(s.leaving)
	s.loop.ready.Store(false)
	s.loop.tell(arrival{in: node.Stopping{}})
	patience := time.NewTimer(s.cfg.drain() + drainTime)
	defer patience.Stop()
	select {
	case <-s.loop.drained:
	case <-patience.C:
		s.log.Warn("clients had to be cut off")
	}
	close(s.quit)
	s.scrapes.close()
	s.endpoint.Close()
	s.commands.close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
	s.chores.Wait()
	s.do(keyringFailure, s.keyring.file)
	s.loop.end()
	s.hooks.Stop()
	s.giveUpLease()
}

// closeStore closes the bus and the store.
func (s shutdown) closeStore() error { return errors.Join(s.bus.Close(), s.store.Close()) }

// end has the last word in the log. err is what it returns.
func (s shutdown) end(err error) error {
	s.sampler.close()
	s.log.Info("server stopped")
	return err
}

// giveUpLease lets other nodes know at once that this one is gone.
func (s shutdown) giveUpLease() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := s.store.Beat(ctx, s.incarnation, 0); err != nil {
		s.log.Warn("cannot give up the lease", "error", storeError{err})
	}
}

func (s shutdown) closeRelay() {
	if s.relay == nil {
		return
	}
	if err := s.relay.Close(); err != nil {
		s.log.Warn("cannot close the relay", "error", err)
	}
}
