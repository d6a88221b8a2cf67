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

// questions are what backends ask of the node, until it answers. Any goroutine may use it.
type questions struct {
	mu      sync.Mutex // Guards what follows.
	last    uint64
	waiting map[uint64]chan node.Effect
}

func (q *questions) begin() (request uint64, answer chan node.Effect) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting == nil {
		q.waiting = make(map[uint64]chan node.Effect)
	}
	q.last++
	answer = make(chan node.Effect, 1)
	q.waiting[q.last] = answer
	return q.last, answer
}

func (q *questions) drop(request uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.waiting, request)
}

// take brings the node's answer to who waits for it. It never blocks.
func (q *questions) take(request uint64, e node.Effect) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if answer := q.waiting[request]; answer != nil {
		delete(q.waiting, request)
		answer <- e
	}
}

// question puts a question to the node, and waits for the answer.
func (l *loop) question(ctx context.Context, ask func(request uint64) node.Input) (node.Effect, error) {
	request, answer := l.questions.begin()
	defer l.questions.drop(request)
	l.tell(arrival{in: ask(request)})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.quit:
		return nil, errors.New("the server is stopping")
	case e := <-answer:
		return e, nil
	}
}

// endCall has the node end a call, and gives it as it ended.
func (l *loop) endCall(ctx context.Context, id call.ID) (call.Call, error) {
	e, err := l.question(ctx, func(request uint64) node.Input { return node.Terminate{Request: request, ID: id} })
	if err != nil {
		return call.Call{}, fmt.Errorf("end call: %w", err)
	}
	done := e.(node.Terminated)
	switch {
	case done.Error == nil && done.Call != nil:
		return *done.Call, nil
	case done.Error.GetCode() == string(protocol.NoSuchCall):
		return call.Call{}, store.ErrNotFound
	}
	return call.Call{}, fmt.Errorf("end call: %s", done.Error.GetMessage())
}
