package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/peal-rtc/peal/internal/control"
	"github.com/peal-rtc/peal/internal/server"
)

// inspectCommand shows what a node holds.
type inspectCommand struct {
	Call string `arg:"" optional:"" help:"The id of a call. Without one, all calls are shown, a thousand at most."`
	Data string `default:"peal-data" placeholder:"DIR" env:"PEAL_DATA" help:"Data folder of the server (${default})."`
}

// Help implements kong.HelpProvider.
func (*inspectCommand) Help() string {
	return `Shows in JSON what a running server holds in memory: its calls with their revisions and what they wait for,
its devices in calls, and which nodes it knows to live. Compare the nodes of a cluster by it when a call
does not end or a device does not return. The command asks the server that runs on the data folder, so
run it on the same machine and as the user of the server. The output names accounts.

Examples:
  peal inspect --data /var/lib/peal
  peal inspect 0198c1d2-7a3b-7c4d-8e5f-001122334455`
}

// Run prints the JSON.
func (c *inspectCommand) Run(std streams) error {
	asked := control.Client{Data: c.Data, Database: server.Database(c.Data)}
	state, err := asked.Inspect(context.Background(), c.Call)
	if err != nil {
		return fmt.Errorf("inspect: %w", err)
	}
	var shown bytes.Buffer
	if err := json.Indent(&shown, state, "", "  "); err != nil {
		return fmt.Errorf("inspect: %w", err)
	}
	_, err = fmt.Fprintln(std.out, shown.String())
	return err
}
