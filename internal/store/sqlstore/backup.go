package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
)

// Contents is what a database holds.
type Contents struct {
	// Live is how many calls go on or ring.
	Live    int
	Records int
	Bytes   int64
}

// ErrNoDatabase says that a file is no database of Peal's.
var ErrNoDatabase = errors.New("is no database of Peal's")

// errExists says that a backup would go over another file.
var errExists = errors.New("exists already: give the name of a new file")

// replaced is how a database is named whose place a backup has taken.
const replaced = ".replaced"

// Backup copies the database at path to a new file, as it is at one moment. A process that
// has the database open goes on meanwhile: nobody waits.
func Backup(ctx context.Context, path, to string) (_ Contents, err error) {
	if _, err := os.Stat(path); err != nil {
		return Contents{}, fmt.Errorf("find the database: %w", err)
	}
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return Contents{}, fmt.Errorf("%s %w", to, errExists)
	}
	// Readable by its owner alone from the first byte on: SQLite fills an empty file.
	partial, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".*.partial")
	if err != nil {
		return Contents{}, fmt.Errorf("make the backup: %w", err)
	}
	defer func() { err = errors.Join(err, remove(partial.Name())) }()
	if err := partial.Close(); err != nil {
		return Contents{}, fmt.Errorf("make the backup: %w", err)
	}
	err = with(path, func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, `VACUUM INTO $1`, partial.Name())
		return err
	})
	if err != nil {
		return Contents{}, fmt.Errorf("copy %s: %w", path, err)
	}
	contents, err := check(ctx, partial.Name())
	if err != nil {
		return Contents{}, fmt.Errorf("the copy of %s %w", path, err)
	}
	return contents, place(partial.Name(), to)
}

// Restore puts a backup in the place of the database at path, which no process may have
// open. What was there stays beside it, by another name. Live calls of the backup are dropped, as
// they have ended since; it returns how many.
func Restore(ctx context.Context, from, path string) (_ Contents, old string, err error) {
	if _, err := os.Stat(from); err != nil {
		return Contents{}, "", fmt.Errorf("find the backup: %w", err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return Contents{}, "", fmt.Errorf("find database: %w", err)
	}
	contents, err := check(ctx, from)
	if err != nil {
		return Contents{}, "", fmt.Errorf("%s %w", from, err)
	}
	release, err := claimFile(path)
	if err != nil {
		return Contents{}, "", err
	}
	defer func() { err = errors.Join(err, release()) }()
	restored := path + ".restoring"
	if err := errors.Join(remove(restored), copyFile(from, restored)); err != nil {
		return Contents{}, "", fmt.Errorf("copy the backup: %w", err)
	}
	err = with(restored, func(db *sql.DB) error {
		version, err := latest(ctx, db)
		if err != nil {
			return err
		}
		if _, err := migrate(ctx, db, version); err != nil {
			return err
		}
		_, err = db.ExecContext(ctx, `DELETE FROM live`)
		return err
	})
	if err != nil {
		return Contents{}, "", fmt.Errorf("drop live calls: %w", err)
	}
	if old, err = aside(path); err != nil {
		return Contents{}, "", fmt.Errorf("put the old database aside: %w", err)
	}
	return contents, old, place(restored, path)
}

// with opens a database that is there, and closes it.
func with(path string, do func(*sql.DB) error) (err error) {
	db, err := openConnections(path, 1, url.Values{
		"_busy_timeout": {fmt.Sprint(sqliteBusyTimeout.Milliseconds())}, "mode": {"rw"},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return do(db)
}

// check holds that a file is a whole database that this program knows, and counts what is in it.
func check(ctx context.Context, path string) (c Contents, err error) {
	err = with(path, func(db *sql.DB) error {
		var sound string
		if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&sound); err != nil || sound != "ok" {
			return fmt.Errorf("%w, or is damaged: %s", ErrNoDatabase, errors.Join(err, errors.New(sound)))
		}
		version, err := latest(ctx, db)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNoDatabase, err)
		}
		provider, err := newProvider(db)
		if err != nil {
			return err
		}
		if known := known(provider); version > known {
			return fmt.Errorf("%w (schema %d, this one knows %d): use that version", ErrNewer, version, known)
		}
		live := `SELECT count(*) FROM live`
		if version < journalVersion {
			live = `SELECT count(*) FROM calls WHERE ended_ns IS NULL`
		}
		row := db.QueryRowContext(ctx, `SELECT (`+live+`), (SELECT count(*) FROM records)`)
		if err := row.Scan(&c.Live, &c.Records); err != nil {
			return fmt.Errorf("%w: %w", ErrNoDatabase, err)
		}
		return nil
	})
	if err != nil {
		return Contents{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return Contents{}, err
	}
	c.Bytes = info.Size()
	return c, nil
}

// aside renames a database and what belongs to it, and returns its new name: none where
// there was nothing in it.
func aside(path string) (string, error) {
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		return "", err
	}
	name := path + replaced
	for n := 2; ; n++ {
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			break
		}
		name = fmt.Sprintf("%s%s-%d", path, replaced, n)
	}
	for _, part := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(path+part, name+part); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return name, nil
}

// place gives a file that is written its name, for good.
func place(file, name string) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("flush %s: %w", file, err)
	}
	if err := os.Rename(file, name); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(name))
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
