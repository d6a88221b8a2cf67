package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/delivery"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/webhook"
)

// Limits of webhooks, beside store.EndpointsMost and those of a URL.
const (
	webhookIDMost     = 32 // Bytes of an id.
	webhookEventsMost = 16 // Names of events.
	// secretKeep is how long the former secret signs beside a new one, unless the request says
	// otherwise: up to secretKeepMost.
	secretKeep     = 24 * time.Hour
	secretKeepMost = 7 * 24 * time.Hour
	// testsMost is how many tests run at a time.
	testsMost = 10
	// testTimeout is longer than the longest try, so that the answer reports the timeout of a try.
	testTimeout   = 14 * time.Second
	replayTimeout = 20 * time.Second
)

// byRequest is the reason of a webhook that its backend disabled.
const byRequest = "by_request"

// testType is the type of a test event. No call has events of this type.
const testType = "webhook.test"

// invalid says what is wrong with a request.
type invalid string

func (i invalid) Error() string { return string(i) }

// putFields are the fields of a webhook. Absent ones stay as they are.
type putFields struct {
	URL      *string  `json:"url"`
	Events   []string `json:"events"`
	Disabled *bool    `json:"disabled"`
}

const putThis = `{"url":"https://example.com/hooks","events":["call.*"]}`

// putWebhook creates or changes a webhook.
func (b *backend) putWebhook(w http.ResponseWriter, q *http.Request) {
	id, ok := webhookIDOf(w, q)
	fields := putFields{}
	if !ok || !bodyOf(w, q, &fields, putThis) {
		return
	}
	queue, ok := b.queue(w, q, id)
	if !ok {
		return
	}
	made, d := "", deedOf(q)
	e, err := b.Outbox.PutEndpoint(q.Context(), id, func(e *store.Endpoint) error {
		if len(e.Secrets) == 0 {
			made = webhook.NewSecret().Text()
			e.Rotate(made, b.Now(), 0)
		}
		return b.change(e, &fields)
	}, d.done())
	d.filed = err == nil
	if err != nil {
		b.denyWebhook(w, q, id, err)
		return
	}
	status := http.StatusOK
	if made != "" {
		status = http.StatusCreated
	}
	b.showWebhook(w, status, &e, queue, made)
}

// change sets the fields that are present.
func (b *backend) change(e *store.Endpoint, f *putFields) error {
	if f.URL == nil && e.URL == "" {
		return invalid("url is missing: a new webhook needs one, such as https://example.com/hooks")
	}
	if f.URL != nil {
		if err := b.Reach.Check(*f.URL); err != nil {
			return invalid(err.Error())
		}
		if e.URL != *f.URL {
			e.URL, e.FailingSince = *f.URL, time.Time{}
		}
	}
	switch {
	case f.Events != nil && (len(f.Events) == 0 || len(f.Events) > webhookEventsMost):
		return invalid(fmt.Sprintf(`events has %d names: send 1 to %d, such as ["call.*"]`, len(f.Events), webhookEventsMost))
	case f.Events != nil:
		if _, err := call.EventsNamed(f.Events...); err != nil {
			return invalid("events: " + err.Error())
		}
		e.Events = f.Events
	case len(e.Events) == 0:
		e.Events = []string{"call.*"}
	}
	switch {
	case f.Disabled == nil:
	case *f.Disabled && e.Enabled():
		e.Disabled = store.Disabled{At: b.Now(), Reason: byRequest}
	case !*f.Disabled && !e.Enabled():
		e.Disabled, e.FailingSince = store.Disabled{}, time.Time{}
	}
	return nil
}

// listWebhooks gives all webhooks.
func (b *backend) listWebhooks(w http.ResponseWriter, q *http.Request) {
	if _, ok := queryOf(w, q); !ok {
		return
	}
	queues, err := b.Outbox.Queues(q.Context())
	if err != nil {
		b.unavailable(w, q, err)
		return
	}
	answer := struct {
		Webhooks []webhookShape `json:"webhooks"`
	}{[]webhookShape{}}
	for _, e := range b.Outbox.Endpoints() {
		answer.Webhooks = append(answer.Webhooks, webhookOf(&e, queueOf(queues, e.ID), b.Now()))
	}
	reply(w, answer)
}

// getWebhook gives one webhook.
func (b *backend) getWebhook(w http.ResponseWriter, q *http.Request) {
	e, ok := b.webhook(w, q)
	if !ok {
		return
	}
	if queue, ok := b.queue(w, q, e.ID); ok {
		b.showWebhook(w, http.StatusOK, &e, queue, "")
	}
}

