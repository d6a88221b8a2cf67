package node

import (
	"container/heap"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// alarm is what wakes a node: a connection, a call, an account whose subscription is late, the
// next slice of a drain, or, zero, its own chores.
type alarm struct {
	conn    ConnID
	call    call.ID
	account call.Account
	drain   bool
}

// alarms wait for their times. Setting one again moves it.
type alarms struct {
	queue alarmHeap
	index map[alarm]*entry
}

// entry is an alarm that is set.
type entry struct {
	alarm alarm
	at    time.Time
	seq   uint64 // Which of two at the same time was set first: a replayed seed handles them alike.
	pos   int    // In the heap, so that it can be moved and removed.
}

func (s *alarms) set(a alarm, at time.Time) {
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

func (s *alarms) drop(a alarm) {
	if e := s.index[a]; e != nil {
		heap.Remove(&s.queue, e.pos)
		delete(s.index, a)
	}
}

func (s *alarms) next() (time.Time, bool) {
	if len(s.queue.list) == 0 {
		return time.Time{}, false
	}
	return s.queue.list[0].at, true
}

// due takes all alarms that are due, so that one set again for now waits for the next Woke.
func (s *alarms) due(now time.Time) (list []alarm) {
	for {
		a, ok := s.pop(now)
		if !ok {
			return list
		}
		list = append(list, a)
	}
}

// pop takes the first alarm that is due.
func (s *alarms) pop(now time.Time) (alarm, bool) {
	if at, ok := s.next(); !ok || at.After(now) {
		return alarm{}, false
	}
	e := heap.Pop(&s.queue).(*entry)
	delete(s.index, e.alarm)
	return e.alarm, true
}

// alarmHeap orders them: the earliest first.
type alarmHeap struct {
	list []*entry
	seq  uint64
}

func (q *alarmHeap) Len() int { return len(q.list) }

func (q *alarmHeap) Less(i, j int) bool {
	a, b := q.list[i], q.list[j]
	if a.at.Equal(b.at) {
		return a.seq < b.seq
	}
	return a.at.Before(b.at)
}

func (q *alarmHeap) Swap(i, j int) {
	q.list[i], q.list[j] = q.list[j], q.list[i]
	q.list[i].pos, q.list[j].pos = i, j
}

func (q *alarmHeap) Push(x any) {
	e := x.(*entry)
	e.pos = len(q.list)
	q.list = append(q.list, e)
}

func (q *alarmHeap) Pop() any {
	last := len(q.list) - 1
	e := q.list[last]
	q.list[last] = nil
	q.list = q.list[:last]
	return e
}
