package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/server"
)

// credentials is the variable by which systemd names the folder of a service's credentials.
const credentials = "CREDENTIALS_DIRECTORY"

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
  peal serve --secret-file secret --addr :443 --tls-cert cert.pem --tls-key key.pem \
    --turn-addr 0.0.0.0:3478 --turn-announce 203.0.113.7
  peal serve --config peal.json

peal.json, which others must not read either, so write it after "umask 077":
  {"addr": ":443", "secret": "...", "tls": {"cert": "cert.pem", "key": "key.pem"},
   "turn": {"addr": "0.0.0.0:3478", "announce": "203.0.113.7"}}

An environment variable that is empty counts as not given. Lists are separated by commas; the file
may have lists of JSON. Durations have a unit: 90s, 10m, 24h. Under systemd LoadCredential=secret:PATH
gives the secret.

SIGTERM or SIGINT sends the clients elsewhere and stops; a second one, a second later or more, stops at
once, also the wait of --turn-drain. SIGHUP reads settings and files again and applies what can change while calls go on: tokens
(--secret, --secret-file, --key-id, --keys, --token-max-ttl, --token-audience), certificate and
--log-level. It ends no call, and never the server. What cannot be used is logged, and all stays as it was.`
}

// complete reads what a setting names, and holds that all of them are valid.
func complete(settings *config.Config) error {
	if err := settings.Auth.LoadSecret(os.Getenv(credentials)); err != nil {
		return err
	}
	return settings.Check()
}

// Run serves until a signal comes.
func (c *serveCommand) Run(std streams, line commandLine, parsed *kong.Context) error {
	if err := complete(&c.Settings); err != nil {
		return err
	}
	started := parsed.Selected().Flags
	return serve(std, server.Config{Settings: c.Settings, Release: version()}, reading{
		again: func() (*config.Config, []string, error) {
			grammar, now, err := line.parse()
			if err != nil {
				return nil, nil, err
			}
			return &grammar.Serve.Settings, fixed(started, now.Selected().Flags), complete(&grammar.Serve.Settings)
		},
	}, func(*server.Server) error { return nil })
}

// reloaded are the flags of serve that SIGHUP applies.
var reloaded = []string{
	"secret", "secret-file", "key-id", "keys", "token-max-ttl", "token-audience", "tls-cert", "tls-key", "log-level",
}

// fixed names the flags that have changed since the start, and are not applied before the
// next one.
func fixed(started, now []*kong.Flag) (names []string) {
	for i, flag := range now {
		changed := !reflect.DeepEqual(flag.Target.Interface(), started[i].Target.Interface())
		if changed && !slices.Contains(reloaded, flag.Name) {
			names = append(names, flag.Name)
		}
	}
	return names
}

// reading is how the settings are read while the server runs.
type reading struct {
	// again gives the settings as they are now, and those of them that only a restart
	// applies.
	again func() (settings *config.Config, restartFor []string, err error)
}

// serve runs a server until a signal comes, and tells when it has started.
func serve(std streams, cfg server.Config, settings reading, started func(*server.Server) error) (err error) {
	reload := reloads()
	ctx, _, stop := interrupted()
	defer stop()
	var level *slog.LevelVar
	if cfg.Logger, level, err = newLogger(std, &cfg.Settings.Log); err != nil {
		return err
	}
	for _, doubt := range cfg.Settings.Doubts() {
		cfg.Logger.Warn("setting looks wrong", "setting", doubt.Setting, "reason", doubt.Reason)
	}
	s, err := server.Start(ctx, cfg)
	if err != nil {
		return err
	}
	if err = started(s); err != nil {
		err = fmt.Errorf("tell of the start: %w", err)
	}
	for err == nil && ctx.Err() == nil {
		select {
		case err = <-s.Failed():
		case <-ctx.Done():
		case <-reload:
			settings.apply(s, cfg.Logger, level)
		}
	}
	if err != nil {
		return errors.Join(err, s.Shutdown()) // At once: the supervisor starts the server again.
	}
	asked := time.Now()
	return s.Drain(func() (context.Context, func()) { return interruptedAgain(asked) })
}

// apply has a server go by the settings as they are now. Where they cannot be used nothing
// changes.
func (r *reading) apply(s *server.Server, log *slog.Logger, level *slog.LevelVar) {
	now, restartFor, err := r.again()
	if err == nil {
		err = s.Reload(now)
	}
	if err == nil {
		err = level.UnmarshalText([]byte(now.Log.Level))
	}
	if err != nil {
		log.Error("cannot reload the settings: the server keeps those that it has", "error", err)
		return
	}
	// At a level that is written, since the operator waits for the answer.
	log.Log(context.Background(), max(level.Level(), slog.LevelInfo), "settings reloaded")
	if len(restartFor) > 0 {
		log.Warn("some changed settings are applied by a restart alone", "restart_for", strings.Join(restartFor, ","))
	}
}

// newLogger makes the log, whose level can be changed.
func newLogger(std streams, c *config.Log) (*slog.Logger, *slog.LevelVar, error) {
	level := &slog.LevelVar{}
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, nil, fmt.Errorf("log-level is %q: %w", c.Level, err)
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(std.err, options)), level, nil
	}
	return slog.New(slog.NewTextHandler(std.err, options)), level, nil
}
