package pgstore_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

// TestNodes: a lease says what its node said of itself, and is kept for a minute after its end.
func TestNodes(t *testing.T) {
	url := postgres.Shared(t).NewDatabase(t)
	s := openAt(t, url)
	beat := func(incarnation string, ttl time.Duration, want ...string) {
		t.Helper()
		alive, err := s.Beat(t.Context(), incarnation, ttl)
		if err != nil || !slices.Equal(alive, want) {
			t.Fatalf("alive are %v, %v; want %v", alive, err, want)
		}
	}
	nodes := func(want ...string) []store.Node {
		t.Helper()
		nodes, err := s.Nodes(t.Context())
		var got []string
		for _, n := range nodes {
			got = append(got, n.Incarnation)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("nodes are %v, %v; want %v", got, err, want)
		}
		return nodes
	}
	me := store.Node{Incarnation: "me", Release: "1.2.3", Format: 4, Address: "http://10.0.0.1:8080", Relay: "10.0.0.1:3478"}
	s.Introduce(me)
	beat("me", time.Hour, "me")
	first := nodes("me")[0]
	beat("other", time.Hour, "me", "other")
	beat("me", 2*time.Hour, "me", "other")
	again := nodes("me", "other")
	me.Begun, me.Until = first.Begun, again[0].Until
	if again[0] != me || !again[0].Until.After(first.Until.Add(time.Minute)) || first.Until.Sub(first.Begun) != time.Hour {
		t.Errorf("me is %+v, first %+v", again[0], first)
	}
	if again[1].Release != "" || again[1].Format != int(call.Format) {
		t.Errorf("other is %+v", again[1])
	}
	expire := func(ago time.Duration) {
		session(t, url, func(conn *pgx.Conn) error {
			_, err := conn.Exec(t.Context(), `UPDATE leases SET until_ns = (extract(epoch FROM clock_timestamp()) * 1e9)::bigint - $1 WHERE incarnation = 'other'`, int64(ago))
			return err
		})
	}
	expire(50 * time.Second)
	beat("me", time.Hour, "me")
	nodes("me", "other")
	expire(61 * time.Second)
	beat("me", time.Hour, "me")
	nodes("me")
	beat("me", 0)
	nodes()
}

// TestNewerFormat: what a newer release wrote is read by all, and changed by nobody else.
func TestNewerFormat(t *testing.T) {
	url := postgres.Shared(t).NewDatabase(t)
	s := openAt(t, url)
	newer, known := ringing(t, "c1", "alice", "bob"), ringing(t, "c2", "carol", "dave")
	commit(t, s, newer, known)
	session(t, url, func(conn *pgx.Conn) error {
		_, err := conn.Exec(t.Context(), `UPDATE calls SET format = format + 1 WHERE id = 'c1'`)
		return err
	})
	if c, err := s.Call(t.Context(), "c1"); err != nil || c.Format != call.Format+1 {
		t.Errorf("Call: format %d, %v", c.Format, err)
	}
	live, err := s.Live(t.Context(), "", 9)
	if err != nil || len(live) != 2 || live[0].Format != call.Format+1 {
		t.Errorf("Live: %v, %v", live, err)
	}
	if of, err := s.CallsOf(t.Context(), "alice", time.Time{}); err != nil || len(of) != 1 || of[0].Format != call.Format+1 {
		t.Errorf("CallsOf: %v, %v", of, err)
	}
	due, err := s.Due(t.Context(), begun.Add(time.Hour), 9)
	if err != nil || !slices.Equal(due, []call.ID{"c2"}) {
		t.Errorf("Due: %v, %v", due, err)
	}
	results, err := s.Commit(t.Context(), []store.Change{next(newer.Call), next(known.Call)})
	if err != nil || results[0].Verdict != store.Conflict || results[1].Verdict != store.Done {
		t.Errorf("Commit: %+v, %v", results, err)
	}
	// A call says itself which format it has.
	format := func(id call.ID) (format int16) {
		session(t, url, func(conn *pgx.Conn) error {
			return conn.QueryRow(t.Context(), `SELECT format FROM calls WHERE id = $1`, string(id)).Scan(&format)
		})
		return format
	}
	future := ringing(t, "c4", "mia", "noah")
	future.Call.Format = call.Format + 2
	commit(t, s, future)
	if got := format("c4"); got != int16(call.Format)+2 {
		t.Errorf("a call of format %d is stored as one of %d", call.Format+2, got)
	}
	if got := format("c2"); got != int16(call.Format) {
		t.Errorf("a call of the first format is stored as one of %d", got)
	}
	// Its accounts are busy all the same.
	results, err = s.Commit(t.Context(), []store.Change{ringing(t, "c3", "erin", "bob")})
	if err != nil || results[0].Verdict != store.CalleeBusy || results[0].Holder != "c1" {
		t.Errorf("Commit: %+v, %v", results, err)
	}
}

// TestWarnings: a standby that is not synchronous is warned of.
func TestWarnings(t *testing.T) {
	server := postgres.Start(t, "fsync=on")
	s := openAt(t, server.NewDatabase(t))
	if warnings, err := s.Warnings(t.Context()); err != nil || len(warnings) != 0 {
		t.Errorf("without a standby: %q, %v", warnings, err)
	}
	stream(t, server.URL("postgres"))
	if warnings, err := s.Warnings(t.Context()); err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "synchronous_standby_names") {
		t.Errorf("with a standby: %q, %v", warnings, err)
	}
	set := func(statement string) {
		session(t, server.URL("postgres"), func(conn *pgx.Conn) error {
			_, err := conn.Exec(t.Context(), statement)
			if err == nil {
				_, err = conn.Exec(t.Context(), `SELECT pg_reload_conf()`)
			}
			return err
		})
	}
	set(`ALTER SYSTEM SET synchronous_standby_names = 'standby'`)
	soon, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		warnings, err := s.Warnings(soon)
		if err != nil {
			t.Fatal(err)
		}
		if len(warnings) == 0 {
			break // The server has read its settings again.
		}
	}
	set(`ALTER SYSTEM RESET synchronous_standby_names`) // Or the cleanup waits for the standby.
	if warnings, err := open(t).Warnings(t.Context()); err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "fsync") {
		t.Errorf("without fsync: %q, %v", warnings, err)
	}
}
