package doctor

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/protocol"
)

// whyRefused says what is wrong with a token, by what the server says of it.
func (r *run) whyRefused(token string, e failure) Result {
	has := func(part string) bool { return strings.Contains(e.Message, part) }
	says := claimsOf(token)
	switch {
	case e.Code == string(protocol.TokenExpired):
		result := bad(Failed, "the token has expired")
		if says.expires.After(time.Now()) {
			result.Seen += ", says the server; by this clock it has not: the clocks differ"
			return result.mend("Set the clock of the server, and that of the backend that makes tokens, by NTP.", "the clock of the server")
		}
		if !says.expires.IsZero() {
			result.Seen += fmt.Sprintf(" %s ago", time.Since(says.expires).Round(time.Second))
		}
		return result.mend("Make a new one: pages ask for it each time that they connect (getToken). 10 minutes are enough for exp.", "exp of the token")
	case e.Code == string(protocol.TokenRevoked):
		return bad(Failed, "the token is refused: %s", e.Message).
			mend("Make a new one, whose iat is later than the log-out of the account.", "iat of the token")
	case has("kid names no key"):
		return bad(Failed, "the server knows no key %q, which the token names by kid", says.KeyID).
			mend("Have the backend write the server's --key-id as kid, or add the key by --keys.", "--key-id", "--keys")
	case has("has no kid"):
		return bad(Failed, "the token does not say by kid with which key it is signed").
			mend("Have the backend write the server's --key-id as kid into the header of the token.", "--key-id")
	case has("its signature is not by"):
		return bad(Failed, "the token is not signed with the secret that the server has for kid %q", says.KeyID).
			mend("Give the backend the very text of --secret (PEAL_SECRET), for HS256, used as it is written and not decoded.", "--secret", "--keys")
	case has("good for longer"):
		return bad(Failed, "the token is good for too long: %s", reason(e)).
			mend("Have the backend set exp nearer, or allow more by --token-max-ttl.", "--token-max-ttl")
	case has("in the future"):
		return bad(Failed, "the token is not good yet, by the server's clock").
			mend("Set the clock of the server, and that of the backend that makes tokens, by NTP.", "the clock of the server")
	case e.Code == string(protocol.BadToken):
		return bad(Failed, "the token is refused: %s", reason(e)).mend(adviceFor(e.Message))
	case e.Code == string(protocol.TooManyDevices):
		return bad(Failed, "the account is logged in on too many devices").mend("Try another account.", "--limits-devices")
	}
	return bad(Failed, "the login is refused: %s", e.Message).mend("Try again in a moment.")
}

// tokenFault is one way in which a token is wrong, by a part of what the server says of it.
type tokenFault struct{ says, advice, setting string }

const (
	backend = "the backend that makes tokens"
	whole   = "Give the very text that the backend's JWT library makes: three parts with dots between them."
	alone   = "Give the token alone, without the word Bearer, quotes, blanks and line breaks around it."
	dates   = "Have the backend write exp, iat and nbf as numbers of seconds since 1970, not as texts or milliseconds; ten minutes ahead are enough for exp."
)

// tokenFaults are in the order of the server's checks. The page /doctor has the same, and
// tests of both read the server's reasons in internal/auth/testdata/reasons.txt.
var tokenFaults = []tokenFault{
	{"it begins with the word Bearer", alone, backend},
	{"it has blanks or line breaks", alone, backend},
	{"it stands in quotes", alone, backend},
	{"it is not a JWT", whole, backend},
	{"its header is not", whole, backend},
	{"its claims are not", whole, backend},
	{"its third part is not", whole, backend},
	{"alg is not HS256", "Have the backend sign by HS256 and name it: some libraries choose HS384 or HS512 for a long secret.", backend},
	{"header kid is not a string", "Have the backend write the server's --key-id as kid into the header of the token, as a string.", "--key-id"},
	{"header has crit", "Have the backend leave crit out of the header of the token.", backend},
	{"bytes, at most 8192", "Have the backend leave out the claims that Peal does not read.", backend},
	{"no sub", "Have the backend write the account as sub.", backend},
	{"claim sub", "Have the backend write the account as sub: a string of printable text, of 1 to 128 bytes.", backend},
	{"no exp", "Have the backend write exp, in seconds since 1970; ten minutes ahead are enough.", "exp of the token"},
	{"exp, iat or nbf is not", dates, "exp of the token"},
	{"claim exp", dates, "exp of the token"},
	{"claim iat", dates, backend},
	{"claim nbf", dates, backend},
	{"its aud does not", "Have the backend write the text of --token-audience as aud.", "--token-audience"},
	{"claim aud", "Have the backend write the text of --token-audience as aud: a string, or a list of strings.", "--token-audience"},
	{"claim name", "Have the backend write name as one line of at most 64 bytes of UTF-8, or leave it out.", backend},
	{"claim avatar", "Have the backend write avatar as an absolute https URL of at most 512 bytes, or leave it out.", backend},
	{"its claim ", "Have the backend write this claim in the type that the server expects, or leave it out.", backend},
}

// adviceFor says how to mend a token, and what decides it.
func adviceFor(message string) (advice, setting string) {
	for _, one := range tokenFaults {
		if strings.Contains(message, one.says) {
			return one.advice, one.setting
		}
	}
	return "It is a JWT by HS256 with kid in its header, and sub (the account) and exp.", backend
}

// reason is the particular part of an error's text.
func reason(e failure) string {
	if _, particular, found := strings.Cut(e.Message, ": "); found {
		return strings.TrimPrefix(particular, "token invalid: ")
	}
	return e.Message
}

// claims are what a token says of itself.
type claims struct {
	KeyID, Account string
	expires        time.Time
}

// claimsOf reads a token without judging it; what cannot be read is empty.
func claimsOf(token string) claims {
	var header struct{ Kid string }
	var body struct {
		Sub string
		Exp float64
	}
	parts := strings.Split(token, ".")
	for i, into := range []any{&header, &body} {
		if i >= len(parts) {
			break
		}
		// A token that is none is the server's to refuse: there is nothing to read in it.
		if text, err := base64.RawURLEncoding.DecodeString(parts[i]); err == nil {
			_ = json.Unmarshal(text, into)
		}
	}
	c := claims{KeyID: header.Kid, Account: body.Sub}
	if body.Exp > 0 {
		c.expires = time.Unix(int64(body.Exp), 0)
	}
	return c
}
