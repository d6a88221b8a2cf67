package sqlstore

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"modernc.org/sqlite"
)

// openBoth opens a store, and shows its journal.
func openBoth(t *testing.T, config Config) (*store.Memory, *journal) {
	t.Helper()
	j, clock, err := openJournal(t.Context(), &config)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	s, err := store.Open(t.Context(), j, clock)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s, j
}

// TestDatabaseFails lets the database fail under a commit in ways that leave nothing
// of it: each result says that it was not done, and the next commit is made.
func TestDatabaseFails(t *testing.T) {
	var unlock func()
	for _, test := range []struct {
		name       string
		fail, mend func(*testing.T, *journal)
		is         error
	}{
		{
			"at COMMIT",
			func(_ *testing.T, j *journal) { hookCommits(j, func() int32 { return 1 }) },
			func(_ *testing.T, j *journal) { hookCommits(j, nil) },
			nil,
		},
		{
			"in a statement",
			func(t *testing.T, j *journal) {
				execute(t, j, `CREATE TRIGGER fails BEFORE INSERT ON live WHEN NEW.id = 'c2'
					BEGIN SELECT RAISE(FAIL, 'as the test wants'); END`)
			},
			func(t *testing.T, j *journal) { execute(t, j, `DROP TRIGGER fails`) },
			nil,
		},
		{
			"in a statement, disk full",
			func(t *testing.T, j *journal) {
				var pages int
				if err := j.reader.QueryRow(`PRAGMA page_count`).Scan(&pages); err != nil {
					t.Fatal(err)
				}
				execute(t, j, fmt.Sprint(`PRAGMA max_page_count = `, pages+1))
			},
			func(t *testing.T, j *journal) { execute(t, j, `PRAGMA max_page_count = 1000000`) },
			store.ErrFull,
		},
		{
			"locked by another process",
			func(t *testing.T, j *journal) {
				execute(t, j, `PRAGMA busy_timeout = 10`)
				other, err := sql.Open("sqlite", "file:"+j.path+"?_txlock=immediate")
				if err != nil {
					t.Fatal(err)
				}
				tx, err := other.Begin()
				if err != nil {
					t.Fatal(err)
				}
				unlock = func() { _ = errors.Join(tx.Rollback(), other.Close()) }
			},
			func(*testing.T, *journal) { unlock() },
			store.ErrLocked,
		},
		{
			"a file that cannot be written",
			func(t *testing.T, j *journal) { execute(t, j, `PRAGMA query_only = on`) },
			func(t *testing.T, j *journal) { execute(t, j, `PRAGMA query_only = off`) },
			nil,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, j := openBoth(t, Config{Path: filepath.Join(t.TempDir(), "peal.db")})
			defer func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}()
			changes := []store.Change{{Call: ringing("c1", "alice", "bob")}, {Call: ringing("c2", "carol", "dave")}}
			changes[1].Call.Attachment = string(make([]byte, 500_000))

			test.fail(t, j)
			results, err := s.Commit(t.Context(), changes)
			if !errors.Is(err, store.ErrNotDone) || errors.Is(err, store.ErrFailed) || len(results) != 2 {
				t.Fatalf("Commit = %+v, %v; want that nothing was done, and two results", results, err)
			}
			for _, known := range []error{store.ErrFull, store.ErrLocked} {
				if errors.Is(err, known) != (known == test.is) {
					t.Errorf("Commit = %v; want one that is %v", err, test.is)
				}
			}
			for _, r := range results {
				if r.Verdict != 0 || !errors.Is(err, r.Err) {
					t.Errorf("result %+v, want no verdict and %v", r, err)
				}
			}
			if _, err := s.Call(t.Context(), "c1"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Call = %v, want ErrNotFound", err)
			}

			test.mend(t, j)
			results, err = s.Commit(t.Context(), changes)
			if err != nil || results[0].Verdict != store.Done || results[1].Verdict != store.Done {
				t.Errorf("Commit = %+v, %v after the fault was mended", results, err)
			}
		})
	}
}

func hookCommits(j *journal, hook sqlite.CommitHookFn) {
	j.writer.conn.(sqlite.HookRegisterer).RegisterCommitHook(hook)
}

