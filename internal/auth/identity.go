package auth

import (
	"errors"
	"time"
)

// Identity is what a valid token says.
type Identity struct {
	Account   string
	ExpiresAt time.Time
	KeyID     string
}

var (
	// ErrExpired says that the token was good once.
	ErrExpired = errors.New("token expired")
	// ErrInvalid says that the token was never good here; it wraps the reason.
	ErrInvalid = errors.New("token invalid")
)
