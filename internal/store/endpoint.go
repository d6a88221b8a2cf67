package store

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// SecretsMost is how many secrets of an endpoint sign at a time.
const SecretsMost = 2

// Endpoint is where a backend receives events.
type Endpoint struct {
	// ID is given by the backend.
	ID string `json:"id"`
	// Number identifies the endpoint in the store. A later endpoint with the same ID has another number.
	Number int64  `json:"-"`
	URL    string `json:"url"`
	// Events are the names of what it receives: see call.EventsNamed.
	Events    []string  `json:"events,omitempty"`
	Secrets   []Secret  `json:"secrets"` // The newest first.
	CreatedAt time.Time `json:"created_at"`
	// FailingSince is when the tries began to fail; zero where the last one succeeded.
	FailingSince time.Time `json:"failing_since,omitzero"`
	// Disabled is why it receives nothing; zero where it is enabled. Events that are committed while
	// it is disabled do not wait for it, and can be replayed.
	Disabled Disabled `json:"disabled,omitzero"`
}

// Secret is what signs deliveries.
type Secret struct {
	Value     string    `json:"value"`
	CreatedAt time.Time `json:"created_at"`
	// Until is when it signs no more; zero for the newest.
	Until time.Time `json:"until,omitzero"`
}

// Disabled is why an endpoint receives nothing.
type Disabled struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// QueueFull is the reason of Disabled for an endpoint for which QueueMost deliveries wait.
const QueueFull = "queue_full"

// Kinds are the events that it receives.
func (e *Endpoint) Kinds() call.EventKinds {
	kinds, err := call.EventsNamed(e.Events...)
	if err != nil {
		return 0 // Validate refuses it.
	}
	return kinds
}

// Enabled says whether it receives events.
func (e *Endpoint) Enabled() bool { return e.Disabled == Disabled{} }

// Rotate makes a secret the newest. The former one signs for keep. Older ones do not sign any more.
func (e *Endpoint) Rotate(value string, now time.Time, keep time.Duration) {
	secrets := []Secret{{Value: value, CreatedAt: now}}
	if len(e.Secrets) > 0 && keep > 0 {
		former := e.Secrets[0]
		former.Until = now.Add(keep)
		secrets = append(secrets, former)
	}
	e.Secrets = secrets
}

// Signing are the secrets that sign at a time, the newest first.
func (e *Endpoint) Signing(now time.Time) []Secret {
	return slices.DeleteFunc(slices.Clone(e.Secrets), func(s Secret) bool {
		return !s.Until.IsZero() && !now.Before(s.Until)
	})
}

// Validate reports what no store accepts.
func (e *Endpoint) Validate() error {
	if e.ID == "" || e.URL == "" {
		return errors.New("an endpoint has an id and a url")
	}
	if len(e.Secrets) == 0 || len(e.Secrets) > SecretsMost {
		return fmt.Errorf("an endpoint has 1 to %d secrets, and this one %d", SecretsMost, len(e.Secrets))
	}
	_, err := call.EventsNamed(e.Events...)
	return err
}

// Clone copies the slices as well.
func (e *Endpoint) Clone() Endpoint {
	c := *e
	c.Events, c.Secrets = slices.Clone(e.Events), slices.Clone(e.Secrets)
	return c
}