// execute runs a statement on the connection that writes.
func execute(t *testing.T, j *journal, statement string) {
	t.Helper()
	stmt, err := j.writer.conn.Prepare(statement)
	if err == nil {
		_, err = stmt.(driver.StmtExecContext).ExecContext(t.Context(), nil)
		err = errors.Join(err, stmt.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestSettings looks at what the connections were opened with.
func TestSettings(t *testing.T) {
	for configured, want := range map[string]int64{"": 2, "FULL": 2, "normal": 1, "off": 0} {
		s, j := openBoth(t, Config{Path: filepath.Join(t.TempDir(), "peal.db"), Synchronous: configured})
		wantPragma(t, j, "synchronous", want)
		wantPragma(t, j, "journal_mode", "wal")
		wantPragma(t, j, "foreign_keys", int64(1))
		wantPragma(t, j, "busy_timeout", int64(5000))
		wantPragma(t, j, "wal_autocheckpoint", int64(0))
		if _, err := j.reader.Exec(`DELETE FROM live`); err == nil {
			t.Error("a connection that reads can write")
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

func wantPragma(t *testing.T, j *journal, name string, want driver.Value) {
	t.Helper()
	stmt, err := j.writer.conn.Prepare(`PRAGMA ` + name)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := stmt.(driver.StmtQueryContext).QueryContext(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]driver.Value, 1)
	if err := errors.Join(rows.Next(got), rows.Close(), stmt.Close()); err != nil || got[0] != want {
		t.Errorf("%s = %v, %v; want %v", name, got[0], err, want)
	}
}

// TestIndexed wants every statement to find its rows by an index.
func TestIndexed(t *testing.T) {
	s, j := openBoth(t, Config{Path: filepath.Join(t.TempDir(), "peal.db")})
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	for query, index := range map[string]string{
		sqlCreate:        "PRIMARY KEY (id=?)",
		sqlUpdate:        "INTEGER PRIMARY KEY (rowid=?)",
		sqlRemove:        "INTEGER PRIMARY KEY (rowid=?)",
		sqlReplayEnded:   "INDEX ended_by_time (ended_ns>?)",
		sqlIDs:           "PRIMARY KEY (id>?)",
		sqlEnded:         "PRIMARY KEY (id=?)",
		sqlEndedOf:       "PRIMARY KEY (account=? AND ended_ns>?)",
		sqlRecordPlace:   "PRIMARY KEY (call_id=?)",
		sqlRecordsBefore: "PRIMARY KEY (account=? AND (ended_ns,call_id)<(?,?))",
		sqlRecordsAfter:  "PRIMARY KEY (account=? AND (ended_ns,call_id)>(?,?))",
		sqlPruneCalls:    "INDEX ended_by_time (ended_ns<?)",
		sqlPruneRecords:  "INDEX records_ended (ended_ns<?)",
		sqlUnblock:       "PRIMARY KEY (account=? AND blocked=?)",
		sqlEraseDeaf:     "INDEX records_deaf (callee=?)",
		sqlEraseBlocks:   "INDEX blocks_by_blocked (blocked=?)",
		sqlEraseTarget:   "INDEX audit_by_target (target=?)",
		sqlEraseOther:    "INDEX audit_by_other (other=?)",

		sqlFeed:       "CO-ROUTINE looked",
		sqlDue:        "INDEX deliveries_due (endpoint=? AND due_ns<?)",
		sqlNext:       "INDEX deliveries_due (endpoint=? AND due_ns>?)",
		sqlOldest:     "CO-ROUTINE looked",
		sqlDead:       "PRIMARY KEY (endpoint=? AND seq>?)",
		sqlLook:       "INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
		sqlLookDead:   "PRIMARY KEY (endpoint=? AND seq>? AND seq<?)",
		sqlSettle:     "PRIMARY KEY (endpoint=? AND call_id=? AND seq=?)",
		sqlRetry:      "PRIMARY KEY (endpoint=? AND call_id=? AND seq=?)",
		sqlDelay:      "PRIMARY KEY (endpoint=? AND call_id=? AND seq>?)",
		sqlBury:       "PRIMARY KEY (endpoint=? AND call_id=? AND seq=?)",
		sqlUnbury:     "PRIMARY KEY (endpoint=? AND seq=?)",
		sqlRequeue:    "INTEGER PRIMARY KEY (rowid=?)",
		sqlExpire:     "PRIMARY KEY (endpoint=? AND call_id=? AND seq=?)",
		sqlExpireDead: "PRIMARY KEY (endpoint=? AND seq>? AND seq<?)",
		sqlLeftQueued: "PRIMARY KEY (endpoint=? AND call_id=? AND seq=?)",
		sqlLeftDead:   "PRIMARY KEY (endpoint=? AND seq=?)",
		sqlEndpoint:   "INTEGER PRIMARY KEY (rowid=?)",
		sqlPruneEvent: "INTEGER PRIMARY KEY (rowid=?)",
		sqlPrunable:   "CO-ROUTINE looked",
		// A co-routine ends with who reads it.
		fmt.Sprintf(sqlChosen, sqlLook, 1, 1):     "CO-ROUTINE looked",
		fmt.Sprintf(sqlChosen, sqlLookDead, 1, 1): "CO-ROUTINE looked",
	} {
		var args []any
		for strings.Contains(query, fmt.Sprint("$", len(args)+1)) {
			args = append(args, 1)
		}
		var steps []string
		rows, err := j.reader.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+query, args...)
		err = each(rows, err, func(r row) error {
			var ignored int
			var detail string
			err := r.Scan(&ignored, &ignored, &ignored, &detail)
			steps = append(steps, detail)
			return err
		})
		if err != nil {
			t.Fatalf("explain %s: %v", query, err)
		}
		if !strings.Contains(strings.Join(steps, "\n"), index) {
			t.Errorf("%s\nis done by %q, not by %s", query, steps, index)
		}
		for _, step := range steps {
			scans := strings.HasPrefix(step, "SCAN") && !slices.Contains([]string{
				"SCAN old", "SCAN CONSTANT ROW", "SCAN looked", "SCAN endpoints", // There are few.
			}, step)
			if strings.Contains(step, "TEMP B-TREE") || scans {
				t.Errorf("%s\nis done by: %s", query, step)
			}
		}
	}
}

func ringing(id call.ID, caller, callee call.Account) call.Call {
	return call.Call{
		ID: id, Rev: 1, State: call.Ringing, CreatedAt: time.Unix(1_800_000_000, 0),
		Legs: []call.Leg{{Account: caller}, {Account: callee}},
	}
}
