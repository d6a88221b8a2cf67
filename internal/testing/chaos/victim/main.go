// Command victim is `peal serve` that can be told when to die: by kill -9, before
// or after it commits a certain change. It is for the tests of package chaos alone.
//
// A line on its standard input, "before connecting 3", has it die before the third
// change that brings a call to that state from then on; "after" once that is stored,
// and before anybody hears of it. "note" stands for changes within a state.
//
// Where CHAOS_HOOK_URL and CHAOS_HOOK_SECRET are in the environment it delivers events there.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/server"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/sqlstore"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "victim:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var settings config.Config
	kong.Parse(&settings)
	if err := settings.Check(); err != nil {
		return err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(settings.Log.Level)); err != nil {
		return fmt.Errorf("log-level is %q: %w", settings.Log.Level, err)
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	calls, err := sqlstore.Open(ctx, sqlstore.Config{
		Path: filepath.Join(settings.Data, "peal.db"), Synchronous: settings.Durable, Logger: logger,
	})
	if err != nil {
		return err
	}
	if url := os.Getenv("CHAOS_HOOK_URL"); url != "" {
		_, err := calls.Outbox().PutEndpoint(ctx, "chaos", func(e *store.Endpoint) error {
			e.URL, e.Secrets = url, nil
			e.Rotate(os.Getenv("CHAOS_HOOK_SECRET"), time.Now(), 0)
			return nil
		})
		if err != nil {
			return err
		}
	}
	m := &mortal{Memory: calls, states: make(map[call.ID]call.State)}
	s, err := server.Start(ctx, server.Config{Settings: settings, Store: m, Logger: logger})
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var when, what string
		var n int
		if _, err := fmt.Sscan(lines.Text(), &when, &what, &n); err != nil {
			return fmt.Errorf("%q is no order: %w", lines.Text(), err)
		}
		m.arm(when, what, n)
	}
	return s.Shutdown()
}

// mortal is a store at which the process dies.
type mortal struct {
	*store.Memory

	mu         sync.Mutex // Guards what follows.
	states     map[call.ID]call.State
	when, what string
	left       int // How many such changes it lives to see, this one included.
}

func (m *mortal) arm(when, what string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.when, m.what, m.left = when, what, n
}

// Commit implements store.Store.
func (m *mortal) Commit(ctx context.Context, changes []store.Change) ([]store.Result, error) {
	m.mu.Lock()
	dies := false
	for _, ch := range changes {
		if m.left > 0 && m.named(&ch.Call) == m.what {
			m.left--
			dies = dies || m.left == 0
		}
	}
	when := m.when
	m.mu.Unlock()
	if dies && when == "before" {
		die()
	}
	results, err := m.Memory.Commit(ctx, changes)
	if dies {
		die()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, ch := range changes {
		if results[i].Verdict == store.Done {
			m.states[ch.Call.ID] = ch.Call.State
		}
	}
	return results, err
}

// named is the word for what a change brings a call to.
func (m *mortal) named(c *call.Call) string {
	if m.states[c.ID] == c.State {
		return "note"
	}
	return map[call.State]string{
		call.Ringing: "ringing", call.Connecting: "connecting", call.Connected: "connected", call.Ended: "ended",
	}[c.State]
}

// die is a kill -9 of oneself, from which nothing returns.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
