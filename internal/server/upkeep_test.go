package server

import (
	"context"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// Records go when they are older than the setting says, and not before.
func TestRetention(t *testing.T) {
	kept := store.NewMemory(time.Now)
	for id, age := range map[call.ID]time.Duration{"old": 31 * 24 * time.Hour, "young": 29 * 24 * time.Hour} {
		ended := time.Now().Add(-age)
		busy, _, err := call.NewBusy(call.Invite{
			ID: id, Caller: call.Device{Account: "alice", ID: "a"}, Callee: "bob", Type: call.Audio, Timing: call.DefaultTiming(),
		}, ended)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kept.Commit(context.Background(), []store.Change{{Call: busy}}); err != nil {
			t.Fatal(err)
		}
	}
	start(t, func(c *Config) { c.Store, c.Settings.Keep = kept, 30*24*time.Hour })
	for range 100 {
		records, err := kept.Records(context.Background(), "bob", store.Newest(9))
		if err != nil {
			t.Fatal(err)
		}
		if len(records) == 1 && records[0].Call == "young" {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Error("the old record is still there, or the young one is not")
}

// unpruned is a store whose calls cannot be pruned, and whose events are pruned as a test says.
type unpruned struct {
	*store.Memory
	prune func(ctx context.Context) (int, error)
}

func (unpruned) Prune(context.Context, time.Time, time.Time) (int, error) {
	return 0, store.ErrNotDone
}

func (u unpruned) Outbox() store.Outbox { return unprunedOutbox{u.Memory.Outbox(), u.prune} }

type unprunedOutbox struct {
	store.Outbox
	prune func(ctx context.Context) (int, error)
}

func (u unprunedOutbox) Prune(ctx context.Context) (int, error) { return u.prune(ctx) }

// Old events are deleted whatever becomes of old calls. That has no end but that of the server.
func TestOldEvents(t *testing.T) {
	kept := store.NewMemory(time.Now)
	began, ended := make(chan bool, 1), make(chan error, 1)
	start(t, func(c *Config) {
		c.Store = unpruned{kept, func(ctx context.Context) (int, error) {
			_, limited := ctx.Deadline()
			began <- limited
			<-ctx.Done()
			ended <- ctx.Err()
			return 0, ctx.Err()
		}}
	})
	if <-began {
		t.Error("there is a limit of time")
	}
	select {
	case err := <-ended:
		t.Errorf("it ends with %v while the server runs", err)
	default:
	}
}
