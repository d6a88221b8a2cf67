package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/bus/natsbus"
	"github.com/peal-rtc/peal/internal/control"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/pgstore"
	"github.com/peal-rtc/peal/internal/store/sqlstore"
)

// shared says that other nodes may use the same store.
func (c *Config) shared() bool { return c.Bus != nil || c.Settings.Cluster.On() }

// drain is over what time the connections are closed when the server stops. Where there is no
// other node, devices need not wait for one to have time.
func (c *Config) drain() time.Duration {
	if !c.shared() {
		return 0
	}
	return c.Settings.Cluster.Drain
}

// committers is how many commits are under way at a time. A slow one of a database holds up no
// other; SQLite makes one after the other.
func (c *Config) committers() int {
	if !c.shared() {
		return 1
	}
	return 2
}

// openShared opens the store and the bus of a server, and reads what it keeps a copy of. Where it
// fails it leaves neither open.
func openShared(ctx context.Context, s *Server) (err error) {
	if s.store, err = openStore(ctx, &s.cfg); err != nil {
		return err
	}
	if s.cfg.Wrap != nil {
		s.store = s.cfg.Wrap(s.store)
	}
	if s.bus, err = openBus(ctx, &s.cfg); err != nil {
		return errors.Join(err, s.store.Close())
	}
	defer func() {
		if err != nil {
			s.closeShared()
		}
	}()
	s.busState = watchBus(s.bus)
	if _, err = s.clock.measure(ctx, s.store); err != nil {
		return err
	}
	s.compare(ctx)
	if s.keyring, err = openKeyring(ctx, apiKeysOf(&s.cfg.Settings.API), s.store, s.clock.now); err != nil {
		return err
	}
	if s.logOuts, err = openLogOuts(ctx, s.store); err == nil && s.cfg.shared() {
		s.logOuts.admitted = &admissions{alias: s.store.Alias}
	}
	return err
}

// closeShared closes the store and the bus of a server that did not start.
func (s *Server) closeShared() {
	if err := errors.Join(s.bus.Close(), s.store.Close()); err != nil {
		s.log.Error("cannot close the store", "error", err)
	}
}

// openStore opens the store of calls.
func openStore(ctx context.Context, cfg *Config) (store.Store, error) {
	switch {
	case cfg.Store != nil:
		return cfg.Store, nil
	case cfg.Settings.Cluster.On():
		if err := takeFolder(ctx, cfg.Settings.Data); err != nil {
			return nil, err
		}
		opened, err := pgstore.Open(ctx, pgstore.Config{URL: cfg.Settings.Cluster.Store, Logger: cfg.Logger})
		if err != nil {
			return nil, withoutURL(err, cfg.Settings.Cluster.Store)
		}
		return opened, nil
	}
	return openSQLite(ctx, cfg)
}

// takeFolder makes the data folder of a node where there is none. SQLite keeps two servers from having
// one folder; without it they would take each other's socket for commands.
func takeFolder(ctx context.Context, data string) error {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	if control.Served(ctx, data) {
		return fmt.Errorf("the data folder %s is in use by another server: stop that one or give another --data", data)
	}
	return nil
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
	case cfg.Settings.Cluster.On():
		settings := &cfg.Settings.Cluster
		opened, err := natsbus.Open(ctx, natsbus.Config{URL: settings.Bus, Cluster: settings.Cluster, Logger: cfg.Logger})
		if err != nil {
			return nil, withoutURL(err, settings.Bus)
		}
		return opened, nil
	}
	return bus.NewMemory(), nil
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
