package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// openBooks reads what is kept in memory: the salt of aliases.
func (*Store) openBooks(context.Context) error { return nil }

// queueAudit files an audit entry in the transaction of a batch.
func queueAudit(*pgx.Batch, store.Audit) {}

// queueEvents stores the events of a wave in its transaction. It is called after the statements
// that make the changes, and only for changes that have events.
//
// Which of the changes were made is known to the database alone: a change was made where the row of
// its call has the attempt of this transaction, and the rev and state of what was to be stored:
//
//	EXISTS (SELECT FROM calls c WHERE c.id = … AND c.attempt = $attempt AND c.rev = … AND c.state = …)
//
// A call may have been stored deaf: calls.deaf says so, and its body is that which was given with
// deafMark behind it. A record was filed by this transaction where records has the id with
// records.attempt = $attempt.
func (s *Store) queueEvents(batch *pgx.Batch, attempt int64, made []outcome) {}

// outcome is what a change may come to: the call as given, or its busy variant.
type outcome struct {
	call   *call.Call
	body   []byte // stored.Encode(call).
	events []call.Event
}
