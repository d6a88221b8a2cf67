package server

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/store"
)

// shared is a store that several servers have, which counts changes as a database does.
type shared struct{ *store.Memory }

func (s shared) BooksVersion(ctx context.Context) (int64, error) {
	trail, err := s.Trail(ctx, 0, 1)
	if err != nil || len(trail) == 0 {
		return 0, err
	}
	return trail[0].Seq, nil
}

// TestBooksOfOthers: a server goes by the keys and log-outs that another one stored.
func TestBooksOfOthers(t *testing.T) {
	kept := shared{store.NewMemory(time.Now)}
	b := start(t, func(c *Config) { c.Store = kept })
	keys, err := openKeyring(t.Context(), nil, kept, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	outs, err := openLogOuts(t.Context(), kept)
	if err != nil {
		t.Fatal(err)
	}
	soon := func(what string, holds func() bool) {
		t.Helper()
		for begun := time.Now(); !holds(); <-time.After(10 * time.Millisecond) {
			if time.Since(begun) > 2*booksEvery {
				t.Fatalf("%s: not known after %s", what, 2*booksEvery)
			}
		}
	}
	made, err := keys.Make(t.Context(), "app", []string{"read"})
	if err != nil {
		t.Fatal(err)
	}
	opens := func() bool { _, ok := b.keyring.Check(made.Secret); return ok }
	soon("a new key", opens)
	if err := keys.Revoke(t.Context(), "app"); err != nil {
		t.Fatal(err)
	}
	soon("a revoked key", func() bool { return !opens() })
	if _, err := outs.out(t.Context(), "alice", time.Now, store.Audit{}); err != nil {
		t.Fatal(err)
	}
	soon("a log-out", func() bool {
		return errors.Is(b.logOuts.judge(auth.Identity{Account: "alice", IssuedAt: time.Now()}), auth.ErrRevoked)
	})
}
