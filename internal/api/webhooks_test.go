package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/delivery"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/webhook"
)

const hookURL = `{"url":"https://example.com/hooks"}`

// hook sends a request about webhooks, and gives the answer, which must have this status.
func (c *calling) hook(method, path, body string, status int) map[string]any {
	c.t.Helper()
	w := c.ask(context.Background(), method, "/api/v1/webhooks"+path, body)
	var answer map[string]any
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			c.t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	if w.Code != status {
		c.t.Fatalf("%s %s %s: %d %s", method, path, body, w.Code, w.Body)
	}
	return answer
}

// stored is an endpoint as the store has it.
func (c *calling) stored(id string) store.Endpoint {
	c.t.Helper()
	for _, e := range c.memory.Outbox().Endpoints() {
		if e.ID == id {
			return e
		}
	}
	c.t.Fatalf("the store has no endpoint %s", id)
	return store.Endpoint{}
}

// TestWebhooks makes a webhook, changes it, and deletes it. Only its making shows the secret.
func TestWebhooks(t *testing.T) {
	c := newCalling(t, nil)
	made := c.hook("PUT", "/crm", hookURL, http.StatusCreated)
	if _, err := webhook.ParseSecret(fmt.Sprint(made["secret"])); err != nil || made["state"] != "active" || fmt.Sprint(made["events"]) != "[call.*]" {
		t.Errorf("made %v: %v", made, err)
	}
	for _, answer := range []map[string]any{
		c.hook("PUT", "/crm", hookURL, http.StatusOK), c.hook("GET", "/crm", "", http.StatusOK),
		c.hook("PUT", "/crm", `{"events":["call.ended"]}`, http.StatusOK), c.hook("GET", "", "", http.StatusOK),
	} {
		if text := fmt.Sprint(answer); strings.Contains(text, "whsec_") {
			t.Errorf("the secret is shown again: %s", text)
		}
	}
	if e := c.stored("crm"); e.URL != "https://example.com/hooks" || len(e.Events) != 1 || e.Events[0] != "call.ended" || e.Secrets[0].Value != made["secret"] {
		t.Errorf("stored is %+v", e)
	}
	c.call(1)
	if got := c.hook("GET", "/crm", "", http.StatusOK); got["queued"] != 1.0 || got["oldest"] == nil || got["dead"] != 0.0 {
		t.Errorf("after a call it is %v", got)
	}
	c.hook("PUT", "/another", hookURL, http.StatusCreated)
	if list := c.hook("GET", "", "", http.StatusOK)["webhooks"].([]any); len(list) != 2 || list[0].(map[string]any)["id"] != "another" || list[1].(map[string]any)["queued"] != 1.0 {
		t.Errorf("listed are %v", list)
	}
	for range 2 {
		c.hook("DELETE", "/crm", "", http.StatusNoContent)
	}
	c.hook("GET", "/crm", "", http.StatusNotFound)
}

// TestWebhookDisabled: a webhook is disabled and enabled again by PUT, as new.
func TestWebhookDisabled(t *testing.T) {
	c := newCalling(t, nil)
	c.hook("PUT", "/crm", hookURL, http.StatusCreated)
	if got := c.hook("PUT", "/crm", `{"disabled":true}`, http.StatusOK); got["state"] != "disabled" || got["disabledReason"] != byRequest || got["disabledAt"] == nil {
		t.Errorf("disabled it is %v", got)
	}
	// By the server, for another reason.
	failing := func(e *store.Endpoint) error {
		e.FailingSince, e.Disabled = time.Now(), store.Disabled{At: time.Now(), Reason: delivery.EndpointFailing}
		return nil
	}
	if _, err := c.memory.Outbox().PutEndpoint(t.Context(), "crm", failing); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{hookURL, `{"disabled":true}`} {
		if got := c.hook("PUT", "/crm", body, http.StatusOK); got["disabledReason"] != delivery.EndpointFailing || got["failingSince"] == nil {
			t.Errorf("%s leaves it %v", body, got)
		}
	}
	if got := c.hook("PUT", "/crm", `{"disabled":false}`, http.StatusOK); got["state"] != "active" || got["disabled"] != false || got["failingSince"] != nil || got["disabledAt"] != nil {
		t.Errorf("enabled it is %v", got)
	}
	// Enabled, and failing at an address that it has no more.
	failing = func(e *store.Endpoint) error { e.FailingSince = time.Now(); return nil }
	if _, err := c.memory.Outbox().PutEndpoint(t.Context(), "crm", failing); err != nil {
		t.Fatal(err)
	}
	if got := c.hook("GET", "/crm", "", http.StatusOK); got["state"] != "failing" {
		t.Errorf("failing it is %v", got)
	}
	if got := c.hook("PUT", "/crm", `{"url":"https://example.org/"}`, http.StatusOK); got["state"] != "active" {
		t.Errorf("at another address it is %v", got)
	}
}

