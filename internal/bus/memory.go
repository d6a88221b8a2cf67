package bus

import (
	"errors"
	"slices"
	"sync"

	"github.com/peal-rtc/peal/internal/call"
)

// ErrClosed says that the bus has been closed.
var ErrClosed = errors.New("the bus is closed")

// memoryQueue is how many messages wait for one member of a Memory. What
// comes beyond is dropped, for that member alone.
const memoryQueue = 1024

// Memory is a bus between the nodes of one process. Each member has a queue
// and a goroutine that delivers from it, so that publishing waits for nobody
// and may be done while delivering.
type Memory struct {
	delivering sync.WaitGroup

	mu      sync.RWMutex // Guards what follows, and the members' fields that say so.
	closed  bool
	members map[*member]struct{}
	// subscribed holds the members by account; no list in it is empty.
	subscribed map[call.Account][]*member
}

// NewMemory makes a bus without members.
func NewMemory() *Memory {
	return &Memory{
		members:    make(map[*member]struct{}),
		subscribed: make(map[call.Account][]*member),
	}
}

// Join implements Bus. No message is lost without a trace.
func (b *Memory) Join(deliver func(Message), _ func()) (Member, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, ErrClosed
	}
	m := &member{
		bus:      b,
		queue:    make(chan Message, memoryQueue),
		left:     make(chan struct{}),
		accounts: make(map[call.Account]struct{}),
	}
	b.members[m] = struct{}{}
	b.delivering.Go(func() { m.deliver(deliver) })
	return m, nil
}

// Close makes all members leave and waits until nothing is being delivered,
// so it must not be called while delivering.
func (b *Memory) Close() error {
	b.mu.Lock()
	b.closed = true
	for m := range b.members {
		b.remove(m)
	}
	b.mu.Unlock()
	b.delivering.Wait()
	return nil
}

// remove forgets a member. The caller holds mu.
func (b *Memory) remove(m *member) {
	if _, here := b.members[m]; !here {
		return
	}
	delete(b.members, m)
	for account := range m.accounts {
		b.unsubscribe(m, account)
	}
	close(m.left)
}

// unsubscribe ends a subscription. The caller holds mu.
func (b *Memory) unsubscribe(m *member, account call.Account) {
	delete(m.accounts, account)
	others := slices.DeleteFunc(b.subscribed[account], func(other *member) bool { return other == m })
	if len(others) == 0 {
		delete(b.subscribed, account)
	} else {
		b.subscribed[account] = others
	}
}

// member is a place on a Memory.
type member struct {
	bus   *Memory
	queue chan Message
	left  chan struct{} // Closed when the member leaves.

	accounts map[call.Account]struct{} // Guarded by bus.mu.
}

// deliver delivers until the member leaves. What waits then is dropped.
func (m *member) deliver(deliver func(Message)) {
	for {
		select {
		case <-m.left:
			return
		case message := <-m.queue:
			select {
			case <-m.left:
				return
			default:
				deliver(message)
			}
		}
	}
}

// Subscribe implements Member. The subscription is in effect at once.
func (m *member) Subscribe(account call.Account, ready func()) {
	if m.bus.subscribe(m, account) && ready != nil {
		ready() // Without the lock: it may use the bus.
	}
}

// subscribe says whether the member is one, and so has the subscription.
func (b *Memory) subscribe(m *member, account call.Account) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, here := b.members[m]; !here {
		return false
	}
	if _, already := m.accounts[account]; !already {
		m.accounts[account] = struct{}{}
		b.subscribed[account] = append(b.subscribed[account], m)
	}
	return true
}

// Unsubscribe implements Member.
func (m *member) Unsubscribe(account call.Account) {
	m.bus.mu.Lock()
	defer m.bus.mu.Unlock()
	m.bus.unsubscribe(m, account)
}

// Publish implements Member.
func (m *member) Publish(message Message) {
	b := m.bus
	b.mu.RLock()
	defer b.mu.RUnlock()
	if _, here := b.members[m]; !here {
		return
	}
	for _, other := range b.subscribed[message.Account] {
		if other == m {
			continue
		}
		select {
		case other.queue <- message:
		default: // Its queue is full.
		}
	}
}

// Leave implements Member.
func (m *member) Leave() {
	m.bus.mu.Lock()
	defer m.bus.mu.Unlock()
	m.bus.remove(m)
}
