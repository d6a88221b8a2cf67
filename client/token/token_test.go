package token_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/client/token"
)

const secret = "0123456789abcdef0123456789abcdef"

func TestSign(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	s, err := token.NewSigner(token.Config{
		Secret: secret, KeyID: "k2", Lifetime: time.Hour, Audience: "calls.example.com", Now: func() time.Time { return at },
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.Sign(token.Claims{Account: "alice", Name: "小明 <b>", Avatar: "https://example.com/a.png", SingleLogin: true})
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(text, ".")
	for i, want := range []string{
		`{"alg":"HS256","kid":"k2","typ":"JWT"}`,
		`{"sub":"alice","iat":1800000000,"exp":1800003600,"aud":"calls.example.com","name":"小明 \u003cb\u003e",` +
			`"avatar":"https://example.com/a.png","single_login":true}`,
	} {
		if got, err := base64.RawURLEncoding.DecodeString(parts[i]); err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}

	s, err = token.NewSigner(token.Config{Secret: secret, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	// TestTokenOfSDK of cmd/peal has a server read the whole.
	want := "eyJhbGciOiJIUzI1NiIsImtpZCI6Im1haW4iLCJ0eXAiOiJKV1QifQ" +
		".eyJzdWIiOiJhbGljZSIsImlhdCI6MTgwMDAwMDAwMCwiZXhwIjoxODAwMDAwNjAwfQ"
	if text, err = s.Sign(token.Claims{Account: "alice"}); err != nil || !strings.HasPrefix(text, want+".") {
		t.Errorf("got %s, %v, want %s", text, err, want)
	}
}

func TestRefused(t *testing.T) {
	for name, test := range map[string]struct {
		cfg  token.Config
		says string
	}{
		"no secret":             {token.Config{}, "Config.Secret has 0 bytes, at least 32"},
		"short secret":          {token.Config{Secret: "letmein"}, "Config.Secret has 7 bytes"},
		"secret with a newline": {token.Config{Secret: secret + "\n"}, "Config.Secret ends with a line break"},
		"long key id":           {token.Config{Secret: secret, KeyID: strings.Repeat("k", 65)}, "Config.KeyID"},
		"broken key id":         {token.Config{Secret: secret, KeyID: "k\xff"}, "Config.KeyID"},
		"too long":              {token.Config{Secret: secret, Lifetime: 25 * time.Hour}, "Config.Lifetime is 25h0m0s: give 1s to 24h0m0s"},
		"in the past":           {token.Config{Secret: secret, Lifetime: -time.Minute}, "Config.Lifetime"},
		"a number":              {token.Config{Secret: secret, Lifetime: 600}, "Config.Lifetime is 600ns"},
		"audience with blanks":  {token.Config{Secret: secret, Audience: "a "}, "Config.Audience"},
	} {
		if _, err := token.NewSigner(test.cfg); err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "letmein") {
			t.Errorf("%s: got %v, want %q", name, err, test.says)
		}
	}
	s, err := token.NewSigner(token.Config{Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		claims token.Claims
		says   string
	}{
		"nobody":                {token.Claims{}, "Claims.Account"},
		"blanks":                {token.Claims{Account: " alice"}, "Claims.Account"},
		"two lines":             {token.Claims{Account: "a\nb"}, "Claims.Account"},
		"broken text":           {token.Claims{Account: "a\xff"}, "Claims.Account"},
		"a long account":        {token.Claims{Account: strings.Repeat("a", 129)}, "Claims.Account"},
		"a long name":           {token.Claims{Account: "a", Name: strings.Repeat("n", 65)}, "Claims.Name has 65 bytes, at most 64"},
		"a name of two lines":   {token.Claims{Account: "a", Name: "a\u2028b"}, "Claims.Name"},
		"a broken name":         {token.Claims{Account: "a", Name: "n\xff"}, "Claims.Name"},
		"a picture by http":     {token.Claims{Account: "a", Avatar: "http://example.com/a.png"}, "Claims.Avatar"},
		"a picture in quotes":   {token.Claims{Account: "a", Avatar: `https://example.com/"`}, "Claims.Avatar"},
		"a picture with a user": {token.Claims{Account: "a", Avatar: "https://me@example.com/"}, "Claims.Avatar"},
		"a long picture":        {token.Claims{Account: "a", Avatar: "https://example.com/" + strings.Repeat("a", 500)}, "Claims.Avatar has 520 bytes"},
	} {
		if _, err := s.Sign(test.claims); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v, want %q", name, err, test.says)
		}
	}
}

// Each token of a source is new, and a context that is over is obeyed.
func TestSource(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	s, err := token.NewSigner(token.Config{Secret: secret, Now: func() time.Time { at = at.Add(time.Second); return at }})
	if err != nil {
		t.Fatal(err)
	}
	source := s.Source(token.Claims{Account: "alice"})
	first, err := source(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if second, err := source(t.Context()); err != nil || second == first {
		t.Errorf("got the same token twice, %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := source(over); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
