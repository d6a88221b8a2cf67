package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite" // Also the driver "sqlite".
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/peal-rtc/peal/internal/store"
)

// sqliteReaders is how many reads run at once.
const sqliteReaders = 4

// sqliteBusyTimeout is how long to wait for another process that looks into
// the file, such as a backup.
const sqliteBusyTimeout = 5 * time.Second

// ErrInUse says that another process has the database open.
var ErrInUse = errors.New("in use by another peal process")

//go:embed migrations/sqlite/*.sql
var sqliteMigrations embed.FS

// Config says how to open an SQLite database.
type Config struct {
	// Path is the database file. It and its folder are made when missing.
	Path string
	// Synchronous is when a commit counts as durable: "full" (the default)
	// when it has been flushed to the disk; "normal" loses the last commits
	// and "off" may lose the database when the machine, not the process, dies.
	Synchronous string
	// Clocks reads the machine's: nil for what the machine has.
	Clocks func() (wall time.Time, passed time.Duration)
	// Logger may be nil.
	Logger *slog.Logger
}

// Open opens an SQLite database, which no other process may have open, and
// brings its tables up to date. Leases that it finds are those of processes
// that are gone, so it drops them.
func Open(ctx context.Context, config Config) (_ *Store, err error) {
	s := &Store{}
	path, err := filepath.Abs(config.Path)
	if err != nil {
		return nil, fmt.Errorf("find database: %w", err)
	}
	synchronous := strings.ToLower(config.Synchronous)
	switch {
	case synchronous == "":
		synchronous = "full"
	case !slices.Contains([]string{"off", "normal", "full"}, synchronous):
		return nil, fmt.Errorf("open %s: synchronous is %q, not one of off, normal, full", path, config.Synchronous)
	}
	if s.release, err = claimFile(path); err != nil {
		return nil, err
	}
	version, err := s.openSQLite(ctx, path, synchronous)
	switch {
	case errors.Is(err, ErrNewer):
		return nil, errors.Join(fmt.Errorf("%s %w", path, err), s.release())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), s.release())
	}
	latest, err := s.latestStored(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), s.Close())
	}
	if config.Clocks == nil {
		config.Clocks = store.Machine()
	}
	s.clock = store.NewClock(config.Clocks, latest).Now
	if config.Logger != nil {
		config.Logger.InfoContext(ctx, "store opened",
			"path", path, "tables_version", version, "synchronous", synchronous)
	}
	return s, nil
}

// claimFile makes the database file, readable by its owner alone, and keeps
// other processes from it until release.
func claimFile(path string) (release func() error, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	// The lock is on a file of its own, for the database locks its own file.
	// It stays when released: to remove it would let two processes lock two
	// files of one name.
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	if err := lockFile(lock); err != nil {
		if errors.Is(err, errLocked) {
			err = fmt.Errorf("data folder %s is %w", filepath.Dir(path), ErrInUse)
		} else {
			err = fmt.Errorf("lock %s: %w", lock.Name(), err)
		}
		return nil, errors.Join(err, lock.Close())
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make database file: %w", err), lock.Close())
	}
	return lock.Close, nil
}

// openSQLite opens the connections and returns the version of the tables.
func (s *Store) openSQLite(ctx context.Context, path, synchronous string) (version int64, err error) {
	common := url.Values{
		"_busy_timeout": {fmt.Sprint(sqliteBusyTimeout.Milliseconds())},
		"_foreign_keys": {"on"},
		"_synchronous":  {synchronous},
	}
	s.writer, err = openConnections(path, 1, common, url.Values{
		"_journal_mode": {"wal"},
		"_txlock":       {"immediate"},
		// Savepoints journal what they may have to undo: not on the disk.
		"_pragma": {"temp_store(memory)"},
	})
	if err != nil {
		return 0, err
	}
	s.reader, err = openConnections(path, sqliteReaders, common, url.Values{"_query_only": {"on"}})
	if err != nil {
		return 0, errors.Join(err, s.writer.Close())
	}
	version, err = s.prepareSQLite(ctx)
	if err != nil {
		return 0, errors.Join(err, s.reader.Close(), s.writer.Close())
	}
	return version, nil
}

func (s *Store) prepareSQLite(ctx context.Context) (version int64, err error) {
	migrations, err := fs.Sub(sqliteMigrations, "migrations/sqlite")
	if err != nil {
		return 0, fmt.Errorf("find migrations: %w", err)
	}
	now, err := s.versionSQLite(ctx)
	if err != nil {
		return 0, err
	}
	if version, err = migrate(ctx, s.writer, goose.DialectSQLite3, migrations, now); err != nil {
		return 0, err
	}
	if _, err := s.writer.ExecContext(ctx, `DELETE FROM leases`); err != nil {
		return 0, fmt.Errorf("drop former leases: %w", err)
	}
	if s.write, err = prepareWrites(ctx, s.writer); err != nil {
		return 0, err
	}
	s.read, err = prepareReads(ctx, s.reader)
	return version, err
}

// latestStored is the latest time that is stored: the clock never goes back behind it.
func (s *Store) latestStored(ctx context.Context) (time.Time, error) {
	var changed, ended sql.NullInt64
	row := s.reader.QueryRowContext(ctx, `SELECT (SELECT max(changed_ns) FROM calls), (SELECT max(ended_ns) FROM records)`)
	if err := row.Scan(&changed, &ended); err != nil {
		return time.Time{}, fmt.Errorf("read latest time: %w", err)
	}
	return fromUnixNano(max(changed.Int64, ended.Int64)), nil
}

// versionSQLite is the version of the tables, 0 for none. It asks a connection that
// cannot write: the first use of the one that writes changes the file to our journal
// mode, and a newer peal must find its file as it was.
func (s *Store) versionSQLite(ctx context.Context) (version int64, err error) {
	var n int
	row := s.reader.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = $1`, goose.DefaultTablename)
	if err := row.Scan(&n); err != nil {
		return 0, fmt.Errorf("look for version of tables: %w", err)
	}
	if n == 0 {
		return 0, nil
	}
	return latest(ctx, s.reader, goose.DialectSQLite3)
}

// openConnections opens a number of connections, which stay open, since each
// holds its settings and prepared statements.
func openConnections(path string, n int, settings ...url.Values) (*sql.DB, error) {
	query := make(url.Values)
	for _, values := range settings {
		maps.Copy(query, values)
	}
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // A drive letter.
	}
	name := url.URL{Scheme: "file", Path: slashed, RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// named says by store's own errors why SQLite failed, where those have a name for it.
func named(err error) error {
	var failed *sqlite.Error
	if !errors.As(err, &failed) {
		return err
	}
	switch failed.Code() & 0xff { // The rest is particulars.
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("%w: %w", store.ErrLocked, err)
	}
	return err
}
