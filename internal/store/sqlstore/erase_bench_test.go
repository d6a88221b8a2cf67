package sqlstore

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
)

// BenchmarkErase erases an account among 300,000 ended calls and as many events, none of which is
// of it: all at once, and where a search before had come to two thirds of both.
func BenchmarkErase(b *testing.B) {
	const n = 300_000
	config := Config{Path: filepath.Join(b.TempDir(), "peal.db"), Synchronous: "off"}
	j, clock, err := openJournal(b.Context(), &config)
	if err != nil {
		b.Fatal(err)
	}
	s, err := store.Open(b.Context(), j, clock)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	body, err := stored.Encode(&call.Call{ID: "c1", Legs: []call.Leg{{Account: call.Account(strings.Repeat("b", 280))}, {Account: "carol"}}})
	if err != nil {
		b.Fatal(err)
	}
	db, err := openConnections(j.path, 1)
	if err != nil {
		b.Fatal(err)
	}
	const rows = `WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < $1) `
	for _, table := range []string{
		`INSERT INTO events (seq, call_id, rev, at_ns, kind, filed, body) SELECT n, 'c' || n, 1, 1, 1, 0, $2 FROM s`,
		`INSERT INTO ended (id, ended_ns, body) SELECT printf('%08d', n), n * 1000000000, $2 FROM s`,
	} {
		if _, err := db.ExecContext(b.Context(), rows+table, n, body); err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	for _, cutOff := range []bool{false, true} {
		name := "whole"
		if cutOff {
			name = "last third"
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if cutOff {
					searched := store.Searched{Ended: stored.Time(n * 2 / 3 * 1e9), Event: n * 2 / 3}
					if _, err := j.Erase(store.Erasure{Account: "alice", Alias: s.Alias("alice"), Searched: searched}); err != nil {
						b.Fatal(err)
					}
				}
				if err := s.Erase(b.Context(), "alice", store.Audit{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
