package server

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/api"
	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/delivery"
	"github.com/peal-rtc/peal/internal/metrics"
	"github.com/peal-rtc/peal/internal/reach"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/webhook"
)

// queuesTime is how long a scrape waits for the queues of webhook endpoints.
const queuesTime = 2 * time.Second

// outbox is that of the store; nil where it keeps no events.
func (s *Server) outbox() store.Outbox {
	if kept, ok := s.store.(interface{ Outbox() store.Outbox }); ok {
		return kept.Outbox()
	}
	return nil
}

// hookReach says which addresses webhooks may reach. A server for trying out reaches the
// programs of this machine, by plain HTTP.
func hookReach(c *config.Hooks, dev bool) (webhook.Reach, error) {
	allowed, err := config.Prefixes("webhook-allow", c.Allow)
	if err != nil {
		return webhook.Reach{}, err
	}
	if dev {
		allowed = slices.Concat(allowed, slices.DeleteFunc(reach.Local(), func(p netip.Prefix) bool { return !p.Addr().IsLoopback() }))
	}
	return webhook.Reach{Allow: allowed, Plain: dev}, nil
}

// recordEvents says whether a store keeps events while there is no webhook: a backend with a key of
// the server API may read the feed. It may be called whenever keys come and go.
func recordEvents(kept store.Store, keys bool) {
	if s, ok := kept.(interface{ RecordEvents(on bool) }); ok {
		s.RecordEvents(keys)
	}
}

// addHooks gives the server API its feed and its webhooks.
func addHooks(s *Server, backend *api.Backend) (err error) {
	backend.Outbox, backend.Stopping = s.outbox(), s.leaving
	backend.Try = func(ctx context.Context, to *store.Endpoint, id string, body []byte) delivery.Attempt {
		return s.hooks.Try(ctx, to, id, body)
	}
	backend.Reach, err = hookReach(&s.cfg.Settings.Hooks, s.cfg.Dev)
	return err
}

// startHooks delivers a server's events to webhook endpoints from now on; nil where its store
// keeps none.
func startHooks(s *Server) (*webhook.Dispatcher, error) {
	within, err := hookReach(&s.cfg.Settings.Hooks, s.cfg.Dev)
	outbox := s.outbox()
	if err != nil || outbox == nil {
		return nil, err
	}
	return webhook.Start(webhook.Config{
		Outbox: outbox, Reach: within, Now: s.clock.now, Logger: s.log, Counts: s.metrics,
		Body: func(e *store.Event) ([]byte, error) { return api.Event(webhook.EventID(e.Seq), e) },
	}), nil
}

// queuesOf are what waits for webhook endpoints, for the metrics. Where the store does not answer
// they are left out.
func queuesOf(outbox store.Outbox, now func() time.Time, log *slog.Logger) []metrics.Queue {
	ctx, cancel := context.WithTimeout(context.Background(), queuesTime)
	defer cancel()
	disabled := make(map[string]bool)
	for _, e := range outbox.Endpoints() {
		disabled[e.ID] = !e.Enabled()
	}
	waiting, err := outbox.Queues(ctx)
	if err != nil {
		log.Warn("cannot read what waits for webhook endpoints", "error", storeError{err})
		return nil
	}
	queues := make([]metrics.Queue, len(waiting))
	for i, w := range waiting {
		queues[i] = metrics.Queue{Endpoint: w.Endpoint, Waiting: w.Queued, Disabled: disabled[w.Endpoint]}
		if !w.Oldest.IsZero() {
			queues[i].Lag = max(now().Sub(w.Oldest), 0)
		}
	}
	return queues
}
