// Package natsbus is a bus between nodes on several machines, over core NATS: no queue groups,
// no requests, no streams. A message goes to the subject of its account, and NATS knows which
// nodes subscribed to that.
//
// The server opens one for its node. A Bus is safe for concurrent use.
package natsbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/peal-rtc/peal/internal/bus"
)

// Config is what a bus is made of.
type Config struct {
	// URL is nats://[USER[:PASSWORD]@]HOST[:PORT], or with tls://, several separated by commas.
	// After a question mark it may have options, each the path of a file: creds and nkey are
	// credentials of NATS, ca the authorities that servers are trusted by, cert and key a
	// certificate of this client.
	URL string
	// Cluster is what nodes of one service have in common, so that several services may use one
	// NATS: letters, digits, - and _. Empty means peal.
	Cluster string
	// Logger may be nil.
	Logger *slog.Logger
}

// Bus is a bus by NATS. Each member has a connection of its own.
type Bus struct {
	cluster string
	servers string
	options []nats.Option
	log     *slog.Logger
	// lost counts what was dropped: sent while NATS was away, or received faster than it was
	// delivered, or not understood.
	lost  atomic.Uint64
	newer sync.Once
	work  sync.WaitGroup

	mu      sync.Mutex // Guards what follows.
	closed  bool
	members map[*member]struct{}
}

// Open makes a bus. It does not wait for NATS, which may come later.
func Open(_ context.Context, cfg Config) (*Bus, error) {
	if cfg.Cluster == "" {
		cfg.Cluster = "peal"
	}
	if !clusters.MatchString(cfg.Cluster) {
		return nil, fmt.Errorf("the name of the cluster is %q: want 1 to 64 letters, digits, - and _", cfg.Cluster)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	servers, settings, err := parse(cfg.URL)
	if err != nil {
		return nil, err
	}
	options, err := settings.options()
	if err != nil {
		return nil, err
	}
	return &Bus{cluster: cfg.Cluster, servers: servers, options: options, log: cfg.Logger, members: make(map[*member]struct{})}, nil
}

// Join implements bus.Bus. Where NATS is away it goes on trying.
func (b *Bus) Join(deliver func(bus.Message), missed func()) (bus.Member, error) {
	if b.ended() {
		return nil, bus.ErrClosed
	}
	m := newMember(b, deliver, missed)
	options := append(b.options[:len(b.options):len(b.options)],
		nats.ConnectHandler(func(c *nats.Conn) { m.connected(c.ConnectedAddr()) }),
		nats.ReconnectHandler(func(c *nats.Conn) { m.connected(c.ConnectedAddr()) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { m.disconnected(err) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { m.refused(err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { m.failed(err) }),
	)
	var err error
	if m.nats, err = nats.Connect(b.servers, options...); err != nil {
		return nil, fmt.Errorf("connect to the bus: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		m.nats.Close()
		return nil, bus.ErrClosed
	}
	if err := m.start(); err != nil {
		m.nats.Close()
		return nil, fmt.Errorf("subscribe at the bus: %w", err)
	}
	b.members[m] = struct{}{}
	return m, nil
}

func (b *Bus) ended() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// State says whether all members are connected and may use their subjects, and there is one.
func (b *Bus) State() (connected bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for m := range b.members {
		if !m.works() {
			return false
		}
	}
	return len(b.members) > 0
}

// Lost counts the messages that were dropped here. What is lost on the way does not show.
func (b *Bus) Lost() uint64 { return b.lost.Load() }

// Counts are what the members have sent and received.
type Counts struct{ MessagesIn, MessagesOut, BytesIn, BytesOut uint64 }

// Counts counts what NATS took and brought, with subscriptions and pings left out.
func (b *Bus) Counts() (sum Counts) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for m := range b.members {
		n := m.nats.Stats()
		sum.MessagesIn += n.InMsgs
		sum.MessagesOut += n.OutMsgs
		sum.BytesIn += n.InBytes
		sum.BytesOut += n.OutBytes
	}
	return sum
}

// Close implements bus.Bus. It must not be called while delivering.
func (b *Bus) Close() error {
	b.mu.Lock()
	b.closed = true
	members := make([]*member, 0, len(b.members))
	for m := range b.members {
		members = append(members, m)
	}
	b.mu.Unlock()
	for _, m := range members {
		m.Leave()
	}
	b.work.Wait()
	return nil
}

// unsent counts a message that cannot be encoded.
func (b *Bus) unsent(err error) {
	b.lost.Add(1)
	b.log.Error("cannot encode a message for the bus", "error", err)
}

// drop counts a message that was received and cannot be delivered.
func (b *Bus) drop(err error) {
	b.lost.Add(1)
	if errors.Is(err, errNewer) {
		b.newer.Do(func() { b.log.Warn("a node with a newer release sends messages that this one drops") })
		return
	}
	b.log.Warn("cannot read a message of the bus", "error", err)
}
