package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// calling is an API over a store in which calls happen.
type calling struct {
	t      *testing.T
	memory *store.Memory
	config Backend
	api    http.Handler
}

// newCalling makes one; change may alter what it is made of. Its key is "all".
func newCalling(t *testing.T, change func(*Backend)) *calling {
	memory := store.NewMemory(time.Now)
	memory.RecordEvents(true)
	c := &calling{t: t, memory: memory}
	c.config = newBackend(ring{"all": {ID: "all", Scopes: auth.AllScopes()}})
	c.config.Store, c.config.Outbox, c.config.Now = memory, memory.Outbox(), time.Now
	c.config.Address = func(*http.Request) netip.Addr { return netip.Addr{} }
	if change != nil {
		change(&c.config)
	}
	c.api = c.config.Routes()
	return c
}

// call commits a call from its beginning to its end: three events.
func (c *calling) call(n int) {
	c.t.Helper()
	id := call.ID(fmt.Sprintf("019a0000-0000-7000-8000-%012d", n))
	ringing, _, err := call.New(call.Invite{
		ID: id, Callee: "bob", Type: call.Audio, Offer: "v=0", Timing: call.DefaultTiming(),
		Caller: call.Device{Account: "alice", ID: "a", Conn: call.Connection{Incarnation: "n", Seq: 1}},
	}, time.Now())
	if err != nil {
		c.t.Fatal(err)
	}
	c.commit(store.Change{Call: ringing, Events: call.Events(nil, nil, &ringing)})
	for _, in := range []call.Input{call.Ring{Device: call.Device{Account: "bob", ID: "b"}}, call.Cancel{Device: ringing.Caller().Device}} {
		next, _, err := call.Step(ringing, in, time.Now())
		if err != nil {
			c.t.Fatal(err)
		}
		c.commit(store.Change{Call: next, From: ringing.Rev, Events: call.Events(&ringing, in, &next)})
		ringing = next
	}
}

func (c *calling) commit(change store.Change) {
	c.t.Helper()
	results, err := c.memory.Commit(context.Background(), []store.Change{change})
	if err != nil || results[0].Verdict != store.Done {
		c.t.Fatalf("commit: %v %v", results, err)
	}
}

// ask sends a request with the key.
func (c *calling) ask(ctx context.Context, method, path, body string) *httptest.ResponseRecorder {
	q := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	q.Header.Set("Authorization", "Bearer all")
	w := httptest.NewRecorder()
	c.api.ServeHTTP(w, q)
	return w
}

// feedAnswer is an answer of the feed.
type feedAnswer struct {
	Events []struct {
		Type, ID string
		Data     struct{ Record *struct{ CallID string } }
	}
	Next string
}

// feed reads the feed, and gives the types of its events.
func (c *calling) feed(query string) (types []string, next string) {
	c.t.Helper()
	w := c.ask(context.Background(), http.MethodGet, "/api/v1/events"+query, "")
	var answer feedAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
		c.t.Fatalf("%s: %d %s", query, w.Code, w.Body)
	}
	for _, e := range answer.Events {
		types = append(types, e.Type)
		if (e.Data.Record != nil) != (e.Type == "call.ended") || !strings.HasPrefix(e.ID, "evt_") {
			c.t.Errorf("%s has %+v", query, e)
		}
	}
	return types, answer.Next
}

func (c *calling) want(query string, types ...string) (next string) {
	c.t.Helper()
	got, next := c.feed(query)
	if diff := cmp.Diff(types, got); diff != "" {
		c.t.Errorf("%s: want (-), got (+): %s", query, diff)
	}
	return next
}

// TestFeed pages through events, all of them and some.
func TestFeed(t *testing.T) {
	c := newCalling(t, nil)
	if next := c.want(""); next != "0" {
		t.Errorf("without events next is %q", next)
	}
	c.call(1)
	next := c.want("?limit=2", "call.created", "call.ringing")
	next = c.want("?limit=2&after="+next, "call.ended")
	if end := c.want("?after=" + next); end != next {
		t.Errorf("at the end next goes from %s to %s", next, end)
	}
	if now := c.want("?after=now"); now != next {
		t.Errorf("now is %s, and the end %s", now, next)
	}
	c.want("?types=call.ended,call.created", "call.created", "call.ended")
	c.want("?types=*", "call.created", "call.ringing", "call.ended")
	// Events of other types are passed over for good.
	if got := c.want("?types=call.merged"); got != next {
		t.Errorf("past other types next is %s, want %s", got, next)
	}
	if got := c.want("?types=call.created", "call.created"); got != next {
		t.Errorf("after the last of a type next is %s, want %s", got, next)
	}
	if got := c.want("?after=9000000000000000000"); got != "9000000000000000000" {
		t.Errorf("next goes back to %s", got)
	}
}