// TestWebhookRefuses: what is asked for wrongly is refused, and changes nothing.
func TestWebhookRefuses(t *testing.T) {
	c := newCalling(t, nil)
	c.hook("PUT", "/crm", hookURL, http.StatusCreated)
	many := `["call.ended"` + strings.Repeat(`,"call.ended"`, webhookEventsMost) + `]`
	for _, x := range []struct{ method, path, body, says string }{
		{"PUT", "/new", ``, "url is missing"},
		{"PUT", "/new", `{}`, "url is missing"},
		{"PUT", "/new", `{"url":"https://example.com/hooks","secret":"x"}`, "secret"},
		{"PUT", "/new", `[]`, "JSON object"},
		{"PUT", "/new", `{"url":7}`, "url"},
		{"PUT", "/new", hookURL + hookURL, "JSON object"},
		{"PUT", "/new", `{"url":"https://10.0.0.1/"}`, "10.0.0.1"},
		{"PUT", "/new", `{"url":"http://example.com/"}`, "plain http"},
		{"PUT", "/new", `{"url":"https://example.com/","events":[]}`, "0 names"},
		{"PUT", "/new", `{"url":"https://example.com/","events":` + many + `}`, "17 names"},
		{"PUT", "/new", `{"url":"https://example.com/","events":["call.endet"]}`, "call.created, call.ringing"},
		{"PUT", "/new", `{"url":"https://example.com/` + strings.Repeat("x", backendBodyBytes) + `"}`, "bytes"},
		{"PUT", "/crm", `{"url":"https://example.com:25/"}`, "25"},
		{"PUT", "/" + strings.Repeat("a", webhookIDMost+1), hookURL, "1 to 32"},
		{"PUT", "/CRM", hookURL, "1 to 32"},
		{"GET", "/c_m", "", "1 to 32"},
		{"DELETE", "/c.m", "", "1 to 32"},
		{"DELETE", "/crm", `{"force":true}`, "force"},
		{"GET", "?limit=1", "", "limit"},
		{"GET", "/crm/dead?cursor=evt_1", "", "value of next"},
		{"GET", "/crm/dead?cursor=0", "", "value of next"},
		{"GET", "/crm/dead?cursor=", "", "value of next"},
		{"GET", "/crm/dead?limit=0", "", "from 1 to 500"},
		{"GET", "/crm/dead?after=0", "", "each once"},
		{"POST", "/crm/test", `{"x":1}`, "x"},
		{"POST", "/crm/rotate", `{"keepSeconds":604801}`, "from 0 to 604800"},
		{"POST", "/crm/rotate", `{"keepSeconds":-1}`, "from 0 to 604800"},
		{"POST", "/crm/rotate", `{"keepSeconds":"1"}`, "keepSeconds"},
		{"POST", "/crm/rotate", `{"secret":""}`, "whsec_"},
		{"POST", "/crm/rotate", `{"secret":"whsec_dG9vIHNob3J0"}`, "24 to 64"},
		{"POST", "/crm/replay", `{"only":"some"}`, "dead or all"},
		{"POST", "/crm/replay", `{"only":"all"}`, "from when on"},
		{"POST", "/crm/replay", `{"from":"2026-11-30T12:00:00Z","to":"2026-11-30T12:00:00Z"}`, "not before"},
		{"POST", "/crm/replay", `{"from":"yesterday"}`, "yesterday"},
		{"POST", "/crm/replay", `{"types":[]}`, "0 names"},
		{"POST", "/crm/replay", `{"types":` + many + `}`, "17 names"},
		{"POST", "/crm/replay", `{"types":["webhook.test"]}`, "call.created, call.ringing"},
	} {
		if got := c.hook(x.method, x.path, x.body, http.StatusBadRequest); !strings.Contains(fmt.Sprint(got["detail"]), x.says) {
			t.Errorf("%s %s %.80s says %v", x.method, x.path, x.body, got["detail"])
		}
	}
	for _, x := range []struct{ method, path string }{
		{"GET", "/new"}, {"POST", "/new/test"}, {"POST", "/new/rotate"}, {"POST", "/new/replay"}, {"GET", "/new/dead"},
	} {
		if got := c.hook(x.method, x.path, "", http.StatusNotFound); got["code"] != string(noSuchWebhook) {
			t.Errorf("%s %s answers %v", x.method, x.path, got)
		}
	}
	if all := c.memory.Outbox().Endpoints(); len(all) != 1 || all[0].URL != "https://example.com/hooks" || len(all[0].Secrets) != 1 {
		t.Errorf("stored are %+v", all)
	}
}

