package admin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Tolerance is how far the time of a webhook may be from this machine's clock.
const Tolerance = 5 * time.Minute

const (
	secretPrefix    = "whsec_"
	signatureScheme = "v1,"
	secretLeast     = 24 // Bytes, by the specification.
)

// ErrNotVerified is why a receiver must not believe a request. Answer it with 400 or 401.
var ErrNotVerified = errors.New("admin: webhook is not verified")

// Verify gives the event of a request that one of the secrets has signed within the last 5
// minutes. Body is the request's body as it came, not decoded and encoded again. While a secret is
// being changed give both. It follows Standard Webhooks (https://www.standardwebhooks.com).
func Verify(header http.Header, body []byte, secrets ...string) (Event, error) {
	if err := verify(time.Now(), header, body, secrets); err != nil {
		return Event{}, err
	}
	var e Event
	if err := json.Unmarshal(body, &e); err != nil {
		return Event{}, fmt.Errorf("admin: the webhook is verified and holds no event: %w", err)
	}
	return e, nil
}

func verify(now time.Time, header http.Header, body []byte, secrets []string) error {
	id, stamp := header.Get("Webhook-Id"), header.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if id == "" || err != nil {
		return fmt.Errorf("%w: it needs the headers webhook-id and webhook-timestamp", ErrNotVerified)
	}
	if away := now.Sub(time.Unix(seconds, 0)).Abs(); away > Tolerance {
		return fmt.Errorf("%w: its time is %s away from this machine's clock, more than %s", ErrNotVerified, away.Round(time.Second), Tolerance)
	}
	if len(secrets) == 0 {
		return errors.New("admin: Verify needs a secret")
	}
	good := false
	for i, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
		if err != nil || len(key) < secretLeast {
			return fmt.Errorf("admin: secret %d of Verify is none of a webhook: give whsec_ and base64, as the server gave it", i+1)
		}
		mac := hmac.New(sha256.New, key)
		_, _ = mac.Write([]byte(id + "." + stamp + ".")) // It never fails.
		_, _ = mac.Write(body)
		want := mac.Sum(nil)
		for one := range strings.FieldsSeq(header.Get("Webhook-Signature")) {
			encoded, known := strings.CutPrefix(one, signatureScheme)
			given, err := base64.StdEncoding.DecodeString(encoded)
			good = good || known && err == nil && hmac.Equal(given, want)
		}
	}
	if !good {
		return fmt.Errorf("%w: no signature is by this secret", ErrNotVerified)
	}
	return nil
}
