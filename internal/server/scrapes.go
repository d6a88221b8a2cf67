package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/peal-rtc/peal/internal/api"
	"github.com/peal-rtc/peal/internal/bus/natsbus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/metrics"
	"github.com/peal-rtc/peal/internal/store/pgstore"
)

// livePage is how many live calls one read at the start takes.
const livePage = 256

// scrapes serves the metrics on a listener of its own, so that the public address never does.
type scrapes struct {
	listener net.Listener
	http     *http.Server
}

// startMetrics listens for scrapes, where the settings want that, and begins to count.
func (s *Server) startMetrics(ctx context.Context) error {
	addr := s.cfg.Settings.MetricsAddr
	if addr == "" {
		return nil
	}
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("metrics-addr is %q, which is in use: stop what listens there or give another --metrics-addr", addr)
	case err != nil:
		return fmt.Errorf("metrics-addr is %q: give an address of this machine: %w", addr, err)
	}
	m := metrics.New(s.cfg.shared())
	if s.cfg.shared() {
		s.metrics, s.scrapes = m, &scrapes{listener: l}
		return nil
	}
	for after, more := call.ID(""), true; more; {
		live, err := s.store.Live(ctx, after, livePage)
		if err != nil {
			return errors.Join(fmt.Errorf("read live calls: %w", err), l.Close())
		}
		m.Live(live)
		if more = len(live) == livePage; more {
			after = live[len(live)-1].ID
		}
	}
	s.metrics, s.scrapes = m, &scrapes{listener: l}
	return nil
}

// serveMetrics answers scrapes from now on: all that they read is there.
func (s *Server) serveMetrics() {
	if s.scrapes == nil {
		return
	}
	sources := metrics.Sources{
		Ready: s.loop.ready.Load, Inbox: func() int { return len(s.loop.inbox) }, Changes: s.loop.commits.length,
		Sockets: s.endpoint.Counts,
	}
	if s.relay != nil {
		sources.Relay = s.relay.Numbers
	}
	if s.certificate != nil {
		sources.CertificateEnd = s.certificate.end
	}
	if outbox := s.outbox(); outbox != nil {
		sources.Queues = func() []metrics.Queue { return queuesOf(outbox, s.clock.now, s.log) }
	}
	if s.cfg.shared() {
		sources.Shared = func() metrics.Shared { return sharedNow(s) }
	}
	s.metrics.Watch(sources)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics.Handler())
	mux.Handle("GET /healthz", api.Health())
	s.scrapes.http = &http.Server{
		Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
	s.chores.Go(func() {
		if err := s.scrapes.http.Serve(s.scrapes.listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("cannot serve metrics", "error", err)
		}
	})
	s.log.Info("metrics are served", "addr", s.MetricsAddr().String())
}

// sharedNow reads what the metrics tell of the store and of the bus.
func sharedNow(s *Server) metrics.Shared {
	away, _ := s.busState.away()
	now := metrics.Shared{Connected: !away, Warnings: len(s.neighbours.warned())}
	if kept, ok := s.store.(healthy); ok {
		h := kept.Health()
		for _, p := range h.Pools() {
			now.Pools = append(now.Pools, metrics.Pool(p))
		}
		now.Retries = h.Retries()
		ctx, cancel := context.WithTimeout(context.Background(), queuesTime)
		defer cancel()
		if live, err := h.Live(ctx); err != nil {
			s.log.Warn("cannot count the live calls", "error", storeError{err})
		} else {
			now.Live = live
		}
	}
	if counted, ok := s.bus.(*natsbus.Bus); ok {
		now.Lost = counted.Lost()
		n := counted.Counts()
		now.MessagesIn, now.MessagesOut, now.BytesIn, now.BytesOut = n.MessagesIn, n.MessagesOut, n.BytesIn, n.BytesOut
	}
	return now
}

// healthy is a store that says how it does.
type healthy interface{ Health() pgstore.Health }

// MetricsAddr is where metrics are served; nil where they are not.
func (s *Server) MetricsAddr() net.Addr {
	if s.scrapes == nil {
		return nil
	}
	return s.scrapes.listener.Addr()
}

// close ends scrapes at once: the next one finds another server.
func (s *scrapes) close() {
	switch {
	case s == nil:
	case s.http == nil:
		_ = s.listener.Close()
	default:
		_ = s.http.Close()
	}
}
