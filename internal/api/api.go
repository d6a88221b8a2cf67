// Package api serves plain HTTP: health, ICE servers for clients with a token, the
// server API for backends with a key and, in development, tokens for any name to
// pages of the developer. internal/server mounts it. Its handlers do not change
// after they are made, so they serve requests at the same time.
package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

const (
	// devTTL is how long the tokens of DevToken are good for.
	devTTL = time.Hour
	// bodyBytes bounds the body of a request.
	bodyBytes = 4 << 10
)

// Readiness says whether calls can be made.
type Readiness struct {
	// Reason says why not; empty where they can.
	Reason string
	// Warnings say what an operator should change all the same.
	Warnings []string
}

// Health answers 200 for as long as the process lives. Supervisors that restart the process ask here.
func Health() http.Handler { return Ready(func() Readiness { return Readiness{} }) }

// Ready answers 200 while calls can be made, and 503 with the reason while they cannot, so
// that a load balancer sends clients elsewhere. Starting the process again would help nobody.
func Ready(look func() Readiness) http.Handler {
	type answer struct {
		Status   string   `json:"status"`
		Reason   string   `json:"reason,omitempty"`
		Warnings []string `json:"warnings,omitempty"`
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "application/json")
		now := look()
		says := answer{"ok", now.Reason, now.Warnings}
		if now.Reason != "" {
			says.Status = "unavailable"
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(says) // Who asked may have gone.
	})
}

// Verify judges a token, as auth.Verifier does; Sign makes one, as auth.Signer does.
type (
	Verify func(token string, now time.Time) (auth.Identity, error)
	Sign   func(who auth.Identity, now time.Time) (string, error)
)

// DevToken gives a token for any account to programs and to the pages of a developer. It
// takes the place of an application's backend while developing, and belongs nowhere else.
// The request may hold the name and the picture that go with the account.
func DevToken(sign Sign, limits protocol.Limits, now func() time.Time, pages *Pages) http.Handler {
	given := posted(func(w http.ResponseWriter, r *http.Request) {
		who, bad := readIdentity(w, r, &limits)
		if bad != nil {
			fail(w, http.StatusBadRequest, bad)
			return
		}
		at := now()
		who.ExpiresAt = at.Add(devTTL)
		token, err := sign(who, at)
		switch {
		case errors.Is(err, auth.ErrInvalid):
			fail(w, http.StatusBadRequest, protocol.BadRequest.Because("%s", err))
			return
		case err != nil:
			fail(w, http.StatusInternalServerError, protocol.Unavailable.Error())
			return
		}
		reply(w, map[string]string{"token": token})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if bad := pages.refusal(r); bad != nil {
			// The page may read it: its developer has to learn what to do.
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.Header().Set("Cache-Control", "no-store")
			fail(w, http.StatusForbidden, bad)
			return
		}
		given.ServeHTTP(w, r)
	})
}

// ICEServers gives STUN and TURN servers to who has a token, outside of a call:
// for finding out what works. Calls get theirs by the WebSocket.
func ICEServers(verify Verify, limits protocol.Limits, now func() time.Time, servers func(account string) []*pealv1.IceServer) http.Handler {
	type server struct {
		URLs       []string `json:"urls"`
		Username   string   `json:"username,omitempty"`
		Credential string   `json:"credential,omitempty"`
	}
	return posted(func(w http.ResponseWriter, r *http.Request) {
		token := bearer(r.Header.Get("Authorization"))
		if token == "" {
			fail(w, http.StatusUnauthorized, protocol.BadToken.Because("send the header Authorization: Bearer TOKEN"))
			return
		}
		who, err := verify(token, now())
		switch {
		case errors.Is(err, auth.ErrExpired):
			fail(w, http.StatusUnauthorized, protocol.TokenExpired.Error())
			return
		case errors.Is(err, auth.ErrRevoked):
			fail(w, http.StatusUnauthorized, protocol.RevokedToken(who.IssuedAt))
			return
		case err != nil:
			fail(w, http.StatusUnauthorized, protocol.BadToken.Because("%s", err))
			return
		case !protocol.ValidAccount(who.Account, &limits):
			fail(w, http.StatusUnauthorized, protocol.BadAccount(&limits))
			return
		}
		list := []server{}
		for _, one := range servers(who.Account) {
			list = append(list, server{one.Urls, one.Username, one.Credential})
		}
		reply(w, map[string][]server{"iceServers": list})
	})
}

// bearer is the token of a header Authorization; empty where there is none. The scheme is
// written in any case (RFC 9110, section 11.1).
func bearer(header string) string {
	scheme, token, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// posted lets pages of any origin post to a handler: they load the component from
// elsewhere, so they ask from elsewhere.
func posted(handle http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Cache-Control", "no-store")
		switch r.Method {
		case http.MethodOptions:
			w.Header().Set("Access-Control-Allow-Methods", "POST, OPTIONS")
			w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
			w.Header().Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
		case http.MethodPost:
			handle(w, r)
		default:
			w.Header().Set("Allow", "POST, OPTIONS")
			fail(w, http.StatusMethodNotAllowed, protocol.BadRequest.Because("use POST"))
		}
	})
}

// readIdentity reads {"account": "alice"}, with name and avatar or without.
func readIdentity(w http.ResponseWriter, r *http.Request, limits *protocol.Limits) (auth.Identity, *pealv1.Error) {
	var body struct {
		Account string `json:"account"`
		Name    string `json:"name"`
		Avatar  string `json:"avatar"`
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyBytes))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&body)
	if err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one value")
		}
	}
	if err != nil {
		return auth.Identity{}, protocol.BadRequest.Because(`send {"account":"alice"}, with "name" and "avatar" where you want them`)
	}
	if !protocol.ValidAccount(body.Account, limits) {
		return auth.Identity{}, protocol.BadRequest.Because("account must be 1 to %d bytes of printable text without blanks around it", limits.AccountBytes)
	}
	return auth.Identity{Account: body.Account, Card: auth.Card{Name: body.Name, Avatar: body.Avatar}}, nil
}

// fail answers in the form that errors have on the WebSocket.
func fail(w http.ResponseWriter, status int, e *pealv1.Error) {
	text, err := protocol.Encode(&pealv1.ServerFrame{Error: e})
	if err != nil {
		http.Error(w, e.Message, status)
		return
	}
	write(w, status, text)
}

func reply(w http.ResponseWriter, body any) { replyAs(w, http.StatusOK, body) }

func replyAs(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		// What is given here is made of maps, lists and strings, which have a text.
		panic(fmt.Sprintf("encode reply: %v", err))
	}
	write(w, status, text)
}

func write(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}
