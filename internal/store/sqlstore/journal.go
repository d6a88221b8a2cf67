// Package sqlstore is the journal of store.Memory in an SQLite database.
//
// It owns the file and its tables. internal/server opens a store and hands it to the
// node; nothing of a call is read from the file while the call lives. Writes take
// turns on one connection, reads have connections of their own and wait for nobody.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/stored"
)

const (
	// touchEvery is how long a write counts as a sign that the next one succeeds.
	touchEvery = time.Second
	// pruneRows is how many rows go in one transaction: commits wait for no more
	// than that.
	pruneRows = 500
	// walBytes is when the write-ahead log is copied into the database, and
	// lookEvery after how many changes to look at its size.
	walBytes  = 4 << 20
	lookEvery = 16
)

// journal implements store.Journal.
type journal struct {
	books
	path   string
	reader *sql.DB
	// feeder reads events for backends, which may take long: what others wait for is read by reader.
	feeder *sql.DB
	read   reads
	// release gives up what Open took beside the connections.
	release func() error

	mu     sync.Mutex // Guards what follows.
	writer *writer
	slots  slots
	wrote  time.Time
	// changes are those since the last look at the size of the log.
	changes int
	// broken is why nothing is written any more.
	broken error
}

// Append implements store.Journal.
func (j *journal) Append(batch []store.Entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var exist, taken []call.ID
	j.changes += len(batch)
	err := j.transact(func(w *writer) error {
		for i := range batch {
			e := &batch[i]
			if e.Created && e.Call.Live() {
				taken = append(taken, e.Call.ID)
				j.slots.take(e.Call.ID)
			}
			done, err := w.put(e, j.slots.of[e.Call.ID])
			if err != nil {
				return err
			}
			if !done {
				exist = append(exist, e.Call.ID)
			}
		}
		if len(exist) > 0 {
			return &store.ExistsError{IDs: exist}
		}
		return w.queue(batch)
	})
	if err != nil {
		for _, id := range taken {
			j.slots.give(id)
		}
		return err
	}
	for i := range batch {
		if e := &batch[i]; !e.Created && !e.Call.Live() {
			j.slots.give(e.Call.ID)
		}
	}
	return nil
}

// Touch implements store.Journal.
func (j *journal) Touch(now time.Time) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken == nil && time.Since(j.wrote) < touchEvery {
		return nil
	}
	j.changes++
	return j.transact(func(w *writer) error {
		_, err := w.exec(w.touch, stored.Nanos(now))
		return err
	})
}

// transact runs do in a transaction, which is flushed when it succeeds. The caller
// holds mu.
func (j *journal) transact(do func(*writer) error) error {
	if j.broken != nil {
		return j.broken
	}
	w := j.writer
	if _, err := w.exec(w.begin); err != nil {
		return j.failed("begin", err, false)
	}
	if err := do(w); err != nil {
		return errors.Join(j.failed("write", err, false), j.undo())
	}
	if _, err := w.exec(w.commit); err != nil {
		return errors.Join(j.failed("commit", err, true), j.undo())
	}
	j.wrote = time.Now()
	j.checkpoint()
	return nil
}

// undo rolls back. The database may have done that by itself.
func (j *journal) undo() error {
	if _, err := j.writer.exec(j.writer.rollback); err != nil && !isNoTransaction(err) {
		j.broken = fmt.Errorf("roll back: %w", named(err))
		return j.broken
	}
	return nil
}

// failed says of an error what it means, and ends all work where nobody knows what
// the disk holds.
func (j *journal) failed(doing string, err error, committing bool) error {
	var exists *store.ExistsError
	if errors.As(err, &exists) {
		return err
	}
	if definite(err, committing) {
		return fmt.Errorf("%s: %w: %w", doing, store.ErrNotDone, named(err))
	}
	j.broken = fmt.Errorf("%s: %w", doing, named(err))
	return j.broken
}

// checkpoint copies the write-ahead log into the database once it is long. SQLite
// would do that by itself, and tell nobody that a flush failed. A failure concerns
// what comes later: what was committed is in the log.
func (j *journal) checkpoint() {
	if j.changes < lookEvery {
		return
	}
	j.changes = 0
	info, err := os.Stat(j.path + "-wal")
	if err != nil || info.Size() < walBytes {
		return
	}
	if _, err := j.writer.exec(j.writer.checkpoint); err != nil && !definite(err, true) {
		j.broken = fmt.Errorf("checkpoint: %w", named(err))
	}
}

// Prune implements store.Journal.
func (j *journal) Prune(ctx context.Context, callsBefore, recordsBefore time.Time) (rows int, err error) {
	for _, prune := range []struct {
		before time.Time
		do     func(*writer, int64) (int64, error)
	}{
		{callsBefore, (*writer).pruneCalls}, {recordsBefore, (*writer).pruneRecords},
	} {
		for n := int64(pruneRows); n == pruneRows; rows += int(n) {
			if err := ctx.Err(); err != nil {
				return rows, fmt.Errorf("%w: %w", store.ErrNotDone, err)
			}
			n, err = j.prune(stored.Nanos(prune.before), prune.do)
			if err != nil {
				return rows, err
			}
		}
	}
	return rows, nil
}

// prune deletes one portion.
func (j *journal) prune(before int64, do func(*writer, int64) (int64, error)) (rows int64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.changes += pruneRows
	err = j.transact(func(w *writer) (err error) {
		rows, err = do(w, before)
		return err
	})
	return rows, err
}

// Close implements store.Journal.
func (j *journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	err := errors.Join(j.reader.Close(), j.feeder.Close(), j.writer.close(), j.release())
	if err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// slots are the rows of the table live: which call has which, and which are free.
type slots struct {
	of   map[call.ID]int64
	free []int64
	next int64
}

func (s *slots) take(id call.ID) {
	if last := len(s.free) - 1; last >= 0 {
		s.of[id], s.free = s.free[last], s.free[:last]
		return
	}
	s.next++
	s.of[id] = s.next
}

func (s *slots) give(id call.ID) {
	s.free = append(s.free, s.of[id])
	delete(s.of, id)
}

// replayed takes the slot of a call that was found.
func (s *slots) replayed(id call.ID, slot int64) {
	for s.next++; s.next < slot; s.next++ {
		s.free = append(s.free, s.next)
	}
	s.of[id] = slot
}
