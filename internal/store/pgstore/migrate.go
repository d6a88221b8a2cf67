package pgstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// ErrNewer says that a later version of peal has changed the tables in a way that this one does
// not understand.
var ErrNewer = errors.New("the tables were made by a newer peal")

//go:embed migrations/*.sql
var migrations embed.FS

// migrateWithin is how long the migrations of another node may take, which this one waits for.
const migrateWithin = 10 * time.Minute

// migrate brings the tables up to date and returns their version. One node at a time does so: it
// holds a lock of its session, which a pooler in between would break.
func migrate(ctx context.Context, config *pgx.ConnConfig) (version int64, err error) {
	direct := config.Copy()
	for _, unbounded := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		direct.RuntimeParams[unbounded] = "0"
	}
	db := stdlib.OpenDB(*direct)
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.PingContext(ctx); err != nil {
		return 0, err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return 0, err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, uint64(migrateWithin/time.Second)))
	if err != nil {
		return 0, err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	sources := provider.ListSources()
	known := sources[len(sources)-1].Version
	if _, err := provider.Up(ctx); err != nil {
		return 0, fmt.Errorf("migrate tables: %w", err)
	}
	var least int64
	if err := db.QueryRowContext(ctx, `SELECT readable_from FROM meta`).Scan(&least); err != nil {
		return 0, fmt.Errorf("read version of tables: %w", err)
	}
	if least > known {
		return 0, fmt.Errorf("%w (it needs version %d, this one knows %d): start that version", ErrNewer, least, known)
	}
	return known, nil
}
