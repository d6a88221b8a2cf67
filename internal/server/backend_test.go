package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// apiSecret is the secret of the keys of the tests.
var apiSecret = strings.Repeat("A", 42) + "E"

// withAPI gives a server the key crm.
func withAPI(cfg *Config) {
	inMemory(cfg)
	cfg.Settings.API.Keys = map[string]string{"crm": apiSecret}
}

// backendClient is a backend that holds every answer to openapi.json.
type backendClient struct {
	b      *bench
	doc    map[string]any
	schema *jsonschema.Compiler
	seen   map[string]bool // Route and status.
	from   string          // Where requests come from, for a server that trusts its proxy; empty for here.
}

func (b *bench) backend() *backendClient {
	b.t.Helper()
	w, text := b.get(http.MethodGet, "/api/v1/openapi.json", nil)
	if w.StatusCode != http.StatusOK {
		b.t.Fatalf("openapi.json: %d %s", w.StatusCode, text)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		b.t.Fatal(err)
	}
	k := &backendClient{b: b, doc: doc.(map[string]any), schema: jsonschema.NewCompiler(), seen: map[string]bool{}}
	k.schema.AssertFormat()
	if err := k.schema.AddResource("api.json", doc); err != nil {
		b.t.Fatal(err)
	}
	return k
}

// ask sends a request with the key, and gives the answer, which the document allows.
func (k *backendClient) ask(method, route, path, key string) (status int, header http.Header, body map[string]any) {
	k.b.t.Helper()
	return k.send(method, route, path, key, "")
}

// send sends a request with a body. What succeeds has a body that the document allows.
func (k *backendClient) send(method, route, path, key, sends string) (status int, header http.Header, body map[string]any) {
	t := k.b.t
	t.Helper()
	sent := map[string]string{}
	if key != "" {
		sent["Authorization"] = "Bearer " + key
	}
	if k.from != "" {
		sent["X-Forwarded-For"] = k.from
	}
	w, text := k.b.request(method, path, sends, sent)
	place := fmt.Sprintf("api.json#/paths/%s/%s", escape(route), strings.ToLower(method))
	if sends != "" && w.StatusCode < 300 {
		k.allow(place+"/requestBody/content/application~1json/schema", sends)
	}
	k.seen[fmt.Sprintf("%s %s %d", method, route, w.StatusCode)] = true
	place += fmt.Sprintf("/responses/%d", w.StatusCode)
	if w.StatusCode == http.StatusNoContent {
		k.compile(place)
		return w.StatusCode, w.Header, nil
	}
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Fatalf("%s %s answers %d with %q", method, path, w.StatusCode, text)
	}
	kind, _, _ := strings.Cut(w.Header.Get("Content-Type"), ";")
	k.allow(place+"/content/"+escape(kind)+"/schema", text)
	return w.StatusCode, w.Header, body
}

// compile finds a place of the document.
func (k *backendClient) compile(place string) *jsonschema.Schema {
	k.b.t.Helper()
	schema, err := k.schema.Compile(place)
	if err != nil {
		k.b.t.Fatalf("openapi.json has no %s: %v", place, err)
	}
	return schema
}

// allow holds that a place of the document allows a text.
func (k *backendClient) allow(place, text string) {
	t := k.b.t
	t.Helper()
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := k.compile(place).Validate(instance); err != nil {
		t.Fatalf("%s does not allow %s: %v", place, text, err)
	}
}

// escape writes a key of a JSON pointer in a fragment.
func escape(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(s)
}

const goodKey = "peal_sk_crm_"

