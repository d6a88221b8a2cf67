package pgstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/peal-rtc/peal/internal/store"
)

const (
	// pollEvery is how often a node looks for what others committed.
	pollEvery = 500 * time.Millisecond
	// tendEvery is how often it looks for deliveries that nobody claims, and for endpoints for which
	// too much waits.
	tendEvery = 5 * time.Second
	// lookTime is how long Newest waits for the database at most, and pollTime how long a poll does.
	lookTime = time.Second
	pollTime = 5 * time.Second
	// leaseTime is how long a claim lasts that is not renewed: after the death of a node its
	// deliveries wait so long. A claim is renewed each tendEvery, since a schedule of deliveries
	// holds 32 for each of 20 endpoints, and tries 64 at a time for 10 s each.
	leaseTime = 20 * time.Second
)

// outbox implements store.Outbox. What it keeps in memory it reads again when others changed it.
type outbox struct {
	store.Broadcast

	store *Store
	// owner names this outbox in leases.
	owner string
	// most is store.QueueMost, and less in tests.
	most int
	// claiming is held by one claim at a time.
	claiming sync.Mutex
	// looking is held by who reads what is newest.
	looking sync.Mutex

	end  context.CancelFunc
	done chan struct{} // Closed when poll has ended.

	mu sync.Mutex // Guards what follows.
	// asked says that somebody other than an endpoint wants events.
	asked     bool
	endpoints map[string]store.Endpoint
	// version is that of endpoints, by the counter of changes in the database.
	version int64
	// newest is the newest event that is shown. Beside it, told is the newest that woke the waiting
	// readers, and hidden says that they looked for it in vain.
	newest, told int64
	hidden       bool
	claimed      map[store.Lane]int64 // The seq that is under way.
}

// openOutbox reads what is kept in memory, and begins to look for what other nodes do.
func openOutbox(ctx context.Context, s *Store, polls bool) (*outbox, error) {
	o := &outbox{
		store: s, owner: rand.Text(), most: store.QueueMost, done: make(chan struct{}),
		endpoints: make(map[string]store.Endpoint), claimed: make(map[store.Lane]int64),
	}
	err := s.read(ctx, func(ctx context.Context, pool *pgxpool.Pool) error {
		return pool.QueryRow(ctx, `
			SELECT coalesce((SELECT seq FROM events WHERE xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY seq DESC LIMIT 1), 0)`).
			Scan(&o.newest)
	})
	if err != nil {
		return nil, fmt.Errorf("read newest event: %w", err)
	}
	o.told = o.newest
	if err := o.reload(ctx); err != nil {
		return nil, err
	}
	ctx, o.end = context.WithCancel(context.WithoutCancel(ctx))
	if polls {
		go o.poll(ctx)
	} else {
		close(o.done)
	}
	return o, nil
}

// close ends the polls and gives up what is claimed. Where that fails the leases expire.
func (o *outbox) close() {
	o.end()
	<-o.done
	o.mu.Lock()
	var left []store.Settlement
	for lane, seq := range o.claimed {
		left = append(left, store.Settlement{Delivery: store.Delivery{Lane: lane, Event: store.Event{Seq: seq}}, Outcome: store.Returned})
	}
	o.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	if err := o.Settle(ctx, left); err != nil {
		o.store.log.WarnContext(ctx, "webhook deliveries are claimed until their leases expire", "error", err)
	}
}

// RecordEvents says whether events are stored while there is no endpoint: a key exists, whose
// backend may read the feed.
func (s *Store) RecordEvents(on bool) {
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	s.out.asked = on
}

// Outbox gives out the events of the store.
func (s *Store) Outbox() store.Outbox { return s.out }

// recorded says whether this node wants events to be stored.
func (o *outbox) recorded() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked
}

// committed takes the number of the newest event of a commit of this node; 0 for none.
func (o *outbox) committed(last int64) {
	if last == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told = max(o.told, last)
	o.Announce()
}

// sight is what was known when a look at the database began.
type sight struct{ newest, told int64 }

// sight begins a look at the database for the newest event that is shown.
func (o *outbox) sight() sight {
	o.mu.Lock()
	defer o.mu.Unlock()
	return sight{o.newest, o.told}
}

// saw ends a look, with the newest event that is shown. Readers that were woken for an event before
// the look, and could not see it yet, are woken again when they can.
func (o *outbox) saw(began sight, newest int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if newest > o.newest {
		o.newest = newest
		if newest > o.told || o.hidden {
			o.Announce()
		}
	}
	o.told = max(o.told, newest)
	o.hidden = o.newest < began.told
}

