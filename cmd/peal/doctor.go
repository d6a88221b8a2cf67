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
	"time"

	"github.com/peal-rtc/peal/internal/doctor"
)

// doctorCommand looks at a server from outside.
type doctorCommand struct {
	Server   string        `required:"" placeholder:"URL" env:"PEAL_SERVER" help:"Address of the server, such as https://calls.example.com."`
	Account  string        `placeholder:"NAME" help:"Account to log in as at a server of peal dev, which gives anyone a token."`
	Token    string        `placeholder:"TOKEN" env:"PEAL_TOKEN" help:"Token to log in with, at any other server; see peal token."`
	Origin   string        `placeholder:"URL" help:"Page to ask for, such as https://app.example.com, where it is not the server's own."`
	Insecure bool          `help:"Show the token also to a server whose certificate is not trusted."`
	JSON     bool          `name:"json" help:"Print one JSON object, for machines."`
	Each     bool          `help:"Check each node of a service by its own address, as --advertise of peal serve says; needs --key."`
	Key      string        `placeholder:"KEY" env:"PEAL_API_KEY" help:"Key of the server API with the scope admin, for --each. Do not give it by a flag, which others on the machine can read."`
	Patience time.Duration `default:"5s" help:"Time to wait for each answer (${default})."`
}

// Help implements kong.HelpProvider.
func (doctorCommand) Help() string {
	return `Checks what a call needs, one after the other: the server, its certificate and clock, the WebSocket,
the token, STUN, TURN over each transport, and packets from relay to relay and from relay to here.
What fails is named by the setting of peal serve that is wrong, with how to mend it. Run it where
the clients are: what it sees from the server's own network says little of others.

The account logs in for a moment. Take one of its own: with single login an older one would be out.

With several nodes behind one address --each asks the server for the list of its nodes, and checks all of
them by their own addresses, each with its relay.

The exit code is 1 when something failed. The page /doctor of the server checks the same from a
browser, and camera and microphone.

Examples:
  peal doctor --server http://127.0.0.1:7325
  PEAL_TOKEN=$(peal token --account doctor) peal doctor --server https://calls.example.com
  PEAL_TOKEN=… PEAL_API_KEY=… peal doctor --server https://calls.example.com --each`
}

// errUnwell has the exit code of a failure, when all has been said.
var errUnwell = errors.New("something failed: see above")

// Run prints what is found, as it is found.
func (c *doctorCommand) Run(std streams) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if c.Patience <= 0 {
		return misuse{fmt.Errorf("patience is %s: it must be above 0", c.Patience)}
	}
	cfg := doctor.Config{
		Server: c.Server, Account: c.Account, Token: c.Token, Origin: c.Origin, Insecure: c.Insecure, Patience: c.Patience,
	}
	if c.Each {
		return c.runEach(ctx, std, cfg)
	}
	var failed error
	tell := func(r doctor.Result) {
		if _, err := io.WriteString(std.out, line(r)); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	if c.JSON {
		tell = nil
	}
	all, err := doctor.Run(ctx, cfg, tell)
	if err != nil {
		return misuse{err}
	}
	well := doctor.Worst(all) != doctor.Failed
	if c.JSON {
		failed = printJSON(std.out, map[string]any{"server": c.Server, "ok": well, "checks": all})
	}
	if failed == nil && !well {
		failed = errUnwell
	}
	return failed
}

func printJSON(to io.Writer, value any) error {
	encoder := json.NewEncoder(to)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// line shows one result; what to do about it goes below.
func line(r doctor.Result) string {
	var b strings.Builder
	state := strings.ReplaceAll(string(r.State), "_", " ")
	fmt.Fprintf(&b, "%-11s  %-12s  %s", state, r.Check, r.Seen)
	if r.State != doctor.NotChecked {
		fmt.Fprintf(&b, "  (%s)", brief(r.Took))
	}
	b.WriteString("\n")
	if len(r.Settings) > 0 {
		fmt.Fprintf(&b, "%27s%s: %s\n", "", strings.Join(r.Settings, ", "), r.Advice)
	} else if r.Advice != "" {
		fmt.Fprintf(&b, "%27s%s\n", "", r.Advice)
	}
	return b.String()
}

// brief is a duration to the eye: 3 ms, 1.2 s.
func brief(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