// TestBackend lists live calls, ends one, and reads its record, as a backend does.
func TestBackend(t *testing.T) {
	b := start(t, withAPI)
	k := b.backend()
	key := goodKey + apiSecret
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(numbered(1), "bob")
	bob.event()
	_, _, body := k.ask(http.MethodGet, "/api/v1/calls", "/api/v1/calls?live=1", key)
	calls := body["calls"].([]any)
	if len(calls) != 1 || calls[0].(map[string]any)["state"] != "ringing" {
		t.Fatalf("live are %v", calls)
	}
	for path, want := range map[string]int{"?account=bob": 1, "?account=carol": 0, "?limit=1": 1} {
		if _, _, body := k.ask(http.MethodGet, "/api/v1/calls", "/api/v1/calls"+path, key); len(body["calls"].([]any)) != want {
			t.Errorf("%s: %v", path, body)
		}
	}
	one := "/api/v1/calls/" + numbered(1)
	if _, _, body := k.ask(http.MethodGet, "/api/v1/calls/{id}", one, key); body["callId"] != numbered(1) || body["record"] != nil {
		t.Errorf("the call is %v", body)
	}
	_, _, ended := k.ask(http.MethodPost, "/api/v1/calls/{id}/end", one+"/end", key)
	if ended["state"] != "ended" || ended["reason"] != "server" || ended["record"] == nil {
		t.Errorf("the call ended as %v", ended)
	}
	for _, c := range []*client{alice, bob} {
		if got := c.event().GetCall().GetCall(); got.GetState() != pealv1.CallState_CALL_STATE_ENDED || got.GetReason() != pealv1.Reason_REASON_SERVER {
			t.Errorf("a device hears %v", got)
		}
	}
	if _, _, again := k.ask(http.MethodPost, "/api/v1/calls/{id}/end", one+"/end", key); again["endedAt"] != ended["endedAt"] || again["rev"] != ended["rev"] {
		t.Errorf("repeated, it ended as %v, and before as %v", again, ended)
	}
	_, _, body = k.ask(http.MethodGet, "/api/v1/records", "/api/v1/records?account=alice", key)
	records := body["records"].([]any)
	if len(records) != 1 || fmt.Sprint(records[0]) != fmt.Sprint(ended["record"]) {
		t.Errorf("the records are %v, and the call had %v", records, ended["record"])
	}
}

// TestBackendPages goes through more calls and records than a page has.
func TestBackendPages(t *testing.T) {
	b := start(t, withAPI)
	k := b.backend()
	key := goodKey + apiSecret
	alice := b.login("alice", "a")
	for n := range 5 {
		alice.invite(numbered(n), fmt.Sprint("bob", n))
		k.ask(http.MethodPost, "/api/v1/calls/{id}/end", "/api/v1/calls/"+numbered(n)+"/end", key)
		alice.event()
	}
	for n := 5; n < 8; n++ {
		b.login(fmt.Sprint("carol", n), "c").invite(numbered(n), fmt.Sprint("bob", n))
	}
	all := func(route, path, list string, size int) (ids []string) {
		cursor := ""
		for range 10 {
			_, _, body := k.ask(http.MethodGet, route, path+cursor, key)
			page := body[list].([]any)
			if len(page) > size {
				t.Fatalf("a page of %d", len(page))
			}
			for _, one := range page {
				ids = append(ids, one.(map[string]any)["callId"].(string))
			}
			next, more := body["next"].(string)
			if !more {
				return ids
			}
			cursor = "&cursor=" + next
		}
		t.Fatal("pages without end")
		return nil
	}
	if got := all("/api/v1/records", "/api/v1/records?account=alice&limit=2", "records", 2); !slices.Equal(got, []string{numbered(4), numbered(3), numbered(2), numbered(1), numbered(0)}) {
		t.Errorf("records are of %v", got)
	}
	if got := all("/api/v1/calls", "/api/v1/calls?limit=2", "calls", 2); !slices.Equal(got, []string{numbered(5), numbered(6), numbered(7)}) {
		t.Errorf("live are %v", got)
	}
}

// TestBackendRefuses: what is asked for wrongly is refused with the reason.
func TestBackendRefuses(t *testing.T) {
	b := start(t, withAPI)
	k := b.backend()
	key := goodKey + apiSecret
	for _, x := range []struct {
		method, route, path string
		status              int
		says                string
	}{
		{"GET", "/api/v1/calls", "/api/v1/calls?live=0", 400, "live=0"},
		{"GET", "/api/v1/calls", "/api/v1/calls?limit=0", 400, "from 1 to 500"},
		{"GET", "/api/v1/calls", "/api/v1/calls?limit=501", 400, "from 1 to 500"},
		{"GET", "/api/v1/calls", "/api/v1/calls?limit=x", 400, "limit=x"},
		{"GET", "/api/v1/calls", "/api/v1/calls?limit=1&limit=2", 400, "limit"},
		{"GET", "/api/v1/calls", "/api/v1/calls?acount=bob", 400, "acount"},
		{"GET", "/api/v1/calls", "/api/v1/calls?account=%20bob", 400, "account"},
		{"GET", "/api/v1/calls", "/api/v1/calls?cursor=x", 400, "next"},
		{"GET", "/api/v1/calls", "/api/v1/calls?account=a;b", 400, "percent-encode"},
		{"GET", "/api/v1/calls", "/api/v1/calls?account=50%off", 400, "percent-encode"},
		{"GET", "/api/v1/calls", "/api/v1/calls?account=bob&cursor=" + numbered(1), 400, "leave cursor out"},
		{"GET", "/api/v1/records", "/api/v1/records", 400, "account=NAME"},
		{"GET", "/api/v1/records", "/api/v1/records?account=", 400, "account"},
		{"GET", "/api/v1/calls/{id}", "/api/v1/calls/7", 400, "UUID"},
		{"GET", "/api/v1/calls/{id}", "/api/v1/calls/" + strings.ToUpper(numbered(9)), 400, "small letters"},
		{"GET", "/api/v1/calls/{id}", "/api/v1/calls/" + numbered(9), 404, "records"},
		{"POST", "/api/v1/calls/{id}/end", "/api/v1/calls/" + numbered(9) + "/end", 404, numbered(9)},
	} {
		status, header, body := k.ask(x.method, x.route, x.path, key)
		if status != x.status || !strings.Contains(body["detail"].(string), x.says) || body["requestId"] != header.Get("X-Request-Id") {
			t.Errorf("%s %s: %d %v", x.method, x.path, status, body)
		}
	}
	if w, text := b.get(http.MethodGet, "/api/v1/nothing", map[string]string{"Authorization": "Bearer " + key, "X-Request-Id": "mine"}); w.StatusCode != http.StatusNotFound ||
		w.Header.Get("X-Request-Id") != "mine" || !strings.Contains(text, "openapi.json") {
		t.Errorf("an unknown route: %d %s", w.StatusCode, text)
	}
}

