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
func (s *Queues) String() string { return string(s.append(nil, true)) }

// AppendShape appends what String shows, without revs: two states of the same shape go on in
// the same ways where their copies are as old.
func (s *Queues) AppendShape(b []byte) []byte { return s.append(b, false) }

func (s *Queues) append(b []byte, revs bool) []byte {
	for _, id := range slices.Sorted(maps.Keys(s.each)) {
		q := s.each[id]
		b = append(b, id...)
		if revs {
			b = fmt.Appendf(b, " rev=%d newest=%d", q.call.Rev, q.newest)
		}
		b = append(q.append(b), '\n')
	}
	return b
}

func (q *Queue) append(b []byte) []byte {
	b = fmt.Appendf(b, " holders=%d", q.holders)
	for _, flag := range []struct {
		name string
		on   bool
	}{
		{" known", q.known},
		{" busy", q.busy},
		{" patient", q.patient},
		{" paused", q.paused},
		{" announce", q.announce},
		{" unknown", q.unknown},
	} {
		if flag.on {
			b = append(b, flag.name...)
		}
	}
	for i := range q.jobs {
		e := &q.jobs[i]
		b = fmt.Appendf(b, " [%s tries=%d", nameOf(e.Job), e.tries)
		if a := e.asks(); a != nil {
			b = append(append(b, " for="...), a.Sender().ID...)
		}
		if e.reread {
			b = append(b, " reread"...)
		}
		if e.admitted {
			b = append(b, " admitted"...)
		}
		b = append(b, ']')
	}
	return b
}

// nameOf is a job's name.
func nameOf(j Job) string {
	switch j := j.(type) {
	case Apply:
		return strings.TrimPrefix(fmt.Sprintf("%T", j.Input), "call.") + " of " + string(j.Input.Sender().ID)
	case Present:
		return "present"
	case mergedRepeat:
		return "repeat of merged " + string(j.invite.ID)
	case *settlement:
		return fmt.Sprintf("settle %s merges=%v", j.invite.ID, j.merges)
	default:
		return strings.TrimPrefix(fmt.Sprintf("%T", j), "callqueue.")
	}
}
