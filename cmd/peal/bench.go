package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/load"
)

// benchCommand puts load on a server.
type benchCommand struct {
	Server     string        `arg:"" default:"http://${devAddr}" placeholder:"URL" help:"Address of the server (${default})."`
	Devices    int           `default:"200" help:"Devices to log in, each of an account of its own; half of them call the other half. 50000 at most."`
	Rate       float64       `default:"10" help:"Calls to start each second, evenly, however many are still active. 5000 at most."`
	Duration   time.Duration `default:"10s" help:"Time during which to start calls; 1h at most. Rate × duration is 2000000 calls at most."`
	Ring       time.Duration `default:"200ms" help:"Time for which a callee lets a call ring; 10m at most."`
	Talk       time.Duration `default:"1s" help:"Length of a call; 10m at most."`
	Connects   int           `default:"40" help:"Devices that may be logging in at the same time. 1000 at most."`
	Prefix     string        `name:"account-prefix" default:"bench-" placeholder:"TEXT" help:"Prefix of the accounts' names (${default}). These accounts are called: take a prefix that no person has."`
	Secret     string        `placeholder:"SECRET" env:"PEAL_SECRET" help:"Secret of the server, as given to peal serve. Unless given, tokens come from /dev/token, as a peal dev has it."`
	SecretFile string        `placeholder:"FILE" env:"PEAL_SECRET_FILE" help:"File that holds the secret alone."`
	KeyID      string        `name:"key-id" default:"main" placeholder:"ID" env:"PEAL_KEY_ID" help:"Key id of that secret (${default})."`
	Audience   string        `placeholder:"TEXT" env:"PEAL_TOKEN_AUDIENCE" help:"Audience (aud) of the tokens, as given to peal serve by --token-audience."`
	Text       bool          `name:"speak-json" help:"Speak JSON to the server, as browsers do, in place of the binary encoding of programs."`
	JSON       bool          `name:"json" help:"Print the result as JSON."`
	Quiet      bool          `short:"q" help:"Do not print progress."`
}

// Help implements kong.HelpProvider.
func (benchCommand) Help() string {
	return `There is no media: what is measured is the signalling, with descriptions and candidates of the
size that browsers have. Times count from when something was due, not from when this program came
to it, so a server that stalls is seen to.

A server takes 10 invitations a minute from an account, 3 of them to the same callee, and rings a
callee 20 times a minute, unless told otherwise; a peal dev takes more. When the load would meet
such a limit this command says so first. On a server of your own loosen it: --limits-invites-per-min,
--limits-pair-per-min, --limits-rings-per-min, --limits-signal-bytes, --limits-sockets-per-addr.

Each device takes a file descriptor, here and on the server: see "ulimit -n".

Exit code 0 means that every call was complete.

Examples:
  peal bench                                 against a peal dev on this machine
  PEAL_SECRET=... peal bench https://calls.example.org --devices 2000 --rate 100 --duration 1m`
}

// Run makes the load and prints its figures.
func (c *benchCommand) Run(std streams) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	secret, err := config.SecretOf(c.Secret, c.SecretFile)
	if err != nil {
		return err
	}
	token, err := c.tokens(secret)
	if err != nil {
		return err
	}
	cfg := load.Config{
		Server: c.Server, Token: token, Prefix: c.Prefix, Devices: c.Devices, Connects: c.Connects,
		Rate: c.Rate, Duration: c.Duration, Ring: c.Ring, Talk: c.Talk, JSON: c.Text,
	}
	if !c.Quiet {
		cfg.Progress = func(p load.Progress) { tellProgress(std.err, p) }
	}
	fleet, err := load.New(cfg)
	if err != nil {
		return misuse{err}
	}
	defer fleet.Close()
	// A peal dev, which gives tokens without a secret, has looser limits.
	if advice := cfg.Advice(secret != ""); advice != "" {
		_, _ = fmt.Fprintln(std.err, "peal: "+strings.ReplaceAll(advice, "\n", "\npeal: "))
	}
	if err := fleet.Connect(ctx); err != nil {
		return err
	}
	result, err := fleet.Run(ctx)
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	if err := c.print(std.out, result); err != nil {
		return err
	}
	if left := result.Calls - result.Completed; left > 0 {
		return fmt.Errorf("%d of %d calls were not complete", left, result.Calls)
	}
	return nil
}

func (c *benchCommand) print(out io.Writer, r *load.Result) error {
	if !c.JSON {
		return r.Write(out)
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

func tellProgress(err io.Writer, p load.Progress) {
	if p.Begun == 0 {
		_, _ = fmt.Fprintf(err, "%3.0f s  %d devices online\n", p.Elapsed.Seconds(), p.Online)
		return
	}
	_, _ = fmt.Fprintf(err, "%3.0f s  %d devices online, %d calls begun, %d complete, %d failed; ring p99 of this second %.1f ms\n",
		p.Elapsed.Seconds(), p.Online, p.Begun, p.Ended, p.Failed, p.RingP99.Seconds()*1000)
}

// benchTokenTTL is longer than any run.
const benchTokenTTL = 2 * time.Hour

// tokens gives tokens by the secret, or asks a peal dev for them.
func (c *benchCommand) tokens(secret string) (func(context.Context, string) (string, error), error) {
	if secret == "" {
		return func(ctx context.Context, account string) (string, error) {
			return devToken(ctx, c.Server, account, "its secret, by --secret-file or PEAL_SECRET")
		}, nil
	}
	signer, err := auth.NewSigner(auth.Keys{c.KeyID: auth.Secret(secret)}, c.KeyID)
	if err != nil {
		return nil, misuse{err}
	}
	return func(_ context.Context, account string) (string, error) {
		return signer.ForAudience(c.Audience).Sign(account, benchTokenTTL, time.Now())
	}, nil
}
