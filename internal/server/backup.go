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
	path, to, err := absolute(Database(data), to)
	if err != nil {
		return sqlstore.Contents{}, err
	}
	return sqlstore.Backup(ctx, path, to)
}

// Restore puts a backup in the place of the database of a data folder, on which no server may
// run, and gives the name that the one before has now: none where there was none.
func Restore(ctx context.Context, from, data string) (contents sqlstore.Contents, old string, err error) {
	path, from, err := absolute(Database(data), from)
	if err != nil {
		return sqlstore.Contents{}, "", err
	}
	contents, old, err = sqlstore.Restore(ctx, from, path)
	if errors.Is(err, sqlstore.ErrInUse) {
		err = fmt.Errorf("%w: stop that one first", err)
	}
	return contents, old, err
}

// absolute makes the names of two files absolute: the store opens a file by its whole name.
func absolute(one, other string) (absOne, absOther string, err error) {
	if absOne, err = filepath.Abs(one); err == nil {
		absOther, err = filepath.Abs(other)
	}
	if err != nil {
		return "", "", fmt.Errorf("find the working folder: %w", err)
	}
	return absOne, absOther, nil
}
