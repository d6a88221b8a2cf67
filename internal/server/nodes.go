package server

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

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
	mu       sync.RWMutex // Guards what follows.
	lowest   int          // The lowest format of the nodes that live.
	relays   map[netip.Addr]time.Time
	warnings []string
}

// listed takes the nodes whose leases the store has.
func (n *neighbours) listed(nodes []store.Node, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.relays == nil {
		n.relays = make(map[netip.Addr]time.Time)
	}
	n.lowest = 0
	for _, one := range nodes {
		if !one.Until.After(now) {
			continue
		}
		if n.lowest == 0 || one.Format < n.lowest {
			n.lowest = one.Format
		}
		if at, err := netip.ParseAddrPort(one.Relay); err == nil {
			n.relays[at.Addr()] = now
		}
	}
	for at, seen := range n.relays {
		if now.Sub(seen) > relayKept {
			delete(n.relays, at)
		}
	}
}

// announces says whether a node announces a relay at an address.
func (n *neighbours) announces(at netip.Addr) bool {
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

// self is what this node says of itself beside its lease.
func (s *Server) self() store.Node {
	n := store.Node{
		Incarnation: s.incarnation, Release: s.cfg.Release,
		Address: s.cfg.Settings.NodeAddress(s.Addr(), Outbound()), Begun: s.begun,
	}
	if at := s.TURNAddr(); at.IsValid() {
		n.Relay = at.String()
	}
	return n
}

// introduce has the store keep what this node says of itself with its lease.
func (s *Server) introduce() {
	if kept, ok := s.store.(interface{ Introduce(store.Node) }); ok {
		kept.Introduce(s.self())
	}
}

// nodes lists the nodes that have a lease, or had one a moment ago. A store for one node lists
// none: that is this one.
func (s *Server) nodes(ctx context.Context) ([]store.Node, error) {
	kept, ok := s.store.(interface {
		Nodes(ctx context.Context) ([]store.Node, error)
	})
	if !ok {
		return []store.Node{s.self()}, nil
	}
	nodes, err := kept.Nodes(ctx)
	if err != nil {
		return nil, fmt.Errorf("read nodes: %w", err)
	}
	return nodes, nil
}

// follow looks at the other nodes, until the server stops.
func (s *Server) follow() {
	if !s.shared() {
		return
	}
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	for {
		s.do("cannot look at the other nodes", s.lookAround)
		select {
		case <-s.quit:
			return
		case <-ticker.C:
		}
	}
}

// lookAround reads who shares the store, and what that warns of.
func (s *Server) lookAround(ctx context.Context) error {
	nodes, err := s.nodes(ctx)
	if err != nil {
		return err
	}
	s.neighbours.listed(nodes, s.clock.now())
	return s.heedStore(ctx)
}

// heedStore logs what the store warns of, once.
func (s *Server) heedStore(ctx context.Context) error {
	kept, ok := s.store.(interface {
		Warnings(ctx context.Context) ([]string, error)
	})
	if !ok {
		return nil
	}
	warnings, err := kept.Warnings(ctx)
	if err != nil {
		return fmt.Errorf("look for what the store warns of: %w", err)
	}
	for _, fresh := range s.neighbours.warn(warnings) {
		s.log.WarnContext(ctx, "the store is not as it should be", "warning", fresh)
	}
	return nil
}
