package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store/stored"
)

// ErrNewer says that a later version of peal has changed the tables.
var ErrNewer = errors.New("was written by a newer peal")

//go:embed migrations/sqlite/*.sql
var migrations embed.FS

// journalTables are the statements of migration 4.
//
//go:embed migrations/journal.sql
var journalTables string

// journalVersion is that of the tables from which on there is a journal.
const journalVersion = 4

// newProvider makes what brings tables up to date. It is not closed: that would
// close db, and it holds nothing else.
func newProvider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations/sqlite")
	if err == nil {
		var p *goose.Provider
		p, err = goose.NewProvider(goose.DialectSQLite3, db, files,
			goose.WithGoMigrations(goose.NewGoMigration(journalVersion, &goose.GoFunc{RunTx: toJournal}, nil)))
		if err == nil {
			return p, nil
		}
	}
	return nil, fmt.Errorf("read migrations: %w", err)
}

// migrate brings the tables to the version of this program and returns it. now is the
// version that they have.
func migrate(ctx context.Context, db *sql.DB, now int64) (version int64, err error) {
	provider, err := newProvider(db)
	if err != nil {
		return 0, err
	}
	version = known(provider)
	if now > version {
		return 0, fmt.Errorf("%w (schema %d, this one knows %d): start that version, or restore a backup", ErrNewer, now, version)
	}
	if _, err := provider.Up(ctx); err != nil {
		return 0, fmt.Errorf("migrate tables: %w", err)
	}
	if now != version {
		// The log holds all that was rewritten: the first commits must not wait for its copying.
		if _, err := db.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
			return 0, fmt.Errorf("migrate tables: %w", err)
		}
	}
	return version, nil
}

// known is the version of the tables that this program makes.
func known(provider *goose.Provider) int64 {
	sources := provider.ListSources()
	return sources[len(sources)-1].Version
}

// latest is the version of tables that are there.
func latest(ctx context.Context, db *sql.DB) (int64, error) {
	versions, err := database.NewStore(goose.DialectSQLite3, goose.DefaultTablename)
	if err == nil {
		var version int64
		if version, err = versions.GetLatestVersion(ctx, db); err == nil {
			return version, nil
		}
	}
	return 0, fmt.Errorf("read version of tables: %w", err)
}

// toJournal is migration 4: it makes the tables of the journal, and takes the calls
// over, live ones with their descriptions. Claims and deadlines follow from them.
func toJournal(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, journalTables); err != nil {
		return err
	}
	for after, more := call.ID(""), true; more; {
		calls, err := oldCalls(ctx, tx, after)
		if err != nil {
			return err
		}
		for i := range calls {
			if err := takeOver(ctx, tx, &calls[i]); err != nil {
				return err
			}
			after = calls[i].call.ID
		}
		more = len(calls) > 0
	}
	for _, drop := range []string{`DROP TABLE descriptions`, `DROP TABLE calls`} {
		if _, err := tx.ExecContext(ctx, drop); err != nil {
			return err
		}
	}
	return nil
}

// oldCall is a call of the tables before the journal.
type oldCall struct {
	call    call.Call
	changed int64
}

// oldCalls reads a portion of them.
func oldCalls(ctx context.Context, tx *sql.Tx, after call.ID) (calls []oldCall, err error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT changed_ns, body, generation, offer, answer FROM calls
		LEFT JOIN descriptions ON call_id = id WHERE id > $1 ORDER BY id LIMIT 500`, string(after))
	err = each(rows, err, func(r row) error {
		var body []byte
		var generation sql.NullInt64
		var offer, answer sql.NullString
		var old oldCall
		if err := r.Scan(&old.changed, &body, &generation, &offer, &answer); err != nil {
			return err
		}
		c := &old.call
		if err := json.Unmarshal(body, c); err != nil {
			return fmt.Errorf("decode call: %w", err)
		}
		if generation.Valid && generation.Int64 == int64(c.Media.Generation) {
			c.Media.Offer, c.Media.Answer = call.SDP(offer.String), call.SDP(answer.String)
		}
		calls = append(calls, old)
		return nil
	})
	return calls, err
}

func takeOver(ctx context.Context, tx *sql.Tx, old *oldCall) error {
	c := &old.call
	body, err := stored.Encode(c)
	if err != nil {
		return err
	}
	if !c.Live() {
		_, err = tx.ExecContext(ctx, sqlEnd, string(c.ID), stored.Nanos(c.Outcome.EndedAt), body)
		return err
	}
	descriptions, err := stored.Describe(c)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO live (id, changed_ns, body, descriptions) VALUES ($1, $2, $3, $4)`,
		string(c.ID), old.changed, pad(body), descriptions)
	return err
}
