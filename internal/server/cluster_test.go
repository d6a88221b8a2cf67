package server

import (
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
