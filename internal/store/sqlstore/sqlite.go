package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// sqliteReaders is how many reads run at once, and sqliteFeeders how many of events beside them.
const (
	sqliteReaders = 4
	sqliteFeeders = 2
)

// sqliteBusyTimeout is how long to wait for another process that looks into
// the file, such as a backup.
const sqliteBusyTimeout = 5 * time.Second

// ErrInUse says that another process has the database open.
var ErrInUse = errors.New("in use by another peal process")

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

	// vfs names what SQLite does its input and output by: "" for the usual.
	vfs string
}

// Open opens a store whose journal is an SQLite database, which no other process may
// have open, and brings its tables up to date.
func Open(ctx context.Context, config Config) (*store.Memory, error) {
	j, clock, err := openJournal(ctx, &config)
	if err != nil {
		return nil, err
	}
	m, err := store.Open(ctx, j, clock)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", j.path, err), j.Close())
	}
	return m, nil
}

func openJournal(ctx context.Context, config *Config) (_ *journal, clock func() time.Time, err error) {
	path, err := filepath.Abs(config.Path)
	if err != nil {
		return nil, nil, fmt.Errorf("find database: %w", err)
	}
	synchronous := strings.ToLower(config.Synchronous)
	switch {
	case synchronous == "":
		synchronous = "full"
	case !slices.Contains([]string{"off", "normal", "full"}, synchronous):
		return nil, nil, fmt.Errorf("open %s: synchronous is %q, not one of off, normal, full", path, config.Synchronous)
	}
	j := &journal{path: path, slots: slots{of: make(map[call.ID]int64)}}
	j.books = books{j}
	if j.release, err = claimFile(path); err != nil {
		return nil, nil, err
	}
	version, err := j.open(ctx, synchronous, config.vfs)
	switch {
	case errors.Is(err, ErrNewer):
		return nil, nil, errors.Join(fmt.Errorf("%s %w", path, err), j.release())
	case err != nil:
		return nil, nil, errors.Join(fmt.Errorf("open %s: %w", path, err), j.release())
	}
	last, err := j.latest(ctx)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open %s: %w", path, err), j.Close())
	}
	if config.Clocks == nil {
		config.Clocks = store.Machine()
	}
	if config.Logger != nil {
		config.Logger.InfoContext(ctx, "store opened",
			"path", path, "tables_version", version, "synchronous", synchronous)
	}
	return j, store.NewClock(config.Clocks, last).Now, nil
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

// open opens the connections and returns the version of the tables.
func (j *journal) open(ctx context.Context, synchronous, vfs string) (version int64, err error) {
	// SQLite's own fsync, where it is built as on any Linux: all that is needed to
	// read the file back, and no time stamps. Where there is none it stays with fsync.
	if _, err := sqlite.Fdatasync(true); err != nil && !errors.Is(err, sqlite.ErrFdatasyncUnavailable) {
		return 0, fmt.Errorf("choose how to flush: %w", err)
	}
	common := url.Values{
		"_busy_timeout": {fmt.Sprint(sqliteBusyTimeout.Milliseconds())},
		"_foreign_keys": {"on"},
		"_synchronous":  {synchronous},
	}
	if vfs != "" {
		common.Set("vfs", vfs)
	}
	writing := url.Values{
		"_journal_mode": {"wal"},
		"_txlock":       {"immediate"},
		// The journal does that itself, and sees whether it fails.
		"_pragma": {"wal_autocheckpoint(0)", "cache_size(-16384)", "journal_size_limit(0)"},
	}
	reading := url.Values{"_query_only": {"on"}}
	if j.reader, err = openConnections(j.path, sqliteReaders, common, reading); err != nil {
		return 0, err
	}
	if j.feeder, err = openConnections(j.path, sqliteFeeders, common, reading); err != nil {
		return 0, errors.Join(err, j.reader.Close())
	}
	if version, err = j.migrate(ctx, common, writing); err == nil {
		j.writer, err = newWriter(connection(j.path, common, writing))
	}
	if err != nil {
		return 0, errors.Join(err, j.reader.Close(), j.feeder.Close())
	}
	if j.read, err = prepareReads(ctx, j.reader, j.feeder); err != nil {
		return 0, errors.Join(err, j.reader.Close(), j.feeder.Close(), j.writer.close())
	}
	return version, nil
}

// migrate brings the tables up to date.
func (j *journal) migrate(ctx context.Context, settings ...url.Values) (version int64, err error) {
	now, err := j.version(ctx)
	if err != nil {
		return 0, err
	}
	db, err := openConnections(j.path, 1, settings...)
	if err != nil {
		return 0, err
	}
	version, err = migrate(ctx, db, now)
	return version, errors.Join(err, db.Close())
}

// version is that of the tables, 0 for none. It asks a connection that cannot write:
// the first use of the one that writes changes the file to our journal mode, and a
// newer peal must find its file as it was.
func (j *journal) version(ctx context.Context) (version int64, err error) {
	var n int
	row := j.reader.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = $1`, goose.DefaultTablename)
	if err := row.Scan(&n); err != nil {
		return 0, fmt.Errorf("look for version of tables: %w", err)
	}
	if n == 0 {
		return 0, nil
	}
	return latest(ctx, j.reader)
}

// connection names a connection with its settings.
func connection(path string, settings ...url.Values) string {
	query := make(url.Values)
	for _, values := range settings {
		maps.Copy(query, values)
	}
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // A drive letter.
	}
	name := url.URL{Scheme: "file", Path: slashed, RawQuery: query.Encode()}
	return name.String()
}

// openConnections opens a number of connections, which stay open, since each
// holds its settings and prepared statements.
func openConnections(path string, n int, settings ...url.Values) (*sql.DB, error) {
	db, err := sql.Open("sqlite", connection(path, settings...))
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}
