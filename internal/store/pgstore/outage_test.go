package pgstore_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/pgstore"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

// TestOutage: while the server is away, commits and reads wait.
func TestOutage(t *testing.T) {
	server := postgres.Start(t)
	s := openAt(t, server.NewDatabase(t))
	first := ringing(t, "c1", "alice", "bob")
	commit(t, s, first)
	server.Kill9(t)
	<-time.After(300 * time.Millisecond) // A connection is asked after that whether it is good.

	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	results, err := s.Commit(short, []store.Change{next(first.Call)})
	if !errors.Is(err, store.ErrNotDone) || !errors.Is(results[0].Err, store.ErrNotDone) {
		t.Errorf("a commit that cannot wait: %+v, %v", results, err)
	}
	if _, err := s.Call(short, "c1"); err == nil {
		t.Error("a read that cannot wait succeeds")
	}

	done := make(chan error)
	go func() {
		results, err := s.Commit(t.Context(), []store.Change{next(first.Call)})
		if err == nil && results[0].Verdict != store.Done {
			err = errors.New("no verdict")
		}
		done <- err
	}()
	go func() {
		_, err := s.Call(t.Context(), "c1")
		done <- err
	}()
	server.Restart(t)
	for range 2 {
		if err := <-done; err != nil {
			t.Errorf("after an outage: %v", err)
		}
	}
	if c, err := s.Call(t.Context(), "c1"); err != nil || c.Rev != 2 {
		t.Errorf("rev %d, %v", c.Rev, err)
	}
}

// TestLocked: a change that another transaction keeps from being made takes no other with it.
func TestLocked(t *testing.T) {
	url := postgres.Shared(t).NewDatabase(t)
	s := openAt(t, url+"&lock_timeout=20ms")
	one, other := ringing(t, "c1", "alice", "bob"), ringing(t, "c2", "carol", "dave")
	commit(t, s, one, other)
	session(t, url, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(t.Context(), `BEGIN; SELECT FROM calls WHERE id = 'c1' FOR UPDATE`); err != nil {
			return err
		}
		results, err := s.Commit(t.Context(), []store.Change{next(one.Call), next(other.Call)})
		if err != nil || !errors.Is(results[0].Err, store.ErrNotDone) || results[1].Verdict != store.Done {
			t.Errorf("Commit: %+v, %v", results, err)
		}
		return nil
	})
	commit(t, s, next(one.Call))
}

// TestRefusedAlone: a change that the database refuses takes no other with it.
func TestRefusedAlone(t *testing.T) {
	url := postgres.Shared(t).NewDatabase(t)
	var log bytes.Buffer
	s, err := pgstore.Open(t.Context(), pgstore.Config{URL: url, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer s.Close()
	session(t, url, func(conn *pgx.Conn) error {
		_, err := conn.Exec(t.Context(), `
			CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;
			CREATE TRIGGER refuse BEFORE INSERT ON calls FOR EACH ROW WHEN (NEW.id = 'bad') EXECUTE FUNCTION refuse()`)
		return err
	})
	lonely := ringing(t, "lonely", "x", "y")
	lonely.Call.Legs = append(lonely.Call.Legs, call.Leg{Account: "z"})
	results, err := s.Commit(t.Context(), []store.Change{
		ringing(t, "good", "alice", "bob"), ringing(t, "bad", "carol", "dave"),
		ringing(t, "nul", "er\x00in", "frank"), ringing(t, "bytes", "grace", "\xff"), lonely,
		ringing(t, "fine", "ivan", "judy"),
	})
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	for i, good := range []bool{true, false, false, false, false, true} {
		if (results[i].Verdict == store.Done) != good || errors.Is(results[i].Err, store.ErrNotDone) == good {
			t.Errorf("change %d: %+v", i, results[i])
		}
	}
	wantWhole(t, url)
	if n := strings.Count(log.String(), "refused"); n != 2 { // The message and the reason.
		t.Errorf("what the database refused is logged as\n%s", &log)
	}
	for _, account := range []call.Account{"er\x00in", "\xff"} {
		if calls, err := s.CallsOf(t.Context(), account, time.Time{}); err != nil || len(calls) > 0 {
			t.Errorf("CallsOf(%q) = %v, %v", account, calls, err)
		}
		if _, err := s.Block(t.Context(), "alice", account, store.Audit{}); err == nil {
			t.Errorf("%q is blocked", account)
		}
	}
}

// TestDescriptions: descriptions are bytes, and are written again only where they may differ.
func TestDescriptions(t *testing.T) {
	url := postgres.Shared(t).NewDatabase(t)
	one, other := openAt(t, url), openAt(t, url)
	c := ringing(t, "c1", "alice", "bob")
	c.Call.Media.Offer = "v=0 \x00 \xed\xa0\x80 \xff \u2028"
	commit(t, one, c)
	want := func(offer, answer call.SDP) call.Call {
		t.Helper()
		got, err := other.Call(t.Context(), "c1")
		if err != nil || got.Media.Offer != offer || got.Media.Answer != answer {
			t.Fatalf("descriptions %q and %q, %v; want %q and %q", got.Media.Offer, got.Media.Answer, err, offer, answer)
		}
		return got
	}
	got := want(c.Call.Media.Offer, "")
	got.Rev, got.Attachment = 2, "another"
	commit(t, one, store.Change{Call: got, From: 1})
	got = want(c.Call.Media.Offer, "")
	// Each is changed by a node that knows the revision before, or does not.
	for _, step := range []struct {
		by     *pgstore.Store
		answer call.SDP
	}{{one, ""}, {one, "x"}, {other, "xx"}, {one, "x"}, {one, ""}, {one, ""}, {one, "y"}} {
		changed := next(got)
		changed.Call.Media.Answer = step.answer
		commit(t, step.by, changed)
		got = want(c.Call.Media.Offer, step.answer)
	}
	changed := next(got)
	changed.Call.Media.Offer, changed.Call.Media.Answer = "v=0 again", ""
	commit(t, other, changed)
	got = want("v=0 again", "")
	commit(t, one, hangup(got))
	want("", "")
	wantWhole(t, url)
}
