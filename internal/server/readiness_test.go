package server

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/store"
)

// switchedBus is a bus that can be away.
type switchedBus struct {
	*bus.Memory
	connected atomic.Bool
}

func (b *switchedBus) State() bool { return b.connected.Load() }

// A node that was never connected to the bus takes no devices for a while: it may be set up wrongly.
// One that was connected goes on without it, and says so. A log-out that other nodes do not hear of
// is not answered as done.
func TestReadyWithoutBus(t *testing.T) {
	events := &switchedBus{Memory: bus.NewMemory()}
	b := start(t, withAPI, inMemory, func(c *Config) { c.Bus = events })
	says := func(status int, want string) {
		t.Helper()
		text := ""
		for begun := time.Now(); time.Since(begun) < patience; <-time.After(20 * time.Millisecond) {
			var w *http.Response
			if w, text = b.get(http.MethodGet, "/readyz", nil); w.StatusCode == status && strings.Contains(text, want) {
				return
			}
		}
		t.Fatalf("/readyz says %s, want %d %s", text, status, want)
	}
	says(http.StatusServiceUnavailable, `"reason":"bus"`)
	if w, _ := b.get(http.MethodGet, "/healthz", nil); w.StatusCode != http.StatusOK {
		t.Errorf("does not live without the bus: %d", w.StatusCode)
	}
	events.connected.Store(true)
	says(http.StatusOK, `{"status":"ok"}`)
	events.connected.Store(false)
	says(http.StatusOK, `"warnings":["the node has no connection to the bus`)

	k, route := b.backend(), "/api/v1/accounts/{a}/logout"
	path := "/api/v1/accounts/alice/logout"
	if status, _, body := k.ask(http.MethodPost, route, path, goodKey+apiSecret); status != http.StatusServiceUnavailable || body["retry"] != true {
		t.Errorf("a log-out that nobody hears of: %d %v", status, body)
	}
	events.connected.Store(true)
	if status, _, body := k.ask(http.MethodPost, route, path, goodKey+apiSecret); status != http.StatusOK {
		t.Errorf("the same repeated: %d %v", status, body)
	}
	if status, _, body := k.ask(http.MethodGet, accountRoute, "/api/v1/accounts/alice", goodKey+apiSecret); status != http.StatusOK || body["scope"] != "node" {
		t.Errorf("an account of several nodes: %d %v", status, body)
	}
}

// After a while a node takes devices also where the bus never came: calls go on, two seconds late.
func TestBusPatience(t *testing.T) {
	events := &switchedBus{}
	state := watchBus(events)
	if away, waits := state.away(); !away || !waits {
		t.Errorf("at first: %t %t", away, waits)
	}
	state.since = time.Now().Add(-busPatience)
	if away, waits := state.away(); !away || waits {
		t.Errorf("after a while: %t %t", away, waits)
	}
	if away, waits := watchBus(bus.NewMemory()).away(); away || waits {
		t.Errorf("in one process: %t %t", away, waits)
	}
}

// What is known of the other nodes follows their leases, and their relays stay known for a while.
func TestNeighbours(t *testing.T) {
	begin := time.Unix(1_800_000_000, 0)
	now := begin
	b := start(t, inMemory, func(c *Config) { c.Bus = bus.NewMemory() })
	n := introduce(b.Server)
	n.now = func() time.Time { return now }
	lowest := n.lowestOf(true)
	if got := lowest(); got != 0 {
		t.Errorf("before it is known the lowest format is %d", got)
	}
	other := b.TURNAddr().Addr().Next()
	nodes := []store.Node{
		{Incarnation: "one", Format: 1, Until: now.Add(time.Second), Relay: b.TURNAddr().String()},
		{Incarnation: "old", Format: 0, Until: now.Add(time.Second), Relay: other.String() + ":3478"},
		{Incarnation: "odd", Format: 1, Until: now.Add(time.Second), Relay: "nowhere"},
		{Incarnation: "dead", Format: 0, Until: now, Relay: other.Next().String() + ":3478"},
	}
	n.take(nodes)
	if got := lowest(); got != 0 || !n.announce(other) || n.announce(other.Next()) {
		t.Errorf("beside an old node the lowest is %d; its relay is known: %t; that of a dead one: %t", got, n.announce(other), n.announce(other.Next()))
	}
	for _, later := range []time.Duration{time.Second, relayKept, relayKept + 1} {
		now = begin.Add(later)
		nodes[0].Until = now.Add(time.Second)
		n.take(nodes)
		if got := lowest(); got != 1 {
			t.Errorf("after %s the lowest is %d", later, got)
		}
		if known := n.announce(other); known != (later <= relayKept) {
			t.Errorf("after %s the relay of a dead node is known: %t", later, known)
		}
	}
	if n.lowestOf(false) != nil {
		t.Error("a node alone looks at others")
	}
	if fresh := n.warn([]string{"a", "b"}); len(fresh) != 2 {
		t.Errorf("fresh are %v", fresh)
	}
	if fresh := n.warn([]string{"b"}); len(fresh) != 0 || len(n.warned()) != 1 {
		t.Errorf("fresh are %v of %v", fresh, n.warned())
	}
}
