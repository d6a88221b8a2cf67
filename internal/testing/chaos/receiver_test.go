package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/client"
	"github.com/peal-rtc/peal/internal/webhook"
)

// settleTime is how long deliveries may take to end once there is a server: an event that failed
// once is tried again after 6 s at most, and a call may have several of them.
const settleTime = time.Minute

// trouble is what a receiver does to an event, once: every later try is answered.
type trouble int

const (
	fine    trouble = iota
	delayed         // It takes a while.
	failed          // It answers 500, and has not received the event.
	dropped         // It has received the event, and its answer is lost.
)

// receiver is a backend's. It verifies what comes, holds it to the order of each call, makes
// trouble, and has the server die before or after it answers a certain event.
type receiver struct {
	place  place
	http   *httptest.Server
	secret webhook.Secret

	mu     sync.Mutex // Guards what follows.
	rng    *rand.Rand
	calm   bool // It makes no trouble.
	spared map[string]bool
	counts map[trouble]int
	events map[string]hookEvent // By their id.
	bodies map[string]string
	newest map[string]int64 // The highest seq of each call.
	ended  map[string]string
	again  int // Repeats.
	wrong  []string

	what   string
	before bool
	left   int // How many such events it answers, this one included, until the server dies.
}

// hookEvent is an event as backends read it.
type hookEvent struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Data struct {
		Call struct {
			CallID string `json:"callId"`
			Rev    uint32 `json:"rev"`
		} `json:"call"`
		Record *struct {
			CallID  string `json:"callId"`
			Kind    int    `json:"kind"`
			Type    int    `json:"type"`
			Reason  string `json:"reason"`
			Parties []struct {
				Account string `json:"account"`
				Role    string `json:"role"`
			} `json:"parties"`
			CreatedAt       time.Time `json:"createdAt"`
			EndedAt         time.Time `json:"endedAt"`
			DurationSeconds int       `json:"durationSeconds"`
		} `json:"record"`
	} `json:"data"`
}

// startReceiver makes a receiver, to which the servers deliver once they start.
func startReceiver(t *testing.T, at place) *receiver {
	t.Helper()
	r := &receiver{
		place: at, secret: webhook.NewSecret(), rng: rand.New(rand.NewPCG(*seed, 0xca11)),
		spared: make(map[string]bool), counts: make(map[trouble]int), events: make(map[string]hookEvent),
		bodies: make(map[string]string), newest: make(map[string]int64), ended: make(map[string]string),
	}
	r.http = httptest.NewServer(r)
	t.Cleanup(r.http.Close)
	for _, s := range at.servers() {
		s.env = append(s.env, "CHAOS_HOOK_URL="+r.http.URL, "CHAOS_HOOK_SECRET="+r.secret.Text())
	}
	return r
}

// arm has the server die at the nth event of a kind from now on.
func (r *receiver) arm(when, what string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before, r.what, r.left = when == "before", what, n
}

func (r *receiver) disarm() { r.arm("", "", 0) }

// ServeHTTP receives one event.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return // The server died.
	}
	var e hookEvent
	if err := r.secret.Verify(q.Header, body, time.Now()); err != nil {
		r.complain("%s: %v", body, err)
	} else if err := json.Unmarshal(body, &e); err != nil {
		r.complain("%s: %v", body, err)
	}
	what, pause := r.choose(e.ID)
	switch what {
	case failed:
		w.WriteHeader(http.StatusInternalServerError)
		return
	case delayed:
		select {
		case <-time.After(pause):
		case <-q.Context().Done(): // The server died.
		}
	case fine, dropped:
	}
	r.enter(&e, string(body))
	before, after := r.dies(strings.TrimPrefix(e.Type, "call."))
	switch {
	case before:
		r.place.deliverer(q.RemoteAddr).kill()
	case what == dropped:
		panic(http.ErrAbortHandler)
	case after:
		w.WriteHeader(http.StatusNoContent)
		_ = http.NewResponseController(w).Flush() // Where it fails the server is dead already.
		r.place.deliverer(q.RemoteAddr).kill()
	}
}

// choose decides about the trouble of a try.
func (r *receiver) choose(id string) (what trouble, pause time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calm || r.spared[id] {
		return fine, 0
	}
	switch r.rng.IntN(20) {
	case 0:
		what = failed
	case 1:
		what = dropped
	case 2, 3, 4, 5:
		what, pause = delayed, time.Duration(r.rng.IntN(300))*time.Millisecond
	}
	r.spared[id] = true
	r.counts[what]++
	return what, pause
}

// dies says whether the server dies of an event, and when.
func (r *receiver) dies(what string) (before, after bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == 0 || what != r.what {
		return false, false
	}
	r.left--
	return r.left == 0 && r.before, r.left == 0 && !r.before
}

