package pgstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/peal-rtc/peal/internal/store"
)

// fate is what an error says about the transaction that it ended.
type fate uint8

const (
	// unknown: the database may have committed.
	unknown fate = iota
	// contended: nothing was done, because of another transaction.
	contended
	// away: nothing was done, because no database takes writes at the moment.
	away
	// defect: nothing was done, and nothing would be by a repetition.
	defect
)

// fateOf reads an error of a transaction.
func fateOf(err error) fate {
	var failed *pgconn.PgError
	var connect *pgconn.ConnectError
	var preparing pgx.ErrPreprocessingBatch
	switch {
	case errors.As(err, &connect), pgconn.SafeToRetry(err):
		return away // No statement was sent.
	case errors.As(err, &preparing) && !errors.As(err, &failed):
		return away // The statements were being prepared.
	case !errors.As(err, &failed), failed.SeverityUnlocalized != "ERROR":
		return unknown // Also 57P01: it may break off the wait for a standby, after the commit.
	}
	switch failed.Code {
	// A deadlock, a conflict, a lock that took too long, a call that was made beside its tombstone.
	case "40P01", "40001", "55P03", "23505":
		return contended
	case "25006", "57P03", "53300": // Read only, starting, too many connections.
		return away
	}
	return defect
}

// pauses are the waits between tries while the database is away, each twice as long as the one
// before, up to pauseMost.
const (
	pauseFirst = 20 * time.Millisecond
	pauseMost  = 500 * time.Millisecond
	// contendedTries is how often a change is tried that another transaction keeps from being made.
	contendedTries = 5
	contendedFirst = 5 * time.Millisecond
)

// pause waits a part of d by chance, and no longer than ctx lasts.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d/2 + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// read runs a read, and runs it again until the deadline while no connection lasts.
func (s *Store) read(ctx context.Context, do func(context.Context, *pgxpool.Pool) error) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	for wait := pauseFirst; ; wait = min(2*wait, pauseMost) {
		err := do(ctx, s.reads)
		if err == nil || !broken(err) || repeat(ctx, &s.retries, wait) != nil {
			return named(err)
		}
	}
}

// broken says that an error is one of the connection or of the server, not of what was asked.
func broken(err error) bool {
	var failed *pgconn.PgError
	var scan pgx.ScanArgError
	switch {
	case errors.Is(err, pgx.ErrNoRows), errors.As(err, &scan):
		return false
	case errors.As(err, &failed):
		return fateOf(err) != defect
	}
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connect) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// write runs do in a transaction, and again until the deadline where the database is the reason
// that nothing was done. An error of do itself rolls back and is returned as it is. Any other leaves
// open whether the transaction was committed, unless it wraps store.ErrNotDone.
func (s *Store) write(ctx context.Context, do func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	for wait := pauseFirst; ; wait = min(2*wait, pauseMost) {
		var own error
		err := pgx.BeginFunc(ctx, s.reads, func(tx pgx.Tx) error {
			own = do(ctx, tx)
			return own
		})
		is := fateOf(err)
		switch {
		case err == nil:
			return nil
		case own != nil && broken(own):
			is = away // It never came to a COMMIT.
		case own != nil && is != contended && is != away:
			return own
		}
		if is == unknown {
			return named(err)
		}
		if is == defect || repeat(ctx, &s.retries, wait) != nil {
			return fmt.Errorf("%w: %w", store.ErrNotDone, named(err))
		}
	}
}

// named says by store's own errors why PostgreSQL failed, where those have a name for it.
func named(err error) error {
	var failed *pgconn.PgError
	if errors.As(err, &failed) && failed.Code == "53100" {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}