// TestWebhooksMost: there is room for so many webhooks, and then none.
func TestWebhooksMost(t *testing.T) {
	c := newCalling(t, nil)
	for n := range store.EndpointsMost {
		c.hook("PUT", fmt.Sprint("/hook-", n), hookURL, http.StatusCreated)
	}
	if got := c.hook("PUT", "/more", hookURL, http.StatusConflict); got["code"] != string(conflict) || !strings.Contains(fmt.Sprint(got["detail"]), fmt.Sprint(store.EndpointsMost)) {
		t.Errorf("one more: %v", got)
	}
	c.hook("PUT", "/hook-1", hookURL, http.StatusOK)
	c.hook("DELETE", "/hook-1", "", http.StatusNoContent)
	c.hook("PUT", "/more", hookURL, http.StatusCreated)
}

// TestWebhookRotates: the former secret signs for as long as the request says, and a request that
// has the new one may be repeated.
func TestWebhookRotates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCalling(t, nil)
		first := c.hook("PUT", "/crm", hookURL, http.StatusCreated)["secret"]
		got := c.hook("POST", "/crm/rotate", "", http.StatusOK)
		second := got["secret"]
		until := got["secrets"].([]any)[1].(map[string]any)["until"]
		if e := c.stored("crm"); second == first || len(e.Secrets) != 2 || e.Secrets[0].Value != second || e.Secrets[1].Value != first ||
			until != time.Now().Add(secretKeep).UTC().Format(time.RFC3339Nano) {
			t.Errorf("rotated, it is %v and stored as %+v", got, e)
		}
		<-time.After(secretKeep)
		if got := c.hook("GET", "/crm", "", http.StatusOK); len(got["secrets"].([]any)) != 1 {
			t.Errorf("after %v these sign: %v", secretKeep, got["secrets"])
		}
		own := webhook.NewSecret().Text()
		for range 3 {
			got := c.hook("POST", "/crm/rotate", `{"secret":"`+own+`","keepSeconds":60}`, http.StatusOK)
			if e := c.stored("crm"); got["secret"] != own || e.Secrets[0].Value != own || e.Secrets[1].Value != second || !e.Secrets[1].Until.Equal(time.Now().Add(time.Minute)) {
				t.Errorf("rotated to %s, it is %v and stored as %+v", own, got, e)
			}
		}
		if got := c.hook("POST", "/crm/rotate", `{"keepSeconds":0}`, http.StatusOK); len(got["secrets"].([]any)) != 1 || got["secret"] == own {
			t.Errorf("rotated at once, it is %v", got)
		}
	})
}

// uncounted is an outbox that cannot tell what waits.
type uncounted struct{ store.Outbox }

func (uncounted) Queues(context.Context) ([]store.Queue, error) {
	return nil, errors.New("the disk is away")
}

func (uncounted) Queue(context.Context, string) (store.Queue, error) {
	return store.Queue{}, errors.New("the disk is away")
}

// listless is an outbox that counts one queue, and not all of them.
type listless struct{ store.Outbox }

func (listless) Queues(context.Context) ([]store.Queue, error) {
	return nil, errors.New("all queues are counted")
}

// TestWebhookAlone: a route that shows one webhook counts what waits for that one.
func TestWebhookAlone(t *testing.T) {
	c := newCalling(t, func(b *Backend) { b.Outbox = listless{b.Outbox} })
	c.hook("PUT", "/crm", hookURL, http.StatusCreated)
	c.hook("PUT", "/crm", hookURL, http.StatusOK)
	c.hook("POST", "/crm/rotate", "", http.StatusOK)
	c.hook("GET", "/crm", "", http.StatusOK)
	c.hook("GET", "", "", http.StatusServiceUnavailable)
}

