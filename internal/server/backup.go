package server

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/peal-rtc/peal/internal/store/sqlstore"
)

// Database is the file of calls and records in a data folder.
func Database(data string) string { return filepath.Join(data, "peal.db") }

// Backup copies the database of a data folder to a new file. A server that runs on it goes on.
func Backup(ctx context.Context, data, to string) (sqlstore.Contents, error) {
	return sqlstore.Backup(ctx, Database(data), to)
}

// Restore puts a backup in the place of the database of a data folder, on which no server may
// run, and gives the name that the one before has now: none where there was none.
func Restore(ctx context.Context, from, data string) (contents sqlstore.Contents, old string, err error) {
	contents, old, err = sqlstore.Restore(ctx, from, Database(data))
	if errors.Is(err, sqlstore.ErrInUse) {
		err = fmt.Errorf("%w: stop that one first", err)
	}
	return contents, old, err
}
