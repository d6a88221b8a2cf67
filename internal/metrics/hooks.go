package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/peal-rtc/peal/internal/delivery"
)

// deadResult is the result of an event that was given up, beside those of tries.
const deadResult = "dead"

// Queue is what waits for one webhook endpoint.
type Queue struct {
	Endpoint string
	Waiting  int
	// Lag is how long the oldest event has waited; zero where none does.
	Lag      time.Duration
	Disabled bool
}

// hooks counts deliveries to webhook endpoints. Any goroutine may use it.
type hooks struct {
	deliveries *prometheus.CounterVec
	clocks     *prometheus.GaugeVec
}

func (h *hooks) register(r *prometheus.Registry) {
	h.deliveries, h.clocks = deliveries.counter(r), endpointClock.gauge(r)
}

// Tried implements webhook.Counts.
func (m *Metrics) Tried(endpoint string, result delivery.Result) {
	if m != nil {
		m.hooks.deliveries.WithLabelValues(endpoint, string(result)).Inc()
	}
}

// GaveUp implements webhook.Counts.
func (m *Metrics) GaveUp(endpoint string) {
	if m != nil {
		m.hooks.deliveries.WithLabelValues(endpoint, deadResult).Inc()
	}
}

// Clock implements webhook.Counts.
func (m *Metrics) Clock(endpoint string, ahead time.Duration) {
	if m != nil {
		m.hooks.clocks.WithLabelValues(endpoint).Set(ahead.Seconds())
	}
}

// collectQueues tells what waits. A disabled endpoint is no longer late: nothing is sent to it.
func (s *scrape) collectQueues(out chan<- prometheus.Metric) {
	lag := time.Duration(0)
	for _, q := range s.Queues() {
		deliveriesWaiting.tell(out, float64(q.Waiting), q.Endpoint)
		disabled := 0.0
		if q.Disabled {
			disabled = 1
		} else {
			lag = max(lag, q.Lag)
		}
		endpointDisabled.tell(out, disabled, q.Endpoint)
	}
	eventsLag.tell(out, lag.Seconds())
}
