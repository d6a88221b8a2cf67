package server

import (
	"sync"

	"github.com/peal-rtc/peal/internal/node"
)

// reads are what the node asks of the store and waits to be read. Putting never
// blocks, so that the loop cannot wait for those who wait for it; what is in it is
// bounded by what the node has under way.
type reads struct {
	mu      sync.Mutex // Guards what follows.
	filled  *sync.Cond
	waiting []node.Request
	closed  bool
}

func newReads() *reads {
	r := &reads{}
	r.filled = sync.NewCond(&r.mu)
	return r
}

func (r *reads) put(e node.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(r.waiting, e)
	r.filled.Signal()
}

// take waits for the oldest. False means that the queue is closed and empty.
func (r *reads) take() (node.Request, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.waiting) == 0 && !r.closed {
		r.filled.Wait()
	}
	if len(r.waiting) == 0 {
		return nil, false
	}
	e := r.waiting[0]
	if r.waiting = r.waiting[1:]; len(r.waiting) == 0 {
		r.waiting = nil
	}
	return e, true
}

func (r *reads) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.filled.Broadcast()
}
