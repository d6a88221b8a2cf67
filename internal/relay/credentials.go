package relay

import (
	"crypto/hmac"
	"crypto/sha1" // The credential scheme that TURN clients and servers share names it.
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// Server is an ICE server as browsers take it.
type Server struct {
	URLs                 []string
	Username, Credential string
}

// Servers gives the ICE servers for one user: a label of one device in one
// call. Its credentials start allocations for ten minutes.
func (r *Relay) Servers(user string, now time.Time) []Server {
	username := strconv.FormatInt(now.Add(credentialTTL).Unix(), 10) + ":" + user
	return []Server{
		{URLs: []string{"stun:" + r.addr.String()}},
		{
			URLs:       []string{"turn:" + r.addr.String() + "?transport=udp"},
			Username:   username,
			Credential: password(r.cfg.Secret, username),
		},
	}
}

// password follows from the name, so that the relay stores nothing.
func password(secret []byte, username string) string {
	mac := hmac.New(sha1.New, secret)
	mac.Write([]byte(username))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// parseUsername takes apart what Servers put together.
func parseUsername(username string) (expires time.Time, user string, ok bool) {
	stamp, user, ok := strings.Cut(username, ":")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if !ok || err != nil || user == "" {
		return time.Time{}, "", false
	}
	return time.Unix(seconds, 0), user, true
}
