package auth

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

// Whatever is signed with a key nobody here has, or was changed after it was
// signed, is nobody; and what claims there may be in a token that is signed
// well, the verifier does not fall over them.
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
		case err != nil && strings.Contains(err.Error(), text):
			t.Fatalf("the error holds the token: %v", err)
		}
	})
}
