package sqlstore_test

import (
	"bufio"
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/sqlstore"
	"github.com/peal-rtc/peal/internal/store/storetest"
)

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		// The suite is about answers; TestKilled is about durability.
		return open(t, sqlstore.Config{Path: path(t), Synchronous: "off"})
	})
}

// path is where a test keeps its database. It has what a URI would stumble over.
func path(t testing.TB) string { return filepath.Join(t.TempDir(), "a folder?#%41", "peal.db") }

func open(t testing.TB, config sqlstore.Config) *store.Memory {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), config)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t testing.TB, s *store.Memory) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// ringing is a new call between accounts that no other has.
func ringing(t testing.TB, n int) call.Call {
	t.Helper()
	c, _, err := call.New(call.Invite{
		ID: call.ID(fmt.Sprint("c", n)), Caller: call.Device{Account: call.Account(fmt.Sprint("alice", n))},
		Callee: call.Account(fmt.Sprint("bob", n)), Type: call.Audio, Timing: call.DefaultTiming(),
		Offer: call.SDP(strings.Repeat("a=candidate\r\n", 200)),
	}, time.Unix(1_800_000_000, 0))
	if err != nil {
		t.Fatalf("make call: %v", err)
	}
	return c
}

func commit(t testing.TB, s *store.Memory, changes ...store.Change) {
	t.Helper()
	results, err := s.Commit(t.Context(), changes)
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	for _, r := range results {
		if r.Verdict != store.Done {
			t.Fatalf("result %+v", r)
		}
	}
}