// Newest implements store.Outbox. It looks at the database only after a commit of this node.
func (o *outbox) Newest() int64 {
	if known := o.sight(); known.newest >= known.told {
		return known.newest
	}
	o.looking.Lock()
	defer o.looking.Unlock()
	if known := o.sight(); known.newest >= known.told {
		return known.newest
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	_ = o.look(ctx) // Where the database does not answer, the next poll finds what is new.
	return o.sight().newest
}

func within(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, pollTime)
	defer cancel()
	return do(ctx)
}

// look finds the newest event that is shown.
func (o *outbox) look(ctx context.Context) error {
	for {
		known := o.sight()
		var newest int64
		if err := o.store.reads.QueryRow(ctx, `SELECT shown_event($1)`, known.newest).Scan(&newest); err != nil {
			return err
		}
		o.saw(known, newest)
		if newest == known.newest {
			return nil
		}
		// One look goes through some of the events. There may be more.
	}
}

// poll looks for what other nodes did, until ctx ends.
func (o *outbox) poll(ctx context.Context) {
	defer close(o.done)
	polls, tends := time.NewTicker(pollEvery), time.NewTicker(tendEvery)
	defer polls.Stop()
	defer tends.Stop()
	failing := false
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-polls.C:
			err = within(ctx, o.lookAtOthers)
		case <-tends.C:
			err = within(ctx, o.tend)
		}
		if err != nil && ctx.Err() == nil && !failing {
			o.store.log.ErrorContext(ctx, "cannot look for events of other nodes", "error", err)
		}
		failing = err != nil
	}
}

// lookAtOthers finds new events, and changes of endpoints.
func (o *outbox) lookAtOthers(ctx context.Context) error {
	known := o.sight()
	var newest, version int64
	row := o.store.reads.QueryRow(ctx, `SELECT shown_event($1), endpoint_changes FROM books`, known.newest)
	if err := row.Scan(&newest, &version); err != nil {
		return err
	}
	o.saw(known, newest)
	if newest > known.newest {
		if err := o.look(ctx); err != nil {
			return err
		}
	}
	o.mu.Lock()
	same := version == o.version
	o.mu.Unlock()
	if same {
		return nil
	}
	return o.reload(ctx)
}

// tend wakes who delivers where something waits that nobody claimed: a node that died had it, or
// gave it back. It renews what this node claims. One node at a time disables the endpoints for which
// too much waits.
func (o *outbox) tend(ctx context.Context) error {
	if err := o.renew(ctx); err != nil {
		return err
	}
	var left bool
	err := o.store.reads.QueryRow(ctx, `
		WITH clock AS MATERIALIZED (SELECT now_ns() AS now)
		SELECT EXISTS (SELECT FROM clock, endpoints, LATERAL (
			SELECT FROM deliveries WHERE endpoint = number AND due_ns <= now - $1 AND until_ns <= now ORDER BY due_ns LIMIT 1) AS due
			WHERE id IS NOT NULL AND enabled)`, int64(tendEvery)).Scan(&left)
	if err != nil {
		return err
	}
	if left {
		o.mu.Lock()
		o.Announce()
		o.mu.Unlock()
	}
	turn, err := o.store.reads.Exec(ctx, `
		UPDATE books SET counted_ns = now_ns() FROM (
			SELECT FROM books WHERE counted_ns < now_ns() - $1 FOR UPDATE SKIP LOCKED) AS turn`, int64(tendEvery))
	if err != nil || turn.RowsAffected() == 0 {
		return err
	}
	return o.disableFull(ctx)
}

// disableFull disables the endpoints for which too much waits. More than most may wait for them:
// what was committed since the last look.
func (o *outbox) disableFull(ctx context.Context) error {
	rows, err := o.store.reads.Query(ctx, `
		SELECT id FROM endpoints WHERE id IS NOT NULL AND enabled
		AND (SELECT count(*) FROM (SELECT FROM deliveries WHERE endpoint = number LIMIT $1) AS waiting) >= $1`, o.most)
	if err != nil {
		return err
	}
	full, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, id := range full {
		_, err = o.put(ctx, id, false, func(e *store.Endpoint, now time.Time) error {
			if e.Enabled() {
				e.Disabled = store.Disabled{At: now, Reason: store.QueueFull}
			}
			return nil
		}, nil)
		if err != nil {
			return fmt.Errorf("disable endpoint: %w", err)
		}
	}
	return err
}

// Endpoints implements store.Outbox.
func (o *outbox) Endpoints() []store.Endpoint {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := make([]store.Endpoint, 0, len(o.endpoints))
	for _, id := range slices.Sorted(maps.Keys(o.endpoints)) {
		e := o.endpoints[id]
		all = append(all, e.Clone())
	}
	return all
}
