//go:build linux

package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	sqlite3 "modernc.org/sqlite/lib"
)

// commitOne makes a call between two that nobody else calls.
func commitOne(s store.Store, n int) error {
	c := ringing(call.ID(fmt.Sprint("c", n)), call.Account(fmt.Sprint("alice", n)), call.Account(fmt.Sprint("bob", n)))
	c.Media.Offer = call.SDP(strings.Repeat("a=x\r\n", 1000))
	results, err := s.Commit(context.Background(), []store.Change{{Call: c}})
	if err == nil && results[0].Verdict != store.Done {
		err = fmt.Errorf("verdict %d", results[0].Verdict)
	}
	return err
}

// liveIDs are the live calls that a file holds.
func liveIDs(t *testing.T, path string) (ids []call.ID) {
	t.Helper()
	s, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.Live(t.Context(), "", 1000)
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	for i := range all {
		ids = append(ids, all[i].ID)
	}
	return ids
}

// TestFlushed: a commit returns after its flush, and flushes once.
func TestFlushed(t *testing.T) {
	for durable, want := range map[string]int{"full": 1, "normal": 0} {
		flushes := 0
		d := &disk{sync: func(name string) int32 {
			if strings.HasSuffix(name, "-wal") {
				flushes++
			}
			return sqlite3.SQLITE_OK
		}}
		t.Run(durable, func(t *testing.T) {
			useDisk(t, d)
			s, _ := openBoth(t, Config{Path: filepath.Join(t.TempDir(), "peal.db"), vfs: diskVFSName, Synchronous: durable})
			if err := commitOne(s, 0); err != nil { // The first begins the log.
				t.Fatal(err)
			}
			for n := range 5 {
				before := flushes
				if err := commitOne(s, n+1); err != nil || flushes-before != want {
					t.Errorf("%d flushes, %v; want %d", flushes-before, err, want)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// After a flush that failed, or a write that leaves open what was written, nothing
// succeeds and nothing is read until the file is opened again. Then all is there that
// was acknowledged.
func TestFlushFails(t *testing.T) {
	for name, test := range map[string]disk{
		"the flush of the log": {sync: func(name string) int32 {
			if strings.HasSuffix(name, "-wal") {
				return sqlite3.SQLITE_IOERR_FSYNC
			}
			return sqlite3.SQLITE_OK
		}},
		"a write of the log": {write: func(name string, size, _ int64) int32 {
			if strings.HasSuffix(name, "-wal") && size > 1000 {
				return sqlite3.SQLITE_IOERR_WRITE
			}
			return sqlite3.SQLITE_OK
		}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "peal.db")
			fails := false
			d := &disk{}
			if test.sync != nil {
				d.sync = func(name string) int32 {
					if fails {
						return test.sync(name)
					}
					return sqlite3.SQLITE_OK
				}
			}
			if test.write != nil {
				d.write = func(name string, size, offset int64) int32 {
					if fails {
						return test.write(name, size, offset)
					}
					return sqlite3.SQLITE_OK
				}
			}
			useDisk(t, d)
			s, _ := openBoth(t, Config{Path: path, vfs: diskVFSName})
			if err := commitOne(s, 1); err != nil {
				t.Fatal(err)
			}
			fails = true
			if err := commitOne(s, 2); !errors.Is(err, store.ErrFailed) || errors.Is(err, store.ErrNotDone) {
				t.Fatalf("Commit = %v, want ErrFailed", err)
			}
			fails = false
			if err := commitOne(s, 3); !errors.Is(err, store.ErrFailed) {
				t.Errorf("Commit after that = %v, want ErrFailed", err)
			}
			if _, err := s.Beat(t.Context(), "n1", time.Second); !errors.Is(err, store.ErrFailed) {
				t.Errorf("Beat after that = %v, want ErrFailed", err)
			}
			if _, err := s.Prune(t.Context(), time.Now(), time.Now()); !errors.Is(err, store.ErrFailed) {
				t.Errorf("Prune after that = %v, want ErrFailed", err)
			}
			if _, err := s.Call(t.Context(), "c1"); !errors.Is(err, store.ErrFailed) {
				t.Errorf("Call after that = %v, want ErrFailed", err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			ids := liveIDs(t, path)
			if len(ids) == 0 || ids[0] != "c1" || len(ids) > 2 || len(ids) == 2 && ids[1] != "c2" {
				t.Errorf("after a restart there are %s", ids)
			}
		})
	}
}

// A flush that fails while the log is copied into the database ends all work, too. The
// commit after which that was done is in the log, and counts.
func TestCheckpointFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peal.db")
	fails := false
	useDisk(t, &disk{sync: func(name string) int32 {
		if fails && !strings.HasSuffix(name, "-wal") {
			return sqlite3.SQLITE_IOERR_FSYNC
		}
		return sqlite3.SQLITE_OK
	}})
	s, _ := openBoth(t, Config{Path: path, vfs: diskVFSName, Synchronous: "normal"})
	fails = true
	n := 0
	var err error
	for ; err == nil; n++ {
		err = commitOne(s, n)
	}
	if !errors.Is(err, store.ErrFailed) || n < lookEvery {
		t.Fatalf("commit %d = %v, want ErrFailed", n, err)
	}
	fails = false
	if err := commitOne(s, n); !errors.Is(err, store.ErrFailed) {
		t.Errorf("Commit after that = %v, want ErrFailed", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if ids := liveIDs(t, path); len(ids) != n-1 {
		t.Errorf("after a restart there are %d calls, want %d", len(ids), n-1)
	}
}

// A disk that is full in the midst of a commit leaves nothing of it, whatever part was
// written, and calls go on once there is room.
func TestDiskFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peal.db")
	room := int64(1 << 40)
	useDisk(t, &disk{write: func(_ string, size, _ int64) int32 {
		if room -= size; room < 0 {
			return sqlite3.SQLITE_FULL
		}
		return sqlite3.SQLITE_OK
	}})
	s, _ := openBoth(t, Config{Path: path, vfs: diskVFSName})
	var want []call.ID
	for n := range 20 {
		room = int64(n) * 1500
		err := commitOne(s, n)
		if err != nil && (!errors.Is(err, store.ErrFull) || !errors.Is(err, store.ErrNotDone)) {
			t.Fatalf("commit %d = %v, want ErrFull", n, err)
		}
		if _, read := s.Call(t.Context(), call.ID(fmt.Sprint("c", n))); (read == nil) != (err == nil) {
			t.Errorf("commit %d: %v, and reading gives %v", n, err, read)
		}
		room = 1 << 40
		if err != nil {
			err = commitOne(s, n)
		}
		if err != nil {
			t.Fatalf("commit %d = %v after there is room", n, err)
		}
		want = append(want, call.ID(fmt.Sprint("c", n)))
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if ids := liveIDs(t, path); len(ids) != len(want) {
		t.Errorf("after a restart there are %s", ids)
	}
}

// A log that ends anywhere, or is wrong anywhere, gives the batches before that place,
// each whole, and nothing of the others.
func TestTornLog(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "peal.db")
	s, _ := openBoth(t, Config{Path: path})
	hookNamed(t, s, "crm")
	const batches = 4
	var sizes []int64 // Of the log after each batch.
	for n := range batches {
		changes := make([]store.Change, 2)
		for i := range changes {
			changes[i].Call = ringing(call.ID(fmt.Sprintf("c%d%d", n, i)), call.Account(fmt.Sprint("a", n, i)), call.Account(fmt.Sprint("b", n, i)))
			changes[i].Events = []call.Event{{Kind: call.EventCreated}}
		}
		if _, err := s.Commit(t.Context(), changes); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, info.Size())
	}
	database, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	torn := filepath.Join(dir, "torn.db")
	check := func(at int64, log []byte) {
		t.Helper()
		if err := errors.Join(os.WriteFile(torn, database, 0o600), os.WriteFile(torn+"-wal", log, 0o600)); err != nil {
			t.Fatal(err)
		}
		whole := 0
		for whole < batches && sizes[whole] <= at {
			whole++
		}
		if got := rowsOf(t, torn); got != 2*whole {
			t.Fatalf("with a log that ends at byte %d of %d there are %d calls, want %d", at, len(log), got, 2*whole)
		}
	}
	// The last batch at every eleventh byte; those before are like it.
	for at := sizes[batches-2]; at <= int64(len(log)); at += 11 {
		check(at, log[:at])
	}
	check(int64(len(log))-1, log[:len(log)-1])
	check(int64(len(log)), log)
	check(0, nil)
	for at := sizes[batches-2]; at < int64(len(log)); at += 97 {
		wrong := append([]byte(nil), log...)
		wrong[at] ^= 0x10
		check(at, wrong)
	}
	// What is read is whole.
	for _, size := range sizes {
		if err := errors.Join(os.WriteFile(torn, database, 0o600), os.WriteFile(torn+"-wal", log[:size-1], 0o600)); err != nil {
			t.Fatal(err)
		}
		liveIDs(t, torn)
	}
}

// rowsOf counts live calls in a file without changing it much. Each has its event, and that a delivery.
func rowsOf(t *testing.T, path string) (n int) {
	t.Helper()
	db, err := openConnections(path, 1, url.Values{"_synchronous": {"off"}})
	var events, deliveries int
	if err == nil {
		const query = `
			SELECT count(*), count(events.seq), count(deliveries.seq) FROM live
			FULL JOIN events ON live.id = events.call_id FULL JOIN deliveries ON deliveries.seq = events.seq`
		err = errors.Join(db.QueryRow(query).Scan(&n, &events, &deliveries), db.Close())
	}
	if err != nil || events != n || deliveries != n {
		t.Fatalf("%d calls with %d events and %d deliveries, %v", n, events, deliveries, err)
	}
	return n
}
