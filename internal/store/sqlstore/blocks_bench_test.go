//go:build unix

package sqlstore_test

import (
	"slices"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// BenchmarkBlocked compares how long a caller waits for its call to be made, and to be cancelled,
// where the callee is offline and where it blocks the caller, by turns in one run.
func BenchmarkBlocked(b *testing.B) {
	t := newTalk(b)
	for n := 1; n < accounts/2; n += 2 {
		if _, err := t.store.Block(b.Context(), account(2*n+1), account(2*n), store.Audit{}); err != nil {
			b.Fatal(err)
		}
	}
	var took [2][2][]time.Duration // Offline and blocked; made and cancelled.
	n := 0
	b.ResetTimer()
	for b.Loop() {
		for blocked := range 2 {
			begin := time.Now()
			c := t.invite(n)
			made := time.Now()
			c.Deaf = blocked == 1
			t.calls[n] = c
			t.step(n, call.Cancel{Device: c.Caller().Device})
			took[blocked][0] = append(took[blocked][0], made.Sub(begin))
			took[blocked][1] = append(took[blocked][1], time.Since(made))
			n++
		}
	}
	for i, what := range []string{"made", "cancelled"} {
		for _, of := range []int{0, 1} {
			slices.Sort(took[of][i])
		}
		offline, blocked := took[0][i], took[1][i]
		b.ReportMetric(float64(blocked[len(blocked)/2])/float64(offline[len(offline)/2]), what+"-p50-ratio")
		b.ReportMetric(float64(offline[len(offline)/2])/1e3, what+"-offline-us")
	}
}
