package callqueue

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/peal-rtc/peal/internal/call"
)

// Clone copies the queues for another host. A search does so to go on from one state in
// several ways.
func (s *Queues) Clone(host Host) *Queues {
	c := &Queues{cfg: s.cfg, host: host, each: make(map[call.ID]*Queue, len(s.each))}
	for id, q := range s.each {
		copied := *q
		copied.all, copied.jobs, copied.sent = c, slices.Clone(q.jobs), maps.Clone(q.sent)
		for i := range copied.jobs {
			if j, ok := copied.jobs[i].Job.(*settlement); ok {
				settles := *j
				copied.jobs[i].Job = &settles
			}
		}
		for a, v := range copied.sent {
			sent := *v
			sent.keys = maps.Clone(v.keys)
			copied.sent[a] = &sent
		}
		c.each[id] = &copied
	}
	return c
}

// String shows what each queue has and waits for, in the order of calls: a line for each.
func (s *Queues) String() string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(s.each)) {
		b.WriteString(s.each[id].String())
		b.WriteByte('\n')
	}
	return b.String()
}

// String shows one queue.
func (q *Queue) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s rev=%d newest=%d holders=%d", q.id, q.call.Rev, q.newest, q.holders)
	for _, flag := range []struct {
		name string
		on   bool
	}{
		{"known", q.known},
		{"busy", q.busy},
		{"patient", q.patient},
		{"paused", q.paused},
		{"announce", q.announce},
		{"unknown", q.unknown},
	} {
		if flag.on {
			b.WriteString(" " + flag.name)
		}
	}
	if c := &q.pending.change; c.Call.ID != "" {
		fmt.Fprintf(&b, " commits=%d/%d", c.From, c.Call.State)
	}
	for i := range q.jobs {
		e := &q.jobs[i]
		fmt.Fprintf(&b, " [%s tries=%d", nameOf(e.Job), e.tries)
		if a := e.asks(); a != nil {
			fmt.Fprintf(&b, " for=%s", a.Sender().ID)
		}
		if e.reread {
			b.WriteString(" reread")
		}
		if e.admitted {
			b.WriteString(" admitted")
		}
		b.WriteByte(']')
	}
	return b.String()
}

// nameOf is a job's name.
func nameOf(j Job) string {
	switch j := j.(type) {
	case Apply:
		return fmt.Sprintf("%T of %s", j.Input, j.Input.Sender().ID)
	case Present:
		return "present"
	case *settlement:
		return fmt.Sprintf("settle %s merges=%v", j.invite.ID, j.merges)
	default:
		return strings.TrimPrefix(fmt.Sprintf("%T", j), "callqueue.")
	}
}
