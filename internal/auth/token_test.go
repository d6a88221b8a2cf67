package auth

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var (
	now   = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	good  = Secret("0123456789abcdef0123456789abcdef")
	other = Secret("another-secret-another-secret-12")
)

func verifier(t *testing.T) *Verifier {
	t.Helper()
	v, err := NewVerifier(Keys{"k1": good, "k2": other}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// token signs the claims of a good token with some replaced; nil takes one out.
func token(t *testing.T, method jwt.SigningMethod, key any, header, claims map[string]any) string {
	t.Helper()
	c := jwt.MapClaims{"sub": "alice", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
	maps.Copy(c, claims)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	made := jwt.NewWithClaims(method, c)
	made.Header["kid"] = "k1"
	maps.Copy(made.Header, header)
	maps.DeleteFunc(made.Header, func(_ string, v any) bool { return v == nil })
	text, err := made.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestSignAndVerify(t *testing.T) {
	s, err := NewSigner(Keys{"k1": good}, "k1")
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.Sign("alice", 10*time.Minute, now)
	if err != nil {
		t.Fatal(err)
	}
	who, err := verifier(t).Verify(text, now)
	want := Identity{Account: "alice", ExpiresAt: now.Add(10 * time.Minute), KeyID: "k1"}
	if err != nil || who.Account != want.Account || who.KeyID != want.KeyID || !who.ExpiresAt.Equal(want.ExpiresAt) {
		t.Fatalf("got %v, %v, want %v", who, err, want)
	}
	if _, err := verifier(t).Verify(text, now.Add(10*time.Minute+Leeway)); !errors.Is(err, ErrExpired) {
		t.Errorf("after its time: %v", err)
	}
	if _, err := verifier(t).Verify(text, now.Add(10*time.Minute+Leeway-time.Second)); err != nil {
		t.Errorf("within the leeway: %v", err)
	}
	alone, err := s.SignIdentity(Identity{Account: "alice", ExpiresAt: now.Add(time.Minute), SingleLogin: true}, now)
	if err != nil {
		t.Fatal(err)
	}
	if only, err := verifier(t).Verify(alone, now); err != nil || !only.SingleLogin || who.SingleLogin {
		t.Errorf("single login is %v, %v; without the claim %v", only.SingleLogin, err, who.SingleLogin)
	}
	if _, err := NewSigner(Keys{"k1": good}, "k2"); err == nil {
		t.Error("signs with a key that is not there")
	}
	if _, err := s.Sign("", time.Minute, now); err == nil {
		t.Error("signs for nobody")
	}
}

func TestVerifyTakes(t *testing.T) {
	hs256 := jwt.SigningMethodHS256
	for name, text := range map[string]string{
		"no iat":               token(t, hs256, []byte(good), nil, map[string]any{"iat": nil}),
		"a clock ahead by 4 s": token(t, hs256, []byte(good), nil, map[string]any{"iat": now.Unix() + 4, "nbf": now.Unix() + 4}),
		"a day":                token(t, hs256, []byte(good), nil, map[string]any{"exp": now.Add(MaxTTL).Unix()}),
		"the other key":        token(t, hs256, []byte(other), map[string]any{"kid": "k2"}, nil),
		"claims of the application": token(t, hs256, []byte(good), nil,
			map[string]any{"aud": "calls", "role": map[string]any{"admin": true}}),
	} {
		if who, err := verifier(t).Verify(text, now); err != nil || who.Account != "alice" {
			t.Errorf("%s: %v, %v", name, who, err)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	hs256 := jwt.SigningMethodHS256
	plain := token(t, hs256, []byte(good), nil, nil)
	head, rest, _ := strings.Cut(plain, ".")
	body, signature, _ := strings.Cut(rest, ".")
	ago := func(d time.Duration) int64 { return now.Add(-d).Unix() }

	tests := []struct {
		name, token string
		want        error
		says        string
	}{
		{"nothing", "", ErrInvalid, "not a JWT"},
		{"noise", "open sesame", ErrInvalid, "not a JWT"},
		{"two parts", head + "." + body, ErrInvalid, "not a JWT"},
		{"no signature", head + "." + body + ".", ErrInvalid, "signature"},
		{"another body", head + "." + strings.ToUpper(body) + "." + signature, ErrInvalid, ""},
		{"huge", plain + strings.Repeat("A", tokenBytes), ErrInvalid, "at most"},
		{
			"alg none", token(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, nil),
			ErrInvalid, "HS256",
		},
		{"alg HS512", token(t, jwt.SigningMethodHS512, []byte(good), nil, nil), ErrInvalid, "HS256"},
		{"another secret", token(t, hs256, []byte(other), nil, nil), ErrInvalid, "signature"},
		{"unknown kid", token(t, hs256, []byte(good), map[string]any{"kid": "k9"}, nil), ErrInvalid, "kid"},
		{"no kid", token(t, hs256, []byte(good), map[string]any{"kid": nil}, nil), ErrInvalid, "kid"},
		{"kid of another type", token(t, hs256, []byte(good), map[string]any{"kid": 1}, nil), ErrInvalid, "kid"},
		{
			"critical extension", token(t, hs256, []byte(good), map[string]any{"crit": []string{"b64"}}, nil),
			ErrInvalid, "crit",
		},
		{"expired", token(t, hs256, []byte(good), nil, map[string]any{"iat": ago(time.Hour), "exp": ago(time.Minute)}), ErrExpired, ""},
		{"no exp", token(t, hs256, []byte(good), nil, map[string]any{"exp": nil}), ErrInvalid, "exp"},
		{"exp in words", token(t, hs256, []byte(good), nil, map[string]any{"exp": "soon"}), ErrInvalid, ""},
		{"two days", token(t, hs256, []byte(good), nil, map[string]any{"exp": now.Add(2 * MaxTTL).Unix()}), ErrInvalid, "longer"},
		{
			"two days without iat", token(t, hs256, []byte(good), nil, map[string]any{"iat": nil, "exp": now.Add(2 * MaxTTL).Unix()}),
			ErrInvalid, "longer",
		},
		{
			"the last hour of two days", token(t, hs256, []byte(good), nil, map[string]any{"iat": ago(47 * time.Hour), "exp": now.Add(time.Hour).Unix()}),
			ErrInvalid, "longer",
		},
		{"no sub", token(t, hs256, []byte(good), nil, map[string]any{"sub": nil}), ErrInvalid, "sub"},
		{"empty sub", token(t, hs256, []byte(good), nil, map[string]any{"sub": ""}), ErrInvalid, "sub"},
		{"sub of another type", token(t, hs256, []byte(good), nil, map[string]any{"sub": 7}), ErrInvalid, ""},
		{"not yet", token(t, hs256, []byte(good), nil, map[string]any{"nbf": now.Add(30 * time.Second).Unix()}), ErrInvalid, "clocks"},
		{"not within any time", token(t, hs256, []byte(good), nil, map[string]any{"nbf": uint64(1) << 63}), ErrInvalid, "1970"},
		{"from the future", token(t, hs256, []byte(good), nil, map[string]any{"iat": now.Add(30 * time.Second).Unix()}), ErrInvalid, "clocks"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			who, err := verifier(t).Verify(test.token, now)
			if !errors.Is(err, test.want) || who != (Identity{}) {
				t.Fatalf("got %v, %v, want %v", who, err, test.want)
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("%q does not say %q", err, test.says)
			}
			for part := range strings.SplitSeq(test.token, ".") {
				if len(part) > 8 && strings.Contains(err.Error(), part) {
					t.Errorf("%q quotes the token", err)
				}
			}
		})
	}
}

// Where an audience is asked for, each token has to name it: another service that signs
// with the same secret gets nobody in.
func TestAudience(t *testing.T) {
	v := verifier(t).ForAudience("peal-prod")
	made := func(aud any) string {
		return token(t, jwt.SigningMethodHS256, []byte(good), nil, map[string]any{"aud": aud})
	}
	for name, aud := range map[string]any{
		"a string": "peal-prod", "a list": []string{"peal-prod"}, "among others": []string{"shop", "peal-prod"},
	} {
		if who, err := v.Verify(made(aud), now); err != nil || who.Account != "alice" {
			t.Errorf("%s: %v, %v", name, who, err)
		}
	}
	for name, aud := range map[string]any{
		"none": nil, "empty": "", "an empty list": []string{}, "another": "peal-test", "others": []string{"shop", "peal-test"},
		"in capitals": "PEAL-PROD", "longer": "peal-prod2", "shorter": "peal", "with a blank": "peal-prod ",
	} {
		who, err := v.Verify(made(aud), now)
		if !errors.Is(err, ErrInvalid) || who != (Identity{}) || !strings.Contains(err.Error(), `"peal-prod"`) || strings.Contains(err.Error(), "shop") {
			t.Errorf("%s: %v, %v", name, who, err)
		}
		if _, err := verifier(t).Verify(made(aud), now); err != nil {
			t.Errorf("%s, where no audience is asked for: %v", name, err)
		}
	}
	for name, aud := range map[string]any{"a number": 7, "a list of numbers": []int{7}, "an object": map[string]any{"peal-prod": true}} {
		if who, err := v.Verify(made(aud), now); !errors.Is(err, ErrInvalid) || who != (Identity{}) {
			t.Errorf("%s: %v, %v", name, who, err)
		}
	}
	if _, err := v.Verify(token(t, jwt.SigningMethodHS256, []byte(other), nil, map[string]any{"aud": "peal-prod"}), now); !errors.Is(err, ErrInvalid) {
		t.Errorf("of another key: %v", err)
	}
	past := token(t, jwt.SigningMethodHS256, []byte(good), nil, map[string]any{"aud": "shop", "exp": now.Add(-time.Hour).Unix()})
	if _, err := v.Verify(past, now); !errors.Is(err, ErrExpired) {
		t.Errorf("expired: %v", err)
	}

	s, err := NewSigner(Keys{"k1": good}, "k1")
	if err != nil {
		t.Fatal(err)
	}
	for audience, fits := range map[string]bool{"peal-prod": true, "peal-test": false, "": false} {
		text, err := s.ForAudience(audience).Sign("alice", time.Minute, now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(text, now); (err == nil) != fits {
			t.Errorf("signed for %q: %v", audience, err)
		}
	}
}
