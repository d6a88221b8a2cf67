package main

import (
	"context"
	"fmt"

	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/server"
)

// inData says where the database is that backup and restore work on.
type inData struct {
	Data  string `default:"peal-data" placeholder:"DIR" env:"PEAL_DATA" help:"Data folder of the server (${default})."`
	Store string `placeholder:"URL" env:"PEAL_STORE" help:"The setting of the server. With PostgreSQL there is nothing to do here: the command says so and ends."`
}

// check refuses PostgreSQL, which has better ways of its own.
func (d *inData) check(instead string) error {
	if d.Store == "" {
		return nil
	}
	if err := config.CheckPostgres("store", d.Store); err != nil {
		return misuse{err}
	}
	return misuse{fmt.Errorf("store is PostgreSQL, and this command works on SQLite in a data folder alone: %s", instead)}
}

// backupCommand copies the database of a server, which goes on meanwhile.
type backupCommand struct {
	File string `arg:"" help:"The file to write; there must be none of this name."`
	inData
}

// Help implements kong.HelpProvider.
func (*backupCommand) Help() string {
	return `The copy is the database as it is at one moment, whether a server runs on it or not: calls and records,
in one file that only you can read. A plain copy of peal.db is none: the newest changes are in files beside it.

Run it as the user of the server, and put it back with "peal restore".

Example:
  peal backup --data /var/lib/peal peal-$(date +%F).db`
}

// Run makes the copy and says what is in it.
func (c *backupCommand) Run(std streams) error {
	if err := c.check("back the database up by pg_dump, or by base backups and its log"); err != nil {
		return err
	}
	contents, err := server.Backup(context.Background(), c.Data, c.File)
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	_, err = fmt.Fprintf(std.out, "%s: %d records, %d live calls, %d bytes\n", c.File, contents.Records, contents.Live, contents.Bytes)
	return err
}

// restoreCommand puts a backup in the place of a server's database.
type restoreCommand struct {
	File string `arg:"" help:"The file that \"peal backup\" wrote."`
	inData
}

// Help implements kong.HelpProvider.
func (*restoreCommand) Help() string {
	return `Stop the server first. The database that was there stays in the folder, by another name that is printed.

Calls that were on when the backup was made are dropped: they have ended since. What was recorded after the
backup is in the old database alone.

Example:
  peal restore --data /var/lib/peal peal-2026-01-02.db`
}

// Run puts the backup back and says what was dropped.
func (c *restoreCommand) Run(std streams) error {
	if err := c.check("stop all nodes and restore the database by the means of PostgreSQL"); err != nil {
		return err
	}
	contents, old, err := server.Restore(context.Background(), c.File, c.Data)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if old != "" {
		old = "\nthe database before: " + old
	}
	_, err = fmt.Fprintf(std.out, "%s: %d records; %d live calls dropped%s\n", server.Database(c.Data), contents.Records, contents.Live, old)
	return err
}
