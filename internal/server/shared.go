package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/sqlstore"
)

// shared says that other nodes may use the same store.
func (s *Server) shared() bool { return s.cfg.shared() }

func (c *Config) shared() bool { return c.Bus != nil || c.Settings.Cluster.On() }

// drain is over what time the connections are closed when the server stops. Where there is no
// other node, devices need not wait for one to have time.
func (s *Server) drain() time.Duration {
	if !s.shared() {
		return 0
	}
	return s.cfg.Settings.Cluster.Drain
}

// committers is how many commits are under way at a time. A slow one of a database holds up no
// other; SQLite makes one after the other.
func (s *Server) committers() int {
	if !s.shared() {
		return 1
	}
	return 2
}

// openStore opens the store of calls.
func openStore(ctx context.Context, cfg *Config) (store.Store, error) {
	switch {
	case cfg.Store != nil:
		return cfg.Store, nil
	default:
		return openSQLite(ctx, cfg)
	}
}

func openSQLite(ctx context.Context, cfg *Config) (store.Store, error) {
	opened, err := sqlstore.Open(ctx, sqlstore.Config{
		Path: Database(cfg.Settings.Data), Synchronous: cfg.Settings.Durable,
		Clocks: cfg.Clocks, Logger: cfg.Logger,
	})
	if errors.Is(err, sqlstore.ErrInUse) {
		return nil, fmt.Errorf("%w: stop that one or give another --data", err)
	}
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// openBus opens the bus between nodes.
func openBus(ctx context.Context, cfg *Config) (bus.Bus, error) {
	switch {
	case cfg.Bus != nil:
		return cfg.Bus, nil
	default:
		return bus.NewMemory(), nil
	}
}

// withoutURL takes a URL, and the password in it, out of the text of an error.
func withoutURL(err error, url string) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for server := range strings.SplitSeq(url, ",") {
		_, rest, _ := strings.Cut(server, "://")
		who, _, found := cutLast(rest, "@")
		if !found || who == "" {
			continue
		}
		text = strings.ReplaceAll(text, who, "…")
		if _, password, found := strings.Cut(who, ":"); found && password != "" {
			text = strings.ReplaceAll(text, password, "…")
		}
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

// cutLast cuts a text at the last of a separator.
func cutLast(text, sep string) (before, after string, found bool) {
	i := strings.LastIndex(text, sep)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(sep):], true
}
