package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

func TestHealthAndReadiness(t *testing.T) {
	for _, test := range []struct {
		handler http.Handler
		status  int
		body    string
	}{
		{Health(), http.StatusOK, `{"status":"ok"}`},
		{Ready(func() Readiness { return Readiness{} }), http.StatusOK, `{"status":"ok"}`},
		{
			Ready(func() Readiness { return Readiness{Warnings: []string{"no standby"}} }), http.StatusOK,
			`{"status":"ok","warnings":["no standby"]}`,
		},
		{
			Ready(func() Readiness { return Readiness{Reason: "store", Warnings: []string{"no standby"}} }), http.StatusServiceUnavailable,
			`{"status":"unavailable","reason":"store","warnings":["no standby"]}`,
		},
	} {
		w := httptest.NewRecorder()
		test.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if w.Code != test.status || w.Body.String() != test.body+"\n" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("got %d, %s, want %d, %s", w.Code, w.Body, test.status, test.body)
		}
	}
}

func TestDevToken(t *testing.T) {
	keys := auth.Keys{"k1": auth.NewSecret()}
	signer, err := auth.NewSigner(keys, "k1")
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(keys, 0)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	h := DevToken(signer.SignIdentity, protocol.DefaultLimits(), func() time.Time { return now }, NewPages("127.0.0.1:7325", nil))

	tests := []struct {
		name, method, body string
		status             int
		account            string
		card               auth.Card
	}{
		{"a name", http.MethodPost, `{"account":"alice"}`, http.StatusOK, "alice", auth.Card{}},
		{"a name in Chinese", http.MethodPost, `{"account":"小明"}`, http.StatusOK, "小明", auth.Card{}},
		{
			"a card", http.MethodPost, `{"account":"alice","name":"Alice Example","avatar":"https://example.com/a.png"}`, http.StatusOK, "alice",
			auth.Card{Name: "Alice Example", Avatar: "https://example.com/a.png"},
		},
		{"a long card", http.MethodPost, `{"account":"alice","name":"` + strings.Repeat("a", auth.NameBytes+1) + `"}`, http.StatusBadRequest, "", auth.Card{}},
		{"a picture by http", http.MethodPost, `{"account":"alice","avatar":"http://example.com/a.png"}`, http.StatusBadRequest, "", auth.Card{}},
		{"a number for a card", http.MethodPost, `{"account":"alice","name":7}`, http.StatusBadRequest, "", auth.Card{}},
		{"a preflight", http.MethodOptions, "", http.StatusNoContent, "", auth.Card{}},
		{"another method", http.MethodGet, "", http.StatusMethodNotAllowed, "", auth.Card{}},
		{"nothing", http.MethodPost, "", http.StatusBadRequest, "", auth.Card{}},
		{"no name", http.MethodPost, `{}`, http.StatusBadRequest, "", auth.Card{}},
		{"blanks", http.MethodPost, `{"account":" alice"}`, http.StatusBadRequest, "", auth.Card{}},
		{"a number", http.MethodPost, `{"account":7}`, http.StatusBadRequest, "", auth.Card{}},
		{"an unknown field", http.MethodPost, `{"account":"alice","admin":true}`, http.StatusBadRequest, "", auth.Card{}},
		{"two values", http.MethodPost, `{"account":"alice"}{}`, http.StatusBadRequest, "", auth.Card{}},
		{"a huge name", http.MethodPost, `{"account":"` + strings.Repeat("a", 5000) + `"}`, http.StatusBadRequest, "", auth.Card{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(test.method, "http://127.0.0.1:7325/dev/token", strings.NewReader(test.body)))
			if w.Code != test.status || w.Header().Get("Access-Control-Allow-Origin") != "*" {
				t.Fatalf("got %d %v, want %d", w.Code, w.Header(), test.status)
			}
			if test.status == http.StatusNoContent {
				return
			}
			var body struct {
				Token string
				Error struct{ Code, Message string }
			}
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Fatalf("%v in %s", err, w.Body)
			}
			if test.account == "" {
				if body.Error.Code != string(protocol.BadRequest) || body.Error.Message == "" {
					t.Errorf("got %s", w.Body)
				}
				return
			}
			if who, err := verifier.Verify(body.Token, now); err != nil || who.Account != test.account || who.Card != test.card {
				t.Errorf("the token is for %q: %v", who.Account, err)
			}
		})
	}
}

func TestICEServers(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	keys := auth.Keys{"main": auth.Secret(strings.Repeat("k", 32))}
	verifier, err := auth.NewVerifier(keys, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := auth.NewSigner(keys, "main")
	if err != nil {
		t.Fatal(err)
	}
	h := ICEServers(verifier.Verify, protocol.DefaultLimits(), func() time.Time { return now }, func(account string) []*pealv1.IceServer {
		return []*pealv1.IceServer{{Urls: []string{"stun:x"}}, {Urls: []string{"turn:x"}, Username: account, Credential: "c"}}
	})
	by := func(account string, at time.Time) string {
		token, err := signer.Sign(account, time.Minute, at)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + token
	}
	token := func(at time.Time) string { return by("alice", at) }
	bare := strings.TrimPrefix(token(now), "Bearer ")
	for _, test := range []struct {
		name, method, header string
		status               int
		says                 string
	}{
		{"a token", http.MethodPost, token(now), http.StatusOK, `{"iceServers":[{"urls":["stun:x"]},{"urls":["turn:x"],"username":"alice","credential":"c"}]}`},
		{"a preflight", http.MethodOptions, "", http.StatusNoContent, ""},
		{"another method", http.MethodGet, token(now), http.StatusMethodNotAllowed, "POST"},
		{"no token", http.MethodPost, "", http.StatusUnauthorized, "bad_token"},
		{"a scheme in small letters", http.MethodPost, "bearer " + bare, http.StatusOK, `"username":"alice"`},
		{"a scheme in capitals", http.MethodPost, "BEARER  " + bare + " ", http.StatusOK, `"username":"alice"`},
		{"a scheme alone", http.MethodPost, "Bearer", http.StatusUnauthorized, "send the header Authorization: Bearer TOKEN"},
		{"a token alone", http.MethodPost, bare, http.StatusUnauthorized, "send the header Authorization: Bearer TOKEN"},
		{"an account with blanks", http.MethodPost, by(" alice", now), http.StatusUnauthorized, "its account (the claim sub) must be 1 to 128 bytes"},
		{"an account of two lines", http.MethodPost, by("a\nb", now), http.StatusUnauthorized, "its account (the claim sub) must be"},
		{"a long account", http.MethodPost, by(strings.Repeat("a", 129), now), http.StatusUnauthorized, "bad_token"},
		{"another scheme", http.MethodPost, "Basic YTpi", http.StatusUnauthorized, "bad_token"},
		{"a guess", http.MethodPost, "Bearer guess", http.StatusUnauthorized, "bad_token"},
		{"an old one", http.MethodPost, token(now.Add(-time.Hour)), http.StatusUnauthorized, "token_expired"},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(test.method, "/v1/ice-servers", nil)
		r.Header.Set("Authorization", test.header)
		h.ServeHTTP(w, r)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.says) || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %s %v, want %d that says %q", test.name, w.Code, w.Body, w.Header(), test.status, test.says)
		}
	}
}