// TestBackendMethods: what is no route is refused by a problem as well.
func TestBackendMethods(t *testing.T) {
	b := start(t, withAPI)
	key := map[string]string{"Authorization": "Bearer " + goodKey + apiSecret}
	for _, x := range []struct {
		method, path string
		status       int
		allow, says  string
	}{
		{"PUT", "/api/v1/calls", http.StatusMethodNotAllowed, "GET", "in place of PUT"},
		{"GET", "/api/v1/calls/" + numbered(1) + "/end", http.StatusMethodNotAllowed, "POST", "in place of GET"},
		{"GET", "/api/v1/calls/", http.StatusNotFound, "", "no route"},
		{"GET", "/api/v2/calls", http.StatusNotFound, "", "no route"},
	} {
		w, text := b.get(x.method, x.path, key)
		if w.StatusCode != x.status || w.Header.Get("Allow") != x.allow || !strings.Contains(text, x.says) ||
			w.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d %v %s", x.method, x.path, w.StatusCode, w.Header, text)
		}
		if w, _ := b.get(x.method, x.path, nil); w.StatusCode != http.StatusUnauthorized && w.StatusCode != http.StatusTooManyRequests {
			t.Errorf("%s %s without a key: %d", x.method, x.path, w.StatusCode)
		}
	}
}

// TestBackendKeys walks every route that the document has with every kind of key: a good one
// with the scope of the route opens it, others do not, and no key opens a socket.
func TestBackendKeys(t *testing.T) {
	b := start(t, inMemory)
	if w, text := b.get(http.MethodGet, "/api/v1/calls", nil); w.StatusCode != http.StatusNotFound || strings.Contains(text, "code") {
		t.Errorf("a server without keys answers %d %s", w.StatusCode, text)
	}
	make := func(scopes ...string) string {
		key, err := b.keyring.Make(t.Context(), "app", scopes)
		if err != nil {
			t.Fatal(err)
		}
		return key.Secret
	}
	revoked := make("read", "calls", "accounts", "hooks", "admin")
	if err := b.keyring.Revoke(t.Context(), "app"); err != nil {
		t.Fatal(err)
	}
	if w, _ := b.get(http.MethodGet, "/api/v1/calls", nil); w.StatusCode != http.StatusNotFound {
		t.Errorf("a server without a good key answers %d", w.StatusCode)
	}
	keys := map[string]string{}
	for _, scope := range []string{"read", "calls", "accounts", "hooks", "admin"} {
		keys[scope] = make(scope) // The first one turns the API on.
	}
	k := b.backend()
	bad := []string{"", keys["read"][:40], "peal_sk_nobody_" + apiSecret, goodKey + apiSecret, revoked, b.token("alice")}
	k.each(func(method, route, needs string) {
		path := strings.NewReplacer("{id}", numbered(1), "{a}", "alice").Replace(route)
		for scope, key := range keys {
			if status, _, body := k.ask(method, route, path, key); (status == http.StatusForbidden) != (scope != needs) || status == http.StatusUnauthorized {
				t.Errorf("%s %s by a key for %s: %d %v", method, route, scope, status, body)
			}
		}
	})
	for _, key := range bad {
		fresh := start(t, withAPI) // Its budget for wrong keys is unspent.
		if key == goodKey+apiSecret {
			fresh = b
		}
		k := fresh.backend()
		asked := 0
		k.each(func(method, route, _ string) {
			path := strings.NewReplacer("{id}", numbered(1), "{a}", "alice").Replace(route)
			status, header, body := k.ask(method, route, path, key)
			asked++
			spent := asked > 10 && status == http.StatusTooManyRequests // The budget of the address.
			if !spent && (status != http.StatusUnauthorized || body["code"] != "invalid_key") || header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s %s with %q: %d %v", method, route, key, status, body)
			}
		})
	}
	for _, key := range []string{keys["read"], revoked} {
		if _, f := b.hello(key, "a"); f.GetError().GetCode() != string(protocol.BadToken) {
			t.Errorf("a stored key opens a socket: %v", f)
		}
	}
}

