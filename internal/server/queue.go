package server

import "sync"

// queue is work for other goroutines. Putting never blocks, so that the loop
// cannot wait for those who wait for it; what is in it is bounded by what the
// node has under way.
type queue[T any] struct {
	mu     sync.Mutex // Guards what follows.
	filled *sync.Cond
	items  []T
	closed bool
}

func newQueue[T any]() *queue[T] {
	q := &queue[T]{}
	q.filled = sync.NewCond(&q.mu)
	return q
}

func (q *queue[T]) put(item T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(q.items, item)
	q.filled.Signal()
}

// take waits for items and takes up to most of them, the oldest first. None
// means that the queue is closed and empty.
func (q *queue[T]) take(most int) []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.closed {
		q.filled.Wait()
	}
	n := min(most, len(q.items))
	taken := q.items[:n:n]
	if q.items = q.items[n:]; len(q.items) == 0 {
		q.items = nil
	}
	return taken
}

func (q *queue[T]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.filled.Broadcast()
}
