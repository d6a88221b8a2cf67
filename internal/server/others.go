package server

import (
	"context"
	"errors"
	"time"
)

// booksEvery is how often a server looks for API keys and log-outs that other nodes stored.
const booksEvery = time.Second

// sharedBooks is a store whose keys and log-outs other nodes change, too.
type sharedBooks interface {
	// BooksVersion counts the changes.
	BooksVersion(ctx context.Context) (int64, error)
}

// followBooks reads the API keys and log-outs again when another node changed them, until the server
// stops.
func followBooks(s *Server) {
	books, ok := s.store.(sharedBooks)
	if !ok {
		return // They are changed here alone.
	}
	looks := time.NewTicker(booksEvery)
	defer looks.Stop()
	version, failing := int64(-1), false
	for {
		select {
		case <-s.quit:
			return
		case <-looks.C:
		}
		now, err := readBooks(s, books, version)
		if err == nil {
			version = now
		} else if !failing {
			s.log.Error("cannot look for API keys and log-outs of other nodes", "error", storeError{err})
		}
		failing = err != nil
	}
}

// readBooks reads the API keys and log-outs where they are not those of a version. They are those of
// the version that it returns, or newer. Devices that were admitted meanwhile by tokens from before a
// log-out are closed.
func readBooks(s *Server, books sharedBooks, version int64) (int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	begun := time.Now()
	now, err := books.BooksVersion(ctx)
	switch {
	case err != nil:
		return now, err
	case now == version:
		s.logOuts.admitted.revoked(nil, begun)
		return now, nil
	}
	revoked, err := s.logOuts.reload(ctx, begun)
	for _, one := range revoked {
		s.loop.tell(arrival{in: one})
	}
	return now, errors.Join(s.keyring.reload(ctx), err)
}
