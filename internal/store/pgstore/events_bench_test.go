//go:build linux

package pgstore_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/pgstore"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

// BenchmarkEvents commits calls of three events, 16 changes at a time, by two committers: what nobody
// asks for, what a reader of the feed asks for, and what endpoints do. An operation is a call.
func BenchmarkEvents(b *testing.B) {
	for _, test := range []struct {
		name     string
		recorded bool
		hooks    int
	}{{"nobody", false, 0}, {"feed", true, 0}, {"endpoint", false, 1}, {"endpoints=4", false, 4}} {
		b.Run(test.name, func(b *testing.B) {
			s := openAt(b, postgres.Shared(b).NewDatabase(b))
			s.RecordEvents(test.recorded)
			for i := range test.hooks {
				hook(b, s, fmt.Sprint("e", i))
			}
			server := postgres.Shared(b)
			cpu, wal := used(b, server), written(b, server)
			b.ResetTimer()
			talks(b, s)
			b.StopTimer()
			b.ReportMetric(float64((used(b, server)-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
			b.ReportMetric(float64(written(b, server)-wal)/float64(b.N), "wal-B/op")
		})
	}
}

// talks makes b.N calls.
func talks(b *testing.B, s *pgstore.Store) {
	const together, committers = 16, 2
	var all sync.WaitGroup
	for w := range committers {
		all.Go(func() {
			for n := w * together; n < b.N; n += committers * together {
				var began, rang, over []store.Change
				for i := n; i < min(n+together, b.N); i++ {
					id := call.ID(fmt.Sprint("c", i))
					c := invited(b, id, "caller of "+call.Account(id), "callee of "+call.Account(id))
					r := stepped(b, &c.Call, call.Ring{Device: call.Device{Account: c.Call.Callee().Account, ID: "tablet"}})
					began, rang = append(began, c), append(rang, r)
					over = append(over, stepped(b, &r.Call, call.Cancel{Device: c.Call.Caller().Device}))
				}
				commitAll(b, s, began...)
				commitAll(b, s, rang...)
				commitAll(b, s, over...)
			}
		})
	}
	all.Wait()
}
