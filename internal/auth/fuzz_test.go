package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

// Whatever is signed with a key nobody here has, or was changed after it was
// signed, is nobody, and no error quotes it.
func FuzzVerify(f *testing.F) {
	keys := Keys{"k1": good, "k2": other}
	s, err := NewSigner(keys, "k1")
	if err != nil {
		f.Fatal(err)
	}
	text, err := s.Sign("alice", 10*time.Minute, now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(strings.Replace(text, ".", "..", 1))
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"k1"}`))
	f.Add(none + text[strings.Index(text, "."):])
	v, err := NewVerifier(keys, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, given string) {
		who, err := v.Verify(given, now)
		switch {
		case err == nil && given != text:
			t.Fatalf("%q is taken for %v", given, who)
		case err != nil && !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrExpired):
			t.Fatalf("refused by %v", err)
		case err != nil && quotes(err, given):
			t.Fatalf("the error holds the token: %v", err)
		}
	})
}

// quotes says whether an error holds what was given, or a part of it between dots.
// What is short may be in any text by chance.
func quotes(err error, given string) bool {
	for _, part := range append(strings.Split(given, "."), given) {
		if len(part) >= 16 && strings.Contains(err.Error(), part) {
			return true
		}
	}
	return false
}

// Whatever the claims and the header of a well-signed token say, the admitted account is the one
// that the claims name, for no longer than the rules allow.
func FuzzClaims(f *testing.F) {
	const head = `{"alg":"HS256","kid":"k1"}`
	at := now.Unix()
	for _, claims := range []string{
		fmt.Sprintf(`{"sub":"alice","iat":%d,"exp":%d,"single_login":true}`, at, at+60),
		fmt.Sprintf(`{"sub":"alice","nbf":%d,"exp":%d}`, at+4, at+86400),
		fmt.Sprintf(`{"sub":"alice","exp":%d}`, at-4),
		fmt.Sprintf(`{"sub":"alice","exp":%d.5,"aud":["a","b"],"x":{"y":[null]}}`, at),
		fmt.Sprintf(`{"sub":"alice","sub":"bob","exp":1,"exp":%d,"iat":-1e300}`, at+60),
		fmt.Sprintf(`{"sub":"","exp":%d}`, at+60),
		fmt.Sprintf(`{"exp":%d,"iat":1e300}`, at+60),
		fmt.Sprintf(`{"sub":"alice","exp":%d}`, at+2*86400),
		fmt.Sprintf(`{"sub":"alice","iat":%d,"exp":%d}`, at-86400, at+60),
		fmt.Sprintf(`{"sub":"alice","exp":%d,"iat":9223372036854775807}`, at+60),
		fmt.Sprintf(`{"sub":"alice","exp":%d,"nbf":9223372036854775808}`, at+60),
		fmt.Sprintf(`{"sub":"alice","exp":%d,"aud":"peal-fuzz-audience"}`, at+60),
		fmt.Sprintf(`{"sub":"alice","exp":%d,"aud":["x","a"],"AUD":"b"}`, at+60),
		fmt.Sprintf(`{"sub":"alice","exp":%d,"aud":"a","aud":null}`, at+60),
		fmt.Sprintf(`{"sub":"alice","exp":%d,"aud":[null,"a"]}`, at+60),
		fmt.Sprintf(`{"sub":"alice","exp":%d,"aud":[]}`, at+60),
		fmt.Sprintf(`{"sub":"alice","exp":%d,"name":"Alice","avatar":"https://example.com/a.png"}`, at+60),
		fmt.Sprintf(`{"sub":"alice","exp":%d,"name":null,"NAME":"A\u0000","avatar":7}`, at+60),
		`{"sub":"alice","exp":1e300}`, `{"sub":"alice","exp":-1e300}`, `{"sub":"alice","exp":9223372036854775807}`,
		`{"sub":"alice"}`, `{"sub":["alice"],"exp":"soon"}`, `{"exp":null}`, `null`, `[]`, `7`, ``,
	} {
		f.Add(head, claims)
	}
	for _, header := range []string{
		`{"alg":"none","kid":"k1"}`, `{"alg":"HS512","kid":"k1"}`, `{"alg":"HS256","kid":"k2"}`, `{"alg":"HS256","kid":["k1"]}`,
		`{"alg":"HS256","kid":"k1","crit":null}`, `{"ALG":"HS256","KID":"k1"}`, `{}`, `null`,
	} {
		f.Add(header, fmt.Sprintf(`{"sub":"alice","exp":%d}`, at+60))
	}
	v, err := NewVerifier(Keys{"k1": good, "k2": other}, 0)
	if err != nil {
		f.Fatal(err)
	}
	asking := map[string]*Verifier{"a": v.ForAudience("a"), "peal-fuzz-audience": v.ForAudience("peal-fuzz-audience")}
	f.Fuzz(func(t *testing.T, header, says string) {
		token := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(says))
		mac := hmac.New(sha256.New, []byte(good))
		mac.Write([]byte(token))
		token += "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
		who, err := v.Verify(token, now)
		if err != nil {
			if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrExpired) || quotes(err, token) || who != (Identity{}) {
				t.Fatalf("%s %s: refused by %v, as %v", header, says, err, who)
			}
			return
		}
		if why := forbidden(who, []byte(header), []byte(says)); why != "" {
			t.Fatalf("%s %s: taken for %v: %s", header, says, who, why)
		}
		// The same token, asked for its audience, names the same account or nobody.
		for audience, asks := range asking {
			among, err := asks.Verify(token, now)
			switch want := names(t, []byte(says), audience); {
			case want && (err != nil || among != who):
				t.Fatalf("%s is for %q, and verified as %v, %v", says, audience, among, err)
			case !want && (!errors.Is(err, ErrInvalid) || among != (Identity{}) || quotes(err, token)):
				t.Fatalf("%s is not for %q, and verified as %v, %v", says, audience, among, err)
			}
		}
	})
}

// audience is a claim aud of any form. A null leaves what stood before it, as for other claims.
type audience struct{ value any }

func (a *audience) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	return json.Unmarshal(text, &a.value)
}

// names says whether claims that are well formed name an audience.
func names(t *testing.T, says []byte, wanted string) bool {
	t.Helper()
	var c struct{ Aud audience }
	if err := json.Unmarshal(says, &c); err != nil {
		t.Fatalf("%s: %v", says, err)
	}
	switch aud := c.Aud.value.(type) {
	case string:
		return aud == wanted
	case []any:
		return slices.Contains(aud, any(wanted))
	}
	return false
}

// forbidden names the rule that an admitted token breaks.
func forbidden(who Identity, header, says []byte) string {
	var head map[string]any
	if err := json.Unmarshal(header, &head); err != nil {
		return "its header is not JSON"
	}
	var c struct {
		Sub           any
		Exp, Iat, Nbf *float64
		SingleLogin   bool `json:"single_login"`
		Name, Avatar  any
	}
	if err := json.Unmarshal(says, &c); err != nil {
		return "its claims are not what they should be"
	}
	at, leeway, most := float64(now.Unix()), Leeway.Seconds(), MaxTTL.Seconds()
	_, critical := head["crit"]
	switch {
	case head["alg"] != "HS256", head["kid"] != "k1", critical:
		return "its header"
	case who.KeyID != "k1":
		return "its key"
	case who.Account == "", who.Account != c.Sub:
		return "its sub"
	case c.Exp == nil, *c.Exp <= at-leeway, *c.Exp >= at+most+leeway+1, math.Trunc(*c.Exp) != float64(who.ExpiresAt.Unix()):
		return "its exp"
	case c.Iat != nil && (*c.Iat >= at+leeway+1 || *c.Exp-*c.Iat >= most+1):
		return "its iat"
	case c.Nbf != nil && *c.Nbf >= at+leeway+1:
		return "its nbf"
	case who.SingleLogin != c.SingleLogin:
		return "its single_login"
	case who.Card.Name != textOf(c.Name) || len(who.Card.Name) > NameBytes || strings.ContainsFunc(who.Card.Name, unicode.IsControl):
		return "its name"
	case who.Card.Avatar != textOf(c.Avatar) || len(who.Card.Avatar) > AvatarBytes:
		return "its avatar"
	case who.Card.Avatar != "" && !strings.HasPrefix(strings.ToLower(who.Card.Avatar), "https://"):
		return "the scheme of its avatar"
	}
	return ""
}

// textOf gives a text; a null, or no claim at all, is an empty one. What is neither equals none.
func textOf(claim any) string {
	switch text := claim.(type) {
	case string:
		return text
	case nil:
		return ""
	}
	return "\x00"
}
