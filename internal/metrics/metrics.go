// Package metrics counts what a server does, for Prometheus.
//
// internal/server makes one Metrics, reports to it what it tells its node, what the node
// asks for, and what the store answers, and serves its Handler. The node and the calls know
// nothing of it. A nil Metrics counts nothing.
//
// The loop's goroutine calls the methods of loop.go; the others may be called from any
// goroutine. No label holds an account, a device, a call or an address, so the number of
// series is bounded by the tables of this package, and by the webhook endpoints, whose ids the
// operator gives.
package metrics

import (
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/peal-rtc/peal/internal/relay"
	"github.com/peal-rtc/peal/internal/ws"
)

// requestsMost is how many requests are answered at a time: a scrape is work.
const requestsMost = 4

// Sources are read at each scrape. All but Relay, CertificateEnd, Queues and Shared are required.
type Sources struct {
	// Ready says whether the server answers hellos.
	Ready func() bool
	// Inbox is how many inputs wait for the loop, Changes how many changes wait to be
	// committed.
	Inbox, Changes func() int
	Sockets        func() ws.Counts
	// Relay is nil where there is no relay.
	Relay func() relay.Numbers
	// CertificateEnd is when the certificate of HTTPS expires; nil where there is none.
	CertificateEnd func() time.Time
	// Queues is what waits for each webhook endpoint; nil where no events are kept.
	Queues func() []Queue
	// Shared is what nodes share; nil where there is one.
	Shared func() Shared
}

// Metrics counts.
type Metrics struct {
	registry *prometheus.Registry
	loop     loop
	store    storage
	calls    calls
	hooks    hooks
}

// New makes a Metrics. Where a node shares its store with others, Sources.Shared tells which calls are
// live.
func New(shared bool) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.calls.shared = shared
	m.loop.register(m.registry)
	m.store.register(m.registry)
	m.calls.register(m.registry)
	m.hooks.register(m.registry)
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	build := buildInfo.gauge(m.registry)
	build.WithLabelValues(version, runtime.Version()).Set(1)
	return m
}

// Watch adds what is read at each scrape. It is called once.
func (m *Metrics) Watch(s Sources) {
	m.registry.MustRegister(&scrape{s, &m.loop})
}

// Handler answers a scrape in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: requestsMost})
}

// scrape reads the sources.
type scrape struct {
	Sources
	loop *loop
}

// Describe implements prometheus.Collector.
func (*scrape) Describe(out chan<- *prometheus.Desc) {
	for _, one := range scraped {
		out <- one.desc()
	}
}

// Collect implements prometheus.Collector.
func (s *scrape) Collect(out chan<- prometheus.Metric) {
	ready := 0.0
	if s.Ready() {
		ready = 1
	}
	readiness.tell(out, ready)
	loopInbox.tell(out, float64(s.Inbox()))
	commitWaiting.tell(out, float64(s.Changes()))

	c := s.Sockets()
	messages.tell(out, float64(c.Received), "in")
	messages.tell(out, float64(c.Sent), "out")
	messageBytes.tell(out, float64(c.ReceivedBytes), "in")
	messageBytes.tell(out, float64(c.SentBytes), "out")
	for i := range events {
		n, event := s.loop.events[i].Load(), event(i)
		switch event {
		case slow:
			n += c.Slow
		case refused:
			n += c.Refused
		case opened, closed, replaced, kicked, dead, mute:
		}
		connectionEvents.tell(out, float64(n), event.String())
	}

	if s.CertificateEnd != nil {
		certificateEnd.tell(out, float64(s.CertificateEnd().Unix()))
	}
	if s.Queues != nil {
		s.collectQueues(out)
	}
	if s.Relay != nil {
		s.collectRelay(out)
	}
	if s.Shared != nil {
		s.collectShared(out)
	}
}

func (s *scrape) collectRelay(out chan<- prometheus.Metric) {
	n := s.Relay()
	relayAllocations.tell(out, float64(n.Allocations))
	relayAllocationsMost.tell(out, float64(n.AllocationsMost))
	relayRefused.tell(out, float64(n.Refused.Device), "device")
	relayRefused.tell(out, float64(n.Refused.Account), "account")
	relayRefused.tell(out, float64(n.Refused.Full), "full")
	relayRefused.tell(out, float64(n.Refused.NoPort), "no_port")
	for _, t := range n.Traffic {
		direction, transport := t.Direction.String(), t.Transport.String()
		relayPackets.tell(out, float64(t.Packets), direction, transport)
		relayBytes.tell(out, float64(t.Bytes), direction, transport)
		relayDropped.tell(out, float64(t.Dropped), direction, transport)
	}
}
