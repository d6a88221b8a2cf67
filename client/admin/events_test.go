package admin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peal-rtc/peal/client/admin"
)

// TestFeedGoesOn: the feed asks from where it is, waits, and goes over what passes; what does not
// pass ends it.
func TestFeedGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		steps := []func() (*http.Response, error){
			func() (*http.Response, error) {
				return answer(200, `{"events":[{"id":"evt_5","type":"call.created"},{"id":"evt_7","type":"call.ended"}],"next":"9"}`)
			},
			func() (*http.Response, error) { return answer(200, `{"events":[],"next":"12"}`) },
			func() (*http.Response, error) { return nil, errors.New("connection refused") },
			func() (*http.Response, error) { return answer(503, stopped) },
			func() (*http.Response, error) { return answer(503, stopped, "Retry-After", "60") },
			func() (*http.Response, error) {
				return answer(200, `{"events":[{"id":"evt_14","type":"call.ended"}],"next":"14"}`)
			},
			func() (*http.Response, error) { return answer(403, `{"code":"missing_scope","detail":"x"}`) },
		}
		c := client(t, func(q *http.Request) (*http.Response, error) {
			asked = append(asked, q.URL.Query().Get("after"))
			if query := q.URL.Query(); query.Get("types") != "call.created,call.ended" || query.Get("limit") != "2" || query.Get("wait") != "20" {
				t.Errorf("asked with %v", query)
			}
			return steps[len(asked)-1]()
		})
		var got []string
		start := time.Now()
		for event, err := range c.Events(t.Context(), admin.EventFilter{After: "4", Limit: 2, Types: []admin.EventType{admin.CallCreated, admin.CallEnded}}) {
			var e *admin.Error
			if errors.As(err, &e) {
				got = append(got, string(e.Code))
			} else {
				got = append(got, event.Place())
			}
		}
		if want := []string{"5", "7", "unavailable", "14", "missing_scope"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if want := []string{"4", "9", "12", "12", "12", "12", "14"}; !slices.Equal(asked, want) {
			t.Errorf("asked after %q, want %q", asked, want)
		}
		if took := time.Since(start); took < time.Minute || took > 62*time.Second {
			t.Errorf("took %s, and was asked for a pause of a minute", took)
		}
	})
}

// TestFeedEnds: the context ends the feed with one error, also in a pause.
func TestFeedEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, func(*http.Request) (*http.Response, error) { return answer(503, stopped, "Retry-After", "60") })
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		failed := 0
		for _, err := range c.Events(ctx, admin.EventFilter{}) {
			if failed++; err == nil {
				t.Error("an event of nothing")
			}
		}
		if failed != 2 {
			t.Errorf("%d errors", failed)
		}
	})
	c := client(t, func(*http.Request) (*http.Response, error) { return answer(200, `{}`) })
	for _, err := range c.Events(t.Context(), admin.EventFilter{}) {
		if err == nil || !strings.Contains(err.Error(), "no next") {
			t.Errorf("got %v", err)
		}
	}
}

// TestFeedOfAServer reads the events of calls, waits for new ones, goes on in the middle of a
// page, and survives a restart of the server.
func TestFeedOfAServer(t *testing.T) {
	b := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	first := b.ring("alice", "bob")
	if _, err := b.api.EndCall(ctx, first); err != nil {
		t.Fatal(err)
	}
	var seen []admin.Event
	read := func(f admin.EventFilter, most int) {
		t.Helper()
		n := 0
		for event, err := range b.api.Events(ctx, f) {
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, event)
			if n++; n == most {
				return
			}
		}
	}
	read(admin.EventFilter{}, 1)
	read(admin.EventFilter{After: seen[0].Place()}, 1)
	if seen[0].Type != admin.CallCreated || seen[1].Type != admin.CallEnded || seen[1].Data.Call.ID != first || seen[1].Data.Record.Reason != admin.ReasonServer ||
		seen[1].ID == seen[0].ID || seen[1].Time.IsZero() {
		t.Fatalf("the events are %+v", seen)
	}

	// One waits while calls come; before the second the server starts again.
	ended := make(chan string)
	go func() {
		defer close(ended)
		f := admin.EventFilter{After: seen[1].Place(), Types: []admin.EventType{admin.CallEnded}}
		for event, err := range b.api.Events(ctx, f) {
			switch {
			case ctx.Err() != nil:
				return
			case err == nil:
				ended <- event.Data.Call.ID
			}
		}
	}()
	for n := range 2 {
		if n == 1 {
			b.Stop()
			b.Run()
		}
		id := b.ring(fmt.Sprint("carol", n), "dave")
		if _, err := b.api.EndCall(ctx, id); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-ended:
			if got != id {
				t.Fatalf("ended is %s, want %s", got, id)
			}
		case <-time.After(patience):
			t.Fatalf("no event of call %d within %s", n, patience)
		}
	}
	cancel()
	for id := range ended {
		t.Errorf("once more %s", id)
	}
}

