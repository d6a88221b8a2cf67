package server

import (
	"fmt"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/config"
)

// keys are what signs and what judges tokens.
type keys struct {
	signer   *auth.Signer
	verifier *auth.Verifier
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
	return &keys{signer.ForAudience(a.Audience), verifier.ForAudience(a.Audience), a.MaxTTL + auth.Leeway}, nil
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

// Reload takes from settings, which must be valid, what can change while calls go on: which
// tokens are good, and the certificate. Who is logged in stays so. Where it fails
// nothing has changed.
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
	now.longest = max(now.longest, s.keys.Load().longest)
	s.keys.Store(now)
	return nil
}
