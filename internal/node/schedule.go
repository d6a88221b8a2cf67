package node

import (
	"container/heap"
	"time"
)

// schedule holds alarms in the order of their times. Setting one again moves it.
type schedule struct {
	queue alarms
	index map[alarm]*entry
}

type entry struct {
	alarm alarm
	at    time.Time
	seq   uint64 // Which of two at the same time was set first.
	pos   int
}

func (s *schedule) set(a alarm, at time.Time) {
	if s.index == nil {
		s.index = make(map[alarm]*entry)
	}
	if e := s.index[a]; e != nil {
		if !e.at.Equal(at) {
			e.at = at
			heap.Fix(&s.queue, e.pos)
		}
		return
	}
	s.queue.seq++
	e := &entry{alarm: a, at: at, seq: s.queue.seq}
	s.index[a] = e
	heap.Push(&s.queue, e)
}

func (s *schedule) drop(a alarm) {
	if e := s.index[a]; e != nil {
		heap.Remove(&s.queue, e.pos)
		delete(s.index, a)
	}
}

func (s *schedule) next() (time.Time, bool) {
	if len(s.queue.list) == 0 {
		return time.Time{}, false
	}
	return s.queue.list[0].at, true
}

// pop takes the first alarm that is due.
func (s *schedule) pop(now time.Time) (alarm, bool) {
	if at, ok := s.next(); !ok || at.After(now) {
		return alarm{}, false
	}
	e := heap.Pop(&s.queue).(*entry)
	delete(s.index, e.alarm)
	return e.alarm, true
}

// alarms is the heap.
type alarms struct {
	list []*entry
	seq  uint64
}

func (q *alarms) Len() int { return len(q.list) }

func (q *alarms) Less(i, j int) bool {
	a, b := q.list[i], q.list[j]
	if a.at.Equal(b.at) {
		return a.seq < b.seq
	}
	return a.at.Before(b.at)
}

func (q *alarms) Swap(i, j int) {
	q.list[i], q.list[j] = q.list[j], q.list[i]
	q.list[i].pos, q.list[j].pos = i, j
}

func (q *alarms) Push(x any) {
	e := x.(*entry)
	e.pos = len(q.list)
	q.list = append(q.list, e)
}

func (q *alarms) Pop() any {
	last := len(q.list) - 1
	e := q.list[last]
	q.list[last] = nil
	q.list = q.list[:last]
	return e
}
