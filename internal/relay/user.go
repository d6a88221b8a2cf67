package relay

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"strings"
	"time"
)

const (
	// accountBytes is how much of the keyed hash names an account: 96 bits, so that
	// two accounts do not meet, in accountChars of base64url.
	accountBytes = 12
	accountChars = accountBytes * 4 / 3
	// labelChars bounds a call and a device, as the protocol does.
	labelChars = 64
)

// User names who holds relayed addresses: a device of an account in a call. Relay.User
// makes one.
type User struct {
	// Call is empty for credentials that belong to no call.
	Call string
	// Account is a keyed hash: the name travels in the clear and must not tell who calls.
	Account string
	// Device is the client's choice, so no limit may rest on it alone.
	Device string
}

// User names a device of an account in a call. An empty call means none.
func (r *Relay) User(call, account, device string) User {
	mac := hmac.New(sha256.New, r.secrets.first().key)
	mac.Write([]byte("account:" + account))
	return User{call, base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:accountBytes]), device}
}

// String is CALL.ACCOUNT.DEVICE. Only the device may contain a dot.
func (u User) String() string { return u.Call + "." + u.Account + "." + u.Device }

// LogValue keeps users out of logs.
func (u User) LogValue() slog.Value { return slog.StringValue("relay user") }

// party names those who may speak to each other by the relay's own addresses: one
// call, or the account that tries both ends by itself without a call.
func (u User) party() string {
	if u.Call != "" {
		return u.Call
	}
	return "." + u.Account
}

// parseUser takes apart what String puts together, and nothing else.
func parseUser(text string) (User, bool) {
	call, rest, _ := strings.Cut(text, ".")
	account, device, _ := strings.Cut(rest, ".")
	u := User{call, account, device}
	ok := len(call) <= labelChars && consistsOf(call, "-") &&
		len(account) == accountChars && consistsOf(account, "-_") &&
		device != "" && len(device) <= labelChars && consistsOf(device, "._-")
	if !ok {
		return User{}, false
	}
	return u, true
}

// consistsOf reports whether a text has only letters and digits of ASCII and some
// other characters.
func consistsOf(text, others string) bool {
	for _, c := range []byte(text) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(others, c) >= 0:
		default:
			return false
		}
	}
	return true
}

// login is what the name of a TURN credential says.
type login struct {
	expires time.Time
	tag     string // Of the secret that made it.
	user    User
}
