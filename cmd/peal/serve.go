package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/server"
)

// serveCommand starts a server for real use.
type serveCommand struct {
	Config kong.ConfigFlag `short:"c" placeholder:"FILE" env:"PEAL_CONFIG" help:"Settings in JSON: the names below, also nested by group. The environment comes before the file, flags before both."`

	Settings config.Config `embed:""`
}

// Help implements kong.HelpProvider.
func (*serveCommand) Help() string {
	return `A secret is needed: the application's backend signs tokens with it, which name the account of a
browser. Make one that only you can read:
  (umask 077; openssl rand -base64 32 > secret)

Browsers give camera and microphone to HTTPS alone (and to localhost), so give a certificate, have
the server get one by --acme-domain, or have a proxy in front that does.

Examples:
  PEAL_SECRET=$(cat secret) peal serve --addr :443 --tls-cert cert.pem --tls-key key.pem \
    --turn-addr 0.0.0.0:3478 --turn-announce 203.0.113.7
  peal serve --config peal.json

peal.json, which others must not read either, so write it after "umask 077":
  {"addr": ":443", "secret": "...", "tls": {"cert": "cert.pem", "key": "key.pem"},
   "turn": {"addr": "0.0.0.0:3478", "announce": "203.0.113.7"}}

The first SIGTERM or SIGINT sends the clients elsewhere and stops, a second stops at once.`
}

// Run serves until a signal comes.
func (c *serveCommand) Run(std streams) error {
	if err := c.Settings.Check(); err != nil {
		return err
	}
	logger, err := newLogger(std, &c.Settings.Log)
	if err != nil {
		return err
	}
	return serve(server.Config{Settings: c.Settings, Logger: logger}, func(*server.Server) error { return nil })
}

// serve runs a server until a signal comes, and tells when it has started.
func serve(cfg server.Config, started func(*server.Server) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := server.Start(ctx, cfg)
	if err != nil {
		return err
	}
	if err := started(s); err != nil {
		return fmt.Errorf("tell of the start: %w", err)
	}
	select {
	case err = <-s.Failed():
	case <-ctx.Done():
	}
	// From here on a signal does what it does by default: it ends the process.
	stop()
	if stopped := s.Shutdown(); err == nil {
		err = stopped
	}
	return err
}

func newLogger(std streams, c *config.Log) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, fmt.Errorf("log-level is %q: %w", c.Level, err)
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(std.err, options)), nil
	}
	return slog.New(slog.NewTextHandler(std.err, options)), nil
}
