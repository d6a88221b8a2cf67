// Package sqlstore keeps calls in an SQL database.
//
// It owns the tables; internal/server opens a Store and hands it to the node.
// A Store is safe for concurrent use: commits take turns on the connection
// that writes, reads have connections of their own and wait for nobody.
//
// All but sqlite.go is written for any database with "$N" parameters,
// ON CONFLICT and savepoints; what is peculiar to one belongs in its own file.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"
)

// Store implements store.Store.
type Store struct {
	writer, reader *sql.DB
	write          writes
	read           reads
	described      described
	clock          func() time.Time
	// release gives up what Open took beside the connections.
	release func() error
}

// Now implements store.Store.
func (s *Store) Now(context.Context) (time.Time, error) { return s.clock(), nil }

// Close implements store.Store. It waits for commits that have begun.
func (s *Store) Close() error {
	err := errors.Join(s.reader.Close(), s.writer.Close(), s.release())
	if err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// unixNano is how a time is kept. What lies outside of the range, as the zero
// time does, goes to the near end of it and so compares as it should.
func unixNano(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

func fromUnixNano(ns int64) time.Time { return time.Unix(0, ns).UTC() }
