package store

import "sync"

// Broadcast wakes every goroutine that waits for a change. Both outboxes embed it. The zero value is
// ready. Any goroutine may use it.
type Broadcast struct {
	mu      sync.Mutex
	changed chan struct{} // nil while no goroutine waits.
}

// Announce closes the channels that Changed returned.
func (b *Broadcast) Announce() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// Changed returns a channel that the next Announce closes. See [Outbox] for the order of looking and
// waiting.
func (b *Broadcast) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return b.changed
}
