package store

import (
	"context"
	"errors"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// Limits of events and their deliveries.
const (
	// QueueMost is how many deliveries wait for one endpoint. An endpoint with more is disabled:
	// calls go on.
	QueueMost = 1_000_000
	// EndpointsMost is how many endpoints there are.
	EndpointsMost = 20
	// LookMost is how many events one read looks at: where few are of the kinds that it asks for, it
	// ends before it has found as many as it may.
	LookMost = 10_000
	// KeepEvents is how long the feed shows an event, and KeepUndelivered how long an event is
	// kept at most that was not delivered, and can be replayed.
	KeepEvents      = 7 * 24 * time.Hour
	KeepUndelivered = 14 * 24 * time.Hour
)

// Errors of an outbox.
var (
	// ErrNoEndpoint: no endpoint has this id.
	ErrNoEndpoint = errors.New("no such endpoint")
	// ErrEndpoints: there are EndpointsMost already.
	ErrEndpoints = errors.New("too many endpoints")
	// ErrQueueFull: no more deliveries may wait for the endpoint.
	ErrQueueFull = errors.New("too many deliveries wait for the endpoint")
)

// Outbox gives out the events that were committed with their transitions: in the order of
// commits to the feed, and to each endpoint in the order of each call's revs. Any goroutine may
// use it. Its errors are those of the store, beside the named ones. No method holds up calls
// longer than a commit does.
type Outbox interface {
	// Events lists events of these kinds with a seq above after, in the order of their commits.
	// None that is committed later has a lower seq. It looks at LookMost events: the list may be short,
	// or empty, while there are more. The next list is that above next, which is Newest or more at the
	// end.
	Events(ctx context.Context, after int64, kinds call.EventKinds, limit int) (events []Event, next int64, err error)

	// Newest is the seq of the newest event, 0 where there was none.
	Newest() int64

	// Changed gives a channel that is closed at the next commit of an event, change of an endpoint,
	// or replay. Who waits takes the channel first, then looks, then waits.
	Changed() <-chan struct{}

	// Endpoints lists the endpoints, in the order of ids.
	Endpoints() []Endpoint

	// PutEndpoint makes or changes an endpoint: change is given the endpoint as it is, with an ID
	// and CreatedAt alone where it is new. Its error, or one of Validate, leaves all as it was.
	// An endpoint receives the events that are committed after it was made. Who
	// changes it for a key gives the audit entry, which is stored with the change.
	PutEndpoint(ctx context.Context, id string, change func(*Endpoint) error, by ...Audit) (Endpoint, error)

	// DeleteEndpoint deletes an endpoint with what waits for it, and stores the audit entry with that,
	// or gives ErrNoEndpoint.
	DeleteEndpoint(ctx context.Context, id string, by ...Audit) error

	// Claim gives deliveries to an endpoint that are due, the oldest first, and no more than one of
	// each call: the one with the lowest rev. They are the claimer's until it settles them, or the
	// process ends. Next is when more will be due; zero for never. A disabled endpoint has none.
	Claim(ctx context.Context, endpoint string, limit int) (due []Delivery, next time.Time, err error)

	// Settle gives the results of claimed deliveries. An error leaves them as they were, and
	// unclaimed: they are due again.
	Settle(ctx context.Context, settled []Settlement) error

	// Stale reports whether an account was erased after the delivery was claimed. Its event may
	// hold the erased name: the claimer does not send it, but settles it as Returned. The next Claim
	// reads the event again.
	Stale(ctx context.Context, d *Delivery) (bool, error)

	// Queues counts what waits for each endpoint, in the order of ids.
	Queues(ctx context.Context) ([]Queue, error)

	// Queue counts what waits for one endpoint, or returns ErrNoEndpoint.
	Queue(ctx context.Context, endpoint string) (Queue, error)

	// Dead lists what was given up, by a seq above after.
	Dead(ctx context.Context, endpoint string, after int64, limit int) ([]DeadLetter, error)

	// Replay queues events again for an endpoint, and returns how many. One that waits already
	// stays as it is. ErrQueueFull leaves some out. The audit entry is stored in the transaction that
	// queues the first of them, or alone where no event was chosen. After an error it is stored only
	// if events were queued.
	Replay(ctx context.Context, endpoint string, what Replay, by ...Audit) (int, error)

	// Prune deletes the events that are older than KeepEvents and wait for nobody, those older than
	// KeepUndelivered, and what deleted endpoints left, in short portions. Rows counts what it deleted.
	Prune(ctx context.Context) (rows int, err error)
}

// Event is a stored call.Event.
type Event struct {
	// Seq orders all events by their commits. It is the microsecond of the store's clock at which
	// the event was committed, or a little more: so it is never used again, not even by a database
	// that was restored from a backup.
	Seq  int64
	At   time.Time // The store's time of the commit.
	Kind call.EventKind
	// Merged is that of call.Event.
	Merged call.ID
	// Call is the call as the transition left it, without descriptions. It never changes.
	Call *call.Call
	// Filed, for call.EventEnded, says that the transition filed the record of the call. It does not
	// where there is one of that id, of a call that was pruned long ago.
	Filed bool
}

// Record is the record that was filed with call.EventEnded, equal to that of Store.Records.
func (e *Event) Record() (call.Record, bool) {
	if !e.Filed {
		return call.Record{}, false
	}
	return e.Call.Record()
}

// Outgoing is an event to be stored, with the endpoints that are to have it, by their numbers.
type Outgoing struct {
	Event
	To []int64
}

// Lane is what keeps its order: the events of one call to one endpoint, by its number.
type Lane struct {
	Endpoint int64
	Call     call.ID
}

// Delivery is an event on its way to an endpoint.
type Delivery struct {
	Lane Lane
	// Event is what to deliver.
	Event Event
	// Tries is how often that was tried before.
	Tries int
	// Generation counts the erasures of accounts that the event reflects. Claim sets it, for Stale.
	Generation int64
}

// Settlement is the result of a delivery.
type Settlement struct {
	Delivery Delivery
	Outcome  Outcome
	// After is how long to wait, for Retry.
	After time.Duration
	// Reason is why it was given up, for Dead.
	Reason string
}

// Outcome is how a try to deliver went.
type Outcome uint8

const (
	// Delivered: the endpoint has it.
	Delivered Outcome = iota + 1
	// Retry: it is to be tried again later. What follows of the call waits with it.
	Retry
	// Dead: it is given up, and what follows of the call is due.
	Dead
	// Returned: it was not tried, and is due at once.
	Returned
)

// Queue is what waits for an endpoint.
type Queue struct {
	Endpoint string
	// Queued is how many deliveries wait, and Dead how many were given up.
	Queued, Dead int
	// Oldest is when the oldest event that waits was committed; zero where none does.
	Oldest time.Time
}

// DeadLetter is a delivery that was given up.
type DeadLetter struct {
	Event  Event
	Tries  int
	At     time.Time // When it was given up.
	Reason string
}

// Replay chooses events to deliver again, with the ids that they have.
type Replay struct {
	// From and To bound the times of the events: at or after From, and before To. Zero is no bound.
	From, To time.Time
	// Kinds are those chosen; zero means all that the endpoint asks for.
	Kinds call.EventKinds
	// All chooses what was delivered as well as what was given up.
	All bool
}

// seqAt is the least seq of events that are committed at a time or later.
func seqAt(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMicro()
}
