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

// Committed notes a commit, how long it took, and the result of each change. Commits are
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

// Read notes the answer to a request, how long it took, and whether it failed.
func (m *Metrics) Read(now time.Time, took time.Duration, asked node.Request, answer node.Input, err error) {
	if m == nil {
		return
	}
	query := queryOf(asked)
	m.store.readSeconds.WithLabelValues(query).Observe(took.Seconds())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		m.store.failures.WithLabelValues(query).Inc()
	}
	if l, ok := answer.(node.Loaded); ok {
		m.calls.loaded(asked.(node.Load).ID, &l, now)
	}
}

var queries = []string{"load", "list", "list_orphaned", "list_records", "list_changed", "find_due", "beat"}

// queryOf names a request.
func queryOf(asked node.Request) string {
	switch asked.(type) {
	case node.Load:
		return "load"
	case node.ListOrphaned:
		return "list_orphaned"
	case node.ListRecords:
		return "list_records"
	case node.ListChanged:
		return "list_changed"
	case node.FindDue:
		return "find_due"
	case node.Beat:
		return "beat"
	}
	return "list"
}