// TestFeedRefuses: what is asked for wrongly is refused with what to send.
func TestFeedRefuses(t *testing.T) {
	c := newCalling(t, nil)
	for query, says := range map[string]string{
		"?after=x": "value of next", "?after=-1": "value of next", "?after=1&after=2": "each once", "?cursor=1": "each once",
		"?types=call.endet": "call.created, call.ringing", "?types=": "no event is named", "?types=call.ended,": "no event is named",
		"?wait=31": "from 0 to 30", "?wait=-1": "from 0 to 30", "?wait=1s": "from 0 to 30", "?limit=501": "from 1 to 500",
		"?wait=9223372036854775807": "from 0 to 30", "?wait=18446744074": "from 0 to 30",
	} {
		if w := c.ask(t.Context(), http.MethodGet, "/api/v1/events"+query, ""); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	none := newCalling(t, func(b *Backend) { b.Outbox = nil })
	if w := none.ask(t.Context(), http.MethodGet, "/api/v1/events", ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("without an outbox: %d %s", w.Code, w.Body)
	}
}

// waiting asks in the background, and gives the answer when there is one.
func (c *calling) waiting(ctx context.Context, query string) <-chan *httptest.ResponseRecorder {
	answer := make(chan *httptest.ResponseRecorder, 1)
	go func() { answer <- c.ask(ctx, http.MethodGet, "/api/v1/events"+query, "") }()
	return answer
}

// TestFeedWaits: a request waits for an event of its types, as long as it says and no longer.
func TestFeedWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCalling(t, nil)
		began := time.Now()
		if w := <-c.waiting(t.Context(), "?wait=30"); w.Code != http.StatusOK || w.Body.String() != `{"events":[],"next":"0"}`+"\n" || time.Since(began) != feedWaitMost {
			t.Errorf("after %v: %d %s", time.Since(began), w.Code, w.Body)
		}
		began = time.Now()
		answer := c.waiting(t.Context(), "?wait=30&types=call.ended")
		synctest.Wait()
		c.call(1)
		w := <-answer
		if took := time.Since(began); w.Code != http.StatusOK || strings.Count(w.Body.String(), `"evt_`) != 1 || took > feedPause {
			t.Errorf("after %v: %d %s", took, w.Code, w.Body)
		}
		var read feedAnswer
		if err := json.Unmarshal(w.Body.Bytes(), &read); err != nil {
			t.Fatal(err)
		}
		if got := c.want("?after=" + read.Next); got != read.Next {
			t.Errorf("the answer of a wait goes on at %s, want %s", got, read.Next)
		}
	})
}

// counting counts the looks at the events of an outbox.
type counting struct {
	store.Outbox
	looks int
}

func (c *counting) Events(ctx context.Context, after int64, kinds call.EventKinds, limit int) ([]store.Event, int64, error) {
	c.looks++
	return c.Outbox.Events(ctx, after, kinds, limit)
}

// TestFeedPauses: a waiter that many commits do not concern looks now and then only.
func TestFeedPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counted := &counting{}
		c := newCalling(t, func(b *Backend) { counted.Outbox, b.Outbox = b.Outbox, counted })
		answer := c.waiting(t.Context(), "?wait=2&types=call.merged")
		for n := range 100 {
			synctest.Wait()
			c.call(n)
			<-time.After(10 * time.Millisecond)
		}
		<-answer
		// One before the wait, one at its beginning, and one each feedPause for a second.
		if most := 3 + int(time.Second/feedPause); counted.looks < 5 || counted.looks > most {
			t.Errorf("%d looks, want %d at most", counted.looks, most)
		}
	})
}

