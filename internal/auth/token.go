package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// MaxTTL is the longest that a token may live unless configured.
	MaxTTL = 24 * time.Hour
	// Leeway is how far the clock of a backend may be off.
	Leeway = 5 * time.Second
	// tokenBytes bounds what is parsed at all.
	tokenBytes = 8 << 10
)

// Verifier judges tokens.
type Verifier struct {
	keys     Keys
	maxTTL   time.Duration
	audience string // Empty where none is asked for.
}

// NewVerifier judges by these keys; tokens that are good for longer than maxTTL
// are refused. A maxTTL of zero means MaxTTL.
func NewVerifier(keys Keys, maxTTL time.Duration) (*Verifier, error) {
	if err := keys.Validate(); err != nil {
		return nil, err
	}
	if maxTTL == 0 {
		maxTTL = MaxTTL
	}
	return &Verifier{keys, maxTTL, ""}, nil
}

// ForAudience gives a verifier that takes only tokens for an audience: their claim aud is
// it, or is a list that holds it. An empty one asks for none.
func (v *Verifier) ForAudience(audience string) *Verifier {
	return &Verifier{v.keys, v.maxTTL, audience}
}

// claims are what a token of Peal may say.
type claims struct {
	jwt.RegisteredClaims
	SingleLogin bool      `json:"single_login,omitempty"`
	Name        textClaim `json:"name,omitzero"`
	Avatar      textClaim `json:"avatar,omitzero"`
}

// Verify tells whom a token names. The error is ErrExpired, or wraps
// ErrInvalid and says why without quoting the token: it may be shown.
func (v *Verifier) Verify(token string, now time.Time) (Identity, error) {
	if len(token) > tokenBytes {
		return Identity{}, invalid("it has %d bytes, at most %d", len(token), tokenBytes)
	}
	var (
		says claims
		kid  string
	)
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithTimeFunc(func() time.Time { return now }),
		jwt.WithLeeway(Leeway),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithStrictDecoding(),
	)
	_, err := parser.ParseWithClaims(token, &says, func(t *jwt.Token) (any, error) {
		if _, critical := t.Header["crit"]; critical {
			return nil, invalid("its header has crit, of which nothing is known here")
		}
		name, given := t.Header["kid"]
		if !given || name == nil {
			return nil, invalid("its header has no kid: write the id of the server's key there (the setting key-id)")
		}
		var isText bool
		if kid, isText = name.(string); !isText {
			return nil, invalid("its header kid is not a string: write the id of the server's key there")
		}
		secret, known := v.keys[kid]
		if !known {
			return nil, invalid("its kid names no key of this server")
		}
		return []byte(secret), nil
	})
	if err != nil {
		return Identity{}, verdict(token, err)
	}
	switch {
	case says.Subject == "":
		return Identity{}, noSubject()
	case !sane(says.ExpiresAt), !sane(says.IssuedAt), !sane(says.NotBefore):
		return Identity{}, invalid("its exp, iat or nbf is not in seconds since 1970")
	case says.ExpiresAt.Sub(now) > v.maxTTL+Leeway,
		says.IssuedAt != nil && says.ExpiresAt.Sub(says.IssuedAt.Time) > v.maxTTL:
		return Identity{}, invalid("it is good for longer than %s", v.maxTTL)
	case v.audience != "" && !slices.Contains(says.Audience, v.audience):
		return Identity{}, invalid("its aud does not name this server, which expects %q", v.audience)
	}
	card, err := says.card()
	if err != nil {
		return Identity{}, err
	}
	who := Identity{
		Account: says.Subject, ExpiresAt: says.ExpiresAt.Time, KeyID: kid, SingleLogin: says.SingleLogin, Card: card,
	}
	if says.IssuedAt != nil {
		who.IssuedAt = says.IssuedAt.Time
	}
	return who, nil
}

// sane says that a date is one before the year 10000: a larger number has wrapped
// around, and seems to be over.
func sane(d *jwt.NumericDate) bool { return d == nil || d.Unix() >= 0 && d.Unix() < 253402300800 }

// verdict puts the parser's error in words that quote nothing of the token.
func verdict(token string, err error) error {
	var known *invalidError
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, jwt.ErrTokenUnverifiable), errors.Is(err, jwt.ErrTokenMalformed):
		return malformed(token)
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		if header, _ := members(strings.SplitN(token, ".", 2)[0]); !isHS256(header["alg"]) {
			return invalid("its header alg is not HS256")
		}
		return invalid("its signature is not by HS256 with the key that its kid names")
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return invalid("it has no exp")
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return invalid("its nbf or iat is in the future; compare the clocks")
	case errors.Is(err, jwt.ErrTokenExpired):
		return ErrExpired
	default:
		return invalid("its claims are not valid")
	}
}

// invalidError is ErrInvalid with the reason.
type invalidError struct{ reason string }

func (e *invalidError) Error() string { return ErrInvalid.Error() + ": " + e.reason }

func (*invalidError) Unwrap() error { return ErrInvalid }

func invalid(format string, args ...any) error {
	return &invalidError{fmt.Sprintf(format, args...)}
}

func noSubject() error { return invalid("it has no sub: write the account there in your backend") }

// Signer makes tokens with one key.
type Signer struct {
	keyID    string
	secret   Secret
	audience string // Empty for none.
}

// NewSigner signs with the key of this id.
func NewSigner(keys Keys, keyID string) (*Signer, error) {
	if err := keys.Validate(); err != nil {
		return nil, err
	}
	secret, known := keys[keyID]
	if !known {
		return nil, fmt.Errorf("no key has the id %q", keyID)
	}
	return &Signer{keyID, secret, ""}, nil
}

// ForAudience gives a signer whose tokens name an audience; an empty one is none.
func (s *Signer) ForAudience(audience string) *Signer {
	return &Signer{s.keyID, s.secret, audience}
}

// Sign makes a token for an account that is good for ttl from now.
func (s *Signer) Sign(account string, ttl time.Duration, now time.Time) (string, error) {
	return s.SignIdentity(Identity{Account: account, ExpiresAt: now.Add(ttl)}, now)
}

// SignIdentity makes a token that says all that an identity does. Its key and
// its audience are the signer's.
func (s *Signer) SignIdentity(who Identity, now time.Time) (string, error) {
	switch {
	case who.Account == "":
		return "", noSubject()
	case !who.ExpiresAt.After(now):
		return "", errors.New("a token needs a time to live")
	}
	if err := who.Card.check(); err != nil {
		return "", err
	}
	says := claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject:   who.Account,
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(who.ExpiresAt),
		},
		SingleLogin: who.SingleLogin,
		Name:        textClaim{text: who.Card.Name},
		Avatar:      textClaim{text: who.Card.Avatar},
	}
	if s.audience != "" {
		says.Audience = jwt.ClaimStrings{s.audience}
	}
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, says)
	t.Header["kid"] = s.keyID
	token, err := t.SignedString([]byte(s.secret))
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return token, nil
}
