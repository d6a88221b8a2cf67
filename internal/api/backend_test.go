package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/store"
)

// The document describes the routes that are served, and the codes that are answered.
func TestDocument(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			Security []map[string][]auth.Scope
		}
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct{ Enum []any }
			}
		}
	}
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	described := map[string][]map[string][]auth.Scope{}
	for path, methods := range doc.Paths {
		for method, operation := range methods {
			described[strings.ToUpper(method)+" "+path] = operation.Security
		}
	}
	served := map[string][]map[string][]auth.Scope{"GET /api/v1/openapi.json": {}}
	for _, r := range routes {
		served[r.pattern] = []map[string][]auth.Scope{{"key": {r.scope}}}
	}
	if diff := cmp.Diff(served, described); diff != "" {
		t.Errorf("served (-) and described (+) routes with their scopes: %s", diff)
	}
	codes := []string{}
	for code := range maps.Keys(statuses) {
		codes = append(codes, string(code))
		if titles[code] == "" {
			t.Errorf("%s has no title", code)
		}
	}
	slices.Sort(codes)
	listed := []string{}
	for _, code := range doc.Components.Schemas["Problem"].Properties["code"].Enum {
		listed = append(listed, code.(string))
	}
	slices.Sort(listed)
	if !slices.Equal(codes, listed) {
		t.Errorf("codes are %v, described %v", codes, listed)
	}
}

// scopeRows says for each route which scope opens it, and gives a path of it.
var scopeRows = map[string]struct {
	path  string
	scope auth.Scope
}{
	"GET /api/v1/calls":           {"/api/v1/calls", "read"},
	"GET /api/v1/calls/{id}":      {"/api/v1/calls/" + aCall, "read"},
	"POST /api/v1/calls/{id}/end": {"/api/v1/calls/" + aCall + "/end", "calls"},
	"GET /api/v1/records":         {"/api/v1/records?account=alice", "read"},

	"GET /api/v1/accounts/{a}":         {"/api/v1/accounts/alice", "read"},
	"POST /api/v1/accounts/{a}/logout": {"/api/v1/accounts/alice/logout", "accounts"},
	"DELETE /api/v1/accounts/{a}":      {"/api/v1/accounts/alice", "accounts"},
	"GET /api/v1/audit":                {"/api/v1/audit", "admin"},
	"GET /api/v1/nodes":                {"/api/v1/nodes", "admin"},

	"GET /api/v1/accounts/{a}/blocks":        {"/api/v1/accounts/alice/blocks", "read"},
	"PUT /api/v1/accounts/{a}/blocks/{b}":    {"/api/v1/accounts/alice/blocks/bob", "accounts"},
	"DELETE /api/v1/accounts/{a}/blocks/{b}": {"/api/v1/accounts/alice/blocks/bob", "accounts"},
	"GET /api/v1/events":                     {"/api/v1/events", "read"},

	"GET /api/v1/webhooks":              {"/api/v1/webhooks", "hooks"},
	"PUT /api/v1/webhooks/{id}":         {"/api/v1/webhooks/crm", "hooks"},
	"GET /api/v1/webhooks/{id}":         {"/api/v1/webhooks/crm", "hooks"},
	"DELETE /api/v1/webhooks/{id}":      {"/api/v1/webhooks/crm", "hooks"},
	"POST /api/v1/webhooks/{id}/test":   {"/api/v1/webhooks/crm/test", "hooks"},
	"POST /api/v1/webhooks/{id}/rotate": {"/api/v1/webhooks/crm/rotate", "hooks"},
	"POST /api/v1/webhooks/{id}/replay": {"/api/v1/webhooks/crm/replay", "hooks"},
	"GET /api/v1/webhooks/{id}/dead":    {"/api/v1/webhooks/crm/dead", "hooks"},
}

const aCall = "019a0000-0000-7000-8000-000000000001"

// ring is a keyring by the texts of its keys.
type ring map[string]auth.APIKey

func (r ring) Check(bearer string) (auth.APIKey, bool) {
	key, ok := r[bearer]
	return key, ok
}

