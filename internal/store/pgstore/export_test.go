package pgstore

import (
	"context"
	"maps"
	"time"
)

// Planning is how connections for commits are planned.
func Planning() map[string]string { return maps.Clone(planning) }

// Statements are those of a commit, by the names of their constants.
func Statements() map[string]string {
	return map[string]string{
		"sqlNumber": sqlNumber, "sqlClaim": sqlClaim, "sqlMake": sqlMake, "sqlChange": sqlChange, "sqlEnd": sqlEnd, "sqlEvents": sqlEvents,
	}
}

// AddPartitions makes the partitions of the days around a time.
func AddPartitions(ctx context.Context, s *Store, now time.Time) error {
	return s.addPartitions(ctx, now)
}