// TestWebhookUncounted: where the answer cannot be made, nothing is: a secret that was made and not
// shown would be lost.
func TestWebhookUncounted(t *testing.T) {
	c := newCalling(t, func(b *Backend) { b.Outbox = uncounted{b.Outbox} })
	c.hook("PUT", "/crm", hookURL, http.StatusServiceUnavailable)
	if all := c.memory.Outbox().Endpoints(); len(all) > 0 {
		t.Errorf("made and not shown: %+v", all)
	}
	secret := webhook.NewSecret().Text()
	made := func(e *store.Endpoint) error {
		e.URL = "https://example.com/hooks"
		e.Rotate(secret, time.Now(), 0)
		return nil
	}
	if _, err := c.memory.Outbox().PutEndpoint(t.Context(), "crm", made); err != nil {
		t.Fatal(err)
	}
	c.hook("POST", "/crm/rotate", "", http.StatusServiceUnavailable)
	if e := c.stored("crm"); len(e.Secrets) != 1 || e.Secrets[0].Value != secret {
		t.Errorf("rotated and not shown: %+v", e.Secrets)
	}
}

// unfiled is a store that files nothing by itself.
type unfiled struct{ *store.Memory }

func (unfiled) File(context.Context, store.Audit) error { return errors.New("the disk is away") }

// TestWebhookAudited: a change of a webhook is stored with its audit entry, or not at all.
func TestWebhookAudited(t *testing.T) {
	c := newCalling(t, func(b *Backend) { b.Store = unfiled{b.Store.(*store.Memory)} })
	c.hook("PUT", "/crm", hookURL, http.StatusCreated)
	c.hook("POST", "/crm/rotate", "", http.StatusOK)
	c.hook("PUT", "/crm", `{"url":"https://10.0.0.1/"}`, http.StatusBadRequest)
	c.hook("POST", "/crm/replay", "", http.StatusOK)
	c.hook("DELETE", "/crm", "", http.StatusNoContent)
	list, err := c.memory.Trail(t.Context(), 0, 9)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range list {
		got = append(got, fmt.Sprint(a.Action, " ", a.Target, " ", a.Key, " ", a.Status))
	}
	if want := []string{"webhook.delete crm all 200", "webhook.replay crm all 200", "webhook.rotate crm all 200", "webhook.put crm all 200"}; !slices.Equal(got, want) {
		t.Errorf("the audit has %q, want %q", got, want)
	}
}

// TestWebhookTest: a test sends one event by itself, and answers what the receiver said. So many
// run at a time.
func TestWebhookTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan delivery.Attempt)
		bodies := make(chan []byte, 1+testsMost)
		c := newCalling(t, func(b *Backend) {
			b.Try = func(_ context.Context, to *store.Endpoint, id string, body []byte) delivery.Attempt {
				if to.ID != "crm" || !strings.HasPrefix(id, "evt_test_") || !strings.Contains(string(body), id) {
					t.Errorf("%s goes to %s: %s", id, to.ID, body)
				}
				bodies <- body
				return <-answer
			}
		})
		c.hook("PUT", "/crm", `{"url":"https://example.com/hooks","disabled":true}`, http.StatusCreated)
		go func() {
			<-time.After(1500 * time.Millisecond)
			answer <- delivery.Attempt{Result: delivery.Status, Status: 503, Detail: "it answered 503"}
		}()
		got := c.hook("POST", "/crm/test", "", http.StatusOK)
		if got["delivered"] != false || got["result"] != "status" || got["status"] != 503.0 || got["ms"] != 1500.0 || got["detail"] != "it answered 503" {
			t.Errorf("a test says %v", got)
		}
		var event struct {
			Type      string
			Timestamp time.Time
			Data      struct{ Webhook string }
		}
		if err := json.Unmarshal(<-bodies, &event); err != nil || event.Type != "webhook.test" || event.Data.Webhook != "crm" || event.Timestamp.IsZero() {
			t.Errorf("sent %+v: %v", event, err)
		}
		codes := make(chan int)
		for range testsMost {
			go func() { codes <- c.ask(t.Context(), "POST", "/api/v1/webhooks/crm/test", "").Code }()
		}
		synctest.Wait()
		if got := c.hook("POST", "/crm/test", "", http.StatusTooManyRequests); got["code"] != string(tooManyRequests) {
			t.Errorf("one more: %v", got)
		}
		for range testsMost {
			answer <- delivery.Attempt{Result: delivery.Delivered, Status: 200}
			if code := <-codes; code != http.StatusOK {
				t.Errorf("a test is answered %d", code)
			}
		}
	})
}