// TestFeedOfRare: where events of the types are rare a request looks at so many of the others and
// no more, and says where the next one goes on. A request that waits goes on by itself.
func TestFeedOfRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCalling(t, nil)
		busy, _, err := call.NewBusy(call.Invite{
			ID: "019a0000-0000-7000-8000-000000000001", Callee: "bob", Type: call.Audio, Timing: call.DefaultTiming(),
			Caller: call.Device{Account: "alice", ID: "a"},
		}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		change := store.Change{Call: busy, Events: make([]call.Event, 2*store.LookMost+2)}
		for i := range change.Events {
			change.Events[i].Kind = call.EventCreated
		}
		change.Events[2*store.LookMost+1].Kind = call.EventEnded
		c.commit(change)
		newest := fmt.Sprint(c.memory.Outbox().Newest())
		next := c.want("?types=call.ended")
		if next == "0" || len(next) == len(newest) && next >= newest {
			t.Errorf("after one look next is %s of %s", next, newest)
		}
		more := c.want("?types=call.ended&after=" + next)
		if end := c.want("?types=call.ended&after="+more, "call.ended"); more == next || end != newest {
			t.Errorf("after two looks next is %s, after three %s, want %s", more, end, newest)
		}
		began := time.Now()
		c.want("?types=call.ended&wait=30", "call.ended")
		c.want("?types=call.ended&wait=30&after="+next, "call.ended")
		if took := time.Since(began); took > 3*feedPause {
			t.Errorf("a waiter goes on after %v", took)
		}
	})
}

// TestFeedPlaces: so many requests wait and no more, and who goes away leaves its place.
func TestFeedPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCalling(t, nil)
		ctx, goAway := context.WithCancel(t.Context())
		first := c.waiting(ctx, "?wait=30")
		var rest []<-chan *httptest.ResponseRecorder
		for n := range feedWaitersMost - 1 {
			if n%keyBurst == keyBurst-2 {
				<-time.After(2 * time.Second) // The budget of the key.
			}
			rest = append(rest, c.waiting(t.Context(), "?wait=30"))
		}
		<-time.After(time.Second)
		w := <-c.waiting(t.Context(), "?wait=30")
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), fmt.Sprint(feedWaitersMost)) {
			t.Errorf("one more: %d %v %s", w.Code, w.Header(), w.Body)
		}
		c.want("") // Without a wait it needs no place.
		goAway()
		if w := <-first; w.Body.Len() > 0 {
			t.Errorf("who went away is answered %s", w.Body)
		}
		began, again := time.Now(), c.waiting(t.Context(), "?wait=1")
		if w := <-again; w.Code != http.StatusOK || time.Since(began) != time.Second {
			t.Errorf("in a place that is free again: %d %s", w.Code, w.Body)
		}
		c.call(1)
		for _, answer := range rest {
			if w := <-answer; w.Code != http.StatusOK {
				t.Errorf("a waiter is answered %d", w.Code)
			}
		}
	})
}

// TestFeedStops: a server that stops answers who waits, and lets nobody wait any more.
func TestFeedStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopping := make(chan struct{})
		c := newCalling(t, func(b *Backend) { b.Stopping = stopping })
		began, answer := time.Now(), c.waiting(t.Context(), "?wait=30")
		synctest.Wait()
		close(stopping)
		if w := <-answer; w.Code != http.StatusOK || time.Since(began) > 0 {
			t.Errorf("who waited is answered after %v: %d %s", time.Since(began), w.Code, w.Body)
		}
		w := <-c.waiting(t.Context(), "?wait=30")
		if text, _ := io.ReadAll(w.Body); w.Code != http.StatusServiceUnavailable || time.Since(began) > 0 {
			t.Errorf("who comes later is answered after %v: %d %s", time.Since(began), w.Code, text)
		}
		c.call(1)
		c.want("", "call.created", "call.ringing", "call.ended")
	})
}

// TestFeedOutlasts: a wait is longer than the limits of the server, which are for other requests.
func TestFeedOutlasts(t *testing.T) {
	c := newCalling(t, nil)
	s := httptest.NewUnstartedServer(c.api)
	s.Config.ReadTimeout, s.Config.WriteTimeout = 200*time.Millisecond, 400*time.Millisecond
	s.Start()
	defer s.Close()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/api/v1/events?wait=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer all")
	began := time.Now()
	w, err := s.Client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Body.Close() }()
	if text, err := io.ReadAll(w.Body); err != nil || w.StatusCode != http.StatusOK || time.Since(began) < time.Second {
		t.Errorf("after %v: %d %s %v", time.Since(began), w.StatusCode, text, err)
	}
}
