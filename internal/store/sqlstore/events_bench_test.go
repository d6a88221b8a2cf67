//go:build unix

package sqlstore_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// BenchmarkEvents does 200 calls in a second, of six changes and five events each. As in a server,
// what happens within 5 ms is committed together. With an endpoint its deliveries are claimed
// and settled every 50 ms.
func BenchmarkEvents(b *testing.B) {
	for _, who := range []string{"nobody", "feed", "endpoint"} {
		b.Run(who, func(b *testing.B) {
			t := newTalk(b)
			memory := t.store.(*store.Memory)
			memory.RecordEvents(who != "nobody")
			deliver := func() {}
			if who == "endpoint" {
				_, err := memory.Outbox().PutEndpoint(b.Context(), "crm", func(e *store.Endpoint) error {
					e.URL = "https://example.com"
					e.Rotate("secret", time.Now(), 0)
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
				deliver = func() { drainAll(b, memory.Outbox()) }
			}
			stop := make(chan struct{})
			var delivering sync.WaitGroup
			delivering.Go(func() {
				tick := time.NewTicker(50 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-tick.C:
						deliver()
					case <-stop:
						deliver()
						return
					}
				}
			})
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			n := 0
			round := func() {
				<-tick.C
				t.together(n)
				n++
			}
			for n < 100 {
				round()
			}
			before, first := cpu(b), n
			for b.Loop() {
				round()
			}
			close(stop)
			delivering.Wait()
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(n-first), "cpu-µs/call")
		})
	}
}

// drainAll delivers all that is due.
func drainAll(b *testing.B, out store.Outbox) {
	for {
		due, _, err := out.Claim(context.Background(), "crm", 64)
		if err != nil {
			b.Error(err)
		}
		if len(due) == 0 {
			return
		}
		settled := make([]store.Settlement, len(due))
		for i := range due {
			settled[i] = store.Settlement{Delivery: due[i], Outcome: store.Delivered}
		}
		if err := out.Settle(context.Background(), settled); err != nil {
			b.Error(err)
		}
	}
}

// together commits one change of each of six calls, the newest of which is the nth.
func (t *talk) together(n int) {
	const apart = 10
	now := t.now.Add(time.Duration(n) * 5 * time.Millisecond)
	made := t.invitation(n, now)
	changes := []store.Change{{Call: made, Events: call.Events(nil, nil, &made)}}
	t.calls[n] = made
	callee := func(n int) call.Device { return call.Device{Account: account(2*n + 1), ID: "tablet"} }
	caller := func(n int) call.Device { c := t.calls[n]; return c.Caller().Device }
	for i, input := range []func(int) call.Input{
		func(n int) call.Input { return call.Ring{Device: callee(n)} },
		func(n int) call.Input { return call.Accept{Device: callee(n), Generation: 1, Answer: answer} },
		func(n int) call.Input { return call.Report{Device: caller(n), Generation: 1, Up: true} },
		func(n int) call.Input { return call.Report{Device: callee(n), Generation: 1, Up: true} },
		func(n int) call.Input { return call.Hangup{Device: caller(n)} },
	} {
		n := n - (i+1)*apart
		if n < 0 {
			break
		}
		before, in := t.calls[n], input(n)
		next, _, err := call.Step(before, in, now)
		if err != nil {
			t.tb.Fatal(err)
		}
		changes = append(changes, store.Change{Call: next, From: before.Rev, Events: call.Events(&before, in, &next)})
		if t.calls[n] = next; !next.Live() {
			delete(t.calls, n)
		}
	}
	results, err := t.store.Commit(t.tb.Context(), changes)
	for _, r := range results {
		if err != nil || r.Verdict != store.Done {
			t.tb.Fatalf("commit: %+v, %v", results, err)
		}
	}
}
