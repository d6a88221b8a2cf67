package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/peal-rtc/peal/internal/server"
	"github.com/peal-rtc/peal/internal/store/sqlstore"
)

// Both commands take names relative to the working folder, as people type them.
func TestBackupByRelativeNames(t *testing.T) {
	t.Chdir(t.TempDir())
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{Path: server.Database("peal-data")})
	if err != nil {
		t.Fatal(err)
	}
	if code, out, stderr := peal("backup", "backup.db"); code != exitOK || !strings.HasPrefix(out, "backup.db: 0 records") {
		t.Errorf("backup: %d %q %q", code, out, stderr)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if code, out, stderr := peal("restore", "--data", "peal-data", "./backup.db"); code != exitOK || !strings.Contains(out, "the database before: ") {
		t.Errorf("restore: %d %q %q", code, out, stderr)
	}
}

// A backup is made beside a server that runs; to put it back that one has to stop.
func TestBackupAndRestore(t *testing.T) {
	data := t.TempDir()
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{Path: server.Database(data)})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "backup.db")
	if code, out, stderr := peal("backup", "--data", data, file); code != exitOK || !strings.Contains(out, "0 records, 0 live calls") {
		t.Fatalf("backup: %d %q %q", code, out, stderr)
	}
	if code, _, stderr := peal("backup", "--data", data, file); code != exitFailed || !strings.Contains(stderr, "give the name of a new file") {
		t.Errorf("over a backup: %d %q", code, stderr)
	}
	if code, _, stderr := peal("restore", "--data", data, file); code != exitFailed || !strings.Contains(stderr, "stop that one first") {
		t.Errorf("below a server: %d %q", code, stderr)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if code, out, stderr := peal("restore", "--data", data, file); code != exitOK || !strings.Contains(out, "the database before: ") {
		t.Errorf("restore: %d %q %q", code, out, stderr)
	}
}

// With PostgreSQL both commands would copy and replace a database that the server does not use.
func TestBackupIsOfSQLite(t *testing.T) {
	const database = "postgres://peal:letmein@db.example.com/peal"
	for _, command := range []string{"backup", "restore"} {
		for says, flags := range map[string][]string{
			"store is PostgreSQL":         {"--store", database},
			`store has the scheme "mysql`: {"--store", "mysql://letmein@db/peal"},
		} {
			code, out, complaint := peal(append([]string{command, filepath.Join(t.TempDir(), "file"), "--data", t.TempDir()}, flags...)...)
			if code != exitUsage || out != "" || !strings.Contains(complaint, says) || strings.Contains(complaint, "letmein") {
				t.Errorf("%s %v: %d %q %q", command, flags, code, out, complaint)
			}
		}
		t.Setenv("PEAL_STORE", database)
		if code, _, complaint := peal(command, filepath.Join(t.TempDir(), "file")); code != exitUsage || !strings.Contains(complaint, "pg_dump") && !strings.Contains(complaint, "stop all nodes") {
			t.Errorf("%s by the environment: %d %q", command, code, complaint)
		}
		t.Setenv("PEAL_STORE", "")
	}
}