// deleteWebhook deletes a webhook with its deliveries, if there is one.
func (b *backend) deleteWebhook(w http.ResponseWriter, q *http.Request) {
	id, ok := webhookIDOf(w, q)
	if !ok || !emptyBody(w, q) {
		return
	}
	d := deedOf(q)
	err := b.Outbox.DeleteEndpoint(q.Context(), id, d.done())
	d.filed = err == nil
	if err != nil && !errors.Is(err, store.ErrNoEndpoint) {
		b.unavailable(w, q, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// testWebhook sends a test event at once, and reports the answer of the receiver.
func (b *backend) testWebhook(w http.ResponseWriter, q *http.Request) {
	e, ok := b.webhook(w, q)
	if !ok || !emptyBody(w, q) {
		return
	}
	if !b.tests.enter() {
		w.Header().Set("Retry-After", "1")
		deny(w, tooManyRequests, "%d tests of webhooks run already: try again", testsMost)
		return
	}
	defer b.tests.leave()
	id := "evt_test_" + string(auth.NewSecret())[:22]
	body, err := json.Marshal(map[string]any{
		"type": testType, "id": id, "timestamp": b.Now().UTC(), "data": map[string]string{"webhook": e.ID},
	})
	if err != nil {
		panic(fmt.Sprintf("encode test: %v", err)) // It is made of texts and a time.
	}
	began := time.Now()
	a := b.Try(q.Context(), &e, id, body)
	if errors.Is(q.Context().Err(), context.Canceled) {
		return // The client has gone.
	}
	reply(w, struct {
		ID        string `json:"id"`
		Delivered bool   `json:"delivered"`
		Result    string `json:"result"`
		Status    int    `json:"status,omitempty"`
		MS        int64  `json:"ms"`
		Detail    string `json:"detail,omitempty"`
	}{id, a.Result == delivery.Delivered, string(a.Result), a.Status, time.Since(began).Milliseconds(), a.Detail})
}

const rotateThis = `no body, or {"keepSeconds":86400}, or {"secret":"whsec_..."} with a secret that you made`

// rotateWebhook gives a webhook another secret. The former one signs as well for some time.
func (b *backend) rotateWebhook(w http.ResponseWriter, q *http.Request) {
	var fields struct {
		Secret      *string `json:"secret"`
		KeepSeconds *int64  `json:"keepSeconds"`
	}
	e, ok := b.webhook(w, q)
	if !ok || !bodyOf(w, q, &fields, rotateThis) {
		return
	}
	keep, secret := secretKeep, webhook.NewSecret().Text()
	if n := fields.KeepSeconds; n != nil {
		if most := int64(secretKeepMost / time.Second); *n < 0 || *n > most {
			deny(w, protocol.BadRequest, "keepSeconds is %d: send a number from 0 to %d", *n, most)
			return
		}
		keep = time.Duration(*n) * time.Second
	}
	if fields.Secret != nil {
		given, err := webhook.ParseSecret(*fields.Secret)
		if err != nil {
			deny(w, protocol.BadRequest, "secret: %s", err)
			return
		}
		secret = given.Text()
	}
	queue, ok := b.queue(w, q, e.ID)
	if !ok {
		return
	}
	d := deedOf(q)
	e, err := b.Outbox.PutEndpoint(q.Context(), e.ID, func(e *store.Endpoint) error {
		switch {
		case len(e.Secrets) == 0:
			return store.ErrNoEndpoint
		case e.Secrets[0].Value != secret: // A repeated request changes nothing.
			e.Rotate(secret, b.Now(), keep)
		}
		return nil
	}, d.done())
	d.filed = err == nil
	if err != nil {
		b.denyWebhook(w, q, q.PathValue("id"), err)
		return
	}
	b.showWebhook(w, http.StatusOK, &e, queue, secret)
}

const replayThis = `{"only":"dead"}, or {"only":"all","from":"2026-11-30T12:00:00Z","types":["call.ended"]}`

// replayWebhook queues events again.
func (b *backend) replayWebhook(w http.ResponseWriter, q *http.Request) {
	var fields struct {
		From  time.Time `json:"from"`
		To    time.Time `json:"to"`
		Types []string  `json:"types"`
		Only  string    `json:"only"`
	}
	e, ok := b.webhook(w, q)
	if !ok || !bodyOf(w, q, &fields, replayThis) {
		return
	}
	what := store.Replay{From: fields.From, To: fields.To, All: fields.Only == "all"}
	var err error
	switch {
	case fields.Only != "" && fields.Only != "dead" && fields.Only != "all":
		err = invalid(fmt.Sprintf("only is %q: send dead or all", fields.Only))
	case what.All && what.From.IsZero():
		err = invalid("only is all without from: say from when on events are to be sent again")
	case !what.From.IsZero() && !what.To.IsZero() && !what.From.Before(what.To):
		err = invalid("from is not before to: nothing would be chosen")
	case fields.Types != nil && (len(fields.Types) == 0 || len(fields.Types) > webhookEventsMost):
		err = invalid(fmt.Sprintf("types has %d names: send 1 to %d, or leave it out", len(fields.Types), webhookEventsMost))
	case fields.Types != nil:
		if what.Kinds, err = call.EventsNamed(fields.Types...); err != nil {
			err = invalid("types: " + err.Error())
		}
	}
	if err != nil {
		b.denyWebhook(w, q, e.ID, err)
		return
	}
	d := deedOf(q)
	queued, err := b.Outbox.Replay(q.Context(), e.ID, what, d.done())
	// A replay that ended early has a second entry, with the status of its answer.
	d.filed = err == nil
	switch {
	case errors.Is(err, store.ErrQueueFull):
		deny(w, conflict, "%d events were queued, and no more can wait: %d is the most. Replay the rest when those are delivered", queued, store.QueueMost)
	case errors.Is(err, store.ErrNoEndpoint), err != nil && queued == 0:
		b.denyWebhook(w, q, e.ID, err)
	case err != nil:
		b.Log.Warn("a replay of webhook events ended early", "endpoint", e.ID, "queued", queued, "error", err)
		deny(w, protocol.Unavailable, "%d events were queued, and then the store did not answer in time: replay again, which leaves out those that wait", queued)
	default:
		reply(w, map[string]int{"queued": queued})
	}
}

// listDead lists dead events, the oldest first.
func (b *backend) listDead(w http.ResponseWriter, q *http.Request) {
	e, ok := b.webhook(w, q)
	if !ok {
		return
	}
	p, _, ok := pageOf(w, q)
	if !ok {
		return
	}
	after, ok := p.seq(w)
	if !ok {
		return
	}
	dead, err := b.Outbox.Dead(q.Context(), e.ID, after, p.limit+1)
	if err != nil {
		b.denyWebhook(w, q, e.ID, err)
		return
	}
	replyPage(w, "dead", dead, p.limit, deadOf, func(d *store.DeadLetter) string { return strconv.FormatInt(d.Event.Seq, 10) })
}

// webhook finds the webhook that a path names.
func (b *backend) webhook(w http.ResponseWriter, q *http.Request) (store.Endpoint, bool) {
	id, ok := webhookIDOf(w, q)
	if !ok {
		return store.Endpoint{}, false
	}
	all := b.Outbox.Endpoints()
	at := slices.IndexFunc(all, func(e store.Endpoint) bool { return e.ID == id })
	if at < 0 {
		b.denyWebhook(w, q, id, store.ErrNoEndpoint)
		return store.Endpoint{}, false
	}
	return all[at], true
}

func webhookIDOf(w http.ResponseWriter, q *http.Request) (string, bool) {
	id := q.PathValue("id")
	if id == "" || len(id) > webhookIDMost || strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	}) {
		deny(w, protocol.BadRequest, "%.60q is no id of a webhook: send 1 to %d of a-z, 0-9 and -", id, webhookIDMost)
		return "", false
	}
	return id, true
}

// denyWebhook refuses a request about a webhook.
func (b *backend) denyWebhook(w http.ResponseWriter, q *http.Request, id string, err error) {
	var wrong invalid
	switch {
	case errors.As(err, &wrong):
		deny(w, protocol.BadRequest, "%s", wrong)
	case errors.Is(err, store.ErrNoEndpoint):
		deny(w, noSuchWebhook, "no webhook has the id %s: PUT makes one", id)
	case errors.Is(err, store.ErrEndpoints):
		deny(w, conflict, "there are %d webhooks, which is the most: delete one", store.EndpointsMost)
	default:
		b.unavailable(w, q, err)
	}
}

// queue counts what waits for a webhook: nothing for one that is yet to be made. A route that writes
// reads it before the write, so that no error of the read withholds the answer, which has the only
// copy of a secret.
func (b *backend) queue(w http.ResponseWriter, q *http.Request, id string) (store.Queue, bool) {
	queue, err := b.Outbox.Queue(q.Context(), id)
	if err != nil && !errors.Is(err, store.ErrNoEndpoint) {
		b.unavailable(w, q, err)
		return store.Queue{}, false
	}
	return queue, true
}

// showWebhook answers with a webhook, and with a secret where the answer shows it.
func (b *backend) showWebhook(w http.ResponseWriter, status int, e *store.Endpoint, queue store.Queue, secret string) {
	shape := webhookOf(e, queue, b.Now())
	shape.Secret = secret
	replyAs(w, status, shape)
}
