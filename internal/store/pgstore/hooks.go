package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/peal-rtc/peal/internal/store"
)

// openBooks reads what is kept in memory: the salt of aliases.
func (*Store) openBooks(context.Context) error { return nil }

// fileAudit files an audit entry in a transaction.
func fileAudit(context.Context, pgx.Tx, store.Audit) error { return nil }

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
func (*Store) queueEvents(_ *pgx.Batch, _ int64, _ []outcome) {}
