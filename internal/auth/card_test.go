package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// signed is a good token whose claims are text as it stands: no encoder repairs it.
func signed(says string) string {
	token := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","kid":"k1"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(says))
	mac := hmac.New(sha256.New, []byte(good))
	mac.Write([]byte(token))
	return token + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestCardIsTaken(t *testing.T) {
	avatar := "https://example.com/" + strings.Repeat("a", AvatarBytes-len("https://example.com/"))
	for name, test := range map[string]struct {
		claims map[string]any
		want   Card
	}{
		"none":                 {nil, Card{}},
		"null":                 {map[string]any{"name": nil, "avatar": nil}, Card{}},
		"empty":                {map[string]any{"name": "", "avatar": ""}, Card{}},
		"both":                 {map[string]any{"name": "Alice Example", "avatar": "https://example.com/a.png?s=64#x"}, Card{"Alice Example", "https://example.com/a.png?s=64#x"}},
		"a name alone":         {map[string]any{"name": "小明"}, Card{Name: "小明"}},
		"a picture alone":      {map[string]any{"avatar": "HTTPS://[2001:db8::1]:8443/%E5%A4%B4.png"}, Card{Avatar: "HTTPS://[2001:db8::1]:8443/%E5%A4%B4.png"}},
		"markup":               {map[string]any{"name": `<b onclick="x">'&`}, Card{Name: `<b onclick="x">'&`}},
		"an emoji of several":  {map[string]any{"name": "👩\u200d🚀"}, Card{Name: "👩\u200d🚀"}},
		"the longest name":     {map[string]any{"name": strings.Repeat("n", NameBytes)}, Card{Name: strings.Repeat("n", NameBytes)}},
		"the longest picture":  {map[string]any{"avatar": avatar}, Card{Avatar: avatar}},
		"a name with a blank ": {map[string]any{"name": "Dr. Bob "}, Card{Name: "Dr. Bob "}},
	} {
		who, err := verifier(t).Verify(token(t, jwt.SigningMethodHS256, []byte(good), nil, test.claims), now)
		if err != nil || who.Card != test.want {
			t.Errorf("%s: %+v, %v", name, who.Card, err)
		}
	}
}

// Each claim that is not valid refuses the token, by an error that names the claim, says
// what to do, and quotes nothing.
func TestCardIsRefused(t *testing.T) {
	claims := func(text string) string {
		return signed(fmt.Sprintf(`{"sub":"alice","exp":%d,%s}`, now.Unix()+60, text))
	}
	for _, test := range []struct{ name, token, claim, says string }{
		{"a long name", claims(`"name":"` + strings.Repeat("n", NameBytes+1) + `"`), "name", "65 bytes, at most 64: shorten"},
		{"a long name in Chinese", claims(`"name":"` + strings.Repeat("明", 22) + `"`), "name", "66 bytes, at most 64: shorten"},
		{"a name in Latin-1", claims("\"name\":\"Andr\xe9\""), "name", "not UTF-8: encode"},
		{"a name with a line break", claims(`"name":"Alice\nExample"`), "name", "control character or a line break: remove"},
		{"a name with a bell", claims(`"name":"Alice\u0007"`), "name", "control character or a line break: remove"},
		{"a name with DEL", claims(`"name":"Alice\u007f"`), "name", "control character or a line break: remove"},
		{"a name with a C1 control", claims(`"name":"Alice\u0085"`), "name", "control character or a line break: remove"},
		{"a name with a line separator", claims(`"name":"Alice\u2028"`), "name", "control character or a line break: remove"},
		{"a name with NUL", claims(`"name":"\u0000"`), "name", "control character or a line break: remove"},
		{"a number for a name", claims(`"name":7`), "name", "not a string: give a string"},
		{"an object for a name", claims(`"name":{"first":"Alice"}`), "name", "not a string: give a string"},
		{"a long picture", claims(`"avatar":"https://example.com/` + strings.Repeat("a", AvatarBytes) + `"`), "avatar", "532 bytes, at most 512: give a shorter"},
		{"http", claims(`"avatar":"http://example.com/a.png"`), "avatar", "not an https URL: give an absolute one"},
		{"javascript", claims(`"avatar":"javascript:alert(1)"`), "avatar", "not an https URL: give an absolute one"},
		{"data", claims(`"avatar":"data:image/png;base64,AAAA"`), "avatar", "not an https URL: give an absolute one"},
		{"no scheme", claims(`"avatar":"//example.com/a.png"`), "avatar", "not an https URL: give an absolute one"},
		{"a path", claims(`"avatar":"/a.png"`), "avatar", "not an https URL: give an absolute one"},
		{"no host", claims(`"avatar":"https:///a.png"`), "avatar", "not an https URL: give an absolute one"},
		{"a port alone", claims(`"avatar":"https://:443/a.png"`), "avatar", "not an https URL: give an absolute one"},
		{"opaque", claims(`"avatar":"https:example.com"`), "avatar", "not an https URL: give an absolute one"},
		{"a user name", claims(`"avatar":"https://me:pw@example.com/a.png"`), "avatar", "without a user name"},
		{"a blank", claims(`"avatar":"https://example.com/a b.png"`), "avatar", "percent-encode"},
		{"a quotation mark", claims(`"avatar":"https://example.com/\"onload=x"`), "avatar", "percent-encode"},
		{"a bracket", claims(`"avatar":"https://example.com/<svg>"`), "avatar", "percent-encode"},
		{"a backslash", claims(`"avatar":"https://example.com\\@evil.example/a.png"`), "avatar", "percent-encode"},
		{"a line break", claims(`"avatar":"https://example.com/\n"`), "avatar", "percent-encode"},
		{"Chinese", claims(`"avatar":"https://example.com/头像.png"`), "avatar", "percent-encode"},
		{"a bad escape", claims(`"avatar":"https://example.com/%zz"`), "avatar", "not an https URL: give an absolute one"},
		{"a picture in Latin-1", claims("\"avatar\":\"https://example.com/\xe9\""), "avatar", "not UTF-8: encode"},
		{"a list for a picture", claims(`"avatar":["https://example.com/a.png"]`), "avatar", "not a string: give a string"},
	} {
		t.Run(test.name, func(t *testing.T) {
			who, err := verifier(t).Verify(test.token, now)
			if !errors.Is(err, ErrInvalid) || who != (Identity{}) {
				t.Fatalf("got %v, %v", who, err)
			}
			if !strings.Contains(err.Error(), "its claim "+test.claim+" ") || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%q does not name %s, or does not say %q", err, test.claim, test.says)
			}
			if quotes(err, test.token) || strings.Contains(err.Error(), "evil") {
				t.Errorf("%q quotes the token", err)
			}
		})
	}
}

// What a signer takes is what a verifier takes.
func TestSignerChecksCards(t *testing.T) {
	s, err := NewSigner(Keys{"k1": good}, "k1")
	if err != nil {
		t.Fatal(err)
	}
	who := Identity{Account: "alice", ExpiresAt: now.Add(time.Minute), Card: Card{"Alice \U0001f600", "https://example.com/a.png"}}
	text, err := s.SignIdentity(who, now)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := verifier(t).Verify(text, now); err != nil || got.Card != who.Card {
		t.Errorf("%+v, %v", got.Card, err)
	}
	for _, bad := range []Card{{Name: strings.Repeat("n", NameBytes+1)}, {Name: "\xff"}, {Name: "a\tb"}, {Avatar: "http://example.com/a.png"}} {
		who.Card = bad
		if _, err := s.SignIdentity(who, now); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
