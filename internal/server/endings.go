package server

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/store"
)

// endings are the calls that backends end, until the node answers. Any goroutine may use it.
type endings struct {
	mu      sync.Mutex // Guards what follows.
	last    uint64
	waiting map[uint64]chan node.Terminated
}

func (e *endings) begin() (request uint64, answer chan node.Terminated) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.waiting == nil {
		e.waiting = make(map[uint64]chan node.Terminated)
	}
	e.last++
	answer = make(chan node.Terminated, 1)
	e.waiting[e.last] = answer
	return e.last, answer
}

func (e *endings) drop(request uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.waiting, request)
}

// take brings the node's answer to who waits for it. It never blocks.
func (e *endings) take(in node.Terminated) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if answer := e.waiting[in.Request]; answer != nil {
		delete(e.waiting, in.Request)
		answer <- in
	}
}

// endCall has the node end a call, and gives it as it ended.
func (l *loop) endCall(ctx context.Context, id call.ID) (call.Call, error) {
	request, answer := l.endings.begin()
	defer l.endings.drop(request)
	l.tell(arrival{in: node.Terminate{Request: request, ID: id}})
	select {
	case <-ctx.Done():
		return call.Call{}, fmt.Errorf("end call: %w", ctx.Err())
	case <-l.quit:
		return call.Call{}, errors.New("end call: the server is stopping")
	case done := <-answer:
		switch {
		case done.Error == nil && done.Call != nil:
			return *done.Call, nil
		case done.Error.GetCode() == string(protocol.NoSuchCall):
			return call.Call{}, store.ErrNotFound
		}
		return call.Call{}, fmt.Errorf("end call: %s", done.Error.GetMessage())
	}
}
