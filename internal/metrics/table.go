package metrics

import "github.com/prometheus/client_golang/prometheus"

// Kind is the type of a metric.
type Kind string

// The types.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Metric describes one metric.
type Metric struct {
	Name   string
	Kind   Kind
	Labels []string
	Help   string
	// Buckets are those of a histogram.
	Buckets []float64
}

// Buckets of histograms.
var (
	// fast has what should take milliseconds.
	fast = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	// patient has what people wait for.
	patient = []float64{.1, .25, .5, 1, 2, 3, 5, 10, 15, 20, 30, 60, 120}
	// long has how long people talk.
	long  = []float64{5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200}
	sizes = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256}
)

// The metrics. docs/run/operations.md lists them; a test holds both together.
var (
	commands = Metric{
		"peal_commands_total", Counter,
		[]string{"command", "code"},
		"Commands of clients by the code of the answer: `ok`, `quiet` for a quiet command, or an error code.", nil,
	}
	commandSeconds = Metric{
		"peal_command_seconds", Histogram,
		[]string{"command"},
		"Time from receiving a command to its answer.", fast,
	}
	callsStarted = Metric{
		"peal_calls_started_total", Counter,
		[]string{"type"},
		"Calls that were stored for the first time, busy ones included.", nil,
	}
	callsEnded = Metric{
		"peal_calls_total", Counter,
		[]string{"reason", "kind", "type"},
		"Calls that ended, by reason and by the kind of the record.", nil,
	}
	callsLive = Metric{
		"peal_calls_live", Gauge,
		[]string{"state"},
		"Calls that have not ended. With several nodes, those of all nodes: each tells the same.", nil,
	}
	callRings = Metric{
		"peal_call_rings_total", Counter,
		[]string{"type"},
		"Devices that reported that they ring.", nil,
	}
	callAnswer = Metric{
		"peal_call_answer_seconds", Histogram,
		[]string{"type"},
		"Time from the invitation to the answer; its count is the number of answers.", patient,
	}
	callSetup = Metric{
		"peal_call_setup_seconds", Histogram,
		[]string{"type"},
		"Time from the answer until media flow on both sides.", patient,
	}
	callSeconds = Metric{
		"peal_call_seconds", Histogram,
		[]string{"type"},
		"Connected time of calls that ended.", long,
	}
	mediaPaths = Metric{
		"peal_media_path_total", Counter,
		[]string{"path", "type"},
		"Paths that devices reported for their media, once for each device and media generation.", nil,
	}
	devices = Metric{
		"peal_devices", Gauge, nil,
		"Connections that are logged in.", nil,
	}
	accounts = Metric{
		"peal_accounts", Gauge, nil,
		"Accounts with a device that is logged in.", nil,
	}
	connections = Metric{
		"peal_connections", Gauge, nil,
		"Open WebSocket connections.", nil,
	}
	connectionEvents = Metric{
		"peal_connections_total", Counter,
		[]string{"event"},
		"Connections by event: `open`, `closed`, `refused`; and why the server closed one: `replaced`, `kicked`, `dead`, `slow`, `hello_timeout`.", nil,
	}
	messages = Metric{
		"peal_messages_total", Counter,
		[]string{"direction"},
		"WebSocket messages, without control frames.", nil,
	}
	messageBytes = Metric{
		"peal_message_bytes_total", Counter,
		[]string{"direction"},
		"Bytes of these messages.", nil,
	}
	commitSeconds = Metric{
		"peal_commit_seconds", Histogram, nil,
		"Time of one commit of the store, for all of its changes.", fast,
	}
	commitChanges = Metric{
		"peal_commit_changes", Histogram, nil,
		"Changes in one commit.", sizes,
	}
	commitUnknown = Metric{
		"peal_commit_unknown_total", Counter, nil,
		"Changes whose commit returned an error; the server reads the call back.", nil,
	}
	conflicts = Metric{
		"peal_conflicts_total", Counter, nil,
		"Changes that lost against a newer revision; the server tries again.", nil,
	}
	commitWaiting = Metric{
		"peal_commit_queue_changes", Gauge, nil,
		"Changes that wait for the next commit.", nil,
	}
	readSeconds = Metric{
		"peal_read_seconds", Histogram,
		[]string{"query"},
		"Time of one read of the store.", fast,
	}
	readFailures = Metric{
		"peal_read_failures_total", Counter,
		[]string{"query"},
		"Reads of the store that failed. A call that does not exist is no failure.", nil,
	}
	loopLag = Metric{
		"peal_loop_lag_seconds", Histogram, nil,
		"Time that an input waits for the event loop.", fast,
	}
	loopInbox = Metric{
		"peal_loop_queue_length", Gauge, nil,
		"Inputs that wait for the event loop.", nil,
	}
	deadlineLate = Metric{
		"peal_deadline_late_seconds", Histogram, nil,
		"How late the event loop acts on a deadline.", fast,
	}
	relayAllocations = Metric{
		"peal_relay_allocations", Gauge, nil,
		"Relayed addresses that are allocated.", nil,
	}
	relayAllocationsMost = Metric{
		"peal_relay_allocations_limit", Gauge, nil,
		"Limit of relayed addresses: `--turn-allocations`.", nil,
	}
	relayRefused = Metric{
		"peal_relay_refused_total", Counter,
		[]string{"why"},
		"Relayed addresses that were refused: the limit of the `device` or of the `account`, `full`, or `no_port`.", nil,
	}
	relayPackets = Metric{
		"peal_relay_packets_total", Counter,
		[]string{"direction", "transport"},
		"Packets that the relay passed on, by the transport of the client.", nil,
	}
	relayBytes = Metric{
		"peal_relay_bytes_total", Counter,
		[]string{"direction", "transport"},
		"Bytes of these packets, without headers.", nil,
	}
	relayDropped = Metric{
		"peal_relay_dropped_total", Counter,
		[]string{"direction", "transport"},
		"Packets that the relay dropped: above a rate, or from a peer without permission.", nil,
	}
	readiness = Metric{
		"peal_ready", Gauge, nil,
		"1 while the server answers hellos, 0 while it starts or stops.", nil,
	}
	certificateEnd = Metric{
		"peal_certificate_expiry_timestamp_seconds", Gauge, nil,
		"When the certificate of HTTPS expires, in Unix time.", nil,
	}
	storeConnections = Metric{
		"peal_store_connections", Gauge,
		[]string{"pool"},
		"Connections to PostgreSQL that are in use, for `commits` and for `reads`.", nil,
	}
	storeConnectionsMost = Metric{
		"peal_store_connections_limit", Gauge,
		[]string{"pool"},
		"Most connections to PostgreSQL of this node.", nil,
	}
	storeRetries = Metric{
		"peal_store_retries_total", Counter, nil,
		"Statements that were sent to PostgreSQL again, because it was away or another transaction was in the way.", nil,
	}
	storeWarnings = Metric{
		"peal_store_warnings", Gauge, nil,
		"Warnings about PostgreSQL, which `/readyz` spells out.", nil,
	}
	busConnected = Metric{
		"peal_bus_connected", Gauge, nil,
		"1 while the node is connected to NATS, otherwise 0.", nil,
	}
	busMessages = Metric{
		"peal_bus_messages_total", Counter,
		[]string{"direction"},
		"Messages between this node and others.", nil,
	}
	busBytes = Metric{
		"peal_bus_bytes_total", Counter,
		[]string{"direction"},
		"Bytes of these messages.", nil,
	}
	busLost = Metric{
		"peal_bus_lost_total", Counter, nil,
		"Messages that this node dropped: NATS was away, or they came faster than they were handled.", nil,
	}
	eventsLag = Metric{
		"peal_events_lag_seconds", Gauge, nil,
		"Age of the oldest event that waits for a webhook endpoint that is not disabled.", nil,
	}
	deliveries = Metric{
		"peal_deliveries_total", Counter,
		[]string{"endpoint", "result"},
		"Tries to deliver an event to a webhook endpoint: `delivered`, `status`, `redirect`, `gone` (410), `timeout`, `connect`, `blocked` (its address is not allowed); and events given up, `dead`.", nil,
	}
	deliveriesWaiting = Metric{
		"peal_deliveries_waiting", Gauge,
		[]string{"endpoint"},
		"Events that wait for a webhook endpoint.", nil,
	}
	endpointDisabled = Metric{
		"peal_webhook_endpoint_disabled", Gauge,
		[]string{"endpoint"},
		"1 for a webhook endpoint that is disabled, otherwise 0.", nil,
	}
	endpointClock = Metric{
		"peal_webhook_clock_offset_seconds", Gauge,
		[]string{"endpoint"},
		"How far the clock of a webhook endpoint is ahead of this machine's, by its last answer. At 300 either way it refuses all events.", nil,
	}
	buildInfo = Metric{
		"peal_build_info", Gauge,
		[]string{"version", "goversion"},
		"Always 1; the labels hold the versions of Peal and of Go.", nil,
	}
)

