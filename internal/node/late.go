package node

import (
	"hash/fnv"
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

const (
	// lateAfter is how long a deadline must have passed before nodes look for its call: the
	// alarms of the nodes that have its devices are the usual way.
	lateAfter = time.Second
	// lateForAll is how long after that each node takes up a call, and not only the one whose
	// share it is.
	lateForAll = 4 * time.Second
)

// lateCalls are the calls of other nodes' shares that were found late at the last look, and when
// each was found first.
type lateCalls map[call.ID]time.Time

// findDue looks for calls whose deadlines passed without anyone stepping them: their node is
// dead or slow.
func (ls *leases) findDue() { ls.do(FindDue{ls.now.Add(-lateAfter), pageSize}) }

// foundDue takes up those of this node's share, and those that other nodes leave.
func (ls *leases) foundDue(in FoundDue) {
	if in.Err != nil {
		ls.log.Warn("cannot look for calls that are due", "error", in.Err)
		return
	}
	late := make(lateCalls)
	for _, id := range in.IDs {
		first, known := ls.late[id]
		if !known {
			first = ls.now
		}
		if ls.shares(id) || ls.now.Sub(first) >= lateForAll {
			ls.calls.Due(id)
		} else {
			late[id] = first
		}
	}
	ls.late = late
}

// shares says whether a call is of this node's share: each of the nodes that live has one. A
// node that does not count as alive takes all.
func (ls *leases) shares(id call.ID) bool {
	i, found := slices.BinarySearch(ls.alive, ls.cfg.Incarnation)
	if !found {
		return true
	}
	h := fnv.New32a()
	h.Write([]byte(id)) // It never fails.
	return int(h.Sum32()%uint32(len(ls.alive))) == i
}
