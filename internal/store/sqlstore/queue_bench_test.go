//go:build unix

package sqlstore

import (
	"database/sql/driver"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The other way to keep what waits for an endpoint: a row for each call that is behind. It finds
// the events of a call by an index.
const (
	sqlBehindTables = `
		CREATE TABLE behind (endpoint INTEGER NOT NULL, call_id TEXT NOT NULL, next INTEGER NOT NULL, tries INTEGER NOT NULL,
			due_ns INTEGER NOT NULL, PRIMARY KEY (endpoint, call_id)) STRICT, WITHOUT ROWID;
		CREATE INDEX behind_due ON behind (endpoint, due_ns);
		CREATE INDEX events_by_call ON events (call_id, seq);`
	sqlBehind = `INSERT INTO behind (endpoint, call_id, next, tries, due_ns) VALUES ($1, $2, $3, 0, $4) ON CONFLICT DO NOTHING`
	sqlAhead  = `
		UPDATE behind SET tries = 0, due_ns = $4, next = (SELECT seq FROM events WHERE call_id = $2 AND seq > $3 ORDER BY seq LIMIT 1)
		WHERE endpoint = $1 AND call_id = $2 AND EXISTS (SELECT 1 FROM events WHERE call_id = $2 AND seq > $3)`
	sqlCaughtUp = `DELETE FROM behind WHERE endpoint = $1 AND call_id = $2 AND next = $3`
)

// BenchmarkQueueRows is what ADR 0029 chooses by: the rows of 32 calls of five events each, for one
// endpoint, committed 32 events at a time and settled as many at a time. Promptly is each event
// before the next one of its call; behind is all of a call after its end.
func BenchmarkQueueRows(b *testing.B) {
	for _, rows := range []string{"none", "event", "call"} {
		for _, when := range []string{"promptly", "behind"} {
			b.Run(rows+"/"+when, func(b *testing.B) { queueRows(b, rows, when == "behind") })
		}
	}
}

func queueRows(b *testing.B, rows string, late bool) {
	const calls, each = 32, 5
	j, _, err := openJournal(b.Context(), &Config{Path: filepath.Join(b.TempDir(), "peal.db")})
	if err != nil {
		b.Fatal(err)
	}
	w := j.writer
	prepare := func(query string) driver.StmtExecContext {
		stmt, err := w.conn.Prepare(query)
		if err != nil {
			b.Fatal(err)
		}
		w.prepared = append(w.prepared, stmt)
		return stmt.(driver.StmtExecContext)
	}
	var behind, ahead, caughtUp driver.StmtExecContext
	if rows == "call" {
		for one := range strings.SplitSeq(sqlBehindTables, ";") {
			if strings.TrimSpace(one) != "" {
				if _, err := w.exec(prepare(one)); err != nil {
					b.Fatal(err)
				}
			}
		}
		behind, ahead, caughtUp = prepare(sqlBehind), prepare(sqlAhead), prepare(sqlCaughtUp)
	}
	body := make([]byte, 300)
	seq, round := int64(0), 0
	must := func(_ int64, err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	id := func(i int) string { return string(madeAt(time.Unix(int64(1_800_000_000+round), 0), i)) }
	commit := func() {
		must(0, j.writes(calls, func(w *writer) error {
			var queue []driver.Value
			for i := range calls {
				seq++
				must(w.exec(w.outbox.event, seq, id(i), int64(3), seq, int64(1), nil, int64(0), body))
				switch rows {
				case "event":
					queue = append(queue, int64(1), id(i), seq, seq)
				case "call":
					must(w.exec(behind, int64(1), id(i), seq, seq))
				}
			}
			for ; len(queue) > 0; queue = queue[64:] {
				must(w.exec(w.outbox.queue[0], queue[:64]...))
			}
			return nil
		}))
	}
	settle := func(of int64) { // The events that were committed together, the first of which is of.
		must(0, j.writes(calls, func(w *writer) error {
			for i := range calls {
				switch rows {
				case "event":
					must(w.exec(w.outbox.settle, int64(1), id(i), of+int64(i)))
				case "call":
					n, err := w.exec(ahead, int64(1), id(i), of+int64(i), of)
					if must(n, err); n == 0 {
						must(w.exec(caughtUp, int64(1), id(i), of+int64(i)))
					}
				}
			}
			return nil
		}))
	}
	before := used(b)
	for b.Loop() {
		first := seq + 1
		for n := range int64(each) {
			commit()
			if !late {
				settle(first + n*calls)
			}
		}
		for n := range int64(each) {
			if late {
				settle(first + n*calls)
			}
		}
		round++
	}
	b.ReportMetric(float64((used(b)-before).Nanoseconds())/1e3/float64(round*calls), "cpu-µs/call")
	if left := countRows(b, j, "deliveries"); left != 0 {
		b.Errorf("%d rows are left", left)
	}
	if rows == "call" && countRows(b, j, "behind") != 0 {
		b.Error("rows are left")
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
}

// used is the CPU that the process has used so far.
func used(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
