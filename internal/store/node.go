package store

import (
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

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

// LowestFormat is the lowest format of the nodes that live, for node.Config.Lowest: one that all of
// them step. Where none lives it is that of this program.
func LowestFormat(nodes []Node, now time.Time) uint8 {
	lowest := int(call.Format)
	for i := range nodes {
		if nodes[i].Until.After(now) {
			lowest = min(lowest, nodes[i].Format)
		}
	}
	return uint8(max(lowest, 0))
}
