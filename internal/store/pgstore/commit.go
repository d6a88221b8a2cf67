package pgstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// Commit implements store.Store.
func (s *Store) Commit(ctx context.Context, changes []store.Change) ([]store.Result, error) {
	if err := ctx.Err(); err != nil {
		return store.Unknown(len(changes), err), err
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	results := make([]store.Result, len(changes))
	encoded := make([]*change, 0, len(changes))
	for i := range changes {
		c, err := s.descriptions.encode(&changes[i], i)
		if err != nil {
			results[i].Err = fmt.Errorf("%w: %w", store.ErrNotDone, err)
			continue
		}
		encoded = append(encoded, c)
	}
	var err error
	lost := 0
	for _, wave := range waves(encoded) {
		if err == nil {
			err = s.make(ctx, wave, results)
		} else {
			fail(wave, results, err)
		}
		if err != nil {
			lost += len(wave)
		}
	}
	if lost < len(changes) {
		err = nil // Some have another result.
	}
	return results, err
}

// make makes the changes of a wave. Its error is one after which the rest of the batch is not
// tried.
func (s *Store) make(ctx context.Context, wave []*change, results []store.Result) error {
	wait, tries := pauseFirst, 1
	for len(wave) > 0 {
		got, err := s.transact(ctx, wave)
		if err == nil {
			wave = s.settle(wave, got, results)
			continue
		}
		switch is := fateOf(err); {
		case is == unknown:
			err = fmt.Errorf("commit: %w", named(err))
			fail(wave, results, err)
			return err
		case is == away && repeat(ctx, &s.retries, wait) == nil:
			wait = min(2*wait, pauseMost)
		case is == away:
			err = fmt.Errorf("commit: %w: %w", store.ErrNotDone, named(err))
			fail(wave, results, err)
			return err
		case len(wave) > 1:
			return s.makeEach(ctx, wave, results)
		case is == contended && tries < contendedTries && repeat(ctx, &s.retries, contendedFirst<<tries) == nil:
			tries++
		default:
			s.log.ErrorContext(ctx, "a change was refused", "call_id", wave[0].Call.ID, "error", err)
			fail(wave, results, fmt.Errorf("commit: %w: %w", store.ErrNotDone, named(err)))
			return nil
		}
	}
	return nil
}

// makeEach makes each change of a wave in a transaction of its own: one of them failed all.
func (s *Store) makeEach(ctx context.Context, wave []*change, results []store.Result) error {
	for i := range wave {
		if err := s.make(ctx, wave[i:i+1], results); err != nil {
			fail(wave[i+1:], results, err)
			return err
		}
	}
	return nil
}

// fail gives changes an error for a result.
func fail(wave []*change, results []store.Result, err error) {
	for _, c := range wave {
		results[c.index] = store.Result{Err: err}
	}
}

// settle takes the results of a transaction, and returns the changes that are to be made again.
func (s *Store) settle(wave []*change, got, results []store.Result) (again []*change) {
	for i, c := range wave {
		if got[i].Verdict == 0 {
			again = append(again, c)
			continue
		}
		results[c.index] = got[i]
		if got[i].Verdict == store.Done {
			s.descriptions.note(&c.Call)
		}
	}
	return again
}

// transact makes a wave in one transaction, by one round trip. The results are in the order of the
// wave; one without a verdict asks for a repetition.
func (s *Store) transact(ctx context.Context, wave []*change) ([]store.Result, error) {
	conn, err := s.commits.Acquire(ctx)
	if err != nil {
		return nil, notSent{err}
	}
	defer conn.Release()
	t := newTransaction(s, wave)
	if err := conn.SendBatch(ctx, &t.batch).Close(); err != nil {
		if is := fateOf(err); is == away || is == unknown {
			drop(conn)
			s.commits.Reset() // The others lead to the same server.
		}
		return nil, err
	}
	s.out.committed(t.newest)
	return t.results, nil
}

// drop closes a connection that is of no more use, such as one to a server that takes no writes.
func drop(conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_ = conn.Conn().Close(ctx) // The error that led here is the one that counts.
}

// notSent says that a transaction was not begun.
type notSent struct{ error }

func (n notSent) Unwrap() error { return n.error }

// SafeToRetry is what pgconn.SafeToRetry asks.
func (notSent) SafeToRetry() bool { return true }

// accounts are those whose claims a change makes or frees.
func (c *change) accounts() []call.Account {
	if created := c.From == 0; created != c.Call.Live() {
		return nil
	}
	return []call.Account{c.Call.Caller().Account, c.Call.Callee().Account}
}
