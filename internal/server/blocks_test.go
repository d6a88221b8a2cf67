package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/store"
)

const (
	blocksRoute = "/api/v1/accounts/{a}/blocks"
	blockRoute  = "/api/v1/accounts/{a}/blocks/{b}"
)

// TestBlocks has a backend block and unblock, and looks at what it is shown of a call that
// the callee does not hear.
func TestBlocks(t *testing.T) {
	b := start(t, withAPI)
	k := b.backend()
	key := goodKey + apiSecret
	put := func(path string) map[string]any {
		t.Helper()
		status, _, body := k.ask(http.MethodPut, blockRoute, path, key)
		if status != http.StatusOK {
			t.Fatalf("PUT %s: %d %v", path, status, body)
		}
		return body
	}
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	first := put("/api/v1/accounts/bob/blocks/alice")
	if again := put("/api/v1/accounts/bob/blocks/alice"); first["account"] != "alice" || cmp.Diff(first, again) != "" {
		t.Errorf("blocked as %v, and again as %v", first, again)
	}
	alice.invite(numbered(1), "bob")
	_, _, one := k.ask(http.MethodGet, "/api/v1/calls/{id}", "/api/v1/calls/"+numbered(1), key)
	if one["state"] != "ringing" || one["unheard"] != true {
		t.Errorf("the call is %v", one)
	}
	for path, want := range map[string]int{"": 1, "?account=alice": 1, "?account=bob": 0} {
		if _, _, body := k.ask(http.MethodGet, "/api/v1/calls", "/api/v1/calls"+path, key); len(body["calls"].([]any)) != want {
			t.Errorf("%s: %v", path, body)
		}
	}
	_, _, over := k.ask(http.MethodPost, "/api/v1/calls/{id}/end", "/api/v1/calls/"+numbered(1)+"/end", key)
	if over["record"].(map[string]any)["unheard"] != true {
		t.Errorf("the call ended as %v", over)
	}
	for account, want := range map[string]int{"alice": 1, "bob": 0} {
		if _, _, body := k.ask(http.MethodGet, "/api/v1/records", "/api/v1/records?account="+account, key); len(body["records"].([]any)) != want {
			t.Errorf("%s: %v", account, body)
		}
	}
	for range 2 { // The second finds nothing to end.
		if status, _, body := k.ask(http.MethodDelete, blockRoute, "/api/v1/accounts/bob/blocks/alice", key); status != http.StatusOK {
			t.Errorf("DELETE: %d %v", status, body)
		}
	}
	bob.works()
	if len(bob.events) > 0 {
		t.Errorf("bob is told of %v", bob.events)
	}
	alice.invite(numbered(2), "bob")
	if got := bob.event().GetCall().GetCall().GetCallId(); got != numbered(2) {
		t.Errorf("bob hears of call %q", got)
	}
	trail, err := b.store.Trail(t.Context(), 0, 9)
	var did []string
	for _, a := range trail {
		did = append(did, fmt.Sprint(a.Action, " ", a.Target, " ", a.Other, " ", a.Key, " ", a.Status))
	}
	end := "call.end " + numbered(1) + "  crm 200"
	want := []string{"account.unblock bob alice crm 200", "account.unblock bob alice crm 200", end, "account.block bob alice crm 200", "account.block bob alice crm 200"}
	if err != nil || !slices.Equal(did, want) {
		t.Errorf("audited are %q (%v), want %q", did, err, want)
	}
}

// TestBlocksOfAnAccount goes through pages of blocks, with names that a path has to encode.
func TestBlocksOfAnAccount(t *testing.T) {
	b := start(t, withAPI)
	k := b.backend()
	key := goodKey + apiSecret
	names := map[string]string{"a/b": "a%2Fb", "..": "%2E%2E", "小明": "%E5%B0%8F%E6%98%8E", "100%": "100%25", "x y": "x%20y"}
	var want []string
	for name, encoded := range names {
		want = append(want, name)
		if status, _, body := k.ask(http.MethodPut, blockRoute, "/api/v1/accounts/bo%2Fb/blocks/"+encoded, key); status != http.StatusOK || body["account"] != name {
			t.Errorf("%s: %d %v", encoded, status, body)
		}
	}
	slices.Sort(want)
	var got []string
	for cursor, more := "", true; more; {
		_, _, body := k.ask(http.MethodGet, blocksRoute, "/api/v1/accounts/bo%2Fb/blocks?limit=2"+cursor, key)
		for _, one := range body["blocks"].([]any) {
			got = append(got, one.(map[string]any)["account"].(string))
		}
		var next string
		next, more = body["next"].(string)
		cursor = "&cursor=" + names[next]
	}
	if !slices.Equal(got, want) {
		t.Errorf("blocked are %q, want %q", got, want)
	}
	for path, says := range map[string]string{
		"PUT /bob/blocks/bob":              "itself",
		"PUT /bob/blocks/%20bob":           "printable text",
		"PUT /%20bob/blocks/alice":         "printable text",
		"DELETE /bob/blocks/%0A":           "printable text",
		"GET /bob/blocks?limit=0":          "from 1 to 500",
		"GET /bob/blocks?account=bob":      "account",
		"GET /" + strings.Repeat("b", 129): "printable text",
	} {
		method, rest, _ := strings.Cut(path, " ")
		w, text := b.get(method, "/api/v1/accounts"+rest, map[string]string{"Authorization": "Bearer " + key})
		if w.StatusCode != http.StatusBadRequest && w.StatusCode != http.StatusNotFound || !strings.Contains(text, says) {
			t.Errorf("%s: %d %s", path, w.StatusCode, text)
		}
	}
}

