// Package pgstore is a store in PostgreSQL, which any number of nodes share.
//
// A commit is one round trip: a pipeline of at most a few statements, each for all changes, in one
// implicit transaction. READ COMMITTED and the unique claims are what it relies on; ADR 34.
package pgstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/peal-rtc/peal/internal/store"
)

// What a node uses at most. Commits have connections of their own, so that reads never keep them
// waiting.
const (
	commitConnections = 3
	readConnections   = 5
)

// deadline is how long a commit or a read goes on trying. It is shorter than a lease.
const deadline = 5 * time.Second

// pingAfter is for how long a connection is taken to be good after its last use.
const pingAfter = 200 * time.Millisecond

// Config says how to open a store.
type Config struct {
	// URL is that of the database, such as postgres://user:password@host/database, as libpq reads
	// it. It may name several hosts: the one that takes writes is used.
	URL string
	// Logger may be nil.
	Logger *slog.Logger

	// taken, in tests, is called with each connection that is taken from a pool. Nothing polls then.
	taken func(context.Context, *pgx.Conn) (bool, error)
}

// Store is a store in PostgreSQL. It is safe for concurrent use.
type Store struct {
	books

	commits *pgxpool.Pool
	reads   *pgxpool.Pool
	log     *slog.Logger
	retries atomic.Uint64
	out     *outbox

	descriptions *descriptions

	mu   sync.Mutex // Guards what follows.
	node store.Node // What Beat writes beside the lease.
}

// Open opens a store, and brings the tables of its database up to date.
func Open(ctx context.Context, config Config) (_ *Store, err error) {
	pool, err := pgxpool.ParseConfig(config.URL)
	if err != nil {
		return nil, fmt.Errorf("read the URL of PostgreSQL: %w", err)
	}
	if err := prepare(pool); err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	pool.PrepareConn = config.taken
	s := &Store{log: config.Logger, descriptions: newDescriptions()}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	version, err := migrate(ctx, pool.ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	commits := pool.Copy()
	commits.MaxConns = commitConnections
	maps.Copy(commits.ConnConfig.RuntimeParams, planning)
	pool.MaxConns = readConnections
	if s.commits, err = pgxpool.NewWithConfig(ctx, commits); err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	if s.reads, err = pgxpool.NewWithConfig(ctx, pool); err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	if err := s.checkSettings(ctx); err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	now, err := s.Now(ctx)
	if err == nil {
		err = s.addPartitions(ctx, now)
	}
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	if err := s.openBooks(ctx, config.taken == nil); err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	s.log.InfoContext(ctx, "store opened", "host", pool.ConnConfig.Host, "database", pool.ConnConfig.Database, "tables_version", version)
	return s, nil
}

// settings are those of each connection, where the URL does not say otherwise.
var settings = map[string]string{
	"application_name":                    "peal",
	"statement_timeout":                   "5s",
	"lock_timeout":                        "1s",
	"idle_in_transaction_session_timeout": "5s",
	"synchronous_commit":                  "on",
}

// planning is that of connections for commits. Their statements begin with arrays of a few rows
// and find all else by a key, whatever the planner believes about tables that are new.
var planning = map[string]string{
	"plan_cache_mode":  "force_generic_plan",
	"enable_hashjoin":  "off",
	"enable_mergejoin": "off",
	"enable_seqscan":   "off",
	"jit":              "off",
}

// prepare sets what a connection needs and refuses what cannot work.
func prepare(pool *pgxpool.Config) error {
	c := pool.ConnConfig
	if mode := c.DefaultQueryExecMode; mode == pgx.QueryExecModeSimpleProtocol || mode == pgx.QueryExecModeExec {
		return errors.New("default_query_exec_mode must not be simple_protocol or exec: remove it from the URL, or choose cache_describe")
	}
	for name, value := range settings {
		if _, given := c.RuntimeParams[name]; !given {
			c.RuntimeParams[name] = value
		}
	}
	if c.ConnectTimeout == 0 || c.ConnectTimeout >= 2*time.Minute { // pgx's own default is 2 min.
		c.ConnectTimeout = 2 * time.Second
	}
	if c.ValidateConnect == nil {
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	c.DialFunc = dial
	pool.PingTimeout = time.Second
	// A connection that broke while nobody used it leaves the outcome of a commit open: see fateOf.
	pool.ShouldPing = func(_ context.Context, p pgxpool.ShouldPingParams) bool { return p.IdleDuration > pingAfter }
	pool.MinConns = 1
	return nil
}

// checkSettings refuses what would make a commit mean something else.
func (s *Store) checkSettings(ctx context.Context) error {
	var isolation, durable string
	row := s.commits.QueryRow(ctx, `SELECT current_setting('default_transaction_isolation'), current_setting('synchronous_commit')`)
	if err := row.Scan(&isolation, &durable); err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	switch {
	case isolation != "read committed":
		return fmt.Errorf("default_transaction_isolation is %q and must be %q", isolation, "read committed")
	case durable == "off":
		return errors.New("synchronous_commit is off: a crash would lose calls that people have already seen")
	}
	return nil
}

// Warnings says what in the settings of the database puts calls at risk, one sentence each.
func (s *Store) Warnings(ctx context.Context) (warnings []string, err error) {
	var asynchronous, unsafe bool
	err = s.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		// A role that may not see the state of a replica sees NULL.
		return pool.QueryRow(ctx, `SELECT current_setting('synchronous_standby_names') = ''
			AND EXISTS (SELECT FROM pg_stat_replication WHERE coalesce(state, 'streaming') = 'streaming'),
			current_setting('fsync') = 'off'`).Scan(&asynchronous, &unsafe)
	})
	if err != nil {
		return nil, fmt.Errorf("read settings of PostgreSQL: %w", err)
	}
	if asynchronous {
		warnings = append(warnings, "A standby of PostgreSQL streams, and synchronous_standby_names is empty: "+
			"a failover to it forgets calls that were answered. Make it synchronous.")
	}
	if unsafe {
		warnings = append(warnings, "fsync of PostgreSQL is off: a crash of its machine may destroy the database.")
	}
	return warnings, nil
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.out.close()
	s.close()
	return nil
}

func (s *Store) close() {
	for _, pool := range []*pgxpool.Pool{s.commits, s.reads} {
		if pool != nil {
			pool.Close()
		}
	}
}
