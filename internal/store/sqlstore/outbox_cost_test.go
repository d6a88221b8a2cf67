package sqlstore

import (
	"context"
	"database/sql/driver"
	"path/filepath"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
)

// countedStmt counts how often it is executed.
type countedStmt struct {
	driver.StmtExecContext
	n *int
}

func (c countedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	*c.n++
	return c.StmtExecContext.ExecContext(ctx, args)
}

// TestStatements: where nobody asks for events a call costs the statements that it cost without
// them, and no row. What an endpoint costs is bounded too, and it is read only where it falls behind.
func TestStatements(t *testing.T) {
	const plain = 3 + 3 + 6 // Of a beginning, an answer and an end, each with BEGIN and COMMIT.
	for _, test := range []struct {
		name                       string
		recorded                   bool
		hooks                      int
		statements, events, queued int
	}{
		{"nobody", false, 0, plain, 0, 0},
		{"a reader of the feed", true, 0, plain + 3, 3, 0},
		{"an endpoint", false, 1, plain + 3 + 3, 3, 3},
		{"four endpoints", false, 4, plain + 3 + 3, 3, 12},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, j := openCounted(t, Config{Path: filepath.Join(t.TempDir(), "peal.db")})
			s.RecordEvents(test.recorded)
			for i := range test.hooks {
				hookNamed(t, s, string(rune('a'+i)))
			}
			n := 0
			for _, stmt := range j.writer.statements() {
				*stmt = countedStmt{*stmt, &n}
			}
			c := talkOnce(t, s)
			if n != test.statements {
				t.Errorf("a call executes %d statements, want %d", n, test.statements)
			}
			for table, want := range map[string]int{"events": test.events, "deliveries": test.queued, "dead": 0} {
				if got := countRows(t, j.journal, table); got != want {
					t.Errorf("%d rows of %s, want %d", got, table, want)
				}
			}
			n = 0
			for i := range test.hooks {
				for range test.events {
					due, _, err := s.Outbox().Claim(t.Context(), string(rune('a'+i)), 9)
					if err != nil || len(due) != 1 || due[0].Lane.Call != c.ID {
						t.Fatalf("Claim = %+v, %v", due, err)
					}
					if err := s.Outbox().Settle(t.Context(), []store.Settlement{{Delivery: due[0], Outcome: store.Delivered}}); err != nil {
						t.Fatal(err)
					}
				}
			}
			if want := 3 * test.queued; n != want { // BEGIN, DELETE, COMMIT.
				t.Errorf("the deliveries execute %d statements, want %d", n, want)
			}
			if reads := j.reads.Load(); reads != 0 {
				t.Errorf("the database was read %d times", reads)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Due implements store.Journal.
func (c *counted) Due(ctx context.Context, endpoint int64, now time.Time, limit int) ([]store.Delivery, time.Time, error) {
	c.reads.Add(1)
	return c.journal.Due(ctx, endpoint, now, limit)
}

// TestFollowersWait: what follows an event that is retried is not looked at each time that something
// else is due: it waits as long, whether it was there before, comes later, or is replayed.
func TestFollowersWait(t *testing.T) {
	s, j := openBoth(t, Config{Path: filepath.Join(t.TempDir(), "peal.db")})
	hookNamed(t, s, "crm")
	c := ringing("c1", "alice", "bob")
	commit := func(kinds ...call.EventKind) {
		t.Helper()
		change := store.Change{Call: c, From: c.Rev - 1}
		for _, k := range kinds {
			change.Events = append(change.Events, call.Event{Kind: k})
		}
		if r, err := s.Commit(t.Context(), []store.Change{change}); err != nil || r[0].Verdict != store.Done {
			t.Fatalf("Commit = %+v, %v", r, err)
		}
		c.Rev++
	}
	settle := func(o store.Outcome) {
		t.Helper()
		due, _, err := s.Outbox().Claim(t.Context(), "crm", 9)
		if err != nil || len(due) != 1 {
			t.Fatalf("Claim = %+v, %v", due, err)
		}
		if err := s.Outbox().Settle(t.Context(), []store.Settlement{{Delivery: due[0], Outcome: o, After: time.Hour}}); err != nil {
			t.Fatal(err)
		}
	}
	replay := func(kinds call.EventKinds) {
		t.Helper()
		if n, err := s.Outbox().Replay(t.Context(), "crm", store.Replay{All: true, Kinds: kinds}); err != nil || n != 1 {
			t.Fatalf("Replay = %d, %v", n, err)
		}
	}
	commit(call.EventCreated, call.EventRinging, call.EventAnswered)
	settle(store.Delivered)
	settle(store.Dead)
	settle(store.Retry)
	commit(call.EventConnected, call.EventType)
	wantDue := func(want int) {
		t.Helper()
		var due int
		now := stored.Nanos(time.Now().Add(time.Minute))
		if err := j.reader.QueryRowContext(t.Context(), `SELECT count(*) FROM deliveries WHERE due_ns <= $1`, now).Scan(&due); err != nil || due != want {
			t.Errorf("%d deliveries are looked at, %v; want %d", due, err, want)
		}
	}
	wantDue(0)
	replay(1 << call.EventCreated) // It is due, and nothing else.
	wantDue(1)
	settle(store.Retry)
	replay(1 << call.EventRinging)
	wantDue(0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestReplayBefore: what waits behind replayed events of its call is not looked at before them.
func TestReplayBefore(t *testing.T) {
	s, j := openBoth(t, Config{Path: filepath.Join(t.TempDir(), "peal.db")})
	hookNamed(t, s, "crm")
	const n = 2 * store.LookMost / 1000
	many(t, j, n, 2)
	put(t, j, `UPDATE events SET call_id = 'c' || (seq % 4)`)
	put(t, j, `INSERT INTO deliveries (endpoint, call_id, seq, tries, due_ns) SELECT 1, call_id, seq, 0, 1000 FROM events WHERE seq > $1`, n/2)
	if queued, err := s.Outbox().Replay(t.Context(), "crm", store.Replay{All: true, Kinds: ^call.EventKinds(0)}); err != nil || queued != n/2 {
		t.Fatalf("Replay = %d, %v", queued, err)
	}
	var behind int
	row := j.reader.QueryRowContext(t.Context(), `
		SELECT count(*) FROM deliveries AS d JOIN deliveries AS before USING (endpoint, call_id)
		WHERE before.seq < d.seq AND before.due_ns > d.due_ns`)
	if err := row.Scan(&behind); err != nil || behind != 0 {
		t.Errorf("%d deliveries are looked at before what they wait for, %v", behind, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// talkOnce makes a call, answers and ends it.
func talkOnce(t *testing.T, s store.Store) call.Call {
	t.Helper()
	now := time.Now()
	c, _, err := call.New(call.Invite{
		ID: madeAt(now, 1), Caller: call.Device{Account: "alice", ID: "phone"}, Callee: "bob", Type: call.Audio, Timing: call.DefaultTiming(),
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	var before *call.Call
	var in call.Input
	for _, next := range []call.Input{
		call.Accept{Device: call.Device{Account: "bob", ID: "tablet"}, Generation: 1, Answer: "v=0"},
		call.Hangup{Device: c.Caller().Device},
		nil,
	} {
		change := store.Change{Call: c, Events: call.Events(before, in, &c)}
		if before != nil {
			change.From = before.Rev
		}
		if r, err := s.Commit(t.Context(), []store.Change{change}); err != nil || r[0].Verdict != store.Done {
			t.Fatalf("Commit = %+v, %v", r, err)
		}
		if in = next; in == nil {
			break
		}
		was := c
		before = &was
		if c, _, err = call.Step(c, in, now); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// hookNamed makes an endpoint.
func hookNamed(t *testing.T, s *store.Memory, id string) {
	t.Helper()
	_, err := s.Outbox().PutEndpoint(t.Context(), id, func(e *store.Endpoint) error {
		e.URL = "https://example.com"
		e.Rotate("secret", time.Now(), 0)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// countRows is how many rows a table has.
func countRows(tb testing.TB, j *journal, table string) (n int) {
	tb.Helper()
	if err := j.reader.QueryRowContext(tb.Context(), `SELECT count(*) FROM `+table).Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}
