package sqlstore

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/peal-rtc/peal/internal/store"
)

// code is that of an error of SQLite, with its particulars; 0 for another error.
func code(err error) int {
	var failed *sqlite.Error
	if !errors.As(err, &failed) {
		return 0
	}
	return failed.Code()
}

// definite says that an error has left nothing of a transaction. Before the COMMIT
// that holds for all errors but those of a flush. In the COMMIT it holds where the
// last page cannot have been written: a disk that is full, a lock, and a refusal
// before anything is written.
func definite(err error, committing bool) bool {
	switch code(err) {
	case sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC, sqlite3.SQLITE_IOERR_CLOSE:
		return false
	}
	if !committing {
		return true
	}
	switch code(err) & 0xff { // The rest is particulars.
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CONSTRAINT:
		return true
	}
	return false
}

// isNoTransaction says that there was nothing to roll back.
func isNoTransaction(err error) bool { return code(err) == sqlite3.SQLITE_ERROR }

// named says by store's own errors why SQLite failed, where those have a name for it.
func named(err error) error {
	switch code(err) & 0xff {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("%w: %w", store.ErrLocked, err)
	}
	return err
}
