package admin

import (
	"context"
	"iter"
	"time"
)

// Kind says in short how a call ended, as the component does.
type Kind int

// The kinds.
const (
	KindCompleted Kind = 1
	KindCancelled Kind = 2
	KindRejected  Kind = 3
	KindTimeout   Kind = 4
	KindBusy      Kind = 5
)

// Record is what is kept of a call that ended: one for each.
type Record struct {
	CallID string `json:"callId"`
	Kind   Kind   `json:"kind"`
	Type   Type   `json:"type"`
	// Reason says it more exactly than Kind.
	Reason Reason `json:"reason"`
	// Parties has the caller first.
	Parties   []Party   `json:"parties"`
	CreatedAt time.Time `json:"createdAt"`
	EndedAt   time.Time `json:"endedAt"`
	// Seconds is how long both sides had media.
	Seconds int `json:"durationSeconds"`
}

// RecordFilter says which records to list. Account is required.
type RecordFilter struct {
	Account string
	// Limit is how many records a page has, 1 to 500; 0 means 100. All pages are read in any case:
	// leave the loop when you have enough.
	Limit int
}

// Records lists the records of an account, the newest first, page by page as the loop goes on.
// After an error it ends.
func (c *Client) Records(ctx context.Context, f RecordFilter) iter.Seq2[Record, error] {
	return pages(ctx, c, "/records", filter(f.Account, f.Limit), func(p recordPage) ([]Record, string) { return p.Records, p.Next })
}

type recordPage struct {
	Records []Record `json:"records"`
	Next    string   `json:"next"`
}