func (r *receiver) complain(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

// seqOf is the number in the id of an event, which orders them.
func seqOf(id string) int64 {
	seq, _ := strconv.ParseInt(strings.TrimPrefix(id, "evt_"), 10, 64)
	return seq
}

// enter takes an event. A repeat is what it was; the first arrivals of a call are in its order.
func (r *receiver) enter(e *hookEvent, body string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wrong := func(format string, args ...any) { r.wrong = append(r.wrong, fmt.Sprintf(format, args...)) }
	if was, came := r.bodies[e.ID]; came {
		if r.again++; was != body {
			wrong("%s came as %s, and before as %s", e.ID, body, was)
		}
		return
	}
	id, seq := e.Data.Call.CallID, seqOf(e.ID)
	if seq <= r.newest[id] {
		wrong("%s of %s came first after %d", e.ID, id, r.newest[id])
	}
	r.newest[id] = seq
	if e.Type == "call.ended" {
		if other := r.ended[id]; other != "" {
			wrong("%s ended by %s and by %s", id, other, e.ID)
		}
		r.ended[id] = e.ID
	}
	r.events[e.ID], r.bodies[e.ID] = *e, body
}

// settle waits until nothing waits for the receiver.
func (r *receiver) settle(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	r.calm = true
	r.mu.Unlock()
	polls := time.NewTicker(50 * time.Millisecond)
	defer polls.Stop()
	deadline := time.After(settleTime)
	for {
		waiting, err := r.place.servers()[0].metric("peal_deliveries_waiting{endpoint=\"chaos\"}")
		if err == nil && waiting == "0" {
			return
		}
		select {
		case <-polls.C:
		case <-deadline:
			t.Fatalf("%s events wait for the receiver, %v", waiting, err)
		}
	}
}

// metric reads one from the server.
func (s *server) metric(name string) (string, error) {
	got, err := http.Get("http://" + s.metrics + "/metrics")
	if err != nil {
		return "", err
	}
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			return value, nil
		}
	}
	return "", fmt.Errorf("no %s", name)
}

// audit compares the events that came with those in the database of the dead servers: each of
// them, and no other. The end of each call has the record that people received.
func (r *receiver) audit(t *testing.T, b *books) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	db := r.place.open(t)
	defer func() { _ = db.Close() }()
	stored := make(map[string]string)
	rows, err := db.QueryContext(ctx, `SELECT 'evt_' || seq, call_id || ' ' || rev FROM events`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, of string
		if err := rows.Scan(&id, &of); err != nil {
			t.Fatal(err)
		}
		stored[id] = of
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for what, query := range map[string]string{
		"deliveries that wait":                 `SELECT count(*) FROM deliveries`,
		"events that were given up":            `SELECT count(*) FROM dead`,
		"records without the end of the call":  `SELECT count(*) FROM records WHERE call_id NOT IN (SELECT call_id FROM events WHERE kind = 7 AND filed)`,
		"records without the call's beginning": `SELECT count(*) FROM records WHERE call_id NOT IN (SELECT call_id FROM events WHERE kind = 1)`,
	} {
		var n int
		if err := db.QueryRowContext(ctx, query).Scan(&n); err != nil || n > 0 {
			t.Errorf("the store holds %d %s, %v", n, what, err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, wrong := range r.wrong {
		t.Error(wrong)
	}
	came, lost := make(map[string]string), 0
	for id, e := range r.events {
		came[id] = fmt.Sprintf("%s %d", e.Data.Call.CallID, e.Data.Call.Rev)
	}
	for id := range stored {
		if came[id] == "" {
			lost++
		}
	}
	if diff := cmp.Diff(stored, came); diff != "" {
		t.Errorf("the events differ (-stored +received):\n%s", diff)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if diff := cmp.Diff(b.records, r.records()); diff != "" {
		t.Errorf("the records differ (-told +received):\n%s", diff)
	}
	fmt.Printf("events=%d repeats=%d failed=%d dropped=%d delayed=%d lost=%d wrong=%d\n",
		len(r.events), r.again, r.counts[failed], r.counts[dropped], r.counts[delayed], lost, len(r.wrong))
}

// records are those that came with the end of calls. The caller holds mu.
func (r *receiver) records() map[string]client.Record {
	all := make(map[string]client.Record)
	for _, id := range r.ended {
		got := r.events[id].Data.Record
		if got == nil || len(got.Parties) != 2 {
			continue // The comparison reports that it is missing.
		}
		one := client.Record{
			CallID: got.CallID, Kind: client.RecordKind(got.Kind), Type: client.CallType(got.Type), Reason: client.Reason(got.Reason),
			CreatedAt: got.CreatedAt, EndedAt: got.EndedAt, Duration: time.Duration(got.DurationSeconds) * time.Second,
		}
		for _, p := range got.Parties {
			one.Parties = append(one.Parties, client.RecordParty{Account: p.Account, Role: map[string]client.Role{"caller": client.Caller, "callee": client.Callee}[p.Role]})
		}
		one.Caller, one.Callee = one.Parties[0].Account, one.Parties[1].Account
		all[got.CallID] = one
	}
	return all
}
