package auth

import (
	"encoding/base64"
	"encoding/json"
	"strings"
)

// claimTypes says of each claim that Peal reads what its value has to be.
var claimTypes = []struct {
	name string
	fits func(json.RawMessage) bool
	want string
}{
	{"sub", isA[string], "is not a string"},
	{"exp", isA[json.Number], "is not a number of seconds since 1970"},
	{"iat", isA[json.Number], "is not a number of seconds since 1970"},
	{"nbf", isA[json.Number], "is not a number of seconds since 1970"},
	{"aud", func(v json.RawMessage) bool { return isA[string](v) || isA[[]string](v) }, "is neither a string nor a list of strings"},
	{"iss", isA[string], "is not a string"},
	{"jti", isA[string], "is not a string"},
	{"single_login", isA[bool], "is not true or false"},
}

// isA says whether a value of JSON has a type of Go; null has every type.
func isA[T any](value json.RawMessage) bool {
	var into T
	return json.Unmarshal(value, &into) == nil
}

// malformed says why a token that cannot be read cannot be read. It quotes nothing of it.
func malformed(token string) error {
	parts := strings.Split(token, ".")
	switch {
	case len(token) >= 7 && strings.EqualFold(token[:7], "Bearer "):
		return invalid("it begins with the word Bearer: give the token alone")
	case strings.TrimSpace(token) != token:
		return invalid("it has blanks or line breaks around it: give the token alone")
	case strings.HasPrefix(token, `"`) || strings.HasPrefix(token, "'"):
		return invalid("it stands in quotes: give the token alone")
	case len(parts) != 3:
		return invalid("it is not a JWT: a JWT has three parts with dots between")
	}
	header, err := members(parts[0])
	if err != "" {
		return invalid("its header is not %s", err)
	}
	if !isHS256(header["alg"]) {
		return invalid("its header alg is not HS256")
	}
	claims, err := members(parts[1])
	if err != "" {
		return invalid("its claims are not %s", err)
	}
	for _, claim := range claimTypes {
		if value, given := claims[claim.name]; given && !claim.fits(value) {
			return invalid("its claim %s %s: correct it in your backend", claim.name, claim.want)
		}
	}
	if _, err := decode(parts[2]); err != nil {
		return invalid("its third part is not base64url")
	}
	return invalid("it is not a JWT of this form")
}

func isHS256(alg json.RawMessage) bool {
	var name string
	return json.Unmarshal(alg, &name) == nil && name == "HS256"
}

// members reads a part of a token; wrong says what it is not.
func members(part string) (object map[string]json.RawMessage, wrong string) {
	text, err := decode(part)
	if err != nil {
		return nil, "base64url"
	}
	if err := json.Unmarshal(text, &object); err != nil || object == nil {
		return nil, "a JSON object"
	}
	return object, ""
}

func decode(part string) ([]byte, error) { return base64.RawURLEncoding.Strict().DecodeString(part) }
