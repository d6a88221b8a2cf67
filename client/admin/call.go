package admin

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// State is where a call is.
type State string

// The states, in their order. A call may leave any of them for Ended.
const (
	Ringing    State = "ringing"
	Connecting State = "connecting"
	Connected  State = "connected"
	Ended      State = "ended"
)

// Reason is why a call ended. A newer server may have more of them.
type Reason string

// The reasons.
const (
	ReasonCompleted  Reason = "completed"
	ReasonCancelled  Reason = "cancelled"
	ReasonRejected   Reason = "rejected"
	ReasonTimeout    Reason = "timeout"
	ReasonBusy       Reason = "busy"
	ReasonFailed     Reason = "failed"
	ReasonLost       Reason = "lost"
	ReasonSuperseded Reason = "superseded"
	ReasonKicked     Reason = "kicked"
	ReasonServer     Reason = "server"
)

// Type is what a call is for.
type Type int

// The types.
const (
	Audio Type = 1
	Video Type = 2
	Other Type = 3
)

// Role is a person's part in a call.
type Role string

// The roles.
const (
	Caller Role = "caller"
	Callee Role = "callee"
)

// Party is one person of a call.
type Party struct {
	Account string `json:"account"`
	Role    Role   `json:"role"`
	// Name and Avatar are claims of the person's token.
	Name   string `json:"name"`
	Avatar string `json:"avatar"`
	// Device, Present and MediaUp are of live calls: the device that is in the call, which is empty
	// while the callee rings; whether it is connected; whether its media are up.
	Device  string `json:"device"`
	Present bool   `json:"present"`
	MediaUp bool   `json:"mediaUp"`
}

// Call is a call as it is now, or as it ended.
type Call struct {
	ID string `json:"callId"`
	// Rev grows with each change of the call: keep the highest.
	Rev   uint32 `json:"rev"`
	State State  `json:"state"`
	Type  Type   `json:"type"`
	// Parties has the caller first.
	Parties []Party `json:"parties"`
	// Attachment is what the caller gave with the call.
	Attachment string    `json:"attachment"`
	CreatedAt  time.Time `json:"createdAt"`
	// ConnectedAt is when both sides had media first; zero before.
	ConnectedAt time.Time `json:"connectedAt"`
	// EndedAt, Reason, EndedBy and Record are of calls that ended. EndedBy is the account by which
	// the call ended; empty for time and for the server.
	EndedAt time.Time `json:"endedAt"`
	Reason  Reason    `json:"reason"`
	EndedBy string    `json:"endedBy"`
	Record  *Record   `json:"record"`
}

// CallFilter says which live calls to list. Its zero value means all of them.
type CallFilter struct {
	// Account lists the calls of one account.
	Account string
	// Limit is how many calls a page has, 1 to 500; 0 means 100. All pages are read in any case.
	Limit int
}

// Calls lists live calls in the order of their ids, page by page as the loop goes on. After an
// error it ends.
func (c *Client) Calls(ctx context.Context, f CallFilter) iter.Seq2[Call, error] {
	query := filter(f.Account, f.Limit)
	query.Set("live", "1")
	return pages(ctx, c, "/calls", query, func(p callPage) ([]Call, string) { return p.Calls, p.Next })
}

type callPage struct {
	Calls []Call `json:"calls"`
	Next  string `json:"next"`
}

// Call gets one call, live or ended lately: within 24 hours, or an hour where the server uses
// PostgreSQL. The error has the code NoSuchCall where there is none.
func (c *Client) Call(ctx context.Context, id string) (Call, error) {
	var call Call
	err := c.do(ctx, request{method: http.MethodGet, path: "/calls/" + segment(id)}, &call)
	return call, err
}

// EndCall ends a call in any state, with the reason ReasonServer, and gives it as it ended, with
// its record. A call that had ended before stays as it is. So repeat it whenever you do not
// know its result.
func (c *Client) EndCall(ctx context.Context, id string) (Call, error) {
	var call Call
	err := c.do(ctx, request{method: http.MethodPost, path: "/calls/" + segment(id) + "/end"}, &call)
	return call, err
}
