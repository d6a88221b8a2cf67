package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"github.com/peal-rtc/peal/internal/auth"
)

// TestTokenNames: peal token refuses the account, the name and the picture that a server
// refuses at login, in the words of the server, and no others.
func TestTokenNames(t *testing.T) {
	data := t.TempDir()
	server := dev(t, data)
	kept, err := auth.KeepSecret(data + "/" + devSecretFile)
	if err != nil {
		t.Fatal(err)
	}
	long := func(bytes int) string { return strings.Repeat("n", bytes) }
	for _, test := range []struct {
		claim, text string
		refused     bool
	}{
		{"sub", "", true},
		{"sub", " a", true},
		{"sub", "a\nb", true},
		{"sub", "a\u2028", true},
		{"sub", "a\u200b", true},
		{"sub", long(129), true},
		{"sub", long(128), false},
		{"sub", "小明", false},
		{"name", long(65), true},
		{"name", "a\tb", true},
		{"name", long(64), false},
		{"avatar", "http://example.com/a.png", true},
		{"avatar", "https://me@example.com/a.png", true},
		{"avatar", "https://example.com/" + long(493), true},
		{"avatar", "https://example.com/" + long(492), false},
	} {
		claims := jwt.MapClaims{"sub": "alice", "exp": time.Now().Add(time.Minute).Unix(), test.claim: test.text}
		raw := jwt.NewWithClaims(jwt.SigningMethodHS256, claims)
		raw.Header["kid"] = devKeyID
		token, err := raw.SignedString([]byte(kept))
		if err != nil {
			t.Fatal(err)
		}
		args := []string{"token", "--account", "alice", "--data", data}
		args = append(args, map[string]string{"sub": "--account", "name": "--name", "avatar": "--avatar"}[test.claim], test.text)
		code, out, complaint := peal(args...)
		says := reasonOf(t, server, token)
		switch {
		case (says != "") != test.refused:
			t.Errorf("%s %.30q: the server says %q", test.claim, test.text, says)
		case !test.refused && (code != exitOK || complaint != ""):
			t.Errorf("%s %.30q is refused with %q", test.claim, test.text, complaint)
		case test.refused && (code != exitFailed || out != "" || complaint != "peal: token invalid: "+says+"\n"):
			t.Errorf("%s %.30q: exit code %d, %q; the server says %q", test.claim, test.text, code, out+complaint, says)
		}
	}
}

// reasonOf is what a server says of a token, after the sentence that goes before all such
// reasons; empty where it takes the token.
func reasonOf(t *testing.T, server *process, token string) string {
	t.Helper()
	hello, err := json.Marshal(map[string]any{"id": 1, "hello": map[string]any{"token": token, "deviceId": "d"}})
	if err != nil {
		t.Fatal(err)
	}
	socket, _, err := websocket.Dial(t.Context(), server.url+"/ws", &websocket.DialOptions{Subprotocols: []string{"peal.v1.json"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	var answer struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(ask(t, socket, string(hello))), &answer); err != nil {
		t.Fatal(err)
	}
	_, reason, _ := strings.Cut(answer.Error.Message, ": ")
	reason = strings.TrimPrefix(reason, "token invalid: ")
	if answer.Error.Code != "" && reason == "" {
		t.Fatalf("the server refuses %.30q with %+v", token, answer.Error)
	}
	return reason
}