// TestWebhooksOfAServer makes a webhook, receives and verifies what it delivers, changes its
// secret, and deletes it.
func TestWebhooksOfAServer(t *testing.T) {
	b := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	type delivery struct {
		header http.Header
		body   []byte
	}
	deliveries := make(chan delivery, 16)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		deliveries <- delivery{q.Header, body}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(receiver.Close)
	made, err := b.api.PutWebhook(ctx, "crm", admin.WebhookChange{URL: receiver.URL, Events: []admin.EventType{admin.CallEnded}})
	if err != nil || made.State != admin.WebhookActive || made.URL != receiver.URL || !strings.HasPrefix(made.Secret, "whsec_") {
		t.Fatalf("made %+v, %v", made, err)
	}
	receives := func(secrets ...string) admin.Event {
		t.Helper()
		select {
		case d := <-deliveries:
			event, err := admin.Verify(d.header, d.body, secrets...)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := admin.Verify(d.header, append(d.body, ' '), secrets...); !errors.Is(err, admin.ErrNotVerified) {
				t.Errorf("a changed body: %v %v", again, err)
			}
			return event
		case <-time.After(patience):
			t.Fatal("no delivery")
			return admin.Event{}
		}
	}
	said, err := b.api.TestWebhook(ctx, "crm")
	if err != nil || !said.Delivered || said.Status != http.StatusNoContent {
		t.Errorf("a test: %+v, %v", said, err)
	}
	if event := receives(made.Secret); event.Type != admin.WebhookTest || event.ID != said.ID {
		t.Errorf("the test is %+v", event)
	}
	id := b.ring("alice", "bob")
	call, err := b.api.EndCall(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	event := receives(made.Secret)
	if event.Type != admin.CallEnded || event.Data.Call.ID != id || event.Data.Record == nil || !event.Data.Record.EndedAt.Equal(call.EndedAt) {
		t.Errorf("the event is %+v", event)
	}
	changed, err := b.api.RotateWebhook(ctx, "crm", time.Hour)
	if err != nil || changed.Secret == made.Secret || len(changed.Secrets) != 2 || changed.Secrets[1].Until.IsZero() {
		t.Fatalf("changed to %+v, %v", changed, err)
	}
	if n, err := b.api.ReplayWebhook(ctx, "crm", admin.Replay{Delivered: true, From: event.Time.Add(-time.Minute)}); err != nil || n != 1 {
		t.Errorf("replayed %d, %v", n, err)
	}
	if again := receives(changed.Secret); again.ID != event.ID {
		t.Errorf("replayed is %s, want %s", again.ID, event.ID)
	}
	if n, err := b.api.ReplayWebhook(ctx, "crm", admin.Replay{}); err != nil || n != 0 {
		t.Errorf("replayed %d that were given up, %v", n, err)
	}
	off := true
	if w, err := b.api.PutWebhook(ctx, "crm", admin.WebhookChange{Disabled: &off}); err != nil || w.State != admin.WebhookDisabled || w.DisabledReason != "by_request" || w.Secret != "" {
		t.Errorf("disabled as %+v, %v", w, err)
	}
	if list, err := b.api.Webhooks(ctx); err != nil || len(list) != 1 || list[0].ID != "crm" || list[0].URL != receiver.URL {
		t.Errorf("the list is %+v, %v", list, err)
	}
	if err := first(b.api.DeadEvents(ctx, "crm")); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := b.api.DeleteWebhook(ctx, "crm"); err != nil {
			t.Error(err)
		}
	}
	var e *admin.Error
	if _, err := b.api.Webhook(ctx, "crm"); !errors.As(err, &e) || e.Code != admin.NoSuchWebhook {
		t.Errorf("a deleted one: %v", err)
	}
}
