package api

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/delivery"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/webhook"
)

// Limits of the server API.
const (
	backendBodyBytes = 16 << 10
	pageMost         = 500
	pageUsual        = 100
	keyRate          = 50 // Requests a second of one key,
	keyBurst         = 100
	wrongKeysPerMin  = 10 // Of one address.
	addressesMost    = 1 << 16
	backendTimeout   = 10 * time.Second // For one request.
	requestIDBytes   = 64
)

const requestIDHeader = "X-Request-Id"

// Keyring knows the keys of backends.
type Keyring interface {
	// Check returns the key of a bearer token, where its secret is right. Many goroutines call it at
	// the same time.
	Check(bearer string) (auth.APIKey, bool)
}

// Backend holds the dependencies of the server API.
type Backend struct {
	Keys   Keyring
	Limits protocol.Limits
	Store  store.Store
	// End ends a call and returns the ended call, or store.ErrNotFound.
	End func(context.Context, call.ID) (call.Call, error)
	// Accounts lists connected devices, and logs out and erases accounts.
	Accounts Accounts
	// Shared says that other nodes share the store, and have devices of their own.
	Shared bool
	// Nodes lists the nodes that share the store.
	Nodes func(context.Context) ([]store.Node, error)
	// Address is the client address of a request, behind trusted proxies.
	Address func(*http.Request) netip.Addr
	// Now is the store's time.
	Now func() time.Time
	// Outbox has the events. Where it is nil the store keeps none, and the routes of the feed and of
	// webhooks answer 503.
	Outbox store.Outbox
	// Reach says which addresses webhooks may reach, and Try makes one try at an endpoint.
	Reach webhook.Reach
	Try   func(ctx context.Context, to *store.Endpoint, id string, body []byte) delivery.Attempt
	// Stopping is closed when the server begins to stop.
	Stopping <-chan struct{}
	Log      *slog.Logger
}

//go:embed openapi.json
var openAPI []byte

// route is one route of the server API.
type route struct {
	pattern string
	// scope is what a key needs for it.
	scope  auth.Scope
	handle func(*backend, http.ResponseWriter, *http.Request)
	// action is its name in the audit: of a route that writes, and of no other.
	action string
	// timeout is how long an answer may take; zero for backendTimeout.
	timeout time.Duration
}

// routes are all routes. openapi.json describes each, and a test compares the two.
var routes = []route{
	{"GET /api/v1/calls", auth.ScopeRead, (*backend).listCalls, "", 0},
	{"GET /api/v1/calls/{id}", auth.ScopeRead, (*backend).getCall, "", 0},
	{"POST /api/v1/calls/{id}/end", auth.ScopeCalls, (*backend).endCall, actionEndCall, 0},
	{"GET /api/v1/records", auth.ScopeRead, (*backend).listRecords, "", 0},
	{"GET /api/v1/accounts/{a}", auth.ScopeRead, (*backend).getAccount, "", 0},
	{"POST /api/v1/accounts/{a}/logout", auth.ScopeAccounts, (*backend).logOut, actionLogOut, 0},
	{"DELETE /api/v1/accounts/{a}", auth.ScopeAccounts, (*backend).eraseAccount, actionErase, eraseTimeout},
	{"GET /api/v1/accounts/{a}/blocks", auth.ScopeRead, (*backend).listBlocks, "", 0},
	{"PUT /api/v1/accounts/{a}/blocks/{b}", auth.ScopeAccounts, (*backend).putBlock, actionBlock, 0},
	{"DELETE /api/v1/accounts/{a}/blocks/{b}", auth.ScopeAccounts, (*backend).deleteBlock, actionUnblock, 0},
	{"GET /api/v1/nodes", auth.ScopeAdmin, (*backend).listNodes, "", 0},
	{"GET /api/v1/audit", auth.ScopeAdmin, (*backend).listAudit, "", 0},
	{"GET /api/v1/events", auth.ScopeRead, outgoing((*backend).listEvents), "", feedWaitMost + backendTimeout},
	{"GET /api/v1/webhooks", auth.ScopeHooks, outgoing((*backend).listWebhooks), "", 0},
	{"PUT /api/v1/webhooks/{id}", auth.ScopeHooks, outgoing((*backend).putWebhook), actionPutWebhook, 0},
	{"GET /api/v1/webhooks/{id}", auth.ScopeHooks, outgoing((*backend).getWebhook), "", 0},
	{"DELETE /api/v1/webhooks/{id}", auth.ScopeHooks, outgoing((*backend).deleteWebhook), actionDeleteWebhook, 0},
	{"POST /api/v1/webhooks/{id}/test", auth.ScopeHooks, outgoing((*backend).testWebhook), actionTestWebhook, testTimeout},
	{"POST /api/v1/webhooks/{id}/rotate", auth.ScopeHooks, outgoing((*backend).rotateWebhook), actionRotateWebhook, 0},
	{"POST /api/v1/webhooks/{id}/replay", auth.ScopeHooks, outgoing((*backend).replayWebhook), actionReplayWebhook, replayTimeout},
	{"GET /api/v1/webhooks/{id}/dead", auth.ScopeHooks, outgoing((*backend).listDead), "", 0},
}

