package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// Memory is the store of one process: it holds live calls, claims, deadlines and
// leases, and the calls that ended lately. A journal stores them before anyone can
// read them. Under the same clock the same calls give the same answers.
type Memory struct {
	clock   func() time.Time
	journal Journal
	// salt makes the aliases of erased accounts.
	salt []byte
	out  *outbox
	// searchPortion is that of an erasure, and less in tests.
	searchPortion int
	// stays says that Close closes nothing.
	stays bool

	// writing is held while the journal writes. What mu guards changes only while
	// both are held, so who holds writing reads it without mu.
	writing sync.Mutex

	mu     sync.RWMutex // Guards what follows.
	live   map[call.ID]*kept
	claims map[call.Account]call.ID
	ended  endedCalls
	leases map[string]time.Time // When the lease of each incarnation expires.
	blocks blocks
	failed error // Why nothing works until the journal is opened again.
}

// kept is one call as it was committed last. It never changes.
type kept struct {
	call call.Call
	at   time.Time // The store's time of that change.
	due  time.Time // Its deadline; zero for none.
}

// NewMemory makes an empty store, over a journal that ends with the process. It can be
// used after Close: the next server of a test finds the calls of the one before.
func NewMemory(clock func() time.Time) *Memory {
	m := newMemory(NewVolatile(), clock)
	m.salt = []byte(volatileSalt)
	m.stays = true
	return m
}

func newMemory(journal Journal, clock func() time.Time) *Memory {
	m := &Memory{
		clock:         clock,
		journal:       journal,
		searchPortion: searchPortion,
		live:          make(map[call.ID]*kept),
		claims:        make(map[call.Account]call.ID),
		ended:         newEndedCalls(),
		leases:        make(map[string]time.Time),
		blocks:        make(blocks),
	}
	m.out = newOutbox(m)
	return m
}

// Open makes a store of what a journal holds. Closing the store closes the journal.
func Open(ctx context.Context, journal Journal, clock func() time.Time) (*Memory, error) {
	m := newMemory(journal, clock)
	var err error
	if m.salt, err = journal.Salt(ctx); err != nil {
		return nil, fmt.Errorf("read salt of journal: %w", err)
	}
	since := clock().Add(-KeepEnded)
	replay := func(e Entry) error {
		m.put(e)
		return nil
	}
	if err := journal.Replay(ctx, since, replay); err != nil {
		return nil, fmt.Errorf("replay journal: %w", err)
	}
	if err := journal.ReplayBlocks(ctx, m.blocks.put); err != nil {
		return nil, fmt.Errorf("replay blocks of journal: %w", err)
	}
	m.ended.dropped = since
	m.ended.floor = leastID(since)
	ids, err := journal.IDs(ctx, m.ended.floor)
	if err != nil {
		return nil, fmt.Errorf("list ids of journal: %w", err)
	}
	for _, id := range ids {
		m.ended.note(id)
	}
	return m, m.out.open(ctx)
}

// Commit implements Store. The batch is visible once the journal has it.
func (m *Memory) Commit(ctx context.Context, changes []Change) ([]Result, error) {
	m.writing.Lock()
	defer m.writing.Unlock()
	if err := cmp.Or(ctx.Err(), m.failed); err != nil {
		return Unknown(len(changes), err), err
	}
	b := batch{memory: m, ctx: ctx}
	for {
		b.decide(changes)
		var err error
		if len(b.entries) > 0 {
			err = m.journal.Append(b.entries)
		}
		var exists *ExistsError
		switch {
		case err == nil:
			m.apply(b.entries)
			m.out.committed(b.entries)
			return b.results, nil
		case errors.As(err, &exists) && b.refuse(exists.IDs):
			// An older call has one of the ids. Decide again, without that change.
		default:
			err = m.judge(err)
			return Unknown(len(changes), err), err
		}
	}
}

// judge takes the error of a write. One that leaves open what the journal holds
// ends all work on it: what is read here might not be what a restart finds.
func (m *Memory) judge(err error) error {
	if err == nil || errors.Is(err, ErrNotDone) {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed == nil {
		m.failed = fmt.Errorf("%w: %w", ErrFailed, err)
	}
	return m.failed
}

// apply makes a batch visible that the journal has.
func (m *Memory) apply(batch []Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range batch {
		m.put(e)
	}
	m.ended.forget(m.clock())
}

// put keeps a call, with the claims that follow from it.
func (m *Memory) put(e Entry) {
	k := &kept{call: *e.Call, at: e.At}
	id := k.call.ID
	if k.call.Live() {
		k.due, _ = k.call.Deadline()
		m.live[id] = k
		for _, member := range k.call.Members() {
			m.claims[member.Account] = id
		}
		return
	}
	delete(m.live, id)
	for _, member := range k.call.Members() {
		if account := member.Account; m.claims[account] == id {
			delete(m.claims, account)
		}
	}
	m.ended.add(k)
}

// Beat implements Store. A lease is not durable: at the next start no other process
// has the journal. The journal writes all the same, to show that it can.
func (m *Memory) Beat(_ context.Context, incarnation string, ttl time.Duration) ([]string, error) {
	m.writing.Lock()
	defer m.writing.Unlock()
	if m.failed != nil {
		return nil, m.failed
	}
	now := m.clock()
	if ttl > 0 {
		if err := m.judge(m.journal.Touch(now)); err != nil {
			return nil, fmt.Errorf("keep lease: %w", err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leases[incarnation] = now.Add(ttl)
	var alive []string
	for name, until := range m.leases {
		if until.After(now) {
			alive = append(alive, name)
		} else {
			delete(m.leases, name)
		}
	}
	slices.Sort(alive)
	return alive, nil
}

// Prune implements Store.
func (m *Memory) Prune(ctx context.Context, callsBefore, recordsBefore time.Time) (int, error) {
	if err := m.failure(); err != nil {
		return 0, err
	}
	rows, err := m.journal.Prune(ctx, callsBefore, recordsBefore)
	if err = m.pruned(err, callsBefore); err != nil {
		return rows, fmt.Errorf("prune: %w", err)
	}
	return rows, nil
}

// pruned takes the result of a pruning of the journal.
func (m *Memory) pruned(err error, callsBefore time.Time) error {
	m.writing.Lock()
	defer m.writing.Unlock()
	if err = m.judge(err); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended.prune(callsBefore)
	return nil
}

// failure is why nothing works any more; nil where it does.
func (m *Memory) failure() error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.failed
}

// Now implements Store.
func (m *Memory) Now(context.Context) (time.Time, error) { return m.clock(), nil }

// errClosed answers what is asked after Close.
var errClosed = errors.New("store is closed")

// Close implements Store. It waits for a commit that has begun.
func (m *Memory) Close() error {
	m.writing.Lock()
	defer m.writing.Unlock()
	if m.stays {
		return nil
	}
	m.mu.Lock()
	m.failed = cmp.Or(m.failed, errClosed)
	m.mu.Unlock()
	return m.journal.Close()
}
