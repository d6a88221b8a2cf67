package auth

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// SecretBytes is the shortest secret that is taken: as long as the hash.
const SecretBytes = 32

// Secret signs tokens. Its bytes are used as they are.
type Secret []byte

// String hides the secret from logs and messages.
func (Secret) String() string { return "[secret]" }

// GoString hides it likewise.
func (Secret) GoString() string { return "[secret]" }

// Keys holds the secrets by the id under which tokens name them. Every key is
// one for HS256 and for nothing else.
type Keys map[string]Secret

// Validate finds keys that nobody should rely on.
func (k Keys) Validate() error {
	if len(k) == 0 {
		return errors.New("no key to check tokens with")
	}
	for id, secret := range k {
		if id == "" || len(id) > 64 {
			return fmt.Errorf("key id %q: must be 1 to 64 characters", id)
		}
		if len(secret) < SecretBytes {
			return fmt.Errorf("secret of key %q: %d bytes, at least %d are needed", id, len(secret), SecretBytes)
		}
	}
	return nil
}

// NewSecret makes a random secret as text.
func NewSecret() Secret {
	random := make([]byte, SecretBytes)
	_, _ = rand.Read(random) // It never fails: the program ends before.
	return Secret(base64.RawURLEncoding.EncodeToString(random))
}

// ReadSecret reads a secret that KeepSecret has kept.
func ReadSecret(path string) (Secret, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	if len(text) < SecretBytes {
		return nil, fmt.Errorf("read secret: %s is damaged; delete it to have a new one made", path)
	}
	return text, nil
}

// KeepSecret reads the secret in a file, or makes one and keeps it there,
// readable by the owner alone.
func KeepSecret(path string) (Secret, error) {
	secret, err := ReadSecret(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	secret = NewSecret()
	// Written beside and then linked in place, so that the file is never seen
	// half written, and of two processes at once both get the same secret.
	temporary, err := os.CreateTemp(filepath.Dir(path), ".secret-*")
	if err != nil {
		return nil, fmt.Errorf("keep secret: %w", err)
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.Write(secret)
	if err := errors.Join(err, temporary.Close()); err != nil {
		return nil, fmt.Errorf("keep secret: %w", err)
	}
	if err := os.Link(temporary.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("keep secret: %w", err)
	}
	return ReadSecret(path)
}
