package main

import (
	"strings"
	"testing"
	"time"

	sdktoken "github.com/peal-rtc/peal/client/token"
	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/protocol"
)

// The SDK's package for backends signs what a server takes, and refuses what a server
// refuses: the rules are written in both, since the SDK has nothing of the server.
func TestTokenOfSDK(t *testing.T) {
	keys := auth.Keys{"main": auth.Secret(secret)}
	verifier, err := auth.NewVerifier(keys, 0)
	if err != nil {
		t.Fatal(err)
	}
	verifier = verifier.ForAudience("calls.example.com")
	signer, err := auth.NewSigner(keys, "main")
	if err != nil {
		t.Fatal(err)
	}
	s, err := sdktoken.NewSigner(sdktoken.Config{Secret: secret, Audience: "calls.example.com", Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	limits, now := protocol.DefaultLimits(), time.Now()
	texts := []string{
		"", "a", "alice", "小明", " a", "a ", "a b", "a\nb", "a\x00", "a\u2028", "a\u00a0", "a\u200b", "a\xff", "a\ufffd", "<b>\"'&",
		strings.Repeat("n", 64), strings.Repeat("n", 65), strings.Repeat("n", 128), strings.Repeat("n", 129), strings.Repeat("明", 22),
		"https://example.com/a.png", "https://example.com/a%20b?c=d#e", "https://例子.com/", "http://example.com/", "https://", "https:///a",
		"https://me@example.com/", "https://example.com:8443/", "//example.com/a", "https://example.com/\"", "HTTPS://EXAMPLE.COM/",
		"https://[2001:db8::1]/", "https://[::1", "https://example.com/" + strings.Repeat("a", 492), "https://example.com/" + strings.Repeat("a", 493),
	}
	for _, text := range texts {
		for _, claims := range []sdktoken.Claims{
			{Account: text},
			{Account: "alice", Name: text},
			{Account: "alice", Avatar: text, SingleLogin: true},
		} {
			who := auth.Identity{
				Account: claims.Account, ExpiresAt: now.Add(time.Hour), SingleLogin: claims.SingleLogin,
				Card: auth.Card{Name: claims.Name, Avatar: claims.Avatar},
			}
			_, err := signer.SignIdentity(who, now)
			takes := err == nil && protocol.ValidAccount(claims.Account, &limits)
			made, err := s.Sign(claims)
			if (err == nil) != takes {
				t.Errorf("%+v: the SDK says %v, a server takes it: %v", claims, err, takes)
			}
			if err != nil {
				continue
			}
			got, err := verifier.Verify(made, now)
			if err != nil || got.Account != who.Account || got.Card != who.Card || got.SingleLogin != who.SingleLogin || got.KeyID != "main" {
				t.Errorf("%+v: the server reads %+v, %v", claims, got, err)
			}
		}
	}
	if sdktoken.MaxLifetime != auth.MaxTTL || sdktoken.DefaultKeyID != "main" {
		t.Error("the defaults differ from the server's")
	}
}
