package callqueue

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Inspection is what a queue holds, for operators.
type Inspection struct {
	Call call.ID `json:"call"`
	// State and Rev are those of the copy; empty where there is none to go by.
	State string `json:"state,omitempty"`
	Rev   uint32 `json:"rev,omitempty"`
	// Newest is the highest rev that is known to exist.
	Newest   uint32    `json:"newest,omitempty"`
	Deadline time.Time `json:"deadline,omitzero"`
	// Jobs is how many wait. Busy says that the first one waits for the store or for another
	// call, Paused that the store failed and the queue waits to try again.
	Jobs   int  `json:"jobs,omitempty"`
	Busy   bool `json:"busy,omitempty"`
	Paused bool `json:"paused,omitempty"`
	// Failing is how many requests to the store have failed in a row.
	Failing int `json:"failing,omitempty"`
	// Holders is how many devices of this node have to do with the call.
	Holders int `json:"holders,omitempty"`
}

// Inspect tells what the queues hold, in the order of calls: the queue of one call, or, where no
// call is given, the first of all.
func (s *Queues) Inspect(id call.ID, most int) []Inspection {
	var all []Inspection
	for _, q := range s.each {
		if id != "" && q.id != id {
			continue
		}
		i := Inspection{
			Call: q.id, Newest: q.newest, Jobs: len(q.jobs), Busy: q.busy, Paused: q.paused, Failing: q.failing, Holders: q.holders,
		}
		if q.known && q.exists() {
			name := pealv1.CallState(q.call.State).String()
			i.State, i.Rev = strings.ToLower(strings.TrimPrefix(name, "CALL_STATE_")), q.call.Rev
			i.Deadline, _ = q.call.Deadline()
		}
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b Inspection) int { return cmp.Compare(a.Call, b.Call) })
	return all[:min(most, len(all))]
}
