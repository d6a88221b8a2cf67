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

func exec(t *testing.T, url, statements string) {
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
	if _, err := conn.Exec(t.Context(), statements); err != nil {
		t.Fatal(err)
	}
}
