package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// APIKeys admit backends to the server API, by the ids of the keys. They open no socket, and
// no token of a device opens the API.
type APIKeys map[string]Secret

// Scope is a part of the server API that a key opens.
type Scope string

// The scopes of keys.
const (
	// ScopeRead: read calls, records, accounts and events.
	ScopeRead Scope = "read"
	// ScopeCalls: end calls.
	ScopeCalls Scope = "calls"
	// ScopeAccounts: log accounts out, block and erase them.
	ScopeAccounts Scope = "accounts"
	// ScopeHooks: set up webhooks.
	ScopeHooks Scope = "hooks"
	// ScopeAdmin: read what keys did.
	ScopeAdmin Scope = "admin"
)

// AllScopes are all scopes that there are. No scope includes another.
func AllScopes() []Scope {
	return []Scope{ScopeRead, ScopeCalls, ScopeAccounts, ScopeHooks, ScopeAdmin}
}

// APIKey is a key that was checked.
type APIKey struct {
	ID     string
	Scopes []Scope
}

// Opens says whether the key has a scope.
func (k APIKey) Opens(s Scope) bool { return slices.Contains(k.Scopes, s) }

// apiKeyPrefix begins every key, so that a scan for leaked secrets finds it.
const apiKeyPrefix = "peal_sk_"

// apiSecretBytes is what the secret of a key encodes, in 43 characters of base64url.
const apiSecretBytes = 32

// ValidAPIKeyID says whether an id is one of a key: 1 to 32 of a-z, 0-9 and -.
func ValidAPIKeyID(id string) bool {
	return id != "" && len(id) <= 32 && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}

// NewAPIKey makes a key: its text, which is shown once, and the hash of its secret, which is kept.
func NewAPIKey(id string) (key string, hash []byte) {
	secret := string(NewSecret())
	return apiKeyPrefix + id + "_" + secret, HashAPISecret(secret)
}

// HashAPISecret is what is kept of the secret of a key. The secret is random, so that one round
// of a fast hash is enough.
func HashAPISecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// CutAPIKey gives the id and the secret that a bearer consists of, where it looks like a key.
func CutAPIKey(bearer string) (id, secret string, ok bool) {
	rest, ok := strings.CutPrefix(bearer, apiKeyPrefix)
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, "_")
}

// ParseScopes reads the names of scopes, each once, in the order of AllScopes.
func ParseScopes(names []string) (scopes []Scope, err error) {
	for _, name := range names {
		if !slices.Contains(AllScopes(), Scope(name)) {
			return nil, fmt.Errorf("there is no scope %.40q: there are %s", name, scopeNames())
		}
	}
	for _, scope := range AllScopes() {
		if slices.Contains(names, string(scope)) {
			scopes = append(scopes, scope)
		}
	}
	if len(scopes) == 0 {
		return nil, fmt.Errorf("a key needs a scope: %s", scopeNames())
	}
	return scopes, nil
}

func scopeNames() string {
	var names []string
	for _, scope := range AllScopes() {
		names = append(names, string(scope))
	}
	return strings.Join(names, ", ")
}

// Validate finds keys that nobody should rely on.
func (k APIKeys) Validate() error {
	for id, secret := range k {
		if !ValidAPIKeyID(id) {
			return fmt.Errorf("API key id %q: 1 to 32 of a-z, 0-9 and -", id)
		}
		if raw, err := base64.RawURLEncoding.DecodeString(string(secret)); err != nil || len(raw) != apiSecretBytes {
			return fmt.Errorf("API key %s: the secret must be 32 random bytes as 43 characters of base64url, such as: "+
				"openssl rand -base64 32 | tr '+/' '-_' | tr -d '='", id)
		}
	}
	return nil
}

// Check gives the key that a bearer names, where its secret is right. Each of these keys has
// all scopes. Check compares hashes in constant time.
func (k APIKeys) Check(bearer string) (_ APIKey, ok bool) {
	id, secret, ok := CutAPIKey(bearer)
	kept, known := k[id]
	given, want := sha256.Sum256([]byte(secret)), sha256.Sum256(kept)
	if subtle.ConstantTimeCompare(given[:], want[:]) != 1 || !known || !ok {
		return APIKey{}, false
	}
	return APIKey{id, AllScopes()}, true
}
