package store

import (
	"context"
	"errors"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// Limits of events and their deliveries.
const (
	// QueueMost limits the deliveries that wait for one endpoint. The store disables an endpoint with
	// more. Calls continue.
	QueueMost = 1_000_000
	// EndpointsMost limits the number of endpoints.
	EndpointsMost = 20
	// LookMost limits the events that one read looks at. Where few of them are of the wanted kinds, the
	// read returns fewer events than its limit.
	LookMost = 10_000
	// KeepEvents is how long the feed shows an event. KeepUndelivered is how long an event is kept that
	// was not delivered, so that it can be replayed.
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

// Outbox reads and delivers the events that were committed with their transitions. The feed has them in
// the order of commits. An endpoint receives those of each call in the order of revs. Any goroutine may
// use it. Beside the named errors it returns those of the store. No method delays calls for longer than
// a commit does.
type Outbox interface {
	// Events lists events of these kinds with a seq above after, in the order of their commits. No
	// event that is committed later has a lower seq. One call looks at LookMost events: the list may be
	// short, or empty, while there are more. Pass next as after of the following call. At the end next
	// is Newest or more.
	Events(ctx context.Context, after int64, kinds call.EventKinds, limit int) (events []Event, next int64, err error)

	// Newest is the seq of the newest event, 0 where there is none.
	Newest() int64

	// Changed returns a channel that is closed at the next commit of an event, change of an endpoint,
	// or replay. To wait, take the channel first, then look, then wait.
	Changed() <-chan struct{}

	// Endpoints lists the endpoints, in the order of ids.
	Endpoints() []Endpoint

	// PutEndpoint creates or changes an endpoint. change gets the stored endpoint, or one with only ID
	// and CreatedAt where it is new. Where change or Validate fails, nothing is stored. An endpoint
	// receives the events that are committed after its creation. The audit entry is stored in the same
	// transaction.
	PutEndpoint(ctx context.Context, id string, change func(*Endpoint) error, by ...Audit) (Endpoint, error)

	// DeleteEndpoint deletes an endpoint with its deliveries, and stores the audit entry in the same
	// transaction, or returns ErrNoEndpoint.
	DeleteEndpoint(ctx context.Context, id string, by ...Audit) error

	// Claim returns deliveries to an endpoint that are due, the oldest first, and of each call at most
	// one: the one with the lowest rev. No other Claim returns them until the claimer settles them, or
	// its process ends. next is when more will be due; zero for never. A disabled endpoint has none.
	Claim(ctx context.Context, endpoint string, limit int) (due []Delivery, next time.Time, err error)

	// Settle stores the results of claimed deliveries. After an error they are not claimed any more, and
	// due again.
	Settle(ctx context.Context, settled []Settlement) error

	// Stale reports whether an account was erased after the delivery was claimed. Its event may
	// hold the erased name: the claimer does not send it, but settles it as Returned. The next Claim
	// reads the event again.
	Stale(ctx context.Context, d *Delivery) (bool, error)

	// Queues counts what waits for each endpoint, in the order of ids.
	Queues(ctx context.Context) ([]Queue, error)

	// Queue counts what waits for one endpoint, or returns ErrNoEndpoint.
	Queue(ctx context.Context, endpoint string) (Queue, error)

	// Dead lists dead deliveries with a seq above after.
	Dead(ctx context.Context, endpoint string, after int64, limit int) ([]DeadLetter, error)

	// Replay queues events again for an endpoint, and returns how many. An event that waits already
	// stays as it is. With ErrQueueFull some are left out. The audit entry is stored in the transaction
	// that queues the first events, or alone where none was chosen. After an error it is stored only
	// where a transaction was made.
	Replay(ctx context.Context, endpoint string, what Replay, by ...Audit) (int, error)

	// Prune deletes the events that are older than KeepEvents and wait for no endpoint, those older than
	// KeepUndelivered, and the deliveries of deleted endpoints, in short transactions. It returns how
	// many rows it deleted.
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
	// Filed, for call.EventEnded, says that the transition filed the record of the call. It files none
	// where an older call of that id, which was pruned, has left one.
	Filed bool
}

// Record is the record that was filed with call.EventEnded, equal to that of Store.Records.
func (e *Event) Record() (call.Record, bool) {
	if !e.Filed {
		return call.Record{}, false
	}
	return e.Call.Record()
}

// Outgoing is an event to be stored, with the numbers of its endpoints.
type Outgoing struct {
	Event
	To []int64
}

// Lane is a sequence that keeps its order: the events of one call to one endpoint, by its number.
type Lane struct {
	Endpoint int64
	Call     call.ID
}

// Delivery is an event that an endpoint is to receive.
type Delivery struct {
	Lane Lane
	// Event is what to deliver.
	Event Event
	// Tries is the number of tries before.
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
	// Reason is why it is dead, for Dead.
	Reason string
}

// Outcome is the result of a try.
type Outcome uint8

const (
	// Delivered: the endpoint has accepted it.
	Delivered Outcome = iota + 1
	// Retry: try it again later. The later events of the call wait with it.
	Retry
	// Dead: do not try it again. The next event of the call is due.
	Dead
	// Returned: it was not tried, and is due at once.
	Returned
)

// Queue counts the deliveries of an endpoint.
type Queue struct {
	Endpoint string
	// Queued is the number of deliveries that wait, and Dead of those that are dead.
	Queued, Dead int
	// Oldest is the time of the oldest event that waits; zero where none does.
	Oldest time.Time
}

// DeadLetter is a dead delivery.
type DeadLetter struct {
	Event  Event
	Tries  int
	At     time.Time // When it became dead.
	Reason string
}

// Replay chooses events to deliver again, with the ids that they have.
type Replay struct {
	// From and To bound the times of the events: at or after From, and before To. Zero is no bound.
	From, To time.Time
	// Kinds are the chosen kinds; zero means all that the endpoint receives.
	Kinds call.EventKinds
	// All chooses delivered events as well as dead ones.
	All bool
}

// seqAt is the least seq of events that are committed at a time or later.
func seqAt(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMicro()
}
