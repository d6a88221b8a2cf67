package pgstore

import "maps"

// Planning is how connections for commits are planned.
func Planning() map[string]string { return maps.Clone(planning) }

// Statements are those of a commit.
func Statements() map[string]string {
	return map[string]string{"claim": sqlClaim, "make": sqlMake, "change": sqlChange, "end": sqlEnd}
}
