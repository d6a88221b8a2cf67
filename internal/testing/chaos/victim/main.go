// Command victim is `peal serve` that takes an order when to die: by kill -9, before
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
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/server"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/pgstore"
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
	d := &doom{states: make(map[call.ID]call.State)}
	var failed error
	s, err := server.Start(ctx, server.Config{
		Settings: settings, Logger: logger, Release: "victim",
		Wrap: func(kept store.Store) store.Store {
			mortal, outbox := around(kept, d)
			failed = deliver(ctx, outbox)
			return mortal
		},
	})
	if err = errors.Join(failed, err); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var when, what string
		var n int
		if _, err := fmt.Sscan(lines.Text(), &when, &what, &n); err != nil {
			return fmt.Errorf("%q is no order: %w", lines.Text(), err)
		}
		d.arm(when, what, n)
	}
	return s.Shutdown()
}

// deliver makes the endpoint of the environment, where there is one.
func deliver(ctx context.Context, outbox store.Outbox) error {
	url := os.Getenv("CHAOS_HOOK_URL")
	if url == "" || outbox == nil {
		return nil
	}
	_, err := outbox.PutEndpoint(ctx, "chaos", func(e *store.Endpoint) error {
		e.URL, e.Secrets = url, nil
		e.Rotate(os.Getenv("CHAOS_HOOK_SECRET"), time.Now(), 0)
		return nil
	})
	return err
}

// around makes a store one at which the process dies, and gives its outbox.
func around(kept store.Store, d *doom) (store.Store, store.Outbox) {
	switch kept := kept.(type) {
	case *store.Memory:
		return &mortalMemory{kept, d}, kept.Outbox()
	case *pgstore.Store:
		return &mortalPostgres{kept, d}, kept.Outbox()
	}
	return kept, nil
}

// mortalMemory and mortalPostgres are stores at which the process dies. They have all methods of
// the store, since the server looks for those beyond the interface.
type (
	mortalMemory struct {
		*store.Memory
		doom *doom
	}
	mortalPostgres struct {
		*pgstore.Store
		doom *doom
	}
)

// Commit implements store.Store.
func (m *mortalMemory) Commit(ctx context.Context, changes []store.Change) ([]store.Result, error) {
	return m.doom.commit(ctx, changes, m.Memory.Commit)
}

// Commit implements store.Store.
func (m *mortalPostgres) Commit(ctx context.Context, changes []store.Change) ([]store.Result, error) {
	return m.doom.commit(ctx, changes, m.Store.Commit)
}

// doom says at which change the process dies.
type doom struct {
	mu         sync.Mutex // Guards what follows.
	states     map[call.ID]call.State
	when, what string
	left       int // How many such changes it lives to see, this one included.
}

func (d *doom) arm(when, what string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.when, d.what, d.left = when, what, n
}

// commit commits changes, and dies before or after that where it is to.
func (d *doom) commit(ctx context.Context, changes []store.Change, commit func(context.Context, []store.Change) ([]store.Result, error)) ([]store.Result, error) {
	d.mu.Lock()
	dies := false
	for _, ch := range changes {
		if d.left > 0 && d.named(&ch.Call) == d.what {
			d.left--
			dies = dies || d.left == 0
		}
	}
	when := d.when
	d.mu.Unlock()
	if dies && when == "before" {
		die()
	}
	results, err := commit(ctx, changes)
	if dies {
		die()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, ch := range changes {
		if results[i].Verdict == store.Done {
			d.states[ch.Call.ID] = ch.Call.State
		}
	}
	return results, err
}

// named is the word for what a change brings a call to.
func (d *doom) named(c *call.Call) string {
	if d.states[c.ID] == c.State {
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
