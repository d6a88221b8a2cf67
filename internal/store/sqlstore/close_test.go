package sqlstore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sqlite3 "modernc.org/sqlite/lib"
)

// A store that was closed leaves the database alone: no log, which would be of no use to a
// copy of the file.
func TestCloseLeavesNoLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peal.db")
	s, _ := openBoth(t, Config{Path: path})
	for n := range 3 {
		if err := commitOne(s, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(path + part); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", part, err)
		}
	}
}

// Also after the log was copied into the database a commit flushes once.
func TestFlushedAfterACheckpoint(t *testing.T) {
	log, database := 0, 0
	useDisk(t, &disk{sync: func(name string) int32 {
		if strings.HasSuffix(name, "-wal") {
			log++
		} else {
			database++
		}
		return sqlite3.SQLITE_OK
	}})
	path := filepath.Join(t.TempDir(), "peal.db")
	s, _ := openBoth(t, Config{Path: path, vfs: diskVFSName})
	log, database = 0, 0 // What opening has made.
	n, largest := 0, int64(0)
	for ; database == 0 && n < 20_000; n++ {
		if err := commitOne(s, n); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path + "-wal"); err == nil {
			largest = max(largest, info.Size())
		}
	}
	if largest < walBytes {
		t.Fatalf("the log had %d bytes after %d commits, and was copied", largest, n)
	}
	log, database = 0, 0
	const more = 100
	for range more {
		n++
		if err := commitOne(s, n); err != nil {
			t.Fatal(err)
		}
	}
	if log > more+5 || database > 1 {
		t.Errorf("%d commits flushed the log %d times, the database %d times", more, log, database)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// What a restore that was killed has left beside its copy does no harm to the next one.
func TestRestoreAfterAKilledOne(t *testing.T) {
	folder := t.TempDir()
	path, backup := filepath.Join(folder, "peal.db"), filepath.Join(folder, "backup.db")
	s, _ := openBoth(t, Config{Path: path})
	for n := range 5 {
		if err := commitOne(s, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Backup(t.Context(), path, backup); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"", "-journal", "-wal", "-shm"} {
		if err := os.WriteFile(path+".restoring"+part, []byte("left"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := Restore(t.Context(), backup, path); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(path + ".restoring*")
	if err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}
