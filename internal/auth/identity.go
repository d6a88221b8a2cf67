package auth

import (
	"errors"
	"time"
)

// Identity is what a valid token says.
type Identity struct {
	Account   string
	ExpiresAt time.Time
	// IssuedAt is when the token was made; zero where it does not say.
	IssuedAt time.Time
	// SingleLogin says that the account may be logged in on one device only.
	SingleLogin bool
	KeyID       string
	// Card is how the account is shown to the other side of a call.
	Card Card
}

var (
	// ErrExpired says that the token was good once.
	ErrExpired = errors.New("token expired")
	// ErrRevoked says that the account was logged out after the token was made; what wraps
	// it may say more.
	ErrRevoked = errors.New("token revoked")
	// ErrInvalid says that the token was never good here; it wraps the reason.
	ErrInvalid = errors.New("token invalid")
)