// TestScopes walks the routes as the server has them, each with every kind of key: the one
// with the scope of the route opens it, and no other. A route without a row above fails.
func TestScopes(t *testing.T) {
	keys := ring{}
	for _, scope := range auth.AllScopes() {
		keys["only "+string(scope)] = auth.APIKey{ID: "only-" + string(scope), Scopes: []auth.Scope{scope}}
		rest := slices.DeleteFunc(auth.AllScopes(), func(s auth.Scope) bool { return s == scope })
		keys["without "+string(scope)] = auth.APIKey{ID: "without-" + string(scope), Scopes: rest}
	}
	keys["all"] = auth.APIKey{ID: "all", Scopes: auth.AllScopes()}
	keys["none"] = auth.APIKey{ID: "none"}
	for _, r := range routes {
		row, ok := scopeRows[r.pattern]
		if !ok {
			t.Errorf("%s has no row in scopeRows: which scope opens it?", r.pattern)
			continue
		}
		method, _, _ := strings.Cut(r.pattern, " ")
		for bearer, key := range keys {
			w := ask(t, keys, method, row.path, bearer)
			want := slices.Contains(key.Scopes, row.scope)
			if refused := w.Code == http.StatusForbidden; refused == want || w.Code == http.StatusUnauthorized || w.Code >= 500 {
				t.Errorf("%s with the key %q: %d %s", r.pattern, bearer, w.Code, w.Body)
			}
			if !want && (!strings.Contains(w.Body.String(), `"code":"missing_scope"`) || !strings.Contains(w.Body.String(), "the scope "+string(row.scope))) {
				t.Errorf("%s with the key %q says %s", r.pattern, bearer, w.Body)
			}
		}
		for _, bearer := range []string{"", "wrong"} {
			if w := ask(t, keys, method, row.path, bearer); w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), `"code":"invalid_key"`) {
				t.Errorf("%s with the key %q: %d %s", r.pattern, bearer, w.Code, w.Body)
			}
		}
	}
}

// nobody are accounts of which none is connected.
type nobody struct{}

func (nobody) Devices(context.Context, call.Account) ([]Device, error) { return nil, nil }

func (nobody) LogOut(context.Context, call.Account, call.DeviceID, store.Audit) (LoggedOut, error) {
	return LoggedOut{}, nil
}

func (nobody) Erase(context.Context, call.Account, bool, store.Audit, store.Audit) error { return nil }

// TestAudited: each route that writes files what it did, and no other does. Of a request that a
// key is not enough for nothing is filed.
func TestAudited(t *testing.T) {
	key := ring{"all": auth.APIKey{ID: "all", Scopes: auth.AllScopes()}, "none": auth.APIKey{ID: "none"}}
	inStore := []string{actionLogOut, actionErase} // With the write, which nobody does here.
	for _, r := range routes {
		method, _, _ := strings.Cut(r.pattern, " ")
		if (r.action != "") != (method != http.MethodGet) {
			t.Errorf("%s has the action %q", r.pattern, r.action)
		}
		s := store.NewMemory(now)
		answer := askOf(t, s, key, method, scopeRows[r.pattern].path, "all")
		for _, bearer := range []string{"none", "wrong"} {
			askOf(t, s, key, method, scopeRows[r.pattern].path, bearer)
		}
		list, err := s.Trail(t.Context(), 0, 9)
		if err != nil {
			t.Fatal(err)
		}
		want := r.action != "" && !slices.Contains(inStore, r.action)
		if want != (len(list) == 1) || want && (list[0].Key != "all" || list[0].Action != r.action || list[0].Status != answer.Code) {
			t.Errorf("%s files %+v", r.pattern, list)
		}
	}
}

// leaving are accounts whose backend hangs up while it waits for them.
type leaving struct {
	nobody
	hangUp context.CancelFunc
}

func (l leaving) LogOut(ctx context.Context, _ call.Account, _ call.DeviceID, _ store.Audit) (LoggedOut, error) {
	l.hangUp()
	return LoggedOut{}, ctx.Err()
}

func (l leaving) Erase(ctx context.Context, _ call.Account, _ bool, _, _ store.Audit) error {
	l.hangUp()
	return ctx.Err()
}

// TestAuditedHangUp: what was not done because the client hung up is not filed as done.
func TestAuditedHangUp(t *testing.T) {
	for _, pattern := range []string{"DELETE /api/v1/accounts/{a}", "POST /api/v1/accounts/{a}/logout"} {
		s := store.NewMemory(now)
		b := newBackendOf(s, ring{"all": auth.APIKey{ID: "all", Scopes: auth.AllScopes()}})
		ctx, hangUp := context.WithCancel(t.Context())
		b.Accounts = leaving{hangUp: hangUp}
		method, _, _ := strings.Cut(pattern, " ")
		q := httptest.NewRequestWithContext(ctx, method, scopeRows[pattern].path, nil)
		q.Header.Set("Authorization", "Bearer all")
		b.Routes().ServeHTTP(httptest.NewRecorder(), q)
		list, err := s.Trail(t.Context(), 0, 9)
		if err != nil || len(list) != 1 || list[0].Status != http.StatusServiceUnavailable {
			t.Errorf("%s files %+v, %v", pattern, list, err)
		}
	}
}

// slow are accounts that take as long to erase as they may.
type slow struct {
	nobody
	until *time.Time
}

func (s slow) Erase(ctx context.Context, _ call.Account, _ bool, _, _ store.Audit) error {
	*s.until, _ = ctx.Deadline()
	return nil
}

// deadlines notes until when an answer may be written.
type deadlines struct {
	http.ResponseWriter
	until time.Time
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.until = at
	return nil
}

