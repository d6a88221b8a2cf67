package admin

import (
	"fmt"
	"strings"
	"time"
)

// Error is a request that the server refused. Find it by errors.As.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Code is the stable name, such as no_such_call; docs/build/server-api.md lists them. It is empty
	// where something else than Peal answered, such as a proxy.
	Code Code
	// Detail says what is wrong with this request, and what to do.
	Detail string
	// Retry says whether the same request may succeed later.
	Retry bool
	// RequestID is under which the server's log has the request.
	RequestID string
	// Wait is the pause that the server asks for; zero where it asks for none.
	Wait time.Duration
}

// Code is the stable name of an error.
type Code string

// The codes that a backend may branch on.
const (
	BadRequest      Code = "bad_request"
	Conflict        Code = "conflict"
	InvalidKey      Code = "invalid_key"
	MissingScope    Code = "missing_scope"
	NoSuchCall      Code = "no_such_call"
	NoSuchWebhook   Code = "no_such_webhook"
	NotFound        Code = "not_found"
	TooManyRequests Code = "too_many_requests"
	Unavailable     Code = "unavailable"
)

func (e *Error) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "peal answers %d", e.Status)
	if e.Code != "" {
		fmt.Fprintf(&text, " %s", e.Code)
	}
	if e.Detail != "" {
		fmt.Fprintf(&text, ": %s", e.Detail)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&text, " (request %s)", e.RequestID)
	}
	return text.String()
}
