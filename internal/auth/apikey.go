package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
)

// APIKeys admit backends to the server API, by the ids of the keys. They open no socket, and
// no token of a device opens the API.
type APIKeys map[string]Secret

// apiKeyPrefix begins every key, so that a scan for leaked secrets finds it.
const apiKeyPrefix = "peal_sk_"

// apiSecretBytes is what the secret of a key encodes, in 43 characters of base64url.
const apiSecretBytes = 32

// Validate finds keys that nobody should rely on.
func (k APIKeys) Validate() error {
	for id, secret := range k {
		if id == "" || len(id) > 32 || strings.ContainsFunc(id, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
		}) {
			return fmt.Errorf("API key id %q: 1 to 32 of a-z, 0-9 and -", id)
		}
		if raw, err := base64.RawURLEncoding.DecodeString(string(secret)); err != nil || len(raw) != apiSecretBytes {
			return fmt.Errorf("API key %s: the secret must be 32 random bytes as 43 characters of base64url, such as: "+
				"openssl rand -base64 32 | tr '+/' '-_' | tr -d '='", id)
		}
	}
	return nil
}

// Check gives the id of the key that a bearer names, where its secret is right. It compares
// hashes in constant time.
func (k APIKeys) Check(bearer string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(bearer, apiKeyPrefix)
	if !ok {
		return "", false
	}
	id, secret, _ := strings.Cut(rest, "_")
	kept, known := k[id]
	given, want := sha256.Sum256([]byte(secret)), sha256.Sum256(kept)
	return id, subtle.ConstantTimeCompare(given[:], want[:]) == 1 && known
}
