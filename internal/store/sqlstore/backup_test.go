package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/sqlstore"
)

func opened(t *testing.T, path string) *store.Memory {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closed(t *testing.T, s *store.Memory) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// busyCall is a call that has ended already, and its record.
func busyCall(t *testing.T, n int) call.Call {
	t.Helper()
	c, _, err := call.NewBusy(call.Invite{
		ID: call.ID(fmt.Sprintf("call-%06d", n)), Caller: call.Device{Account: "alice", ID: "a"}, Callee: "bob",
		Type: call.Audio, Timing: call.DefaultTiming(),
	}, time.Now().UTC())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A backup of a database that is written to all the time holds what had been committed when it
// began, to the last record, and nothing in part.
func TestBackupUnderLoad(t *testing.T) {
	dir := t.TempDir()
	path, copied := filepath.Join(dir, "peal.db"), filepath.Join(dir, "backup.db")
	s := opened(t, path)
	ring, _, err := call.New(call.Invite{
		ID: "live", Caller: call.Device{Account: "carol", ID: "c"}, Callee: "dave", Type: call.Audio, Timing: call.DefaultTiming(), Offer: "v=0",
	}, time.Now().UTC())
	if err != nil {
		t.Fatal(err)
	}
	commit := func(c call.Call) {
		if _, err := s.Commit(context.Background(), []store.Change{{Call: c}}); err != nil {
			t.Error(err)
		}
	}
	commit(ring)
	stop, begun, done := make(chan struct{}), make(chan int), 0
	var writer sync.WaitGroup
	writer.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case begun <- n:
			default:
			}
			commit(busyCall(t, n))
			done = n + 1
		}
	})
	time.Sleep(200 * time.Millisecond)
	before := <-begun
	contents, err := sqlstore.Backup(t.Context(), path, copied)
	if err != nil {
		t.Fatal(err)
	}
	close(stop)
	writer.Wait()
	if contents.Records < before || contents.Records > done || contents.Live != 1 || before == 0 {
		t.Fatalf("%+v, with %d records before and %d after", contents, before, done)
	}
	all, err := s.Records(t.Context(), "alice", store.Newest(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	closed(t, s)
	if info, err := os.Stat(copied); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup: %v, %v", info.Mode(), err)
	}

	restored, old, err := sqlstore.Restore(t.Context(), copied, path)
	if err != nil || restored.Live != 1 || restored.Records != contents.Records {
		t.Fatalf("restored %+v, %v", restored, err)
	}
	s = opened(t, path)
	kept, err := s.Records(t.Context(), "alice", store.Newest(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all[len(all)-contents.Records:], kept); diff != "" {
		t.Errorf("the records of the backup are others (-want +got):\n%s", diff)
	}
	if live, err := s.Live(t.Context(), "", 9); err != nil || len(live) != 0 {
		t.Errorf("live: %v, %v", live, err)
	}
	// Whose call was dropped is free again.
	ring.ID = "again"
	commit(ring)
	closed(t, s)
	s = opened(t, old)
	if was, err := s.Records(t.Context(), "alice", store.Newest(1<<20)); err != nil || len(was) != len(all) {
		t.Errorf("the old database has %d records of %d, %v", len(was), len(all), err)
	}
	closed(t, s)
}

// What cannot be done changes nothing, and says what to do.
func TestBackupRefuses(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("text"), []byte(strings.Repeat("this is no database. ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at("empty"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := opened(t, at("peal.db"))
	if _, err := sqlstore.Backup(t.Context(), at("peal.db"), at("text")); err == nil || !strings.Contains(err.Error(), "new file") {
		t.Errorf("over another file: %v", err)
	}
	if _, err := sqlstore.Backup(t.Context(), at("none.db"), at("b")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of nothing: %v", err)
	}
	if _, err := os.Stat(at("none.db")); !errors.Is(err, os.ErrNotExist) {
		t.Error("it made the database that it was to copy")
	}
	if _, err := sqlstore.Backup(t.Context(), at("peal.db"), at("good")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := sqlstore.Restore(t.Context(), at("good"), at("peal.db")); !errors.Is(err, sqlstore.ErrInUse) {
		t.Errorf("below a server that runs: %v", err)
	}
	closed(t, s)
	for _, name := range []string{"text", "empty"} {
		if _, _, err := sqlstore.Restore(t.Context(), at(name), at("peal.db")); !errors.Is(err, sqlstore.ErrNoDatabase) {
			t.Errorf("of %s: %v", name, err)
		}
	}
	if _, _, err := sqlstore.Restore(t.Context(), at("nothing"), at("peal.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of nothing: %v", err)
	}
	// To a folder that has no database yet.
	if c, old, err := sqlstore.Restore(t.Context(), at("good"), at("new/peal.db")); err != nil || c.Live != 0 || old != "" {
		t.Errorf("to a new folder: %+v %q %v", c, old, err)
	}
	entries, err := filepath.Glob(at("*partial*"))
	if err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// The backup of an older version is brought up to date where it is restored.
func TestRestoreOlder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peal.db")
	backup, err := filepath.Abs("../../server/testdata/old/peal-0.1.0.sqlite")
	if err != nil {
		t.Fatal(err)
	}
	contents, _, err := sqlstore.Restore(t.Context(), backup, path)
	if err != nil || contents.Live != 2 || contents.Records != 5 {
		t.Fatalf("restored %+v, %v", contents, err)
	}
	s := opened(t, path)
	if live, err := s.Live(t.Context(), "", 9); err != nil || len(live) != 0 {
		t.Errorf("live: %v, %v", live, err)
	}
	for account, want := range map[call.Account]int{"alice": 4, "bob": 4, "carol": 2, "dave": 0} {
		if records, err := s.Records(t.Context(), account, store.Newest(9)); err != nil || len(records) != want {
			t.Errorf("%s has %d records, %v; want %d", account, len(records), err, want)
		}
	}
	for id, want := range map[call.ID]call.Reason{"01": call.Completed, "02": call.Cancelled, "05": call.Busy} {
		if c, err := s.Call(t.Context(), "019a0000-0000-7000-8000-0000000001"+id); err != nil || c.Outcome.Reason != want || c.Media.Offer != "" {
			t.Errorf("call %s ended with %v, %v", id, c.Outcome.Reason, err)
		}
	}
	closed(t, s)
}
