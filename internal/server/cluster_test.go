package server

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/testing/natsserver"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

// cluster makes a change that has servers share a database and a bus.
func cluster(t *testing.T) func(*Config) {
	t.Helper()
	database, nats := postgres.Shared(t).NewDatabase(t), natsserver.Start(t)
	return func(c *Config) {
		c.Settings.Cluster.Store, c.Settings.Cluster.Bus, c.Settings.Cluster.Drain = database, nats.URL(), time.Second
	}
}

// A call between devices at two nodes goes as one at a single server does: news come by the bus
// at once, and the record is the same for both.
func TestTwoNodes(t *testing.T) {
	shared := cluster(t)
	one, other := start(t, shared), start(t, shared)
	one.knows(other)
	alice, bob := one.login("alice", "a"), other.login("bob", "b")
	begun := time.Now()
	alice.invite(callID, "bob")
	if rings := bob.event().GetCall(); rings.GetCall().GetCallId() != callID || rings.GetOffer() == "" {
		t.Fatalf("bob hears %v", rings)
	}
	bob.ask("accept", map[string]any{"callId": callID, "answer": describe("answer"), "generation": 1})
	if f := alice.reaches(pealv1.CallState_CALL_STATE_CONNECTING); f.GetAnswer() != describe("answer") {
		t.Errorf("alice hears %v", f)
	}
	for _, c := range []*client{alice, bob} {
		c.ask("media", map[string]any{"callId": callID, "generation": 1, "up": true})
	}
	alice.reaches(pealv1.CallState_CALL_STATE_CONNECTED)
	same := bob.ask("hangup", map[string]any{"callId": callID}).GetCall().GetCall()
	ended := alice.end()
	if ended.GetRecord().GetEndedAt().AsTime() != same.GetRecord().GetEndedAt().AsTime() || ended.GetReason() != pealv1.Reason_REASON_COMPLETED {
		t.Errorf("it ended as %v and %v", ended, same)
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("it took %s: news came by the look for changes", took)
	}
}

// knows waits until a node has heard of another one, that is ready: until then it publishes
// nothing.
func (b *bench) knows(other *bench) {
	b.t.Helper()
	var since time.Time
	for begun := time.Now(); time.Since(begun) < patience; <-time.After(20 * time.Millisecond) {
		b.loop.storage.mu.Lock()
		beaten := b.loop.storage.wrote
		b.loop.storage.mu.Unlock()
		switch {
		case since.IsZero() && other.loop.ready.Load():
			since = time.Now()
		case !since.IsZero() && beaten.After(since): // Nothing but a Beat writes so far.
			return
		}
	}
	b.t.Fatal("one node does not hear of the other")
}

// reaches waits for a state of the client's call.
func (c *client) reaches(state pealv1.CallState) *pealv1.CallUpdate {
	c.t.Helper()
	for {
		if f := c.event().GetCall(); f.GetCall().GetState() == state {
			return f
		}
	}
}

// Two nodes of one machine each need a data folder; the folder is made.
func TestDataFolderOfNode(t *testing.T) {
	shared, folder := cluster(t), filepath.Join(t.TempDir(), "new", "data")
	within := func(c *Config) { c.Settings.Data = folder }
	start(t, shared, within)
	cfg := Config{Settings: settings(t), Logger: slog.New(slog.DiscardHandler)}
	shared(&cfg)
	within(&cfg)
	if _, err := Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "in use by another server: stop that one or give another --data") {
		t.Errorf("a second node on the folder: %v", err)
	}
}

// What cannot be opened is said without the password of the URL.
func TestErrorsWithoutPassword(t *testing.T) {
	const password = "letmein"
	for url, bus := range map[string]string{
		"postgres://peal:letmein@127.0.0.1:1/peal":              "nats://127.0.0.1:1",
		"postgres://peal:letmein@127.0.0.1:port/peal":           "nats://127.0.0.1:1",
		"postgres://peal:letmein@/peal?sslmode=letmein":         "nats://127.0.0.1:1",
		"postgres://peal:letme%zzin@127.0.0.1:1/peal":           "nats://127.0.0.1:1",
		postgres.Shared(t).NewDatabase(t):                       "nats://peal:letmein@127.0.0.1:port",
		postgres.Shared(t).NewDatabase(t) + "&pool_max_conns=2": "nats://peal:letme%zzin@127.0.0.1:1",
	} {
		log := &logBuffer{}
		cfg := Config{Settings: settings(t), Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
		cfg.Settings.Cluster.Store, cfg.Settings.Cluster.Bus = url, bus
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		s, err := Start(ctx, cfg)
		cancel()
		if err == nil {
			t.Errorf("%s and %s are opened", url, bus)
			_ = s.Shutdown()
			continue
		}
		if said := err.Error() + log.String(); strings.Contains(said, password) || strings.Contains(said, "letme%zz") {
			t.Errorf("shows the password: %s", said)
		}
	}
	for text, want := range map[string]string{
		"dial peal:letmein@nats: no":  "dial …@nats: no",
		"user peal, password letmein": "user peal, password …",
		"nothing of that":             "nothing of that",
	} {
		if got := withoutURL(errors.New(text), "nats://peal:letmein@nats,nats://other").Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
