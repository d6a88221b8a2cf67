package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/config"
)

// keys are what signs and what judges tokens.
type keys struct {
	signer   *auth.Signer
	verifier *auth.Verifier
	// turn are the secrets of credentials for the relay: the first makes them, all are good.
	turn [][]byte
	// longest is how long a token may have been good at most, by these settings and those before.
	longest time.Duration
}

func readKeys(a *config.Auth) (*keys, error) {
	all := keysOf(a)
	verifier, err := auth.NewVerifier(all, a.MaxTTL)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	signer, err := auth.NewSigner(all, a.KeyID)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	return &keys{signer.ForAudience(a.Audience), verifier.ForAudience(a.Audience), turnSecrets(all, a.KeyID), a.MaxTTL + auth.Leeway}, nil
}

// turnSecrets follow from those of tokens, so that all nodes have the same ones, also after a
// restart. The one of the key that signs is the first.
func turnSecrets(all auth.Keys, signs string) [][]byte {
	others := slices.Sorted(maps.Keys(all))
	others = slices.DeleteFunc(others, func(id string) bool { return id == signs })
	var secrets [][]byte
	for _, id := range slices.Concat([]string{signs}, others) {
		mac := hmac.New(sha256.New, all[id])
		mac.Write([]byte("turn")) // No token is signed over a text without a dot.
		secrets = append(secrets, mac.Sum(nil))
	}
	return secrets
}

func (s *Server) verify(token string, now time.Time) (auth.Identity, error) {
	who, err := s.keys.Load().verifier.Verify(token, now)
	if err == nil {
		err = s.logOuts.judge(who)
	}
	return who, err
}

func (s *Server) sign(who auth.Identity, now time.Time) (string, error) {
	return s.keys.Load().signer.SignIdentity(who, now)
}

// Reload takes from settings, which must be valid, what can change while calls go on: which tokens
// are good, and the certificate. Devices that are logged in stay so. Where Reload fails nothing has
// changed.
func (s *Server) Reload(settings *config.Config) error {
	now, err := readKeys(&settings.Auth)
	if err != nil {
		return err
	}
	if c := s.certificate; c != nil {
		certFile, keyFile := settings.TLS.Cert, settings.TLS.Key
		if s.cfg.SelfSigned || certFile == "" {
			certFile, keyFile = c.files()
		}
		if err := c.reload(certFile, keyFile); err != nil {
			return err
		}
	}
	if s.relay != nil {
		if err := s.relay.Rekey(now.turn...); err != nil {
			return err
		}
	}
	now.longest = max(now.longest, s.keys.Load().longest)
	s.keys.Store(now)
	return nil
}