// each goes through the routes of the document that take a key, with the scope of each.
func (k *backendClient) each(do func(method, route, scope string)) {
	paths := k.doc["paths"].(map[string]any)
	for _, route := range slices.Sorted(maps.Keys(paths)) {
		for method, operation := range paths[route].(map[string]any) {
			if security := operation.(map[string]any)["security"].([]any); len(security) > 0 {
				do(strings.ToUpper(method), route, security[0].(map[string]any)["key"].([]any)[0].(string))
			}
		}
	}
}

// TestFixedKeys: a key of the settings opens no socket either.
func TestFixedKeys(t *testing.T) {
	b := start(t, withAPI)
	c := b.dial()
	if f := c.ask("hello", map[string]any{"token": goodKey + apiSecret, "deviceId": "a", "fresh": true}); f.GetError() == nil {
		t.Errorf("an API key opens a socket: %v", f)
	}
	// Nor does it where a request of the API has it.
	c = b.dialWith(http.Header{"Authorization": {"Bearer " + goodKey + apiSecret}})
	if f := c.ask("hello", map[string]any{"deviceId": "a", "fresh": true}); f.GetError() == nil {
		t.Errorf("an API key in the header opens a socket: %v", f)
	}
}

// TestBackendLimits: a key has a budget, and so has an address that sends wrong ones, which
// costs a good key of the same address nothing.
func TestBackendLimits(t *testing.T) {
	b := start(t, withAPI)
	k := b.backend()
	for range 20 {
		k.ask(http.MethodGet, "/api/v1/calls", "/api/v1/calls", "")
	}
	if status, _, _ := k.ask(http.MethodGet, "/api/v1/calls", "/api/v1/calls", goodKey+apiSecret); status != http.StatusOK {
		t.Errorf("a good key beside wrong ones: %d", status)
	}
	b = start(t, withAPI)
	k = b.backend()
	limited := false
	for range 300 {
		status, header, body := k.ask(http.MethodGet, "/api/v1/calls", "/api/v1/calls", goodKey+apiSecret)
		if limited = status == http.StatusTooManyRequests; limited {
			if header.Get("Retry-After") == "" || body["retry"] != true {
				t.Errorf("refused with %v %v", header, body)
			}
			break
		}
	}
	if !limited {
		t.Error("300 requests of a key pass at once")
	}
	for n := range 12 {
		status, _, _ := k.ask(http.MethodGet, "/api/v1/calls", "/api/v1/calls", "peal_sk_crm_wrong")
		if want := map[bool]int{true: http.StatusUnauthorized, false: http.StatusTooManyRequests}[n < 10]; status != want {
			t.Errorf("wrong key %d: %d", n+1, status)
		}
	}
}

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestServerAPIDocs runs the commands of the page, in both languages, on a live call.
func TestServerAPIDocs(t *testing.T) {
	for _, file := range []string{"server-api.md", "server-api.zh-CN.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", "build", file))
		if err != nil {
			t.Fatal(err)
		}
		b := start(t, func(cfg *Config) {
			inMemory(cfg)
			cfg.Settings.API.Keys = map[string]string{"backend": apiSecret}
		})
		b.login("alice", "a").invite(numbered(1), "bob")
		ran := 0
		for _, block := range shellBlock.FindAllStringSubmatch(string(text), -1) {
			if !strings.HasPrefix(block[1], "curl ") {
				continue // How the server is started, and where it is.
			}
			ran++
			command := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(block[1], "curl -s", "curl -s --fail-with-body", 1))
			command.Env = append(os.Environ(), "PEAL="+b.url(""), "KEY=peal_sk_backend_"+apiSecret, "CALL="+numbered(1))
			out, err := command.CombinedOutput()
			if err != nil || !json.Valid(out) || strings.Contains(block[1], "/records") && !strings.Contains(string(out), numbered(1)) {
				t.Errorf("%s: %s: %v\n%s", file, block[1], err, out)
			}
		}
		if ran != 14 {
			t.Errorf("%s: ran %d commands, want 14", file, ran)
		}
	}
}
