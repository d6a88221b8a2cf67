package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What keeps a command from a server is named at once, whatever the command and whether it
// has a token or asks for one.
func TestTrueCause(t *testing.T) {
	p := serving(t, "http")
	_, token, _ := peal("token", "--account", "a", "--secret", secret)
	_, foreign, _ := peal("token", "--account", "a", "--secret", strings.Repeat("x", 32))
	token, foreign = strings.TrimSpace(token), strings.TrimSpace(foreign)
	redirect := httptest.NewServer(http.RedirectHandler("https://calls.example.com/", http.StatusFound))
	t.Cleanup(redirect.Close)
	for _, test := range []struct {
		name, server, token string
		says                string
	}{
		{"nothing listens", "http://127.0.0.1:1", token, "connection refused: nothing listens there"},
		{"no such name", "http://peal.invalid", token, "the name peal.invalid is not found"},
		{"another path", p.url + "/calls", token, "there is no Peal at " + p.url + "/calls"},
		{"another scheme", strings.Replace(p.url, "http:", "https:", 1), token, "speaks plain HTTP: give " + p.url},
		{"elsewhere", redirect.URL, token, "sends elsewhere, to https://calls.example.com/"},
		{"another secret", p.url, foreign, "its signature is not by HS256 with the key that its kid names"},
		{"no token", p.url, "guess", "it is not a JWT"},
		{"no dev server", p.url, "", "a server that is no peal dev needs --token"},
		{"no server to ask for a token", "http://127.0.0.1:1", "", "connection refused: nothing listens there"},
		{"another path to ask for a token", p.url + "/calls", "", "there is no Peal at " + p.url + "/calls"},
	} {
		for _, command := range [][]string{{"call", "bob"}, {"answer"}, {"echo"}, {"ice"}} {
			t.Run(test.name+" "+command[0], func(t *testing.T) {
				flags := append(command, "--server", test.server)
				if test.token == "" {
					flags = append(flags, "--account", "a")
				} else {
					flags = append(flags, "--token", test.token)
				}
				begun := time.Now()
				code, _, complaint := peal(flags...)
				if code != exitFailed || !strings.Contains(complaint, test.says) {
					t.Errorf("exit code %d, %s, want %q", code, complaint, test.says)
				}
				if took := time.Since(begun); took > 5*time.Second {
					t.Errorf("took %s", took)
				}
			})
		}
	}
}
