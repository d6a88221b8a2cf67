package server

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/webhook"
)

const (
	oneHook  = "/api/v1/webhooks/{id}"
	feedPath = "/api/v1/events"
)

// arrived is one request that a receiver got.
type arrived struct {
	header http.Header
	body   string
}

// receiver answers every request with a status, and keeps it.
func receiver(t *testing.T, status int) (url string, requests <-chan arrived) {
	all := make(chan arrived, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		all <- arrived{q.Header, string(body)}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s.URL, all
}

// verified waits for a request, and holds that each of the secrets verifies it.
func verified(t *testing.T, requests <-chan arrived, secrets ...any) (body string) {
	t.Helper()
	select {
	case r := <-requests:
		for _, text := range secrets {
			secret, err := webhook.ParseSecret(fmt.Sprint(text))
			if err == nil {
				err = secret.Verify(r.header, []byte(r.body), time.Now())
			}
			if err != nil {
				t.Errorf("%s: %v", r.body, err)
			}
		}
		return r.body
	case <-time.After(patience):
		t.Fatal("nothing arrives")
		return ""
	}
}

// hook sends a request about one webhook, which has to have this answer.
func (k *backendClient) hook(method, id, rest, sends string, status int) map[string]any {
	k.b.t.Helper()
	got, _, body := k.send(method, oneHook+rest, strings.Replace(oneHook, "{id}", id, 1)+rest, goodKey+apiSecret, sends)
	if got != status {
		k.b.t.Fatalf("%s %s%s %s: %d %v", method, id, rest, sends, got, body)
	}
	return body
}

// TestWebhookRoutes makes a webhook, tests it, and receives a call by it, with the bytes that the
// feed has; then its secret changes, and it goes.
func TestWebhookRoutes(t *testing.T) {
	b := start(t, withAPI)
	k := b.backend()
	url, requests := receiver(t, http.StatusOK)
	secret := k.hook("PUT", "crm", "", `{"url":"`+url+`","events":["call.*"]}`, http.StatusCreated)["secret"]
	tested := k.hook("POST", "crm", "/test", "", http.StatusOK)
	if body := verified(t, requests, secret); tested["delivered"] != true || tested["status"] != 200.0 || !strings.Contains(body, fmt.Sprint(tested["id"])) || !strings.Contains(body, `"webhook.test"`) {
		t.Errorf("a test says %v, and sends %s", tested, body)
	}
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	alice.invite(numbered(1), "bob")
	bob.event()
	_, _, ended := k.ask("POST", "/api/v1/calls/{id}/end", "/api/v1/calls/"+numbered(1)+"/end", goodKey+apiSecret)
	_, _, feed := k.ask("GET", feedPath, feedPath, goodKey+apiSecret)
	events := feed["events"].([]any)
	if len(events) != 2 {
		t.Fatalf("the feed has %v", events)
	}
	for _, event := range events {
		body := verified(t, requests, secret)
		k.allow("api.json#/components/schemas/Event", body)
		var got any
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(event, got); diff != "" {
			t.Errorf("the feed has (-), the webhook sends (+): %s", diff)
		}
	}
	last := events[1].(map[string]any)["data"].(map[string]any)
	if diff := cmp.Diff(ended["record"], last["record"]); diff != "" {
		t.Errorf("the API has (-), the event (+): %s", diff)
	}
	second := k.hook("POST", "crm", "/rotate", `{"keepSeconds":60}`, http.StatusOK)["secret"]
	k.hook("POST", "crm", "/test", "", http.StatusOK)
	verified(t, requests, secret, second)
	b.settled() // A replay leaves out what waits, also for its settlement.
	if got := k.hook("POST", "crm", "/replay", `{"only":"all","from":"2026-01-01T00:00:00Z","types":["call.ended"]}`, http.StatusOK); got["queued"] != 1.0 {
		t.Errorf("a replay says %v", got)
	}
	if body := verified(t, requests, second); !strings.Contains(body, fmt.Sprint(events[1].(map[string]any)["id"])) {
		t.Errorf("replayed %s", body)
	}
	k.hook("GET", "crm", "", "", http.StatusOK)
	k.ask("GET", "/api/v1/webhooks", "/api/v1/webhooks", goodKey+apiSecret)
	k.hook("PUT", "crm", "", `{"disabled":true}`, http.StatusOK)
	k.hook("DELETE", "crm", "", "", http.StatusNoContent)
}

// TestWebhookDead: what was given up is listed as the document says.
func TestWebhookDead(t *testing.T) {
	b := start(t, withAPI)
	k := b.backend()
	url, requests := receiver(t, http.StatusInternalServerError)
	k.hook("PUT", "crm", "", `{"url":"`+url+`","events":["call.created"]}`, http.StatusCreated)
	b.login("alice", "a").invite(numbered(1), "bob")
	verified(t, requests)
	number := b.outbox().Endpoints()[0].Number
	events, _, err := b.outbox().Events(t.Context(), 0, call.UsualEvents, 1)
	if err != nil || len(events) != 1 {
		t.Fatal(events, err)
	}
	// As after the last try.
	d := store.Delivery{Lane: store.Lane{Endpoint: number, Call: call.ID(numbered(1))}, Event: events[0]}
	if err := b.outbox().Settle(t.Context(), []store.Settlement{{Delivery: d, Outcome: store.Dead, Reason: "it answered 500"}}); err != nil {
		t.Fatal(err)
	}
	dead := k.hook("GET", "crm", "/dead", "", http.StatusOK)["dead"].([]any)
	if len(dead) != 1 || dead[0].(map[string]any)["callId"] != numbered(1) || dead[0].(map[string]any)["reason"] != "it answered 500" {
		t.Errorf("dead are %v", dead)
	}
	if got := k.hook("GET", "crm", "", "", http.StatusOK); got["dead"] != 1.0 || got["queued"] != 0.0 {
		t.Errorf("the webhook is %v", got)
	}
	if got := k.hook("POST", "crm", "/replay", "", http.StatusOK); got["queued"] != 1.0 {
		t.Errorf("a replay says %v", got)
	}
	verified(t, requests)
}

// TestWebhookDocument: every answer that openapi.json has for the feed and for webhooks is given,
// but those that take many requests or a failure.
func TestWebhookDocument(t *testing.T) {
	b := start(t, withAPI)
	k := b.backend()
	const hookURL = `{"url":"https://example.com/hooks"}`
	for n := range store.EndpointsMost {
		k.hook("PUT", fmt.Sprint("hook-", n), "", hookURL, http.StatusCreated)
	}
	k.hook("PUT", "hook-0", "", `{"disabled":true}`, http.StatusOK)
	k.hook("PUT", "more", "", hookURL, http.StatusConflict)
	k.hook("DELETE", "hook-1", "", "", http.StatusNoContent)
	for _, x := range []struct {
		method, rest string
		status       int
	}{{"GET", "", 200}, {"POST", "/rotate", 200}, {"POST", "/replay", 200}, {"GET", "/dead", 200}} {
		k.hook(x.method, "hook-0", x.rest, "", x.status)
		k.hook(x.method, "gone", x.rest, "", http.StatusNotFound)
		k.hook(x.method, "GONE", x.rest, "", http.StatusBadRequest)
	}
	url, _ := receiver(t, http.StatusOK)
	k.hook("PUT", "hook-0", "", `{"url":"`+url+`"}`, http.StatusOK)
	k.hook("POST", "hook-0", "/test", "", http.StatusOK)
	k.hook("POST", "gone", "/test", "", http.StatusNotFound)
	k.hook("POST", "GONE", "/test", "", http.StatusBadRequest)
	k.hook("PUT", "hook-0", "", `{"events":[]}`, http.StatusBadRequest)
	k.hook("DELETE", "GONE", "", "", http.StatusBadRequest)
	for path, route := range map[string]string{
		feedPath: feedPath, "/api/v1/webhooks": "/api/v1/webhooks", feedPath + "?x=1": feedPath, "/api/v1/webhooks?x=1": "/api/v1/webhooks",
	} {
		k.ask("GET", route, path, goodKey+apiSecret)
	}
	rare := []string{"401", "403", "429", "503", "POST /api/v1/webhooks/{id}/replay 409"}
	for path, methods := range k.doc["paths"].(map[string]any) {
		if !strings.HasPrefix(path, feedPath) && !strings.HasPrefix(path, "/api/v1/webhooks") {
			continue
		}
		for method, operation := range methods.(map[string]any) {
			for status := range operation.(map[string]any)["responses"].(map[string]any) {
				answer := strings.ToUpper(method) + " " + path + " " + status
				if !k.seen[answer] && !slices.Contains(rare, status) && !slices.Contains(rare, answer) {
					t.Errorf("no request has the answer %s", answer)
				}
			}
		}
	}
}

// TestFeedRoute waits for a call, and then for a server that stops.
func TestFeedRoute(t *testing.T) {
	b := start(t, withAPI)
	k := b.backend()
	alice := b.login("alice", "a")
	ask := func(query string) <-chan map[string]any {
		answer := make(chan map[string]any, 1)
		go func() {
			_, text := b.request(http.MethodGet, feedPath+query, "", map[string]string{"Authorization": "Bearer " + goodKey + apiSecret})
			var body map[string]any
			if err := json.Unmarshal([]byte(text), &body); err != nil {
				t.Errorf("%s: %v", text, err)
			}
			answer <- body
		}()
		return answer
	}
	first := ask("?wait=30")
	alice.invite(numbered(1), "bob")
	body := <-first
	if events, ok := body["events"].([]any); !ok || len(events) != 1 || events[0].(map[string]any)["type"] != "call.created" {
		t.Fatalf("the feed has %v", body)
	}
	_ = alice.socket.CloseNow()
	began, second := time.Now(), ask("?wait=30&after="+body["next"].(string))
	k.ask("GET", feedPath, feedPath, goodKey+apiSecret)
	b.stop()
	// It waited, or came too late for that.
	if body := <-second; body["code"] != "unavailable" && (body["events"] == nil || len(body["events"].([]any)) > 0) || time.Since(began) > patience {
		t.Errorf("after %v the feed has %v", time.Since(began), body)
	}
}

// TestRecording: events are kept while a key may read them, and otherwise not.
func TestRecording(t *testing.T) {
	for want, change := range map[int]func(*Config){0: inMemory, 1: withAPI} {
		b := start(t, change)
		alice := b.login("alice", "a")
		try := func(n, want int) {
			alice.invite(numbered(n), "bob")
			events, _, err := b.outbox().Events(t.Context(), 0, 1<<call.EventCreated, 10)
			if err != nil || len(events) != want {
				t.Errorf("after call %d: %d events, want %d: %v", n, len(events), want, err)
			}
			alice.ask("cancel", map[string]any{"callId": numbered(n)})
		}
		try(1, want)
		if _, err := b.keyring.Make(t.Context(), "app", []string{"read"}); err != nil {
			t.Fatal(err)
		}
		try(2, want+1)
		if err := b.keyring.Revoke(t.Context(), "app"); err != nil {
			t.Fatal(err)
		}
		try(3, 2*want+1)
	}
}

// settled waits until nothing waits for a webhook any more.
func (b *bench) settled() {
	b.t.Helper()
	late := time.After(patience)
	for {
		queues, err := b.outbox().Queues(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		if !slices.ContainsFunc(queues, func(q store.Queue) bool { return q.Queued > 0 }) {
			return
		}
		select {
		case <-late:
			b.t.Fatalf("what waits is %+v", queues)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
