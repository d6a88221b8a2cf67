//go:build unix

package sqlstore_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/sqlstore"
)

// talk makes the changes of calls: each begins, is answered, and ends.
type talk struct {
	tb    testing.TB
	store store.Store
	now   time.Time
	calls map[int]call.Call
}

// accounts is how many people call each other in the benchmarks.
const accounts = 20_000

func newTalk(tb testing.TB) *talk {
	tb.Helper()
	s, err := sqlstore.Open(tb.Context(), sqlstore.Config{Path: filepath.Join(tb.TempDir(), "peal.db")})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return &talk{tb: tb, store: s, now: time.Now(), calls: make(map[int]call.Call)}
}

func (t *talk) commit(change store.Change) {
	results, err := t.store.Commit(t.tb.Context(), []store.Change{change})
	if err != nil || results[0].Verdict != store.Done {
		t.tb.Fatalf("commit: %+v, %v", results, err)
	}
}

// account is one of many, each used again only long after.
func account(n int) call.Account { return call.Account(fmt.Sprint("user-", n*7919%accounts)) }

// offer and answer are as long as those of a browser.
var offer, answer = call.SDP(strings.Repeat("a=offered\r\n", 370)), call.SDP(strings.Repeat("a=answered\r\n", 300))

func (t *talk) begin(n int) { t.calls[n] = t.invite(n) }

// invite makes a call that rings.
func (t *talk) invite(n int) call.Call {
	c := t.invitation(n, t.now)
	t.commit(store.Change{Call: c})
	return c
}

// invitation is a new call.
func (t *talk) invitation(n int, now time.Time) call.Call {
	ms := t.now.Add(time.Duration(n) * time.Millisecond).UnixMilli()
	c, _, err := call.New(call.Invite{
		ID:     call.ID(fmt.Sprintf("%08x-%04x-7000-8000-%012x", ms>>16, ms&0xffff, n)),
		Caller: call.Device{Account: account(2 * n), ID: "phone", Conn: call.Connection{Incarnation: "n1", Seq: uint64(n)}},
		Callee: account(2*n + 1), Type: call.Video, Timing: call.DefaultTiming(), Offer: offer,
	}, now)
	if err != nil {
		t.tb.Fatal(err)
	}
	return c
}

func (t *talk) step(n int, in call.Input) {
	c := t.calls[n]
	next, _, err := call.Step(c, in, t.now.Add(time.Second))
	if err != nil {
		t.tb.Fatal(err)
	}
	t.commit(store.Change{Call: next, From: c.Rev})
	if t.calls[n] = next; !next.Live() {
		delete(t.calls, n)
	}
}

func (t *talk) answer(n int) {
	callee := call.Device{Account: account(2*n + 1), ID: "tablet", Conn: call.Connection{Incarnation: "n1", Seq: uint64(n)}}
	t.step(n, call.Accept{Device: callee, Generation: 1, Answer: answer})
}

func (t *talk) end(n int) {
	c := t.calls[n]
	t.step(n, call.Hangup{Device: c.Caller().Device})
}

// whole is a call from its beginning to its end.
func (t *talk) whole(n int) {
	t.begin(n)
	t.answer(n)
	t.end(n)
}

// BenchmarkCall does the three durable commits of a call, one after the other.
func BenchmarkCall(b *testing.B) {
	t, n := newTalk(b), 0
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		t.whole(n)
		n++
	}
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(n), "cpu-µs/call")
}

// BenchmarkPaced does as many calls in a second as its name says, whose commits are
// spread evenly, among as many others that are under way.
func BenchmarkPaced(b *testing.B) {
	for _, rate := range []int{50, 200} {
		b.Run(fmt.Sprint("calls=", rate), func(b *testing.B) {
			t, n := newTalk(b), 0
			tick := time.NewTicker(time.Second / time.Duration(3*rate))
			defer tick.Stop()
			const answered, ended = 100, 200
			round := func() {
				<-tick.C
				t.begin(n)
				<-tick.C
				if n >= answered {
					t.answer(n - answered)
				}
				<-tick.C
				if n >= ended {
					t.end(n - ended)
				}
				n++
			}
			for n < ended {
				round()
			}
			before, first := cpu(b), n
			for b.Loop() {
				round()
			}
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(n-first), "cpu-µs/call")
		})
	}
}

// cpu is what the process has used so far.
func cpu(tb testing.TB) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
