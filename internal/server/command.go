package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"github.com/peal-rtc/peal/internal/control"
)

// commandSocket is the socket by which commands ask the server.
type commandSocket struct {
	http *http.Server
	log  *slog.Logger
}

// serveCommands opens it. Calls need it for nothing, so that the server runs without it, and
// with nil, where it cannot be opened.
func serveCommands(ctx context.Context, cfg *Config, keys control.Keys, inspect control.Inspect, log *slog.Logger, chores *sync.WaitGroup) *commandSocket {
	if cfg.Store != nil {
		return nil // The data folder may be another server's.
	}
	l, err := control.Listen(ctx, cfg.Settings.Data)
	if err != nil {
		log.WarnContext(ctx, "commands such as peal key cannot reach the server", "error", err)
		return nil
	}
	c := &commandSocket{control.NewServer(keys, inspect, log), log}
	chores.Go(func() {
		if err := c.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("cannot serve commands", "error", err)
		}
	})
	return c
}

// close ends it, with what is asked by it.
func (c *commandSocket) close() {
	if c == nil {
		return
	}
	if err := c.http.Close(); err != nil {
		c.log.Warn("cannot close the socket for commands", "error", err)
	}
}
