package admin

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// WebhookState is whether a webhook gets events.
type WebhookState string

// The states. A failing webhook gets one event every 30 s until one is delivered.
const (
	WebhookActive   WebhookState = "active"
	WebhookFailing  WebhookState = "failing"
	WebhookDisabled WebhookState = "disabled"
)

// Webhook is an address to which the server sends events.
type Webhook struct {
	ID        string       `json:"id"`
	URL       string       `json:"url"`
	Events    []EventType  `json:"events"`
	CreatedAt time.Time    `json:"createdAt"`
	State     WebhookState `json:"state"`
	// DisabledReason is by_request, gone (it answered 410), failing (for 5 days no try succeeded) or
	// queue_full.
	DisabledReason string    `json:"disabledReason"`
	DisabledAt     time.Time `json:"disabledAt"`
	FailingSince   time.Time `json:"failingSince"`
	// Queued is how many events wait, and Oldest when the oldest of them was committed. Dead is how
	// many were given up: DeadEvents lists them, and Replay sends them again.
	Queued int       `json:"queued"`
	Oldest time.Time `json:"oldest"`
	Dead   int       `json:"dead"`
	// Secrets are those that sign, the newest first, without their values.
	Secrets []WebhookSecret `json:"secrets"`
	// Secret is the newest one, whsec_…, where the request made it, and otherwise empty. Give it to
	// the receiver: the server shows it once.
	Secret string `json:"secret"`
}

// WebhookSecret says when a secret was made, and until when it signs; zero for the newest.
type WebhookSecret struct {
	CreatedAt time.Time `json:"createdAt"`
	Until     time.Time `json:"until"`
}

// WebhookChange says what to change of a webhook; what is empty stays.
type WebhookChange struct {
	// URL is where events are sent by POST. A new webhook needs it.
	URL string `json:"url,omitempty"`
	// Events are the types to send. A new webhook without them gets all but CallReconnecting.
	Events []EventType `json:"events,omitempty"`
	// Disabled disables a webhook or enables it again. Events that are committed while it is disabled
	// do not wait for it.
	Disabled *bool `json:"disabled,omitempty"`
}

func webhookPath(id string) string { return "/webhooks/" + segment(id) }

// Webhooks lists all webhooks in the order of their ids: there are 20 at most.
func (c *Client) Webhooks(ctx context.Context) ([]Webhook, error) {
	var list struct {
		Webhooks []Webhook `json:"webhooks"`
	}
	err := c.do(ctx, request{method: http.MethodGet, path: "/webhooks"}, &list)
	return list.Webhooks, err
}

// Webhook gets one webhook, or an error with the code NoSuchWebhook.
func (c *Client) Webhook(ctx context.Context, id string) (Webhook, error) {
	var w Webhook
	err := c.do(ctx, request{method: http.MethodGet, path: webhookPath(id)}, &w)
	return w, err
}

// PutWebhook makes the webhook of an id that you choose, or changes it. A new one receives events
// that are committed from then on, and its Secret is in the answer. Where the answer to a first try
// was lost, the webhook is there and Secret is empty: RotateWebhook gives it another.
func (c *Client) PutWebhook(ctx context.Context, id string, change WebhookChange) (Webhook, error) {
	var w Webhook
	err := c.do(ctx, request{method: http.MethodPut, path: webhookPath(id), body: change}, &w)
	return w, err
}

// DeleteWebhook deletes a webhook with what waits for it. It is no matter if there is none.
func (c *Client) DeleteWebhook(ctx context.Context, id string) error {
	return c.do(ctx, request{method: http.MethodDelete, path: webhookPath(id)}, nil)
}

// DefaultKeep is how long a former secret signs beside a new one, unless told otherwise.
const DefaultKeep = 24 * time.Hour

const secretBytes = 32

// RotateWebhook gives a webhook a new secret, which is in the answer. The former secret signs as
// well for the time keep, in whole seconds; zero means DefaultKeep, and a negative time ends it at
// once. Until then the receiver knows either.
func (c *Client) RotateWebhook(ctx context.Context, id string, keep time.Duration) (Webhook, error) {
	if keep == 0 {
		keep = DefaultKeep
	}
	key := make([]byte, secretBytes)
	_, _ = rand.Read(key) // It never fails: see its documentation.
	// Made here, so that the request is safe to repeat.
	wish := struct {
		Secret string `json:"secret"`
		Keep   int    `json:"keepSeconds"`
	}{secretPrefix + base64.StdEncoding.EncodeToString(key), int(max(keep, 0) / time.Second)}
	var w Webhook
	if err := c.do(ctx, request{method: http.MethodPost, path: webhookPath(id) + "/rotate", body: wish}, &w); err != nil {
		return Webhook{}, err
	}
	w.Secret = wish.Secret
	return w, nil
}

// Delivery is what a receiver said to a test.
type Delivery struct {
	// ID is that of the event.
	ID string `json:"id"`
	// Delivered says whether the receiver answered 2xx within 10 s; Result is delivered, or why not.
	Delivered bool   `json:"delivered"`
	Result    string `json:"result"`
	// Status is that of the answer; 0 where there was none.
	Status int `json:"status"`
	// Milliseconds is how long it took.
	Milliseconds int `json:"ms"`
	// Detail says why it failed.
	Detail string `json:"detail"`
}

// TestWebhook sends one event of the type WebhookTest at once, and gives what the receiver said.
func (c *Client) TestWebhook(ctx context.Context, id string) (Delivery, error) {
	var d Delivery
	err := c.do(ctx, request{method: http.MethodPost, path: webhookPath(id) + "/test"}, &d)
	return d, err
}

// Replay says which events to send again. Its zero value means all that were given up.
type Replay struct {
	// Delivered sends events that were delivered as well; From is required then.
	Delivered bool
	// From and To bound the time of the events; zero does not.
	From, To time.Time
	// Types are the types to send; none means those that the webhook asks for.
	Types []EventType
}

// ReplayWebhook sends events again, with the ids that they have, and gives how many it queued.
func (c *Client) ReplayWebhook(ctx context.Context, id string, what Replay) (int, error) {
	wish := struct {
		Only  string      `json:"only"`
		From  time.Time   `json:"from,omitzero"`
		To    time.Time   `json:"to,omitzero"`
		Types []EventType `json:"types,omitempty"`
	}{"dead", what.From, what.To, what.Types}
	if what.Delivered {
		wish.Only = "all"
	}
	var answer struct {
		Queued int `json:"queued"`
	}
	err := c.do(ctx, request{method: http.MethodPost, path: webhookPath(id) + "/replay", body: wish}, &answer)
	return answer.Queued, err
}

// DeadEvent is an event that was given up after its last try.
type DeadEvent struct {
	ID     string    `json:"id"`
	Type   EventType `json:"type"`
	Time   time.Time `json:"timestamp"`
	CallID string    `json:"callId"`
	Rev    uint32    `json:"rev"`
	Tries  int       `json:"tries"`
	DeadAt time.Time `json:"deadAt"`
	// Reason is why the last try failed.
	Reason string `json:"reason"`
}

// DeadEvents lists what was given up for a webhook, in the order of commits. It is kept for 14 days.
func (c *Client) DeadEvents(ctx context.Context, id string) iter.Seq2[DeadEvent, error] {
	type page struct {
		Dead []DeadEvent `json:"dead"`
		Next string      `json:"next"`
	}
	return pages(ctx, c, webhookPath(id)+"/dead", url.Values{}, func(p page) ([]DeadEvent, string) { return p.Dead, p.Next })
}
