package relay

import (
	"crypto/hmac"
	"crypto/sha1" // The credential scheme that TURN servers share names it.
	"encoding/base64"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"
)

// Server is an ICE server as browsers take it.
type Server struct {
	URLs                 []string
	Username, Credential string
}

// LogValue keeps credentials out of logs.
func (s Server) LogValue() slog.Value { return slog.AnyValue(s.URLs) }

// Servers gives the ICE servers for one user.
//
// The name is EXPIRY:TAG.USER with the expiry in seconds since 1970 and the tag of the secret,
// the password the base64 of its HMAC-SHA1 under the secret: the form that coturn and others
// take as well.
func (r *Relay) Servers(user User, now time.Time) []Server {
	host := r.cfg.PublicHost
	if host == "" {
		host = r.addr.Addr().String()
	}
	at := net.JoinHostPort(host, strconv.Itoa(int(r.addr.Port())))
	urls := []string{"turn:" + at + "?transport=udp", "turn:" + at + "?transport=tcp"}
	if r.tlsPort != 0 {
		urls = append(urls, "turns:"+net.JoinHostPort(host, strconv.Itoa(int(r.tlsPort)))+"?transport=tcp")
	}
	secret := r.secrets.first()
	username := strconv.FormatInt(now.Add(r.cfg.CredentialTTL).Unix(), 10) + ":" + secret.tag + "." + user.String()
	return []Server{
		{URLs: []string{"stun:" + at}},
		{URLs: urls, Username: username, Credential: password(secret.key, username)},
	}
}

// password follows from the name, so that the relay stores nothing.
func password(secret []byte, username string) string {
	mac := hmac.New(sha1.New, secret)
	mac.Write([]byte(username))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// parseUsername takes apart what Servers puts together, and nothing else: a user has
// one name for each expiry.
func parseUsername(username string) (login, bool) {
	stamp, text, _ := strings.Cut(username, ":")
	seconds, err := strconv.ParseUint(stamp, 10, 63)
	if err != nil || strconv.FormatUint(seconds, 10) != stamp {
		return login{}, false
	}
	tag, text, _ := strings.Cut(text, ".")
	user, ok := parseUser(text)
	if !ok || len(tag) != tagChars || !consistsOf(tag, "-_") {
		return login{}, false
	}
	return login{time.Unix(int64(seconds), 0), tag, user}, true
}
