package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/peal-rtc/peal/internal/testing/postgres"
)

func TestKilledAndRestarted(t *testing.T) {
	s := postgres.Start(t)
	url := s.NewDatabase(t)
	exec(t, url, `CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)`)
	first := s.PID()
	s.Kill9(t)
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		t.Fatal("it answers after Kill9", conn.Close(t.Context()))
	}
	s.Restart(t)
	if s.PID() == first {
		t.Error("it has the process that was killed")
	}
	exec(t, url, `UPDATE kept SET n = 1 / (n - 6)`)
}

// TestStandby: what was committed is at the standby, which takes the place of its primary; the old
// primary becomes its standby, and takes its place again.
func TestStandby(t *testing.T) {
	first := postgres.Start(t)
	second := first.Standby(t)
	exec(t, first.URL("postgres"), `CREATE TABLE kept (n int)`)
	for _, turn := range []struct{ primary, standby *postgres.Server }{{first, second}, {second, first}} {
		exec(t, turn.primary.URL("postgres"), `INSERT INTO kept VALUES (7)`)
		turn.primary.Kill9(t)
		turn.standby.Promote(t)
		exec(t, turn.standby.URL("postgres"), `UPDATE kept SET n = 1 / (n - 6)`, `UPDATE kept SET n = 7`)
		turn.primary.Follow(t, turn.standby)
	}
	exec(t, first.URL("postgres"), `UPDATE kept SET n = 1 / (count - 1) FROM (SELECT count(*) FROM kept) AS all_of_them`)
}

func exec(t *testing.T, url string, statements ...string) {
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