// outgoing wraps a handler that needs the outbox.
func outgoing(handle func(*backend, http.ResponseWriter, *http.Request)) func(*backend, http.ResponseWriter, *http.Request) {
	return func(b *backend, w http.ResponseWriter, q *http.Request) {
		if b.Outbox == nil {
			deny(w, protocol.Unavailable, "the store of this server keeps no events")
			return
		}
		handle(b, w, q)
	}
}

// Routes serves the server API, for backends that have an API key.
func (b Backend) Routes() http.Handler {
	served := &backend{
		Backend: b, budgets: newBudgets(),
		waiters: make(places, feedWaitersMost), tests: make(places, testsMost),
	}
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.HandleFunc(r.pattern, func(w http.ResponseWriter, q *http.Request) { served.serve(&r, w, q) })
	}
	mux.HandleFunc("GET /api/v1/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(openAPI)
	})
	mux.HandleFunc(elsewhere, func(w http.ResponseWriter, q *http.Request) {
		if _, ok := served.admit(w, q); ok {
			denyRoute(mux, w, q)
		}
	})
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set(requestIDHeader, requestID(q))
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		q.Body = http.MaxBytesReader(w, q.Body, backendBodyBytes)
		mux.ServeHTTP(w, slashed(q))
	})
}

// elsewhere is the pattern of what is no route.
const elsewhere = "/api/"

// denyRoute refuses a request for no route, or with another method of a route.
func denyRoute(mux *http.ServeMux, w http.ResponseWriter, q *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		other := &http.Request{Method: method, URL: q.URL, Host: q.Host}
		if _, pattern := mux.Handler(other); pattern != "" && pattern != elsewhere {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		deny(w, notFound, "%s is no route of this server: see /api/v1/openapi.json", q.URL.Path)
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	deny(w, methodNotAllowed, "%s takes %s: send that in place of %s", q.URL.Path, strings.Join(allowed, " or "), q.Method)
}

// keyID is under which a request's context has the id of its key.
type keyID struct{}

// backend serves requests at the same time.
type backend struct {
	Backend
	// waiters are the requests that wait for events, and tests those that test a webhook.
	waiters, tests places
	budgets        *budgets
}

// serve answers a request for a route, where its key has the scope.
func (b *backend) serve(r *route, w http.ResponseWriter, q *http.Request) {
	key, ok := b.admit(w, q)
	switch {
	case !ok:
	case !key.Opens(r.scope):
		deny(w, missingScope, "the key %s lacks the scope %s, which this route needs: send a key that has it", key.ID, r.scope)
	default:
		ctx, cancel := context.WithTimeout(context.WithValue(q.Context(), keyID{}, key.ID), cmp.Or(r.timeout, backendTimeout))
		defer cancel()
		if q = q.WithContext(ctx); r.action == "" {
			r.handle(b, w, q)
		} else {
			b.audited(r, key, w, q)
		}
	}
}

// requestID is the request's own, or a new one.
func requestID(q *http.Request) string {
	id := q.Header.Get(requestIDHeader)
	if id == "" || len(id) > requestIDBytes || slices.ContainsFunc([]rune(id), func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsPrint(r) }) {
		return string(auth.NewSecret())[:22]
	}
	return id
}

