package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The headers of Standard Webhooks (https://www.standardwebhooks.com).
const (
	// IDHeader holds the id of the event, the same at each try.
	IDHeader = "Webhook-Id"
	// TimestampHeader holds the time of this try in Unix seconds: receivers refuse one that
	// is 5 minutes old, so with the time of the event every later try would fail.
	TimestampHeader = "Webhook-Timestamp"
	// SignatureHeader holds a signature for each live secret, separated by blanks.
	SignatureHeader = "Webhook-Signature"
)

// Tolerance is how far a timestamp may be from a receiver's clock.
const Tolerance = 5 * time.Minute

const (
	secretPrefix    = "whsec_"
	signatureScheme = "v1,"
	// A secret that Peal makes has secretBytes. The specification takes 24 to 64.
	secretBytes, secretBytesLeast, secretBytesMost = 32, 24, 64
)

// Secret signs the deliveries to one endpoint. It redacts itself in logs.
type Secret struct{ key []byte }

// NewSecret makes a secret.
func NewSecret() Secret {
	key := make([]byte, secretBytes)
	_, _ = rand.Read(key) // It never fails: see its documentation.
	return Secret{key}
}

// ParseSecret reads a secret as Text writes it. The error does not show it.
func ParseSecret(text string) (Secret, error) {
	encoded, ok := strings.CutPrefix(text, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(key) < secretBytesLeast || len(key) > secretBytesMost {
		return Secret{}, fmt.Errorf("this is no secret of a webhook: give %s and the base64 of %d to %d bytes",
			secretPrefix, secretBytesLeast, secretBytesMost)
	}
	return Secret{key}, nil
}

// Text is how people and receivers write the secret: whsec_ and base64.
func (s Secret) Text() string { return secretPrefix + base64.StdEncoding.EncodeToString(s.key) }

// String hides the secret.
func (Secret) String() string { return "(secret)" }

// GoString hides the secret.
func (Secret) GoString() string { return "(secret)" }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("(secret)") }

// sign signs one try: the id, the time and the body, so that none of them can be exchanged.
func (s Secret) sign(id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, s.key)
	_, _ = fmt.Fprintf(mac, "%s.%d.", id, at.Unix()) // A hash takes everything.
	_, _ = mac.Write(body)
	return signatureScheme + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Sign sets the headers of one try, signed by each of the secrets: during a rotation the receiver may
// have either.
func Sign(header http.Header, secrets []Secret, id string, at time.Time, body []byte) {
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		signatures[i] = secret.sign(id, at, body)
	}
	header.Set(IDHeader, id)
	header.Set(TimestampHeader, strconv.FormatInt(at.Unix(), 10))
	header.Set(SignatureHeader, strings.Join(signatures, " "))
}

// The reasons for which a receiver refuses a request. The texts say what to do.
var (
	errHeaders   = errors.New("a header is missing: a webhook has webhook-id, webhook-timestamp and webhook-signature")
	errTimestamp = errors.New("webhook-timestamp is no time in Unix seconds")
	errTooOld    = fmt.Errorf("webhook-timestamp is more than %s from this machine's clock: set the clocks of both machines", Tolerance)
	errSignature = errors.New("no signature is by this secret: give the secret of this endpoint")
)

// Verify checks a request before its receiver uses the body: the time, and a signature by the secret.
func (s Secret) Verify(header http.Header, body []byte, now time.Time) error {
	id, stamp, signatures := header.Get(IDHeader), header.Get(TimestampHeader), header.Get(SignatureHeader)
	if id == "" || stamp == "" || signatures == "" {
		return errHeaders
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return errTimestamp
	}
	at := time.Unix(seconds, 0)
	if at.Before(now.Add(-Tolerance)) || at.After(now.Add(Tolerance)) {
		return errTooOld
	}
	want := []byte(s.sign(id, at, body))
	matches := func(one string) bool { return hmac.Equal([]byte(one), want) }
	if !slices.ContainsFunc(strings.Split(signatures, " "), matches) {
		return errSignature
	}
	return nil
}
