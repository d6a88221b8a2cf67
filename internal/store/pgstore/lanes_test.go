package pgstore_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/pgstore"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

// TestReplayBesideClaim: what a node replays does not overtake what another node has under way of the
// same call.
func TestReplayBesideClaim(t *testing.T) {
	a, b, _ := clocked(t)
	hook(t, a, "crm")
	first := invited(t, "c1", "alice", "bob")
	commitAll(t, a, first, stepped(t, &first.Call, call.Cancel{Device: first.Call.Caller().Device}))
	created, _ := claim(t, a, 1)
	settle(t, a, created, store.Delivered)
	ended, _ := claim(t, a, 1)
	if n, err := b.Outbox().Replay(t.Context(), "crm", store.Replay{All: true}); n != 1 || err != nil {
		t.Fatalf("Replay = %d, %v", n, err)
	}
	claim(t, b, 0)
	claim(t, a, 0)
	settle(t, a, ended, store.Delivered)
	if again, _ := claim(t, b, 1); again[0].Event.Seq != created[0].Event.Seq {
		t.Errorf("%v is due, and not what was replayed", again[0].Event.Kind)
	}
}

// TestReplayAlone: a replay waits for the claims of its endpoint that are under way, and they for it.
func TestReplayAlone(t *testing.T) {
	url := postgres.Shared(t).NewDatabase(t) + "&lock_timeout=20s&statement_timeout=20s"
	s := openAt(t, url)
	hook(t, s, "crm")
	talk(t, s, "c1")
	number := s.Outbox().Endpoints()[0].Number
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, test := range []struct {
		name, lock, unlock string
		run                func() error
	}{
		{"a replay", "pg_advisory_lock_shared", "pg_advisory_unlock_shared", func() error {
			_, err := s.Outbox().Replay(t.Context(), "crm", store.Replay{All: true})
			return err
		}},
		{"a claim", "pg_advisory_lock", "pg_advisory_unlock", func() error {
			_, _, err := s.Outbox().Claim(t.Context(), "crm", 1)
			return err
		}},
	} {
		lock := func(function string) {
			if _, err := conn.Exec(t.Context(), `SELECT `+function+`($1::int, $2::int)`, pgstore.LockClass, number); err != nil {
				t.Fatal(err)
			}
		}
		lock(test.lock)
		done := make(chan error, 1)
		go func() { done <- test.run() }()
		waitForLocks(t, s, 1)
		lock(test.unlock)
		if err := <-done; err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
