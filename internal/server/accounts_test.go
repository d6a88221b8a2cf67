package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

const (
	accountRoute = "/api/v1/accounts/{a}"
	logOutRoute  = "/api/v1/accounts/{a}/logout"
	auditRoute   = "/api/v1/audit"
)

// hello says hello with a token, and gives the answer.
func (b *bench) hello(token, device string) (*client, *pealv1.ServerFrame) {
	b.t.Helper()
	c := b.dial()
	return c, c.ask("hello", map[string]any{"token": token, "deviceId": device, "fresh": true, "client": "test/1"})
}

// issued is a token of alice with an iat, or without one.
func issued(iat string) string {
	return signText(fmt.Sprintf(`{"sub":"alice","exp":%d%s}`, time.Now().Add(time.Minute).Unix(), iat))
}

// TestAccount: a backend sees the devices of an account, and what they do.
func TestAccount(t *testing.T) {
	b := start(t, withAPI)
	k := b.backend()
	key := goodKey + apiSecret
	if _, _, body := k.ask(http.MethodGet, accountRoute, "/api/v1/accounts/bob", key); len(body["devices"].([]any)) != 0 || body["call"] != nil {
		t.Errorf("of an account that nobody used: %v", body)
	}
	alice := b.login("alice", "a")
	b.hello(b.token("bob"), "b1")
	b.login("bob", "b2")
	alice.invite(numbered(1), "bob")
	_, _, caller := k.ask(http.MethodGet, accountRoute, "/api/v1/accounts/alice", key)
	device := caller["devices"].([]any)[0].(map[string]any)
	if caller["call"].(map[string]any)["callId"] != numbered(1) || device["device"] != "a" || device["callId"] != numbered(1) || device["since"] == "" {
		t.Errorf("the caller is %v", caller)
	}
	_, _, callee := k.ask(http.MethodGet, accountRoute, "/api/v1/accounts/bob", key)
	devices := callee["devices"].([]any)
	first := devices[0].(map[string]any)
	if len(devices) != 2 || first["client"] != "test/1" || first["callId"] != nil || first["rings"].([]any)[0] != numbered(1) {
		t.Errorf("the callee is %v", callee)
	}
}

// TestLogOut: a log-out closes all connections of the account, ends its call as kicked, and
// holds for tokens that were issued before, also after a restart.
func TestLogOut(t *testing.T) {
	b := start(t, func(cfg *Config) { cfg.Settings.API.Keys = map[string]string{"crm": apiSecret} })
	k := b.backend()
	key := goodKey + apiSecret
	old := b.token("alice")
	alice, _ := b.hello(old, "a")
	second, _ := b.hello(old, "a2")
	bob := b.login("bob", "b")
	alice.invite(numbered(1), "bob")
	bob.event()
	ahead := issued(fmt.Sprintf(`,"iat":%d`, time.Now().Add(auth.Leeway-2*time.Second).Unix())) // By a backend with another clock.
	_, _, body := k.ask(http.MethodPost, logOutRoute, "/api/v1/accounts/alice/logout", key)
	notBefore, err := time.Parse(time.RFC3339, body["notBefore"].(string))
	if err != nil || body["devices"] != 2.0 || time.Until(notBefore) > auth.Leeway || time.Since(notBefore) > patience {
		t.Errorf("the answer is %v, %v", body, err)
	}
	for _, c := range []*client{alice, second} {
		for c.event().GetGoodbye() == nil {
		}
		c.wantClosed(protocol.CloseFinal, protocol.LoggedOut)
	}
	if got := bob.event().GetCall().GetCall(); got.GetReason() != pealv1.Reason_REASON_KICKED || got.GetRecord() == nil {
		t.Errorf("the other side hears %v", got)
	}
	check := func() {
		t.Helper()
		for _, x := range []struct{ token, says string }{
			{old, "logged out"}, {ahead, "logged out"}, {issued(""), "has no iat"}, {issued(fmt.Sprintf(`,"iat":%d`, notBefore.Unix()-1)), "logged out"},
		} {
			c, f := b.hello(x.token, "a")
			wantError(t, f.GetError(), protocol.TokenRevoked, x.says)
			c.wantClosed(protocol.CloseFinal, protocol.TokenRevoked)
			w, text := b.get(http.MethodPost, "/v1/ice-servers", map[string]string{"Authorization": "Bearer " + x.token})
			if w.StatusCode != http.StatusUnauthorized || !strings.Contains(text, "token_revoked") {
				t.Errorf("servers for a token of before: %d %s", w.StatusCode, text)
			}
		}
		fresh, f := b.hello(issued(fmt.Sprintf(`,"iat":%d`, notBefore.Unix())), "a")
		if f.GetWelcome() == nil {
			t.Errorf("a new token: %v", f)
		}
		wantError(t, fresh.ask("authenticate", map[string]any{"token": old}).GetError(), protocol.TokenRevoked, "")
		b.login("carol", "c")
	}
	check()
	b.stop()
	b.run()
	check()
}

