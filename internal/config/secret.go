package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// CredentialName is the systemd credential that holds the secret.
	CredentialName = "secret"
	// secretFileBytes bounds what is read of a file for a secret: a larger one is another file.
	secretFileBytes = 4096
)

// LoadSecret reads the secret from the file that is set, or else, where no secret is set,
// from the systemd credential of its name. credentials is the folder of credentials; empty
// where there is none.
func (a *Auth) LoadSecret(credentials string) error {
	if a.SecretFile == "" && a.Secret == "" && credentials != "" {
		secret, err := ReadSecret(filepath.Join(credentials, CredentialName))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		a.Secret = secret
		return err
	}
	secret, err := SecretOf(a.Secret, a.SecretFile)
	a.Secret = secret
	return err
}

// SecretOf is the secret that is given, by itself or in a file; empty where neither is.
func SecretOf(secret, file string) (string, error) {
	switch {
	case file == "":
		return secret, nil
	case secret != "":
		return "", errors.New("secret and secret-file are both given: leave one out (PEAL_SECRET and PEAL_SECRET_FILE count)")
	}
	return ReadSecret(file)
}

// ReadSecret reads a file that holds a secret alone. Line breaks at its end are not part of
// the secret: editors and openssl write one, and $(cat FILE) in a shell drops them too.
func ReadSecret(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read secret-file: %w", err)
	}
	defer func() { _ = file.Close() }() // It was only read.
	text, err := io.ReadAll(io.LimitReader(file, secretFileBytes+1))
	if err != nil {
		return "", fmt.Errorf("read secret-file: %w", err)
	}
	if len(text) > secretFileBytes {
		return "", fmt.Errorf("read secret-file: %s has more than %d bytes: give a file that holds the secret alone", path, secretFileBytes)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("read secret-file: %s holds no secret: write one by `(umask 077; openssl rand -base64 32 > %s)`", path, path)
	}
	return secret, nil
}

// Doubt is a setting with which the server works, though hardly as it is meant.
type Doubt struct {
	// Setting is the name of the flag.
	Setting string
	// Reason says what looks wrong and what to do; it shows no secret.
	Reason string
}

// Doubts finds settings that look like a slip.
func (c *Config) Doubts() []Doubt {
	var doubts []Doubt
	add := func(setting, secret string) {
		if reason := odd(secret); reason != "" {
			doubts = append(doubts, Doubt{setting, reason})
		}
	}
	add("secret", c.Auth.Secret)
	var ids []string
	for id := range c.Auth.Keys {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		add("keys."+id, c.Auth.Keys[id])
	}
	if c.Cluster.On() && c.ACME.On() {
		doubts = append(doubts, Doubt{"acme-domain", "the authority connects to any of the nodes behind a name, and only the one that asked can answer: " +
			"let the balancer end TLS, give tls-cert, or use a name that this node alone has"})
	}
	return doubts
}

// odd says what of a secret was hardly meant to be part of it; empty where nothing is.
func odd(secret string) string {
	const advice = ", which is part of the secret: remove it, unless the backend that makes tokens has it too"
	first, last := secret[:min(1, len(secret))], secret[max(0, len(secret)-1):]
	switch {
	case strings.HasSuffix(secret, "\n") || strings.HasSuffix(secret, "\r"):
		return "it ends with a line break" + advice
	case strings.ContainsAny(secret, "\r\n"):
		return "it holds a line break" + advice
	case strings.TrimSpace(secret) != secret:
		return "it begins or ends with a blank" + advice
	case len(secret) > 1 && first == last && strings.Contains("\"'`", first):
		return "it stands in quotes" + advice
	}
	return ""
}
