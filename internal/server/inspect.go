package server

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/node"
)

// inspect says what the node holds, in JSON: one call, or all where id is empty. It implements
// control.Inspect.
func (l *loop) inspect(ctx context.Context, id string) ([]byte, error) {
	e, err := l.question(ctx, func(request uint64) node.Input { return node.Inspect{Request: request, Call: call.ID(id)} })
	if err != nil {
		return nil, fmt.Errorf("inspect the node: %w", err)
	}
	return json.Marshal(e.(node.Inspected).State)
}