// scraped are the metrics that are read at each scrape.
var scraped = []Metric{
	readiness, loopInbox, commitWaiting, messages, messageBytes, connectionEvents, certificateEnd,
	relayAllocations, relayAllocationsMost, relayRefused, relayPackets, relayBytes, relayDropped,
	storeConnections, storeConnectionsMost, storeRetries, storeWarnings, busConnected, busMessages, busBytes, busLost,
	eventsLag, deliveriesWaiting, endpointDisabled,
}

// Table lists the metrics of Peal, in the order of the documentation. The metrics of Go and of
// the process come with them.
func Table() []Metric {
	return []Metric{
		readiness, buildInfo, certificateEnd,
		connections, devices, accounts, connectionEvents, messages, messageBytes, commands, commandSeconds,
		callsLive, callsStarted, callsEnded, callRings, callAnswer, callSetup, callSeconds, mediaPaths,
		commitSeconds, commitChanges, commitWaiting, commitUnknown, conflicts, readSeconds, readFailures,
		storeConnections, storeConnectionsMost, storeRetries, storeWarnings,
		busConnected, busMessages, busBytes, busLost,
		loopLag, loopInbox, deadlineLate,
		relayAllocations, relayAllocationsMost, relayRefused, relayPackets, relayBytes, relayDropped,
		eventsLag, deliveries, deliveriesWaiting, endpointDisabled, endpointClock,
	}
}

func (m *Metric) desc() *prometheus.Desc { return prometheus.NewDesc(m.Name, m.Help, m.Labels, nil) }

// tell sends the value of a metric that is read at a scrape.
func (m *Metric) tell(out chan<- prometheus.Metric, value float64, labels ...string) {
	kind := prometheus.GaugeValue
	if m.Kind == Counter {
		kind = prometheus.CounterValue
	}
	out <- prometheus.MustNewConstMetric(m.desc(), kind, value, labels...)
}

func (m *Metric) counter(r *prometheus.Registry) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: m.Name, Help: m.Help}, m.Labels)
	r.MustRegister(v)
	return v
}

func (m *Metric) gauge(r *prometheus.Registry) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: m.Name, Help: m.Help}, m.Labels)
	r.MustRegister(v)
	return v
}

func (m *Metric) histogram(r *prometheus.Registry) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: m.Name, Help: m.Help, Buckets: m.Buckets}, m.Labels)
	r.MustRegister(v)
	return v
}