// admit returns the key of a request, and refuses requests without a good key, or above the limits. Wrong
// keys of an address do not count against a good key of that address: others may share the address.
func (b *backend) admit(w http.ResponseWriter, q *http.Request) (key auth.APIKey, ok bool) {
	now := time.Now()
	token := bearer(q.Header.Get("Authorization"))
	key, ok = b.Keys.Check(token)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer realm="peal server API"`)
		switch wait := b.budgets.fails(b.Address(q), now); {
		case wait > 0:
			w.Header().Set("Retry-After", seconds(wait))
			deny(w, tooManyRequests, "too many requests without a good key came from this address: wait %s s", seconds(wait))
		case token == "":
			deny(w, invalidKey, "send the header Authorization: Bearer and an API key, as peal key new makes one")
		default:
			deny(w, invalidKey, "this is no API key of this server: a token of a device opens no route of the API")
		}
		return auth.APIKey{}, false
	}
	left, wait := b.budgets.spend(key.ID, now)
	w.Header().Set("RateLimit-Policy", fmt.Sprintf(`"key";q=%d;w=%d`, keyBurst, keyBurst/keyRate))
	w.Header().Set("RateLimit", fmt.Sprintf(`"key";r=%d;t=%s`, left, seconds(wait)))
	if wait > 0 {
		w.Header().Set("Retry-After", seconds(wait))
		deny(w, tooManyRequests, "a key may ask %d times a second: wait %s s", keyRate, seconds(wait))
		return auth.APIKey{}, false
	}
	return key, true
}

// seconds rounds up: zero seconds would be no wait at all.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

// listCalls gives the live calls, all of them or those of an account.
func (b *backend) listCalls(w http.ResponseWriter, q *http.Request) {
	p, ok := b.page(w, q, "live", "account")
	if !ok {
		return
	}
	if live := q.URL.Query().Get("live"); live != "" && live != "1" {
		deny(w, protocol.BadRequest, "live=%s: the list has live calls alone, so leave it out or send live=1", live)
		return
	}
	answer := struct {
		Calls []callShape `json:"calls"`
		Next  string      `json:"next,omitempty"`
	}{Calls: []callShape{}}
	var calls []call.Call
	var err error
	if p.account != "" {
		if p.cursor != "" {
			deny(w, protocol.BadRequest, "cursor and account: an account has too few live calls for pages, so leave cursor out")
			return
		}
		calls, err = b.Store.CallsOf(q.Context(), p.account, b.Now())
		calls = slices.DeleteFunc(calls, func(c call.Call) bool { return !c.Live() })
	} else {
		calls, err = b.Store.Live(q.Context(), call.ID(p.cursor), p.limit)
		if len(calls) == p.limit {
			answer.Next = string(calls[p.limit-1].ID)
		}
	}
	if err != nil {
		b.unavailable(w, q, err)
		return
	}
	for i := range calls {
		answer.Calls = append(answer.Calls, callOf(&calls[i]))
	}
	reply(w, answer)
}

// getCall gives one call: a live one, or one that ended lately.
func (b *backend) getCall(w http.ResponseWriter, q *http.Request) {
	id, ok := callIDOf(w, q)
	if !ok {
		return
	}
	c, err := b.Store.Call(q.Context(), id)
	b.answer(w, q, id, c, err)
}

// endCall ends a call, and returns the ended call, also where it had ended before.
func (b *backend) endCall(w http.ResponseWriter, q *http.Request) {
	id, ok := callIDOf(w, q)
	if !ok || !emptyBody(w, q) {
		return
	}
	c, err := b.End(q.Context(), id)
	if err == nil {
		b.Log.Info("call ended by a backend", "call", id, "key", q.Context().Value(keyID{}), "request_id", w.Header().Get(requestIDHeader))
	}
	b.answer(w, q, id, c, err)
}

// unavailable answers for a store that failed. The log has the reason, and no path: that may name an
// account.
func (b *backend) unavailable(w http.ResponseWriter, q *http.Request, err error) {
	if errors.Is(q.Context().Err(), context.Canceled) {
		return // The client has gone.
	}
	b.Log.Warn("cannot answer a backend", "route", q.Pattern, "request_id", w.Header().Get(requestIDHeader), "error", err)
	deny(w, protocol.Unavailable, "the store does not answer, or the server is stopping: try again")
}

func (b *backend) answer(w http.ResponseWriter, q *http.Request, id call.ID, c call.Call, err error) {
	switch {
	case errors.Is(err, store.ErrNotFound):
		deny(w, protocol.NoSuchCall, "no call %s is live or ended lately: its record may be in /api/v1/records", id)
	case err != nil:
		b.unavailable(w, q, err)
	default:
		reply(w, callOf(&c))
	}
}

// listRecords gives records of an account, the newest first.
func (b *backend) listRecords(w http.ResponseWriter, q *http.Request) {
	p, ok := b.page(w, q, "account")
	if !ok {
		return
	}
	if p.account == "" {
		deny(w, protocol.BadRequest, "send account=NAME: records are listed for one account")
		return
	}
	records, err := b.Store.Records(q.Context(), p.account, store.Page{Call: call.ID(p.cursor), Limit: p.limit + 1})
	if err != nil {
		b.unavailable(w, q, err)
		return
	}
	replyPage(w, "records", records, p.limit, recordOf, func(r *call.Record) string { return string(r.Call) })
}

// queryOf reads a query of known fields, each once.
func queryOf(w http.ResponseWriter, q *http.Request, known ...string) (url.Values, bool) {
	query, err := url.ParseQuery(q.URL.RawQuery)
	if err != nil {
		deny(w, protocol.BadRequest, "the query cannot be read: percent-encode its values, also %% and ;")
		return nil, false
	}
	for key, values := range query {
		if !slices.Contains(known, key) || len(values) != 1 {
			deny(w, protocol.BadRequest, "the query has %q: send only %s, each once", key, strings.Join(known, ", "))
			return nil, false
		}
	}
	return query, true
}

func callIDOf(w http.ResponseWriter, q *http.Request) (call.ID, bool) {
	id := q.PathValue("id")
	if !protocol.ValidCallID(id) {
		deny(w, protocol.BadRequest, "%q is no call id: those are UUIDs in small letters", id)
		return "", false
	}
	return call.ID(id), true
}

// emptyBody refuses a body that is not empty, and no empty object.
func emptyBody(w http.ResponseWriter, q *http.Request) bool {
	return bodyOf(w, q, &struct{}{}, "no body, or {}")
}

// bodyOf reads an object of known fields. Without a body all fields are absent.
func bodyOf(w http.ResponseWriter, q *http.Request, fields any, sendThis string) bool {
	text, err := io.ReadAll(q.Body)
	text = bytes.TrimSpace(text)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		deny(w, protocol.BadRequest, "the body has more than %d bytes: send %s", backendBodyBytes, sendThis)
		return false
	case err != nil:
		deny(w, protocol.BadRequest, "the body did not arrive whole: send the request again")
		return false
	case len(text) == 0:
		return true
	case text[0] != '{' || !json.Valid(text):
		deny(w, protocol.BadRequest, "the body is no JSON object: send %s", sendThis)
		return false
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(fields); err != nil {
		deny(w, protocol.BadRequest, "the body: %s: send %s", strings.TrimPrefix(err.Error(), "json: "), sendThis)
		return false
	}
	return true
}
