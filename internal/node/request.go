package node

import (
	"context"

	"github.com/peal-rtc/peal/internal/store"
)

// Request is an effect that asks the store for something other than a commit. A shell calls
// Ask where the node does not have to wait, and gives the node the answer.
type Request interface {
	Effect
	// Ask puts the request to a store. The answer holds the error as well.
	Ask(context.Context, store.Store) (answer Input, err error)
	// Failed is the answer where the store could not be asked.
	Failed(error) (answer Input)
}

// Ask implements Request.
func (e Load) Ask(ctx context.Context, s store.Store) (Input, error) {
	c, err := s.Call(ctx, e.ID)
	return Loaded{Ticket: e.Ticket, Call: c, Err: err}, err
}

// Failed implements Request.
func (e Load) Failed(err error) Input { return Loaded{Ticket: e.Ticket, Err: err} }

// Ask implements Request.
func (e List) Ask(ctx context.Context, s store.Store) (Input, error) {
	calls, err := s.CallsOf(ctx, e.Account, e.EndedSince)
	return Listed{Ticket: e.Ticket, Calls: calls, Err: err}, err
}

// Failed implements Request.
func (e List) Failed(err error) Input { return Listed{Ticket: e.Ticket, Err: err} }

// Ask implements Request.
func (e ListOrphaned) Ask(ctx context.Context, s store.Store) (Input, error) {
	calls, err := s.Orphaned(ctx, e.Alive, e.After, e.Limit)
	return Listed{Ticket: e.Ticket, Calls: calls, Err: err}, err
}

// Failed implements Request.
func (e ListOrphaned) Failed(err error) Input { return Listed{Ticket: e.Ticket, Err: err} }

// Ask implements Request.
func (e ListRecords) Ask(ctx context.Context, s store.Store) (Input, error) {
	records, err := s.Records(ctx, e.Account, e.Page)
	return ListedRecords{Ticket: e.Ticket, Records: records, Err: err}, err
}

// Failed implements Request.
func (e ListRecords) Failed(err error) Input { return ListedRecords{Ticket: e.Ticket, Err: err} }

// Ask implements Request.
func (e ListChanged) Ask(ctx context.Context, s store.Store) (Input, error) {
	marks, err := s.Changed(ctx, e.Since, e.After, e.Limit)
	return ListedChanged{Ticket: e.Ticket, Marks: marks, Err: err}, err
}

// Failed implements Request.
func (e ListChanged) Failed(err error) Input { return ListedChanged{Ticket: e.Ticket, Err: err} }

// Ask implements Request.
func (e FindDue) Ask(ctx context.Context, s store.Store) (Input, error) {
	ids, err := s.Due(ctx, e.Now, e.Limit)
	return FoundDue{IDs: ids, Err: err}, err
}

// Failed implements Request.
func (FindDue) Failed(err error) Input { return FoundDue{Err: err} }

// Ask implements Request.
func (e Beat) Ask(ctx context.Context, s store.Store) (Input, error) {
	alive, err := s.Beat(ctx, e.Incarnation, e.TTL)
	return Beaten{Ticket: e.Ticket, Sent: e.Sent, Alive: alive, Err: err}, err
}

// Failed implements Request.
func (e Beat) Failed(err error) Input { return Beaten{Ticket: e.Ticket, Sent: e.Sent, Err: err} }
