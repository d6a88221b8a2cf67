package api

import (
	"time"

	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/webhook"
)

// webhookShape is a webhook as backends see it.
type webhookShape struct {
	ID        string    `json:"id"`
	URL       string    `json:"url"`
	Events    []string  `json:"events"`
	CreatedAt time.Time `json:"createdAt"`
	// State is active, failing or disabled.
	State          string     `json:"state"`
	Disabled       bool       `json:"disabled"`
	DisabledReason string     `json:"disabledReason,omitempty"`
	DisabledAt     *time.Time `json:"disabledAt,omitempty"`
	FailingSince   *time.Time `json:"failingSince,omitempty"`
	// Queued is the number of events that wait, the oldest of which was committed at Oldest. Dead is
	// the number of dead ones.
	Queued int        `json:"queued"`
	Dead   int        `json:"dead"`
	Oldest *time.Time `json:"oldest,omitempty"`
	// Secrets are those that sign, the newest first. Secret is the newest, where the answer shows it.
	Secrets []secretShape `json:"secrets"`
	Secret  string        `json:"secret,omitempty"`
}

// secretShape describes a secret without showing it.
type secretShape struct {
	CreatedAt time.Time  `json:"createdAt"`
	Until     *time.Time `json:"until,omitempty"`
}

// deadShape is a dead event.
type deadShape struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	CallID    string    `json:"callId"`
	Rev       uint32    `json:"rev"`
	Tries     int       `json:"tries"`
	DeadAt    time.Time `json:"deadAt"`
	Reason    string    `json:"reason"`
}

func webhookOf(e *store.Endpoint, queue store.Queue, now time.Time) webhookShape {
	s := webhookShape{
		ID: e.ID, URL: e.URL, Events: e.Events, CreatedAt: e.CreatedAt.UTC(), State: "active",
		FailingSince: moment(e.FailingSince), DisabledAt: moment(e.Disabled.At), DisabledReason: e.Disabled.Reason,
		Queued: queue.Queued, Dead: queue.Dead, Oldest: moment(queue.Oldest),
	}
	switch {
	case !e.Enabled():
		s.State, s.Disabled = "disabled", true
	case !e.FailingSince.IsZero():
		s.State = "failing"
	}
	for _, secret := range e.Signing(now) {
		s.Secrets = append(s.Secrets, secretShape{secret.CreatedAt.UTC(), moment(secret.Until)})
	}
	return s
}

// queueOf is the queue of a webhook. One that was created after the queues were read has none.
func queueOf(queues []store.Queue, id string) store.Queue {
	for _, queue := range queues {
		if queue.Endpoint == id {
			return queue
		}
	}
	return store.Queue{}
}

func deadOf(d *store.DeadLetter) deadShape {
	e := &d.Event
	return deadShape{
		ID: webhook.EventID(e.Seq), Type: e.Kind.String(), Timestamp: e.At.UTC(),
		CallID: string(e.Call.ID), Rev: e.Call.Rev, Tries: d.Tries, DeadAt: d.At.UTC(), Reason: d.Reason,
	}
}

// moment is a time that may be missing.
func moment(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}