// TestBlocksAreFull: an account cannot block others without end.
func TestBlocksAreFull(t *testing.T) {
	b := start(t, withAPI)
	k := b.backend()
	b.fillBlocks("bob")
	if status, _, body := k.ask(http.MethodPut, blockRoute, "/api/v1/accounts/bob/blocks/alice", goodKey+apiSecret); status != http.StatusConflict || body["code"] != "conflict" {
		t.Errorf("one more: %d %v", status, body)
	}
	if status, _, body := k.ask(http.MethodPut, blockRoute, "/api/v1/accounts/bob/blocks/peer0", goodKey+apiSecret); status != http.StatusOK {
		t.Errorf("one of them: %d %v", status, body)
	}
}

// varies are the parts of frames that no two calls have in common: times, what is left of them,
// and what is made of them.
var varies = regexp.MustCompile(`"(\w+At|\w+Ms|username|credential)":\s*("[^"]*"|\d+)`)

// raw sends a command and gives the text of all frames up to its answer.
func (c *client) raw(command string, body map[string]any) (frames []string) {
	c.t.Helper()
	c.id++
	text, err := json.Marshal(map[string]any{"id": c.id, command: body})
	if err != nil {
		c.t.Fatal(err)
	}
	c.write(string(text))
	for {
		text := c.frame()
		frames = append(frames, varies.ReplaceAllString(text, `"$1":0`))
		if f, err := protocol.DecodeFrame([]byte(text)); err != nil || f.ReplyTo == uint32(c.id) {
			return frames
		}
	}
}

// frame is the text of the next frame.
func (c *client) frame() string {
	c.t.Helper()
	_, text, err := c.socket.Read(c.ctx)
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return string(text)
}

// caller is what alice is sent while she does all that a caller can do.
func (b *bench) caller() (seen []string) {
	c := b.dial()
	says := func(command string, body map[string]any) { seen = append(seen, c.raw(command, body)...) }
	invite := func(n int, ring int) {
		says("invite", map[string]any{
			"callId": numbered(n), "callee": "bob", "type": "CALL_TYPE_VIDEO", "offer": describe("offer"),
			"ringTimeoutMs": ring, "attachment": "hello",
		})
	}
	says("hello", map[string]any{"token": b.token("alice"), "deviceId": "a", "fresh": true})
	invite(1, 60_000)
	invite(1, 60_000)
	id := map[string]any{"callId": numbered(1)}
	says("candidates", map[string]any{"callId": numbered(1), "generation": 1, "candidates": []any{
		map[string]any{"candidate": "candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host generation 0", "sdpMid": "0"},
	}})
	says("restart", map[string]any{"callId": numbered(1), "fromGeneration": 1})
	says("offer", map[string]any{"callId": numbered(1), "generation": 2, "sdp": describe("offer again")})
	says("tracks", map[string]any{"callId": numbered(1), "tracks": map[string]any{"audio": true}})
	says("media", map[string]any{"callId": numbered(1), "generation": 2, "up": true})
	says("accept", map[string]any{"callId": numbered(1), "generation": 2, "answer": describe("answer")})
	says("cancel", id)
	says("cancel", id)
	says("hangup", id)
	invite(2, 1000)
	seen = append(seen, varies.ReplaceAllString(c.frame(), `"$1":0`)) // Its time is over.
	says("listRecords", map[string]any{})
	for n := 3; n < 9; n++ { // More than may be in a minute.
		invite(n, 60_000)
		says("cancel", map[string]any{"callId": numbered(n)})
	}
	says("listRecords", map[string]any{})
	says("ping", map[string]any{})
	c = b.dial()
	says("hello", map[string]any{"token": b.token("alice"), "deviceId": "a", "fresh": true})
	for i := range seen {
		seen[i] = strings.ReplaceAll(seen[i], b.TURNAddr().String(), "RELAY")
	}
	return seen
}

// TestBlockedCallerCannotTell: what a blocked caller is sent is equal, byte for byte but for
// times, to what a caller is sent whose callee is offline, also while the callee is in a call.
func TestBlockedCallerCannotTell(t *testing.T) {
	limited := func(cfg *Config) {
		withAPI(cfg)
		cfg.Dev = false // That loosens the limits.
	}
	want := start(t, limited).caller()
	b := start(t, limited)
	k := b.backend()
	if status, _, body := k.ask(http.MethodPut, blockRoute, "/api/v1/accounts/bob/blocks/alice", goodKey+apiSecret); status != http.StatusOK {
		t.Fatalf("block: %d %v", status, body)
	}
	bob, phone, carol := b.login("bob", "b1"), b.login("bob", "b2"), b.login("carol", "c")
	carol.invite(numbered(90), "bob")
	if f := bob.ask("accept", map[string]any{"callId": numbered(90), "generation": 1, "answer": describe("answer")}); f.Error != nil {
		t.Fatal(f.Error)
	}
	for _, c := range []*client{bob, phone, carol} {
		c.works()
		c.events = nil
	}
	got := b.caller()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("she can tell (-offline +blocked):\n%s", diff)
	}
	if text := strings.Join(want, "\n"); !strings.Contains(text, "rate_limited") {
		t.Errorf("no limit is met in\n%s", text)
	}
	for _, c := range []*client{bob, phone} {
		if c.works(); len(c.events) > 0 {
			t.Errorf("the callee is told of %v", c.events)
		}
	}
	if records := phone.ask("listRecords", map[string]any{}).GetRecords().GetRecords(); len(records) > 0 {
		t.Errorf("the callee has the records %v", records)
	}
}

// fillBlocks has an account block as many others as it may.
func (b *bench) fillBlocks(account call.Account) {
	b.t.Helper()
	for n := range store.BlocksMost {
		if _, err := b.store.Block(b.t.Context(), account, call.Account(fmt.Sprint("peer", n)), store.Audit{}); err != nil {
			b.t.Fatal(err)
		}
	}
}
