package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

// ErrNewer says that a later version of peal has changed the tables.
var ErrNewer = errors.New("was written by a newer peal")

// migrate brings the tables to the version of this program and returns it. now is the
// version that they have.
func migrate(ctx context.Context, db *sql.DB, dialect goose.Dialect, migrations fs.FS, now int64) (version int64, err error) {
	// The provider is not closed: that would close db, and it holds nothing else.
	provider, err := goose.NewProvider(dialect, db, migrations)
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	sources := provider.ListSources()
	version = sources[len(sources)-1].Version
	if now > version {
		return 0, fmt.Errorf("%w (schema %d, this one knows %d): start that version, or restore a backup", ErrNewer, now, version)
	}
	if _, err := provider.Up(ctx); err != nil {
		return 0, fmt.Errorf("migrate tables: %w", err)
	}
	return version, nil
}

// latest is the version of tables that are there.
func latest(ctx context.Context, db *sql.DB, dialect goose.Dialect) (int64, error) {
	versions, err := database.NewStore(dialect, goose.DefaultTablename)
	if err == nil {
		var version int64
		if version, err = versions.GetLatestVersion(ctx, db); err == nil {
			return version, nil
		}
	}
	return 0, fmt.Errorf("read version of tables: %w", err)
}
