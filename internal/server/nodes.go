package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

const (
	// followEvery is how often a node looks at who shares the store, and at what is wrong with that.
	followEvery = 2 * time.Second
	// relayKept is for how long the address of a relay is known after its node is gone: devices
	// that have come here go on with it, or try to.
	relayKept = 10 * time.Minute
)

// neighbours are the nodes that share the store, as they were a moment ago. Any goroutine may use
// it.
type neighbours struct {
	store store.Store
	now   func() time.Time
	log   *slog.Logger
	// self is what this node says of itself beside its lease.
	self store.Node

	mu       sync.RWMutex // Guards what follows.
	lowest   uint8        // The lowest format of the nodes that live; 0 while that is not known.
	relays   map[netip.Addr]time.Time
	warnings []string
}

// introduce has the store keep what a server says of itself with its lease.
func introduce(s *Server) *neighbours {
	n := &neighbours{
		store: s.store, now: s.clock.now, log: s.log, relays: make(map[netip.Addr]time.Time),
		self: store.Node{
			Incarnation: s.incarnation, Release: s.cfg.Release,
			Format: int(call.Format), Address: s.cfg.Settings.NodeAddress(s.Addr(), Outbound()), Begun: s.clock.now(),
		},
	}
	if at := s.TURNAddr(); at.IsValid() {
		n.self.Relay = at.String()
	}
	if kept, ok := s.store.(interface{ Introduce(store.Node) }); ok {
		kept.Introduce(n.self)
	}
	return n
}

// list gives the nodes that have a lease, or had one a moment ago. A store for one node lists
// none: that is this one.
func (n *neighbours) list(ctx context.Context) ([]store.Node, error) {
	kept, ok := n.store.(interface {
		Nodes(ctx context.Context) ([]store.Node, error)
	})
	if !ok {
		return []store.Node{n.self}, nil
	}
	nodes, err := kept.Nodes(ctx)
	if err != nil {
		return nil, fmt.Errorf("read nodes: %w", err)
	}
	return nodes, nil
}

// follow looks at the other nodes until quit is closed.
func (n *neighbours) follow(quit <-chan struct{}) {
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		if err := n.look(ctx); err != nil {
			n.log.Error("cannot look at the other nodes", "error", storeError{err})
		}
		cancel()
		select {
		case <-quit:
			return
		case <-ticker.C:
		}
	}
}

// look reads who shares the store, and what that warns of.
func (n *neighbours) look(ctx context.Context) error {
	nodes, err := n.list(ctx)
	if err != nil {
		return err
	}
	n.take(nodes)
	kept, ok := n.store.(interface {
		Warnings(ctx context.Context) ([]string, error)
	})
	if !ok {
		return nil
	}
	warnings, err := kept.Warnings(ctx)
	if err != nil {
		return fmt.Errorf("look for what the store warns of: %w", err)
	}
	for _, fresh := range n.warn(warnings) {
		n.log.WarnContext(ctx, "the database is not as it should be", "warning", fresh)
	}
	return nil
}

// take takes the nodes whose leases the store has.
func (n *neighbours) take(nodes []store.Node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	lowest, live := call.Format, false
	for _, one := range nodes {
		if !one.Until.After(now) {
			continue
		}
		lowest, live = min(lowest, uint8(one.Format)), true
		if at, err := netip.ParseAddrPort(one.Relay); err == nil {
			n.relays[at.Addr()] = now
		}
	}
	if n.lowest = 0; live {
		n.lowest = lowest
	}
	for at, seen := range n.relays {
		if now.Sub(seen) > relayKept {
			delete(n.relays, at)
		}
	}
}

// lowestOf gives the lowest format of the nodes that live; nil where this node is the only one.
func (n *neighbours) lowestOf(shared bool) func() uint8 {
	if !shared {
		return nil
	}
	return func() uint8 {
		n.mu.RLock()
		defer n.mu.RUnlock()
		return n.lowest
	}
}

// announce says whether a node announces a relay at an address.
func (n *neighbours) announce(at netip.Addr) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	_, known := n.relays[at]
	return known
}

// warn takes what an operator should change about the store, and gives what is new of that.
func (n *neighbours) warn(warnings []string) (fresh []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, one := range warnings {
		if !slices.Contains(n.warnings, one) {
			fresh = append(fresh, one)
		}
	}
	n.warnings = warnings
	return fresh
}

func (n *neighbours) warned() []string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.warnings
}
