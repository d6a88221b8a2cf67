//go:build linux

package pgstore_test

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/pgstore"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

// BenchmarkCall does calls of six changes, by two nodes at once. A commit holds changes of as many
// calls as its name says, of all steps. It reports the CPU of all processes of PostgreSQL, and its
// log without the images of whole pages, which follow from how often it makes checkpoints.
func BenchmarkCall(b *testing.B) {
	for _, changes := range []int{1, 6, 18, 60} {
		b.Run(fmt.Sprint("changes=", changes), func(b *testing.B) { benchmarkCalls(b, changes) })
	}
}

func benchmarkCalls(b *testing.B, changes int) {
	server := postgres.Start(b, "autovacuum_naptime=5s")
	url := server.NewDatabase(b)
	lanes := []*lane{newLane(b, url, 0, changes), newLane(b, url, 1, changes)}
	turn := func() {
		var both sync.WaitGroup
		for _, l := range lanes {
			both.Go(func() { l.turn(b) })
		}
		both.Wait()
	}
	for range 100 {
		turn()
	}
	cpu, wal, calls := used(b, server), written(b, server), lanes[0].ended+lanes[1].ended
	for b.Loop() {
		turn()
	}
	calls = lanes[0].ended + lanes[1].ended - calls
	b.ReportMetric(float64((used(b, server)-cpu).Microseconds())/float64(calls), "cpu-µs/call")
	b.ReportMetric(float64(written(b, server)-wal)/float64(calls), "wal-B/call")
	b.ReportMetric(float64(calls), "calls")
}

func used(b *testing.B, s *postgres.Server) time.Duration {
	b.Helper()
	cpu, err := s.CPU()
	if err != nil {
		b.Fatal(err)
	}
	return cpu
}

// written is how many bytes the log has.
func written(b *testing.B, s *postgres.Server) (bytes int64) {
	b.Helper()
	session(b, s.URL("postgres"), func(conn *pgx.Conn) error {
		return conn.QueryRow(b.Context(), `SELECT pg_current_wal_lsn() - '0/0'`).Scan(&bytes)
	})
	return bytes
}

// lane is a node with the calls that it has under way.
type lane struct {
	store   *pgstore.Store
	number  int
	changes int
	made    int
	ended   int
	calls   []underway
	now     time.Time
}

// underway is a call with the steps that it is still to go.
type underway struct {
	call  call.Call
	steps []call.Input
}

func newLane(b *testing.B, url string, number, changes int) *lane {
	b.Helper()
	s := openAt(b, url)
	return &lane{store: s, number: number, changes: changes, now: time.Now()}
}

// turn commits the next step of as many calls as a commit has changes, the oldest first, after new
// calls for a sixth of them.
func (l *lane) turn(b *testing.B) {
	b.Helper()
	const steps = 6
	var changes []store.Change
	for range (l.changes + steps - 1) / steps {
		if l.changes < steps && len(l.calls) > 0 {
			break
		}
		u := l.begin(b)
		changes = append(changes, store.Change{Call: u.call, Events: call.Events(nil, nil, &u.call)})
		l.calls = append(l.calls, u)
	}
	fresh := len(changes)
	for i := range l.calls[:len(l.calls)-fresh] {
		u := &l.calls[i]
		next, _, err := call.Step(u.call, u.steps[0], l.now.Add(time.Second))
		if err != nil {
			b.Fatal(err)
		}
		changes = append(changes, store.Change{Call: next, From: u.call.Rev, Events: call.Events(&u.call, u.steps[0], &next)})
		u.call, u.steps = next, u.steps[1:]
	}
	results, err := l.store.Commit(b.Context(), changes)
	if err != nil {
		b.Fatal(err)
	}
	for i, r := range results {
		if r.Verdict != store.Done {
			b.Fatalf("change of %s from %d: %+v", changes[i].Call.ID, changes[i].From, r)
		}
	}
	for len(l.calls) > 0 && !l.calls[0].call.Live() {
		l.calls = l.calls[1:]
		l.ended++
	}
}

// begin makes a call that no other shares accounts with.
func (l *lane) begin(b *testing.B) underway {
	b.Helper()
	n := l.made
	l.made++
	device := func(of string) call.Device {
		return call.Device{
			Account: call.Account(fmt.Sprintf("user-%s-%d-%d", of, l.number, n%20_000)), ID: "d3f1c9a2-77aa-4b6e",
			Conn: call.Connection{Incarnation: fmt.Sprint("0123456789abcdef-", l.number), Seq: uint64(n)},
		}
	}
	caller, callee := device("caller"), device("callee")
	c, _, err := call.New(call.Invite{
		ID: idAt(l.now.Add(time.Duration(n)*time.Millisecond), 2*n+l.number), Caller: caller, Callee: callee.Account, Type: call.Video,
		Timing: call.DefaultTiming(), Offer: description(b, "offer"),
	}, l.now)
	if err != nil {
		b.Fatal(err)
	}
	return underway{c, []call.Input{
		call.Ring{Device: callee},
		call.Accept{Device: callee, Generation: 1, Answer: description(b, "answer")},
		call.Report{Device: caller, Generation: 1, Up: true},
		call.Report{Device: callee, Generation: 1, Up: true},
		call.Hangup{Device: caller},
	}}
}

// description is one of a browser.
func description(b *testing.B, name string) call.SDP {
	b.Helper()
	sdp, err := os.ReadFile("../../protocol/testdata/sdp/chromium-" + name + ".sdp")
	if err != nil {
		b.Fatal(err)
	}
	return call.SDP(sdp)
}
