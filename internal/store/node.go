package store

import "time"

// Node is what the lease of a node incarnation says of it.
type Node struct {
	// Incarnation names one start of the node.
	Incarnation string
	// Release is the version of the program, and Format the newest format of stored calls that it
	// steps and writes.
	Release string
	Format  int
	// Address is where other nodes and commands reach the node's HTTP server, and Relay where
	// devices reach its TURN relay; empty for unknown or none.
	Address, Relay string
	// Begun is when the node took its lease first, and Until when the lease runs out, both by the
	// clock of the store.
	Begun, Until time.Time
}
