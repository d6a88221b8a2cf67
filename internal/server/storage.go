package server

import (
	"errors"
	"sync"
	"time"

	"github.com/peal-rtc/peal/internal/store"
)

const (
	// storeSilence is how long after the last write the store still counts as there: a
	// node writes its lease every two seconds.
	storeSilence = 6 * time.Second
	// storePause is how long after a write that failed the store does not count as there,
	// though others succeed: a disk that is full has room for some.
	storePause = 4 * time.Second
)

// storage remembers how the store does. Its methods may be called from any goroutine.
type storage struct {
	// lost is called when the store has failed until it is opened again.
	lost func(error)

	mu     sync.Mutex // Guards what follows.
	wrote  time.Time
	failed time.Time
}

// read takes the error of a read, and marks it as one of the store.
func (s *storage) read(err error) error {
	if err == nil || errors.Is(err, store.ErrNotFound) {
		return err
	}
	s.look(err)
	return storeError{err}
}

// look tells of an error after which the store does nothing any more.
func (s *storage) look(err error) {
	if errors.Is(err, store.ErrFailed) && s.lost != nil {
		s.lost(err)
	}
}

// write takes the error of a write, and marks it as one of the store.
func (s *storage) write(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.wrote = time.Now()
		return nil
	}
	s.failed = time.Now()
	s.look(err)
	return storeError{err}
}

// fails says that the last write failed.
func (s *storage) fails() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed.After(s.wrote)
}

// writable says whether calls can be stored.
func (s *storage) writable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wrote.IsZero() || time.Since(s.wrote) > storeSilence {
		return false
	}
	return s.failed.IsZero() || s.wrote.After(s.failed) && time.Since(s.failed) >= storePause
}
