package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// ErrNewer says that a later version of peal has changed the tables.
var ErrNewer = errors.New("the database was written by a newer version of peal")

// migrate brings the tables to the version of this program and returns it.
func migrate(ctx context.Context, db *sql.DB, dialect goose.Dialect, migrations fs.FS) (version int64, err error) {
	// The provider is not closed: that would close db, and it holds nothing else.
	provider, err := goose.NewProvider(dialect, db, migrations)
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	have, want, err := provider.GetVersions(ctx)
	if err != nil {
		return 0, fmt.Errorf("read version of tables: %w", err)
	}
	if have > want {
		return 0, fmt.Errorf("%w: its tables have version %d, this one knows %d", ErrNewer, have, want)
	}
	if _, err := provider.Up(ctx); err != nil {
		return 0, fmt.Errorf("migrate tables: %w", err)
	}
	return want, nil
}
