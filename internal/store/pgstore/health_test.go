package pgstore_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

// A standby that is not waited for forgets calls when it takes over: the store warns of it, and of
// no database without one.
func TestWarnings(t *testing.T) {
	s := open(t)
	warned := func() []string {
		t.Helper()
		warnings, err := s.Health().Warnings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return warnings
	}
	if got := warned(); len(got) > 0 {
		t.Errorf("without a standby: %v", got)
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_receivewal")
	if err != nil || len(found) == 0 {
		t.Fatalf("pg_receivewal is missing: run make setup (%v)", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	standby := exec.CommandContext(ctx, slices.Max(found), "--directory", t.TempDir(), "--dbname", postgres.Shared(t).URL("postgres"))
	if err := standby.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stop()
		_ = standby.Wait() // It says that it was killed.
	}()
	for begun := time.Now(); ; <-time.After(20 * time.Millisecond) {
		if got := warned(); len(got) == 1 && strings.Contains(got[0], "synchronous_standby_names is empty") {
			return
		}
		if time.Since(begun) > 10*time.Second {
			t.Fatal("nothing is said of a standby")
		}
	}
}

// TestHealth looks at a store that does something.
func TestHealth(t *testing.T) {
	s := open(t)
	c, _, err := call.New(call.Invite{
		ID: "019a0000-0000-7000-8000-000000000001", Caller: call.Device{Account: "alice", ID: "a"}, Callee: "bob",
		Type: call.Audio, Offer: "o", Timing: call.DefaultTiming(),
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if results, err := s.Commit(t.Context(), []store.Change{{Call: c}}); err != nil || results[0].Verdict != store.Done {
		t.Fatalf("%v, %v", results, err)
	}
	h := s.Health()
	if live, err := h.Live(t.Context()); err != nil || len(live) != 1 || live[call.Ringing] != 1 {
		t.Errorf("live are %v, %v", live, err)
	}
	for _, pool := range h.Pools() {
		if pool.Name == "" || pool.Most < 1 || pool.Used > pool.Most {
			t.Errorf("a pool is %+v", pool)
		}
	}
	if n := h.Retries(); n != 0 {
		t.Errorf("%d retries", n)
	}
}
