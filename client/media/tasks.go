package media

import (
	"context"
	"sync"
)

// tasks are done one at a time, in order, by one goroutine.
type tasks struct {
	more chan struct{} // Has something in it when there are tasks.

	mu   sync.Mutex // Guards what follows.
	list []func()
}

func newTasks() *tasks { return &tasks{more: make(chan struct{}, 1)} }

// add never waits, so that it can be called from anywhere.
func (t *tasks) add(task func()) {
	t.mu.Lock()
	t.list = append(t.list, task)
	t.mu.Unlock()
	select {
	case t.more <- struct{}{}:
	default:
	}
}

// do does all that there is.
func (t *tasks) do() {
	t.mu.Lock()
	list := t.list
	t.list = nil
	t.mu.Unlock()
	for _, task := range list {
		task()
	}
}

// run does what there is until ctx ends.
func (t *tasks) run(ctx context.Context) {
	for {
		select {
		case <-t.more:
			t.do()
		case <-ctx.Done():
			return
		}
	}
}
