//go:build linux

package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/peal-rtc/peal/internal/testing/postgres"
)

func TestKilledAndRestarted(t *testing.T) {
	s := postgres.Start(t)
	url := s.NewDatabase(t)
	do(t, url, `CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)`)
	first := s.PID()
	s.Kill9(t)
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		t.Fatal("it answers after Kill9", conn.Close(t.Context()))
	}
	s.Restart(t)
	if s.PID() == first {
		t.Error("it has the process that was killed")
	}
	do(t, url, `UPDATE kept SET n = 1 / (n - 6)`)
}

// TestStandby: what was committed is at the standby, which takes the place of its primary; the old
// primary becomes its standby, and takes its place again.
func TestStandby(t *testing.T) {
	first := postgres.Start(t)
	second := first.Standby(t)
	do(t, first.URL("postgres"), `CREATE TABLE kept (n int)`)
	for _, turn := range []struct{ primary, standby *postgres.Server }{{first, second}, {second, first}} {
		do(t, turn.primary.URL("postgres"), `INSERT INTO kept VALUES (7)`)
		turn.primary.Kill9(t)
		turn.standby.Promote(t)
		do(t, turn.standby.URL("postgres"), `UPDATE kept SET n = 1 / (n - 6)`, `UPDATE kept SET n = 7`)
		turn.primary.Follow(t, turn.standby)
	}
	do(t, first.URL("postgres"), `UPDATE kept SET n = 1 / (count - 1) FROM (SELECT count(*) FROM kept) AS all_of_them`)
}

func do(t *testing.T, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	for _, statement := range statements {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDies: a server ends with the process of its test, however that ends.
func TestDies(t *testing.T) {
	const inside = "PEAL_TEST_POSTGRES_DIES"
	if os.Getenv(inside) != "" {
		s := postgres.Start(t)
		fmt.Printf("%d %s\n", s.PID(), s.URL("postgres"))
		os.Exit(0) // Without any cleanup.
	}
	test := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDies$")
	folder := t.TempDir()
	if err := os.Chmod(filepath.Dir(folder), 0o755); err != nil { // For the user that PostgreSQL runs as.
		t.Fatal(err)
	}
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	test.Env = append(os.Environ(), inside+"=1", "TMPDIR="+folder)
	out, err := test.Output()
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	var url string
	if _, err := fmt.Sscan(string(out), &pid, &url); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	soon, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
			return
		}
		if conn, err := pgx.Connect(soon, url); err == nil {
			_ = conn.Close(soon) // It may end at any time.
		}
		if soon.Err() != nil {
			t.Fatal("the server is still there")
		}
	}
}
