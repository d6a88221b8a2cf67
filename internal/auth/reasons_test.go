package auth

import (
	"encoding/base64"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var update = flag.Bool("update", false, "rewrite testdata/reasons.txt")

// faulty are tokens with something wrong in their form, and what the error says of each.
func faulty(t *testing.T) map[string]string {
	t.Helper()
	hs256 := jwt.SigningMethodHS256
	plain := token(t, hs256, []byte(good), nil, nil)
	parts := strings.Split(plain, ".")
	segment := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	claims := func(name string, value any) string {
		return token(t, hs256, []byte(good), nil, map[string]any{name: value})
	}
	return map[string]string{
		token(t, hs256, []byte(good), map[string]any{"kid": nil}, nil):              "its header has no kid: write the id of the server's key there (the setting key-id)",
		token(t, hs256, []byte(good), map[string]any{"kid": 17}, nil):               "its header kid is not a string",
		token(t, hs256, []byte(good), map[string]any{"kid": ""}, nil):               "its kid names no key of this server",
		token(t, hs256, []byte(good), map[string]any{"kid": "k9"}, nil):             "its kid names no key of this server",
		token(t, jwt.SigningMethodHS512, []byte(good), nil, nil):                    "its header alg is not HS256",
		token(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, nil): "its header alg is not HS256",
		segment(`{"alg":"XX","kid":"k1"}`) + "." + parts[1] + "." + parts[2]:        "its header alg is not HS256",
		segment(`{"alg":5,"kid":"k1"}`) + "." + parts[1] + "." + parts[2]:           "its header alg is not HS256",
		segment(`{"kid":"k1"}`) + "." + parts[1] + "." + parts[2]:                   "its header alg is not HS256",
		segment(`[]`) + "." + parts[1] + "." + parts[2]:                             "its header is not a JSON object",
		"?" + parts[0] + "." + parts[1] + "." + parts[2]:                            "its header is not base64url",
		parts[0] + ".=." + parts[2]:                                                 "its claims are not base64url",
		parts[0] + "." + segment("alice") + "." + parts[2]:                          "its claims are not a JSON object",
		parts[0] + "." + parts[1] + ".?":                                            "its third part is not base64url",
		parts[0] + "." + parts[1]:                                                   "it is not a JWT: a JWT has three parts with dots between",
		"open sesame":                                                               "it is not a JWT",
		"Bearer " + plain:                                                           "it begins with the word Bearer: give the token alone",
		`"` + plain + `"`:                                                           "it stands in quotes",
		plain + " ":                                                                 "it has blanks or line breaks around it",
		claims("sub", 17):                                                           "its claim sub is not a string",
		claims("sub", []string{"alice"}):                                            "its claim sub is not a string",
		claims("exp", "soon"):                                                       "its claim exp is not a number",
		claims("exp", true):                                                         "its claim exp is not a number",
		claims("iat", map[string]any{}):                                             "its claim iat is not a number",
		claims("nbf", "now"):                                                        "its claim nbf is not a number",
		claims("aud", 17):                                                           "its claim aud is neither a string nor a list of strings",
		claims("aud", []any{"a", 17}):                                               "its claim aud is neither a string nor a list of strings",
		claims("single_login", "yes"):                                               "its claim single_login is not true or false",
		claims("single_login", 1):                                                   "its claim single_login is not true or false",
		claims("iss", 17):                                                           "its claim iss is not a string",
		claims("jti", 17):                                                           "its claim jti is not a string",
		claims("name", 17):                                                          "its claim name is not a string",
		claims("sub", nil):                                                          "it has no sub",
		claims("exp", nil):                                                          "it has no exp",
	}
}

// The error names what is wrong with a token, by the name of the header or the claim, and
// quotes nothing of it.
func TestReasons(t *testing.T) {
	for text, says := range faulty(t) {
		_, err := verifier(t).Verify(text, now)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "17") {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

// TestReasonsAreListed keeps all reasons in a file, for the tests of the two doctors: each
// reason has its advice there.
func TestReasonsAreListed(t *testing.T) {
	signed := func(header, claims map[string]any) string {
		return token(t, jwt.SigningMethodHS256, []byte(good), header, claims)
	}
	tokens := slices.Collect(maps.Keys(faulty(t)))
	tokens = append(
		tokens, strings.Repeat("x", tokenBytes+1), signed(map[string]any{"crit": []string{"exp"}}, nil),
		token(t, jwt.SigningMethodHS256, []byte(other), nil, nil), signed(nil, map[string]any{"exp": now.UnixMilli()}),
		signed(nil, map[string]any{"exp": now.Add(48 * time.Hour).Unix()}), signed(nil, map[string]any{"nbf": now.Add(time.Hour).Unix()}),
		signed(nil, map[string]any{"name": strings.Repeat("n", NameBytes+1)}), signed(nil, map[string]any{"name": "a\nb"}),
		signed(nil, map[string]any{"avatar": 5}), signed(nil, map[string]any{"avatar": "http://example.com/"}),
		signed(nil, map[string]any{"avatar": strings.Repeat("a", AvatarBytes+1)}),
	)
	var reasons []string
	for v, tokens := range map[*Verifier][]string{
		verifier(t): tokens, verifier(t).ForAudience("calls.example.com"): {signed(nil, map[string]any{"aud": "elsewhere"})},
	} {
		for _, text := range tokens {
			_, err := v.Verify(text, now)
			reasons = append(reasons, strings.TrimPrefix(err.Error(), ErrInvalid.Error()+": "))
		}
	}
	slices.Sort(reasons)
	got := strings.Join(slices.Compact(reasons), "\n") + "\n"
	path := filepath.Join("testdata", "reasons.txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("testdata/reasons.txt differs, see -update:\n%s", got)
	}
}
