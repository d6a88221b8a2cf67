package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/peal-rtc/peal/internal/control"
)

// serveCommands opens the socket by which commands ask the server. Calls need it for nothing,
// so that the server runs without it where it cannot be opened.
func (s *Server) serveCommands(ctx context.Context) {
	if s.cfg.Store != nil {
		return // The data folder may be another server's.
	}
	l, err := control.Listen(ctx, s.cfg.Settings.Data)
	if err != nil {
		s.log.WarnContext(ctx, "commands such as peal key cannot reach the server", "error", err)
		return
	}
	s.commands = control.NewServer(s.keyring, s.log)
	s.chores.Go(func() {
		if err := s.commands.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("cannot serve commands", "error", err)
		}
	})
}

// endCommands closes that socket, and what is asked by it.
func (s *Server) endCommands() {
	if s.commands == nil {
		return
	}
	if err := s.commands.Close(); err != nil {
		s.log.Warn("cannot close the socket for commands", "error", err)
	}
}
