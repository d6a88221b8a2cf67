package metrics

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/store"
)

// storage counts what is asked of the store. Any goroutine may use it.
type storage struct {
	commitSeconds, commitChanges prometheus.Observer
	unknown, conflicts           prometheus.Counter
	readSeconds                  *prometheus.HistogramVec
	failures                     *prometheus.CounterVec
}

func (s *storage) register(r *prometheus.Registry) {
	s.commitSeconds, s.commitChanges = commitSeconds.histogram(r).WithLabelValues(), commitChanges.histogram(r).WithLabelValues()
	s.unknown, s.conflicts = commitUnknown.counter(r).WithLabelValues(), conflicts.counter(r).WithLabelValues()
	s.readSeconds, s.failures = readSeconds.histogram(r), readFailures.counter(r)
	for _, query := range queries {
		s.readSeconds.WithLabelValues(query)
		s.failures.WithLabelValues(query)
	}
}

// Live says which calls were live when the server started.
func (m *Metrics) Live(list []call.Call) {
	if m != nil {
		m.calls.began(list)
	}
}

// Committed notes a commit, how long it took, and what became of each change. Commits are
// noted in their order.
func (m *Metrics) Committed(now time.Time, took time.Duration, changes []store.Change, results []store.Result) {
	if m == nil {
		return
	}
	m.store.commitSeconds.Observe(took.Seconds())
	m.store.commitChanges.Observe(float64(len(changes)))
	for i := range changes {
		c := &changes[i]
		switch results[i].Verdict {
		case store.Done:
			m.calls.stored(&c.Call, now)
		case store.CalleeBusy:
			if c.Busy != nil {
				m.calls.stored(c.Busy, now)
			}
		case store.Conflict:
			m.store.conflicts.Inc()
		case store.CallerClaimed:
		default:
			m.store.unknown.Inc()
			m.calls.doubt(c.Call.ID)
		}
	}
}

// Read notes the answer to a query and how long it took.
func (m *Metrics) Read(now time.Time, took time.Duration, asked node.Effect, in node.Input) {
	if m == nil {
		return
	}
	query, err := answered(asked, in)
	m.store.readSeconds.WithLabelValues(query).Observe(took.Seconds())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		m.store.failures.WithLabelValues(query).Inc()
	}
	if l, ok := in.(node.Loaded); ok {
		m.calls.loaded(asked.(node.Load).ID, &l, now)
	}
}

var queries = []string{"load", "list", "list_live", "list_records", "list_changed", "find_due", "beat"}

// answered names a query, and tells whether it failed.
func answered(asked node.Effect, in node.Input) (query string, err error) {
	query = "list"
	if _, ok := asked.(node.ListLive); ok {
		query = "list_live"
	}
	switch in := in.(type) {
	case node.Loaded:
		return "load", in.Err
	case node.Listed:
		return query, in.Err
	case node.ListedRecords:
		return "list_records", in.Err
	case node.ListedChanged:
		return "list_changed", in.Err
	case node.FoundDue:
		return "find_due", in.Err
	case node.Beaten:
		return "beat", in.Err
	}
	return query, nil
}