// TestLogOutAfterClock: a log-out by a clock that was far ahead is mended by the next one.
func TestLogOutAfterClock(t *testing.T) {
	s := store.NewMemory(time.Now)
	outs, err := openLogOuts(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, wall := range []time.Time{now.Add(time.Hour), now} {
		notBefore, err := outs.out(t.Context(), "alice", func() time.Time { return wall }, store.Audit{})
		if err != nil || notBefore.After(wall.Add(auth.Leeway)) || notBefore.Before(wall.Add(auth.Leeway-time.Second)) {
			t.Errorf("out at %s: tokens from %s, %v", wall, notBefore, err)
		}
	}
	again, err := openLogOuts(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for what, o := range map[string]*logOuts{"it stands": outs, "it is read again": again} {
		if err := o.judge(auth.Identity{Account: "alice", IssuedAt: now.Add(auth.Leeway)}); err != nil {
			t.Errorf("as %s, a new token: %v", what, err)
		}
		if err := o.judge(auth.Identity{Account: "alice", IssuedAt: now}); !errors.Is(err, auth.ErrRevoked) {
			t.Errorf("as %s, a token of before: %v", what, err)
		}
	}
}

// TestLogOutHolds: a log-out holds for as long as a token may live that some setting of this run
// admitted, also one that came by a reload.
func TestLogOutHolds(t *testing.T) {
	b := start(t)
	reload := func(most time.Duration) {
		settings := b.cfg.Settings
		settings.Auth.MaxTTL = most
		if err := b.Reload(&settings); err != nil {
			t.Fatal(err)
		}
		b.prune()
	}
	reload(48 * time.Hour) // With it the pruning at the start, by the earlier limit, is over.
	if err := b.logOuts.add(t.Context(), "alice", b.wall().Add(-30*time.Hour), store.Audit{}); err != nil {
		t.Fatal(err)
	}
	old := auth.Identity{Account: "alice", IssuedAt: b.wall().Add(-31 * time.Hour)}
	for _, most := range []time.Duration{48 * time.Hour, time.Hour} {
		reload(most)
		if err := b.logOuts.judge(old); !errors.Is(err, auth.ErrRevoked) {
			t.Errorf("a token of before, after token-max-ttl became %s: %v", most, err)
		}
		if stored, err := b.store.LogOuts(t.Context()); err != nil || len(stored) != 1 {
			t.Errorf("after token-max-ttl became %s the store has %v, %v", most, stored, err)
		}
	}
}

// TestLogOutDevice: one device is logged out, and the others stay.
func TestLogOutDevice(t *testing.T) {
	b := start(t, withAPI)
	k := b.backend()
	key := goodKey + apiSecret
	phone, laptop := b.login("alice", "phone"), b.login("alice", "laptop")
	if _, _, body := k.send(http.MethodPost, logOutRoute, "/api/v1/accounts/alice/logout", key, `{"device":"phone"}`); body["devices"] != 1.0 {
		t.Errorf("the answer is %v", body)
	}
	phone.wantClosed(protocol.CloseFinal, protocol.LoggedOut)
	laptop.works()
	for _, bad := range []string{`{"device":""}`, `{"device":"a b"}`, `{"devices":"a"}`, `{"device":"a"}{}`, `[]`, `{`, strings.Repeat(" ", 17<<10) + "{}"} {
		if status, _, body := k.send(http.MethodPost, logOutRoute, "/api/v1/accounts/alice/logout", key, bad); status != http.StatusBadRequest {
			t.Errorf("%.20q: %d %v", bad, status, body)
		}
	}
	for _, good := range []string{"", "{}"} {
		if status, _, body := k.send(http.MethodPost, logOutRoute, "/api/v1/accounts/zoe/logout", key, good); status != http.StatusOK || body["devices"] != 0.0 {
			t.Errorf("nobody there, %q: %d %v", good, status, body)
		}
	}
	laptop.works()
}

// TestErase: of an account that is erased nothing is left, and the audit has the proof.
func TestErase(t *testing.T) {
	b := start(t, func(cfg *Config) { cfg.Settings.API.Keys = map[string]string{"crm": apiSecret} })
	k := b.backend()
	key := goodKey + apiSecret
	const name = "zalice/of.wonderland"
	path := "/api/v1/accounts/" + url.PathEscape(name)
	alice := b.loginAs(name, "a", "Zalice Liddell", "https://example.com/zalice.png")
	bob := b.login("bob", "b")
	alice.ask("invite", map[string]any{"callId": numbered(1), "callee": "bob", "type": "CALL_TYPE_VIDEO", "offer": describe("offer"), "attachment": "from zalice"})
	bob.event()
	if status, _, body := k.ask(http.MethodDelete, accountRoute, path, key); status != http.StatusConflict || body["code"] != "conflict" {
		t.Errorf("in a live call: %d %v", status, body)
	}
	alice.works()
	status, _, erased := k.ask(http.MethodDelete, accountRoute, path+"?force=1", key)
	if status != http.StatusOK {
		t.Fatalf("erased: %d %v", status, erased)
	}
	alice.wantClosed(protocol.CloseFinal, protocol.LoggedOut)
	alias := erased["alias"].(string)
	if _, _, again := k.ask(http.MethodDelete, accountRoute, path, key); again["alias"] != alias {
		t.Errorf("repeated: %v, and before %v", again, erased)
	}
	_, _, records := k.ask(http.MethodGet, "/api/v1/records", "/api/v1/records?account=bob", key)
	_, _, ended := k.ask(http.MethodGet, "/api/v1/calls/{id}", "/api/v1/calls/"+numbered(1), key)
	_, _, audit := k.ask(http.MethodGet, auditRoute, auditRoute, key)
	for what, body := range map[string]any{"records": records, "call": ended, "audit": audit} {
		text, err := json.Marshal(body)
		if err != nil || strings.Contains(string(text), "alice") || strings.Contains(string(text), "from ") || !strings.Contains(string(text), alias) {
			t.Errorf("%s: %s", what, text)
		}
	}
	if _, _, own := k.ask(http.MethodGet, "/api/v1/records", "/api/v1/records?account="+url.QueryEscape(name), key); len(own["records"].([]any)) != 0 {
		t.Errorf("its records are %v", own)
	}
	if status, _, body := k.ask(http.MethodDelete, accountRoute, path+"?force=yes", key); status != http.StatusBadRequest {
		t.Errorf("force=yes: %d %v", status, body)
	}
	b.stop()
	b.run()
	if _, f := b.hello(shownAs(name, "", ""), "a"); f.GetError().GetCode() != string(protocol.TokenRevoked) {
		t.Errorf("after a restart: %v", f)
	}
}

// TestAccountPaths: any account has a path.
func TestAccountPaths(t *testing.T) {
	b := start(t, withAPI)
	k := b.backend()
	key := goodKey + apiSecret
	for _, name := range []string{"a/b", "/", "//", ".", "..", "../calls", "a.b@example.com", "小明", "a b", "50%", "%2F", "a?b#c", "logout", "a;b", `a"b\c`} {
		path := "/api/v1/accounts/" + strings.ReplaceAll(url.PathEscape(name), ".", "%2E")
		c := b.login(name, "d")
		_, _, body := k.ask(http.MethodGet, accountRoute, path, key)
		if body["account"] != name || len(body["devices"].([]any)) != 1 {
			t.Errorf("%q: %v", name, body)
		}
		if _, _, out := k.ask(http.MethodPost, logOutRoute, path+"/logout", key); out["devices"] != 1.0 {
			t.Errorf("%q: %v", name, out)
		}
		c.wantClosed(protocol.CloseFinal, protocol.LoggedOut)
		if _, _, erased := k.ask(http.MethodDelete, accountRoute, path, key); erased["alias"] == nil {
			t.Errorf("%q: %v", name, erased)
		}
	}
	for _, bad := range []string{"%20a", "a%0Ab", "%FF", strings.Repeat("a", 129)} {
		if status, _, body := k.ask(http.MethodGet, accountRoute, "/api/v1/accounts/"+bad, key); status != http.StatusBadRequest {
			t.Errorf("%q: %d %v", bad, status, body)
		}
	}
}

// TestAudit: what keys did is listed in pages, the newest first, and what they read is not.
func TestAudit(t *testing.T) {
	b := start(t, withAPI)
	k := b.backend()
	key := goodKey + apiSecret
	made, err := b.keyring.Make(t.Context(), "app", []string{"read"})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.keyring.Revoke(t.Context(), "app"); err != nil {
		t.Fatal(err)
	}
	b.login("alice", "a").invite(numbered(1), "bob")
	k.ask(http.MethodPost, "/api/v1/calls/{id}/end", "/api/v1/calls/"+numbered(1)+"/end", key)
	k.ask(http.MethodPost, "/api/v1/calls/{id}/end", "/api/v1/calls/"+numbered(2)+"/end", key)
	k.ask(http.MethodPost, logOutRoute, "/api/v1/accounts/alice/logout", key)
	k.ask(http.MethodGet, accountRoute, "/api/v1/accounts/alice", key)
	k.ask(http.MethodPost, logOutRoute, "/api/v1/accounts/alice/logout", "peal_sk_crm_wrong")
	var got []string
	for path := auditRoute + "?limit=2"; path != ""; {
		_, _, body := k.ask(http.MethodGet, auditRoute, path, key)
		for _, one := range body["entries"].([]any) {
			e := one.(map[string]any)
			got = append(got, fmt.Sprint(e["key"], " ", e["action"], " ", e["target"], " ", e["status"]))
			if strings.HasPrefix(fmt.Sprint(e["action"]), "key.") == (e["addr"] == "127.0.0.1" && e["requestId"] != nil) {
				t.Errorf("an entry is %v", e)
			}
		}
		path = ""
		if next, more := body["next"].(string); more {
			path = auditRoute + "?limit=2&cursor=" + next
		}
	}
	want := []string{
		"crm account.logout alice 200", "crm call.end " + numbered(2) + " 404", "crm call.end " + numbered(1) + " 200",
		"peal key key.revoke app 200", "peal key key.new app 200",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the audit is %q, want %q", got, want)
	}
	for _, bad := range []string{"cursor=0", "cursor=x", "cursor=-1", "limit=0", "account=alice", "cursor="} {
		if status, _, body := k.ask(http.MethodGet, auditRoute, auditRoute+"?"+bad, key); status != http.StatusBadRequest {
			t.Errorf("%s: %d %v", bad, status, body)
		}
	}
	if status, _, body := k.ask(http.MethodGet, auditRoute, auditRoute, made.Secret); status != http.StatusUnauthorized {
		t.Errorf("a revoked key: %d %v", status, body)
	}
}
