// Package token makes the tokens by which people log in to Peal: it is for backends in Go.
//
// A token names an account. The server believes it, since it is signed with the secret that
// the server has too:
//
//	signer, err := token.NewSigner(token.Config{Secret: os.Getenv("PEAL_SECRET")})
//	…
//	text, err := signer.Sign(token.Claims{Account: "alice", Name: "Alice Example"})
//
// Make a token for each page that asks, after your backend has found out who asks. The
// package has no dependency beside the standard library. A Signer never changes, so its
// methods are safe for concurrent use.
package token

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// DefaultKeyID is the key id of a server that was given none.
	DefaultKeyID = "main"
	// DefaultLifetime is how long tokens are good for unless Config says otherwise.
	DefaultLifetime = 10 * time.Minute
	// MaxLifetime is the longest that a server takes, unless its --token-max-ttl says otherwise.
	MaxLifetime = 24 * time.Hour

	secretBytes   = 32
	keyIDBytes    = 64
	audienceBytes = 256
	leastLifetime = time.Second
)

// Config says how to sign. Secret is required.
type Config struct {
	// Secret is the server's: 32 bytes or more, used as it is written and not decoded. The
	// server reads a file of --secret-file without the line break at its end, so trim that.
	Secret string
	// KeyID is the server's --key-id, or one of its --keys: 1 to 64 bytes. Empty means
	// DefaultKeyID.
	KeyID string
	// Lifetime is how long a token is good for: 1 s to MaxLifetime. Zero means DefaultLifetime. A
	// page asks for a new token when a fifth of it is left.
	Lifetime time.Duration
	// Audience is the server's --token-audience. Empty means none.
	Audience string
	// Now is the clock; nil means time.Now. The server's may differ by 5 s.
	Now func() time.Time
}

// Claims say who logs in. Account is required.
type Claims struct {
	// Account is 1 to 128 bytes of printable text without blanks around it.
	Account string
	// Name is shown to the other side of a call: 64 bytes at most, of one line.
	Name string
	// Avatar is the picture that is shown beside the name: an absolute https URL of 512 bytes
	// at most.
	Avatar string
	// SingleLogin ends the account's other logins.
	SingleLogin bool
}

// Signer makes tokens with one key.
type Signer struct{ cfg Config }

// NewSigner makes a signer. Its errors do not show the secret.
func NewSigner(cfg Config) (*Signer, error) {
	if cfg.KeyID == "" {
		cfg.KeyID = DefaultKeyID
	}
	if cfg.Lifetime == 0 {
		cfg.Lifetime = DefaultLifetime
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	switch {
	case strings.TrimRight(cfg.Secret, "\r\n") != cfg.Secret:
		return nil, errors.New("token: Config.Secret ends with a line break: trim it, as the server does with a file of --secret-file")
	case len(cfg.Secret) < secretBytes:
		return nil, fmt.Errorf("token: Config.Secret has %d bytes, at least %d are needed: give the very text of the server's secret",
			len(cfg.Secret), secretBytes)
	case len(cfg.KeyID) > keyIDBytes || !utf8.ValidString(cfg.KeyID):
		return nil, fmt.Errorf("token: Config.KeyID is %.100q: give 1 to %d bytes of UTF-8, the server's --key-id", cfg.KeyID, keyIDBytes)
	case cfg.Lifetime < leastLifetime || cfg.Lifetime > MaxLifetime:
		return nil, fmt.Errorf("token: Config.Lifetime is %s: give %s to %s", cfg.Lifetime, leastLifetime, MaxLifetime)
	case len(cfg.Audience) > audienceBytes || !printable(cfg.Audience):
		return nil, fmt.Errorf("token: Config.Audience is %.300q: give the very text of the server's --token-audience", cfg.Audience)
	}
	return &Signer{cfg}, nil
}

// header and payload are the parts of a token.
type header struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
	Type      string `json:"typ"`
}

type payload struct {
	Subject     string `json:"sub"`
	IssuedAt    int64  `json:"iat"`
	ExpiresAt   int64  `json:"exp"`
	Audience    string `json:"aud,omitempty"`
	Name        string `json:"name,omitempty"`
	Avatar      string `json:"avatar,omitempty"`
	SingleLogin bool   `json:"single_login,omitempty"`
}

// Sign makes a token. The error names the claim that a server would refuse.
func (s *Signer) Sign(c Claims) (string, error) {
	if err := c.check(); err != nil {
		return "", err
	}
	now := s.cfg.Now()
	signed, err := join(header{"HS256", s.cfg.KeyID, "JWT"}, payload{
		Subject: c.Account, IssuedAt: now.Unix(), ExpiresAt: now.Add(s.cfg.Lifetime).Unix(), Audience: s.cfg.Audience,
		Name: c.Name, Avatar: c.Avatar, SingleLogin: c.SingleLogin,
	})
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, []byte(s.cfg.Secret))
	_, _ = mac.Write([]byte(signed)) // It never fails.
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

// Source gives tokens for one account, each made when it is asked for: it is what the SDK's
// client takes as Config.Token.
func (s *Signer) Source(c Claims) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		return s.Sign(c)
	}
}

func join(h header, p payload) (string, error) {
	var parts []string
	for _, part := range []any{h, p} {
		text, err := json.Marshal(part)
		if err != nil {
			return "", fmt.Errorf("token: encode: %w", err)
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(text))
	}
	return strings.Join(parts, "."), nil
}