// TestEraseTime: an erasure, which looks through all events, has longer than other requests, and
// its answer may be written at the end of that. It is over before the store forgets the calls that
// ended meanwhile.
func TestEraseTime(t *testing.T) {
	b := newBackend(ring{"all": auth.APIKey{ID: "all", Scopes: auth.AllScopes()}})
	var until time.Time
	b.Accounts = slow{until: &until}
	q := httptest.NewRequestWithContext(t.Context(), http.MethodDelete, "/api/v1/accounts/bob", nil)
	q.Header.Set("Authorization", "Bearer all")
	began := time.Now()
	w := &deadlines{ResponseWriter: httptest.NewRecorder()}
	b.Routes().ServeHTTP(w, q)
	if until.Before(began.Add(time.Minute)) || !w.until.After(until) || eraseTimeout > store.KeepEnded/2 {
		t.Errorf("begun at %s, it may take until %s, and the answer until %s", began, until, w.until)
	}
}

// TestAliasIsNoAccount: the name of an erased account opens no route of accounts, as a block or
// an erasure by it would destroy the proof.
func TestAliasIsNoAccount(t *testing.T) {
	alias := string(store.NewMemory(now).Alias("alice"))
	keys := ring{"all": auth.APIKey{ID: "all", Scopes: auth.AllScopes()}}
	for _, r := range routes {
		method, pattern, _ := strings.Cut(r.pattern, " ")
		for _, place := range []string{"{a}", "{b}"} {
			if !strings.Contains(pattern, place) {
				continue
			}
			path := strings.NewReplacer(place, alias, "{a}", "bob", "{b}", "bob").Replace(pattern)
			if w := ask(t, keys, method, path, "all"); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "alias of an erased account") {
				t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
			}
		}
	}
}

// unreachable are accounts that nobody can ask for.
type unreachable struct{ nobody }

func (unreachable) Devices(context.Context, call.Account) ([]Device, error) {
	return nil, errors.New("too late")
}

// TestLogHasNoNames: what cannot be answered is logged by its route and the id of the request.
func TestLogHasNoNames(t *testing.T) {
	b := newBackend(ring{"all": auth.APIKey{ID: "all", Scopes: auth.AllScopes()}})
	var log strings.Builder
	b.Accounts, b.Log = unreachable{}, slog.New(slog.NewTextHandler(&log, nil))
	q := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/accounts/alice", nil)
	q.Header.Set("Authorization", "Bearer all")
	q.Header.Set(requestIDHeader, "mine")
	b.Routes().ServeHTTP(httptest.NewRecorder(), q)
	for _, has := range []string{"GET /api/v1/accounts/{a}", "request_id=mine", "too late"} {
		if !strings.Contains(log.String(), has) {
			t.Errorf("the log lacks %q: %s", has, log.String())
		}
	}
	if strings.Contains(log.String(), "alice") {
		t.Errorf("the log has the name of an account: %s", log.String())
	}
}

func now() time.Time { return time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC) }

// ask sends a request to an API over an empty store.
func ask(t *testing.T, keys Keyring, method, path, bearer string) *httptest.ResponseRecorder {
	t.Helper()
	return askOf(t, store.NewMemory(now), keys, method, path, bearer)
}

func askOf(t *testing.T, s *store.Memory, keys Keyring, method, path, bearer string) *httptest.ResponseRecorder {
	t.Helper()
	q := httptest.NewRequest(method, path, nil)
	if bearer != "" {
		q.Header.Set("Authorization", "Bearer "+bearer)
	}
	w := httptest.NewRecorder()
	newBackendOf(s, keys).Routes().ServeHTTP(w, q)
	return w
}

// newBackend is an API over an empty store.
func newBackend(keys Keyring) Backend { return newBackendOf(store.NewMemory(now), keys) }

func newBackendOf(s *store.Memory, keys Keyring) Backend {
	return Backend{
		Keys: keys, Limits: protocol.DefaultLimits(), Store: s, Outbox: s.Outbox(), Accounts: nobody{},
		Nodes:   func(context.Context) ([]store.Node, error) { return nil, nil },
		End:     func(context.Context, call.ID) (call.Call, error) { return call.Call{}, store.ErrNotFound },
		Address: func(*http.Request) netip.Addr { return netip.Addr{} },
		Now:     now, Log: slog.New(slog.DiscardHandler),
	}
}

// TestAllow: what takes another method is refused with all those that it takes.
func TestAllow(t *testing.T) {
	mux := http.NewServeMux()
	for _, pattern := range []string{"GET /api/v1/x/{id}", "PUT /api/v1/x/{id}", "DELETE /api/v1/x/{id}", "POST /api/v1/x/{id}/y"} {
		mux.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) {})
	}
	for path, want := range map[string]string{"/api/v1/x/a": "GET, PUT, DELETE", "/api/v1/x/a/y": "POST", "/api/v1/z": ""} {
		w := httptest.NewRecorder()
		denyRoute(mux, w, httptest.NewRequest(http.MethodPatch, path, nil))
		if got := w.Header().Get("Allow"); got != want || (w.Code == http.StatusNotFound) != (want == "") {
			t.Errorf("%s: %d, Allow %q, want %q", path, w.Code, got, want)
		}
	}
}
