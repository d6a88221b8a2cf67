package relay

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// tagBytes is how much of a hash names a secret in a credential, in tagChars of base64url. One
	// relay has few secrets.
	tagBytes = 3
	tagChars = tagBytes * 4 / 3
	// formerMost bounds the secrets that a relay was asked to drop and still knows.
	formerMost = 8
)

// secrets key credentials. Any goroutine may use them.
type secrets struct {
	mu sync.RWMutex // Guards what follows.
	// current are those that start allocations; the first of them makes credentials.
	current []secret
	// former are those that were dropped, the oldest first: what they have started goes on, and
	// credentials that were made before may start something.
	former []secret
}

type secret struct {
	// tag names it in credentials.
	tag string
	key []byte
	// until is the latest expiry of credentials that a former secret made.
	until time.Time
}

func newSecret(key []byte) secret {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("tag"))
	return secret{tag: base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:tagBytes]), key: slices.Clone(key)}
}

// first is the secret that makes credentials.
func (s *secrets) first() secret {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.current[0]
}

// find gives the key of a credential. One that is to start an allocation must have been made
// while its secret was not dropped.
func (s *secrets) find(l login, allocates bool) (key []byte, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, known := range s.current {
		if known.tag == l.tag {
			return known.key, true
		}
	}
	for _, known := range slices.Backward(s.former) {
		if known.tag == l.tag && (!allocates || !l.expires.After(known.until)) {
			return known.key, true
		}
	}
	return nil, false
}

// set takes secrets in place of those before. Credentials last for a while.
func (s *secrets) set(keys [][]byte, now time.Time, last time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	is := func(key []byte) func(secret) bool { return func(one secret) bool { return bytes.Equal(one.key, key) } }
	dropped := s.current
	s.current = nil
	for _, key := range keys {
		s.current = append(s.current, newSecret(key))
		s.former = slices.DeleteFunc(s.former, is(key))
	}
	for _, one := range dropped {
		if !slices.ContainsFunc(s.current, is(one.key)) {
			one.until = now.Add(last)
			s.former = append(s.former, one)
		}
	}
	s.former = slices.Delete(s.former, 0, max(len(s.former)-formerMost, 0))
}

// Rekey has the relay make credentials by the first secret, and take those of all of them. What
// credentials of the secrets before have started goes on, and those that were made already still
// start something until they expire.
func (r *Relay) Rekey(keys ...[]byte) error {
	if err := checkSecrets(keys); err != nil {
		return err
	}
	r.secrets.set(keys, r.cfg.Now(), r.cfg.CredentialTTL)
	return nil
}

func checkSecrets(keys [][]byte) error {
	if len(keys) == 0 || slices.ContainsFunc(keys, func(key []byte) bool { return len(key) < minSecret }) {
		return fmt.Errorf("relay secret: want at least %d bytes", minSecret)
	}
	return nil
}