// giveUp settles what waits for an endpoint as dead.
func (c *calling) giveUp(id string) (n int) {
	c.t.Helper()
	for {
		due, _, err := c.memory.Outbox().Claim(c.t.Context(), id, 100)
		if err != nil {
			c.t.Fatal(err)
		}
		if len(due) == 0 {
			return n
		}
		var settled []store.Settlement
		for _, d := range due {
			settled = append(settled, store.Settlement{Delivery: d, Outcome: store.Dead, Reason: "it answered 500"})
		}
		if err := c.memory.Outbox().Settle(c.t.Context(), settled); err != nil {
			c.t.Fatal(err)
		}
		n += len(due)
	}
}

// TestWebhookReplays pages through what was given up, and has it sent again.
func TestWebhookReplays(t *testing.T) {
	c := newCalling(t, nil)
	began := time.Now().UTC().Format(time.RFC3339Nano)
	c.hook("PUT", "/crm", hookURL, http.StatusCreated)
	c.call(1)
	if n := c.giveUp("crm"); n != 3 {
		t.Fatalf("%d were given up", n)
	}
	page := c.hook("GET", "/crm/dead?limit=2", "", http.StatusOK)
	rest := c.hook("GET", "/crm/dead?limit=2&cursor="+fmt.Sprint(page["next"]), "", http.StatusOK)
	dead := append(page["dead"].([]any), rest["dead"].([]any)...)
	if len(dead) != 3 || rest["next"] != nil {
		t.Fatalf("dead are %v", dead)
	}
	first := dead[0].(map[string]any)
	events, _, err := c.memory.Outbox().Events(t.Context(), 0, call.UsualEvents, 1)
	if err != nil || first["id"] != webhook.EventID(events[0].Seq) || first["type"] != "call.created" || first["reason"] != "it answered 500" || first["tries"] != 1.0 || first["rev"] != 1.0 {
		t.Errorf("the first is %v: %v", first, err)
	}
	for _, x := range []struct {
		body   string
		queued float64
		dead   int
	}{
		{`{"types":["call.ended"]}`, 1, 2},
		{`{"to":"2020-01-01T00:00:00Z"}`, 0, 2},
		{`{"from":"` + began + `"}`, 2, 0},
		{``, 0, 0},
		{`{"only":"all","from":"` + began + `"}`, 0, 0}, // They wait already.
	} {
		if got := c.hook("POST", "/crm/replay", x.body, http.StatusOK); got["queued"] != x.queued {
			t.Errorf("%s queues %v, want %v", x.body, got["queued"], x.queued)
		}
		if left := c.hook("GET", "/crm/dead", "", http.StatusOK)["dead"].([]any); len(left) != x.dead {
			t.Errorf("%s leaves %d dead, want %d", x.body, len(left), x.dead)
		}
	}
	c.giveUp("crm")
	if got := c.hook("POST", "/crm/replay", `{"only":"all","from":"`+began+`","types":["call.created","call.ended"]}`, http.StatusOK); got["queued"] != 2.0 {
		t.Errorf("all of two types are %v", got)
	}
}

// broken is an outbox whose replays end early.
type broken struct {
	store.Outbox
	err error
}

func (b broken) Replay(context.Context, string, store.Replay, ...store.Audit) (int, error) {
	return 7, b.err
}

// TestWebhookReplayEnds: who fills a queue, or loses the store meanwhile, hears how far it came.
func TestWebhookReplayEnds(t *testing.T) {
	for status, err := range map[int]error{
		http.StatusConflict: store.ErrQueueFull, http.StatusServiceUnavailable: context.DeadlineExceeded, http.StatusNotFound: store.ErrNoEndpoint,
	} {
		c := newCalling(t, func(b *Backend) { b.Outbox = broken{b.Outbox, err} })
		c.hook("PUT", "/crm", hookURL, http.StatusCreated)
		got := fmt.Sprint(c.hook("POST", "/crm/replay", "", status)["detail"])
		if tells := strings.HasPrefix(got, "7 events were queued"); tells != (status != http.StatusNotFound) {
			t.Errorf("%v says %s", err, got)
		}
	}
}
