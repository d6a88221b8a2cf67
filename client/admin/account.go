package admin

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Account is who is connected under a name, and in which call. An account that nobody has used looks
// like one that is offline.
type Account struct {
	Account string `json:"account"`
	// Scope says where Devices are connected: to any node, or to the node that answered, where there
	// are several.
	Scope   Scope    `json:"scope"`
	Devices []Device `json:"devices"`
	// Call is the live call of the account; nil for none.
	Call *Call `json:"call"`
}

// Scope says which part of the service an answer is about.
type Scope string

// The scopes.
const (
	// ScopeService is the whole service.
	ScopeService Scope = "service"
	// ScopeNode is one of several nodes. Client.Nodes lists their addresses.
	ScopeNode Scope = "node"
)

// Device is a device that is connected.
type Device struct {
	ID string `json:"device"`
	// Client is the name and version of its program, as that says.
	Client string    `json:"client"`
	Since  time.Time `json:"since"`
	// CallID is the call that the device is in, and Rings those that ring on it.
	CallID string   `json:"callId"`
	Rings  []string `json:"rings"`
}

func accountPath(account string) string { return "/accounts/" + segment(account) }

// Account gets the devices of an account, and its live call.
func (c *Client) Account(ctx context.Context, account string) (Account, error) {
	var a Account
	err := c.do(ctx, request{method: http.MethodGet, path: accountPath(account)}, &a)
	return a, err
}

// LoggedOut is the result of LogOut.
type LoggedOut struct {
	// Devices is how many were connected; with several nodes, to the one that answered.
	Devices int `json:"devices"`
	// NotBefore is from when on tokens must be issued: their iat is this, or later.
	NotBefore time.Time `json:"notBefore"`
}

// LogOut closes the connections of an account, or of one of its devices where device is not empty,
// and ends the call there with ReasonKicked. From then on only tokens that are issued later are
// admitted: do not issue any before you know the result. Repeated, it logs out who came back.
func (c *Client) LogOut(ctx context.Context, account, device string) (LoggedOut, error) {
	r := request{method: http.MethodPost, path: accountPath(account) + "/logout"}
	if device != "" {
		r.body = map[string]string{"device": device}
	}
	var out LoggedOut
	err := c.do(ctx, r, &out)
	return out, err
}

// Erase logs an account out and replaces its name by an alias, which it gives, in records, ended calls
// and the audit; names, pictures and attachments of the account go. The same account always has the
// same alias. An account that is in a live call is refused with the code Conflict, unless force ends
// that call. Repeat it whenever you do not know its result.
func (c *Client) Erase(ctx context.Context, account string, force bool) (alias string, err error) {
	r := request{method: http.MethodDelete, path: accountPath(account), erases: true}
	if force {
		r.query = url.Values{"force": {"1"}}
	}
	var answer struct {
		Alias string `json:"alias"`
	}
	err = c.do(ctx, r, &answer)
	return answer.Alias, err
}

// Block is an account that another account has blocked.
type Block struct {
	Account string    `json:"account"`
	Since   time.Time `json:"since"`
}

func blockPath(account, blocked string) string {
	return accountPath(account) + "/blocks/" + segment(blocked)
}

// Blocks lists whom an account blocks.
func (c *Client) Blocks(ctx context.Context, account string) iter.Seq2[Block, error] {
	type page struct {
		Blocks []Block `json:"blocks"`
		Next   string  `json:"next"`
	}
	return pages(ctx, c, accountPath(account)+"/blocks", url.Values{}, func(p page) ([]Block, string) { return p.Blocks, p.Next })
}

// Block has an account not hear of calls by another one, who cannot tell that from an account that is
// offline. A call that is live goes on.
func (c *Client) Block(ctx context.Context, account, blocked string) (Block, error) {
	var b Block
	err := c.do(ctx, request{method: http.MethodPut, path: blockPath(account, blocked)}, &b)
	return b, err
}

// Unblock ends a block. It is no matter if there is none.
func (c *Client) Unblock(ctx context.Context, account, blocked string) error {
	return c.do(ctx, request{method: http.MethodDelete, path: blockPath(account, blocked)}, nil)
}

// AuditEntry is something that a key did.
type AuditEntry struct {
	// Seq grows with each entry.
	Seq int64     `json:"seq"`
	At  time.Time `json:"at"`
	// Key is the id of the API key, or "peal key" for an operator's command.
	Key string `json:"key"`
	// Action is such as call.end, account.logout, account.erase and key.new.
	Action string `json:"action"`
	// Target is the call, account or key, and Other a second account. An account that was erased is
	// named by its alias.
	Target string `json:"target"`
	Other  string `json:"other"`
	// RequestID and Addr are those of the request, and Status that of its answer.
	RequestID string `json:"requestId"`
	Addr      string `json:"addr"`
	Status    int    `json:"status"`
}

// Audit lists what keys did, the newest first.
func (c *Client) Audit(ctx context.Context) iter.Seq2[AuditEntry, error] {
	type page struct {
		Entries []AuditEntry `json:"entries"`
		Next    string       `json:"next"`
	}
	return pages(ctx, c, "/audit", url.Values{}, func(p page) ([]AuditEntry, string) { return p.Entries, p.Next })
}
