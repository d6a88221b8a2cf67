package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/peal-rtc/peal/internal/control"
	"github.com/peal-rtc/peal/internal/server"
)

// keyCommand makes, lists and revokes the API keys of a server that runs.
type keyCommand struct {
	New    keyNewCommand    `cmd:"" help:"Make an API key, and print it once."`
	List   keyListCommand   `cmd:"" help:"List the API keys, without their secrets."`
	Revoke keyRevokeCommand `cmd:"" help:"Revoke an API key: the server refuses it at once."`
}

// Help implements kong.HelpProvider.
func (*keyCommand) Help() string {
	return `A key lets a backend use the server API (docs/build/server-api.md). The command asks the server that runs on the
data folder, so run it on the same machine and as the user of the server. A new key works at
once. The first key turns the server API on.

To replace a key without a break, make a second key of the same name and give it to the backends. Revoke the
first key when "peal key list" shows that no backend uses it any more.

Examples:
  peal key new --name crm --scope calls,read
  peal key list
  peal key revoke crm`
}

// keyData names the data folder of the server.
type keyData struct {
	Data string `default:"peal-data" placeholder:"DIR" env:"PEAL_DATA" help:"Data folder of the server (${default})."`
}

func (d *keyData) client() control.Client {
	return control.Client{Data: d.Data, Database: server.Database(d.Data)}
}

// keyNewCommand makes a key.
type keyNewCommand struct {
	Name  string   `required:"" placeholder:"NAME" help:"Name of the key: 1 to 28 of a-z, 0-9 and -. It becomes the id of the key, with a number after it where another key has that id."`
	Scope []string `required:"" placeholder:"SCOPE" help:"Scopes of the key, separated by commas: read (calls, records, accounts, events), calls (end calls), accounts (log out, block, erase), hooks (webhooks), admin (the audit)."`
	keyData
}

// Help implements kong.HelpProvider.
func (*keyNewCommand) Help() string {
	return `The command prints only the key, for use in scripts. The server stores a hash of the key and cannot show the
key again: put it where the backend reads its secrets.

Examples:
  peal key new --name crm --scope calls,read
  (umask 077; peal key new --data /var/lib/peal --name crm --scope read > crm-key)`
}

// Run prints the key.
func (c *keyNewCommand) Run(std streams) error {
	key, err := c.client().Make(context.Background(), c.Name, c.Scope)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	if _, err := fmt.Fprintln(std.out, key.Secret); err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.err, "key %s opens %s; it is not shown again\n", key.ID, strings.Join(key.Scopes, ", "))
	return err
}

// keyListCommand lists the keys.
type keyListCommand struct{ keyData }

// Help implements kong.HelpProvider.
func (*keyListCommand) Help() string {
	return `Times are UTC. The last use is stored to the minute. Keys of the setting api-keys (PEAL_API_KEYS) are listed
too: they have every scope, and their use is not stored.

Example:
  peal key list --data /var/lib/peal`
}

// Run prints a table.
func (c *keyListCommand) Run(std streams) error {
	keys, err := c.client().List(context.Background())
	if err != nil {
		return fmt.Errorf("list keys: %w", err)
	}
	if len(keys) == 0 {
		_, err := fmt.Fprintln(std.err, "there is no key: make one by peal key new")
		return err
	}
	table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tSCOPES\tCREATED\tLAST USED\tSTATE")
	for _, key := range keys {
		created, used, state := minute(key.Created, "-"), minute(key.Used, "never"), "good"
		switch {
		case key.Fixed:
			used, state = "-", "in the settings"
		case !key.Revoked.IsZero():
			state = "revoked " + minute(key.Revoked, "")
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", key.ID, strings.Join(key.Scopes, ","), created, used, state)
	}
	return table.Flush()
}

// minute is a time to the minute; what stands for none otherwise.
func minute(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// keyRevokeCommand revokes a key.
type keyRevokeCommand struct {
	ID string `arg:"" name:"id" help:"Id of the key, as \"peal key list\" shows it."`
	keyData
}

// Help implements kong.HelpProvider.
func (*keyRevokeCommand) Help() string {
	return `The server refuses requests with the key at once. The list shows the key as long as the audit is kept
(--keep-records). Until then no other key gets its id.

Example:
  peal key revoke crm`
}

// Run revokes the key.
func (c *keyRevokeCommand) Run(std streams) error {
	if err := c.client().Revoke(context.Background(), c.ID); err != nil {
		return fmt.Errorf("revoke a key: %w", err)
	}
	_, err := fmt.Fprintf(std.out, "key %s is revoked\n", c.ID)
	return err
}