func TestReopened(t *testing.T) {
	config := sqlstore.Config{Path: path(t)}
	s, err := sqlstore.Open(t.Context(), config)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	live, over := ringing(t, 1), ringing(t, 2)
	over.State, over.Media = call.Ended, call.Media{Generation: 1, Rebuild: 1}
	over.Outcome = call.Outcome{Reason: call.Busy, EndedAt: over.CreatedAt, Kind: call.KindBusy}
	commit(t, s, store.Change{Call: live}, store.Change{Call: over})
	if _, err := s.Beat(t.Context(), "former", time.Hour); err != nil {
		t.Fatalf("Beat: %v", err)
	}
	closeStore(t, s)

	s = open(t, config)
	for _, want := range []call.Call{live, over} {
		got, err := s.Call(t.Context(), want.ID)
		if err != nil {
			t.Fatalf("Call: %v", err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	records, err := s.Records(t.Context(), over.Caller().Account, store.Newest(9))
	if err != nil || len(records) != 1 {
		t.Errorf("Records = %v, %v; want one", records, err)
	}
	next := ringing(t, 3)
	next.Legs[0].Account = live.Callee().Account
	results, err := s.Commit(t.Context(), []store.Change{{Call: next}})
	if err != nil || results[0].Verdict != store.CallerClaimed {
		t.Errorf("Commit = %+v, %v; want the claims to be there still", results, err)
	}
	alive, err := s.Beat(t.Context(), "present", time.Hour)
	if err != nil || !cmp.Equal(alive, []string{"present"}) {
		t.Errorf("alive after a reopening: %v, %v", alive, err)
	}
}

func TestInUse(t *testing.T) {
	config := sqlstore.Config{Path: path(t)}
	s, err := sqlstore.Open(t.Context(), config)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	_, err = sqlstore.Open(t.Context(), config)
	if !errors.Is(err, sqlstore.ErrInUse) || !strings.Contains(err.Error(), filepath.Dir(config.Path)) {
		t.Errorf("second Open = %v, want that the folder is in use", err)
	}
	commit(t, s, store.Change{Call: ringing(t, 1)})
	closeStore(t, s)
	open(t, config)
}

func TestRefused(t *testing.T) {
	t.Run("newer", func(t *testing.T) {
		config := sqlstore.Config{Path: filepath.Join(t.TempDir(), "peal.db")}
		s, err := sqlstore.Open(t.Context(), config)
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		closeStore(t, s)
		db, err := sql.Open("sqlite", config.Path)
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		_, err = db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`)
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatalf("pretend to be newer: %v", err)
		}
		for range 2 { // The refusal gives up the lock.
			if _, err = sqlstore.Open(t.Context(), config); !errors.Is(err, sqlstore.ErrNewer) {
				t.Errorf("Open = %v, want ErrNewer", err)
			}
		}
	})
	t.Run("corrupt", func(t *testing.T) {
		config := sqlstore.Config{Path: filepath.Join(t.TempDir(), "peal.db")}
		garbage := bytes.Repeat([]byte("not a database. "), 1000)
		if err := os.WriteFile(config.Path, garbage, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := sqlstore.Open(t.Context(), config)
		if err == nil || !strings.Contains(err.Error(), "not a database") {
			t.Errorf("Open = %v, want that it is not a database", err)
		}
		if kept, err := os.ReadFile(config.Path); err != nil || !bytes.Equal(kept, garbage) {
			t.Errorf("Open has changed the file: %v", err)
		}
	})
	t.Run("synchronous", func(t *testing.T) {
		config := sqlstore.Config{Path: path(t), Synchronous: "sometimes"}
		if _, err := sqlstore.Open(t.Context(), config); err == nil || !strings.Contains(err.Error(), "sometimes") {
			t.Errorf("Open = %v, want that the setting is wrong", err)
		}
	})
}

func TestOpened(t *testing.T) {
	var log bytes.Buffer
	config := sqlstore.Config{Path: path(t), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	open(t, config)
	if !strings.Contains(log.String(), "tables_version=10") {
		t.Errorf("log %q, want the version of the tables", log.String())
	}
	for _, name := range []string{config.Path, config.Path + "-wal", config.Path + ".lock"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Errorf("Stat: %v", err)
		} else if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v; calls are for the owner's eyes only", name, info.Mode())
		}
	}
}

// killedPath tells the re-executed test binary where to keep its database.
const killedPath = "PEAL_TEST_KILLED_PATH"

// TestKilled lets a child process commit until it is killed in the midst of
// it. Each call that the child has reported must be there, whole.
func TestKilled(t *testing.T) {
	if path := os.Getenv(killedPath); path != "" {
		commitForever(t, path)
	}
	config := sqlstore.Config{Path: path(t)}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), self, "-test.run=^TestKilled$")
	child.Env = append(os.Environ(), killedPath+"="+config.Path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	const enough = 300
	told := 0
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if told++; told == enough {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil || told < enough {
		t.Fatalf("the child told of %d calls and ended with %v, want to kill it", told, err)
	}

	s := open(t, config)
	for n := range told {
		want := ringing(t, n)
		got, err := s.Call(t.Context(), want.ID)
		if err != nil {
			t.Fatalf("Call(%s) of %d: %v", want.ID, told, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
	wantEventsOf(t, s)
	// What it did not tell of is there with its claims, or not at all.
	live, err := s.Live(t.Context(), "", 2*told)
	if err != nil {
		t.Fatalf("Live: %v", err)
	}
	for _, c := range live {
		for _, leg := range c.Legs {
			of, err := s.CallsOf(t.Context(), leg.Account, time.Time{})
			if err != nil || len(of) != 1 {
				t.Errorf("CallsOf(%s) = %d calls, %v; want one", leg.Account, len(of), err)
			}
		}
	}
}

// wantEventsOf wants each call that is live to have its event, which waits for the endpoint, and no
// other to have one.
func wantEventsOf(t *testing.T, s *store.Memory) {
	t.Helper()
	live, err1 := s.Live(t.Context(), "", 1<<20)
	events, _, err2 := s.Outbox().Events(t.Context(), 0, call.UsualEvents, 1<<20)
	queues, err3 := s.Outbox().Queues(t.Context())
	if err := errors.Join(err1, err2, err3); err != nil || len(queues) != 1 {
		t.Fatalf("%d queues, %v", len(queues), err)
	}
	if len(events) != len(live) || queues[0].Queued != len(live) {
		t.Errorf("%d calls have %d events, %d of which wait", len(live), len(events), queues[0].Queued)
	}
	of := make(map[call.ID]bool)
	for _, e := range events {
		of[e.Call.ID] = true
	}
	for i := range live {
		if !of[live[i].ID] {
			t.Errorf("call %s has no event", live[i].ID)
		}
	}
}

// commitForever commits calls in groups and prints each once it is committed.
func commitForever(t *testing.T, path string) {
	s := open(t, sqlstore.Config{Path: path})
	_, err := s.Outbox().PutEndpoint(t.Context(), "crm", func(e *store.Endpoint) error {
		e.URL = "https://example.com"
		e.Rotate("secret", time.Now(), 0)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; {
		changes := make([]store.Change, 1+n%5)
		for i := range changes {
			changes[i] = store.Change{Call: ringing(t, n+i), Events: []call.Event{{Kind: call.EventCreated}}}
		}
		commit(t, s, changes...)
		for _, change := range changes {
			fmt.Println(change.Call.ID)
			n++
		}
	}
}

// BenchmarkCommit measures calls per second from their making to their end,
// two changes, by how many changes a commit groups.
func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{1, 16, 256} {
		b.Run(fmt.Sprint("batch=", size), func(b *testing.B) {
			s := open(b, sqlstore.Config{Path: path(b)})
			changes := make([]store.Change, size)
			for n := 0; b.Loop(); n++ {
				for i := range changes {
					changes[i] = store.Change{Call: ringing(b, n*size+i)}
				}
				commit(b, s, changes...)
				for i := range changes {
					c := &changes[i].Call
					c.Rev, c.State = 2, call.Ended
					c.Outcome = call.Outcome{Reason: call.Cancelled, EndedAt: c.CreatedAt, Kind: call.KindCancelled}
					changes[i].From = 1
				}
				commit(b, s, changes...)
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}
