package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"modernc.org/sqlite"
)

// TestDatabaseFails lets the database fail under a commit: nothing of it may
// stay, each result says that the outcome is unknown, and the next is made.
func TestDatabaseFails(t *testing.T) {
	var unlock func()
	for _, test := range []struct {
		name       string
		fail, mend func(*testing.T, *Store)
		is         error
	}{
		{
			"at COMMIT",
			func(t *testing.T, s *Store) { hookCommits(t, s, func() int32 { return 1 }) },
			func(t *testing.T, s *Store) { hookCommits(t, s, nil) },
			nil,
		},
		{
			"in a statement",
			func(t *testing.T, s *Store) {
				execute(t, s, `CREATE TRIGGER fails BEFORE INSERT ON claims WHEN NEW.account = 'dave'
					BEGIN SELECT RAISE(FAIL, 'as the test wants'); END`)
			},
			func(t *testing.T, s *Store) { execute(t, s, `DROP TRIGGER fails`) },
			nil,
		},
		{
			"in a statement, disk full",
			func(t *testing.T, s *Store) {
				var pages int
				if err := s.writer.QueryRow(`PRAGMA page_count`).Scan(&pages); err != nil {
					t.Fatal(err)
				}
				setMaxPages(t, s, pages+1)
			},
			func(t *testing.T, s *Store) { setMaxPages(t, s, 1<<30) },
			store.ErrFull,
		},
		{
			"locked by another process",
			func(t *testing.T, s *Store) {
				execute(t, s, `PRAGMA busy_timeout = 10`)
				other, err := sql.Open("sqlite", "file:"+databaseOf(t, s)+"?_txlock=immediate")
				if err != nil {
					t.Fatal(err)
				}
				tx, err := other.Begin()
				if err != nil {
					t.Fatal(err)
				}
				unlock = func() { _ = errors.Join(tx.Rollback(), other.Close()) }
			},
			func(*testing.T, *Store) { unlock() },
			store.ErrLocked,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "peal.db")})
			if err != nil {
				t.Fatalf("Open: %v", err)
			}
			defer func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}()
			changes := []store.Change{{Call: ringing("c1", "alice", "bob")}, {Call: ringing("c2", "carol", "dave")}}
			changes[1].Call.Attachment = string(make([]byte, 10_000))

			test.fail(t, s)
			results, err := s.Commit(t.Context(), changes)
			if err == nil || len(results) != 2 {
				t.Fatalf("Commit = %+v, %v; want an error and two results", results, err)
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

			test.mend(t, s)
			results, err = s.Commit(t.Context(), changes)
			if err != nil || results[0].Verdict != store.Done || results[1].Verdict != store.Done {
				t.Errorf("Commit = %+v, %v after the fault was mended", results, err)
			}
		})
	}
}

func hookCommits(t *testing.T, s *Store, hook sqlite.CommitHookFn) {
	t.Helper()
	conn, err := s.writer.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = conn.Raw(func(c any) error {
		c.(sqlite.HookRegisterer).RegisterCommitHook(hook)
		return nil
	})
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Fatal(err)
	}
}

func databaseOf(t *testing.T, s *Store) (path string) {
	t.Helper()
	var number int
	var name string
	if err := s.reader.QueryRow(`PRAGMA database_list`).Scan(&number, &name, &path); err != nil {
		t.Fatal(err)
	}
	return path
}

func setMaxPages(t *testing.T, s *Store, n int) {
	t.Helper()
	execute(t, s, fmt.Sprint(`PRAGMA max_page_count = `, n))
}

func execute(t *testing.T, s *Store, statement string) {
	t.Helper()
	if _, err := s.writer.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// TestSettings looks at what the connections were opened with.
func TestSettings(t *testing.T) {
	for configured, want := range map[string]int{"": 2, "FULL": 2, "normal": 1, "off": 0} {
		s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "peal.db"), Synchronous: configured})
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		wantPragma(t, s.writer, "synchronous", want)
		wantPragma(t, s.writer, "journal_mode", "wal")
		for _, db := range []*sql.DB{s.writer, s.reader} {
			wantPragma(t, db, "foreign_keys", 1)
			wantPragma(t, db, "busy_timeout", 5000)
		}
		if _, err := s.reader.Exec(`DELETE FROM calls`); err == nil {
			t.Error("a connection that reads can write")
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

func wantPragma[T comparable](t *testing.T, db *sql.DB, name string, want T) {
	t.Helper()
	var got T
	if err := db.QueryRow(`PRAGMA ` + name).Scan(&got); err != nil || got != want {
		t.Errorf("%s = %v, %v; want %v", name, got, err, want)
	}
}

// TestIndexed wants every query to find its rows by an index.
func TestIndexed(t *testing.T) {
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "peal.db")})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	for query, indexes := range map[string][]string{
		sqlCall:          {"sqlite_autoindex_calls_1"},
		sqlCallsOf:       {"calls_by_caller", "calls_by_callee"},
		sqlDue:           {"calls_due"},
		sqlLive:          {"calls_live"},
		sqlRecordPlace:   nil, // The table itself is in that order.
		sqlRecordsBefore: {"records_by_caller", "records_by_callee"},
		sqlRecordsAfter:  {"records_by_caller", "records_by_callee"},
		sqlPruneCalls:    {"calls_ended"},
		sqlPruneRecords:  {"records_ended"},
		sqlUpdate:        {"sqlite_autoindex_calls_1"},
		sqlFree:          {"claims_by_call"},
	} {
		var args []any
		for strings.Contains(query, fmt.Sprint("$", len(args)+1)) {
			args = append(args, 1)
		}
		explain, err := s.reader.PrepareContext(t.Context(), `EXPLAIN QUERY PLAN `+query)
		if err != nil {
			t.Fatalf("explain %s: %v", query, err)
		}
		steps, err := list(t.Context(), explain, func(r row) (detail string, err error) {
			var ignored int
			err = r.Scan(&ignored, &ignored, &ignored, &detail)
			return detail, err
		}, args...)
		if err != nil {
			t.Fatalf("explain %s: %v", query, err)
		}
		for _, index := range indexes {
			if !strings.Contains(strings.Join(steps, "\n"), "INDEX "+index+" ") {
				t.Errorf("%s\nis done by %q, not by %s", query, steps, index)
			}
		}
		for _, step := range steps {
			sorts := strings.Contains(step, "TEMP B-TREE") && query != sqlCallsOf
			if sorts || (strings.HasPrefix(step, "SCAN") && step != "SCAN found") {
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
