package pgstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

// standbys sets which standbys commits wait for, and waits until that is in effect.
func standbys(t *testing.T, url, names string) {
	t.Helper()
	session(t, url, func(conn *pgx.Conn) error {
		for _, statement := range []string{"ALTER SYSTEM SET synchronous_standby_names = '" + names + "'", "SELECT pg_reload_conf()"} {
			if _, err := conn.Exec(t.Context(), statement); err != nil {
				return err
			}
		}
		for now := "?"; now != names; <-time.After(10 * time.Millisecond) {
			if err := conn.QueryRow(t.Context(), "SHOW synchronous_standby_names").Scan(&now); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestWaitsForStandby: a change that no standby has is not shown, also when nobody waits for its
// commit any more. It is shown once a standby has it, or none is needed.
func TestWaitsForStandby(t *testing.T) {
	url := postgres.Start(t).NewDatabase(t)
	s := openAt(t, url)
	first := ringing(t, "c1", "alice", "bob")
	commit(t, s, first)
	standbys(t, url, "gone")

	short, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if results, err := s.Commit(short, []store.Change{next(first.Call)}); err == nil && results[0].Err == nil {
		t.Fatal("a commit does without the standby")
	}
	for range 20 { // A request to cancel would have come by then.
		if c, err := s.Call(t.Context(), "c1"); err != nil || c.Rev != 1 {
			t.Fatalf("rev %d shows, %v", c.Rev, err)
		}
		<-time.After(50 * time.Millisecond)
	}

	standbys(t, url, "")
	for began := time.Now(); ; <-time.After(10 * time.Millisecond) {
		c, err := s.Call(t.Context(), "c1")
		if err == nil && c.Rev == 2 {
			return
		}
		if time.Since(began) > 10*time.Second {
			t.Fatalf("rev %d, %v", c.Rev, err)
		}
	}
}
