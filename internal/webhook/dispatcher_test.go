package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/delivery"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/webhook"
)

const patience = 15 * time.Second

// office is a store with calls, and dispatchers of its events.
type office struct {
	*store.Memory
	t      *testing.T
	secret webhook.Secret
	log    *logged

	mu    sync.Mutex // Guards ahead.
	ahead time.Duration
}

// logged is a log that many write to.
type logged struct {
	mu   sync.Mutex // Guards text.
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newOffice(t *testing.T) *office {
	o := &office{t: t, secret: webhook.NewSecret(), log: &logged{}}
	o.Memory = store.NewMemory(o.clock)
	return o
}

func (o *office) clock() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return time.Now().Add(o.ahead)
}

// later moves the store's clock.
func (o *office) later(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ahead += d
}

// hook makes an endpoint.
func (o *office) hook(id, url string) {
	o.t.Helper()
	_, err := o.Outbox().PutEndpoint(o.t.Context(), id, func(e *store.Endpoint) error {
		e.URL = url
		e.Rotate(o.secret.Text(), o.clock(), time.Hour)
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

// begin starts a dispatcher.
func (o *office) begin() *webhook.Dispatcher { return o.beginWith(o.Outbox()) }

func (o *office) beginWith(outbox store.Outbox) *webhook.Dispatcher {
	return webhook.Start(webhook.Config{
		Outbox: outbox, Reach: local(), Now: o.clock,
		Logger: slog.New(slog.NewTextHandler(o.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Body: func(e *store.Event) ([]byte, error) {
			return json.Marshal(arrival{webhook.EventID(e.Seq), string(e.Call.ID), string(e.Call.Caller().Account), e.Call.Rev, e.Kind.String()})
		},
	})
}

// arrival is an event as a receiver of the tests gets it.
type arrival struct {
	ID     string
	Call   string
	Caller string
	Rev    uint32
	Kind   string
}

// talk commits a call from its beginning to its end: three events.
func (o *office) talk(id string) {
	o.t.Helper()
	caller := call.Device{Account: call.Account("caller of " + id), ID: "phone"}
	c, _, err := call.New(call.Invite{
		ID: call.ID(id), Caller: caller, Callee: call.Account("callee of " + id), Type: call.Video, Timing: call.DefaultTiming(),
	}, o.clock())
	if err != nil {
		o.t.Fatal(err)
	}
	o.commit(store.Change{Call: c, Events: call.Events(nil, nil, &c)})
	callee := call.Device{Account: call.Account("callee of " + id), ID: "phone"}
	for _, in := range []call.Input{call.Ring{Device: callee}, call.Cancel{Device: caller}} {
		next, _, err := call.Step(c, in, o.clock())
		if err != nil {
			o.t.Fatal(err)
		}
		o.commit(store.Change{Call: next, From: c.Rev, Events: call.Events(&c, in, &next)})
		c = next
	}
}

func (o *office) commit(change store.Change) {
	o.t.Helper()
	results, err := o.Commit(o.t.Context(), []store.Change{change})
	if err != nil || results[0].Verdict != store.Done {
		o.t.Fatalf("%+v, %v", results, err)
	}
}

// inbox is a receiver that verifies what comes.
type inbox struct {
	t       *testing.T
	secrets []webhook.Secret
	came    chan arrival
	// answer decides about each arrival; nil takes all.
	answer func(http.ResponseWriter, arrival)
}

// open starts a receiver, and gives its URL.
func (i *inbox) open() string {
	i.came = make(chan arrival, 10000)
	s := httptest.NewServer(i)
	i.t.Cleanup(s.Close)
	return s.URL
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		i.t.Error(err)
	}
	for _, secret := range i.secrets {
		if err := secret.Verify(r.Header, body, time.Now()); err != nil {
			i.t.Errorf("%s: %v", body, err)
		}
	}
	var a arrival
	if err := json.Unmarshal(body, &a); err != nil || a.ID != r.Header.Get(webhook.IDHeader) {
		i.t.Errorf("%s under the id %s: %v", body, r.Header.Get(webhook.IDHeader), err)
	}
	i.came <- a
	if i.answer != nil {
		i.answer(w, a)
	}
}

// take waits for arrivals.
func (i *inbox) take(n int) []arrival {
	i.t.Helper()
	all := make([]arrival, 0, n)
	for len(all) < n {
		select {
		case a := <-i.came:
			all = append(all, a)
		case <-time.After(patience):
			i.t.Fatalf("%d of %d events came", len(all), n)
		}
	}
	return all
}

// queued is how much waits for all endpoints.
func (o *office) queued() (n int) {
	o.t.Helper()
	queues, err := o.Outbox().Queues(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	for _, q := range queues {
		n += q.Queued
	}
	return n
}

func TestDeliver(t *testing.T) {
	o := newOffice(t)
	in := &inbox{t: t, secrets: []webhook.Secret{o.secret}}
	o.hook("crm", in.open())
	o.talk("before")
	d := o.begin()
	const calls = 50
	for n := range calls {
		o.talk(fmt.Sprint(n))
	}
	kinds := make(map[string][]string)
	ids := make(map[string]bool)
	for _, a := range in.take(3 * (calls + 1)) {
		kinds[a.Call] = append(kinds[a.Call], a.Kind)
		ids[a.ID] = true
	}
	d.Stop()
	for id, got := range kinds {
		if !slices.Equal(got, []string{"call.created", "call.ringing", "call.ended"}) {
			t.Errorf("%s: %v", id, got)
		}
	}
	if len(kinds) != calls+1 || len(ids) != 3*(calls+1) || o.queued() > 0 {
		t.Errorf("%d calls, %d ids, %d wait", len(kinds), len(ids), o.queued())
	}
}

// TestRotated: while a secret is being rotated a receiver may know either.
func TestRotated(t *testing.T) {
	o := newOffice(t)
	former := o.secret
	in := &inbox{t: t}
	o.hook("crm", in.open())
	o.secret = webhook.NewSecret()
	in.secrets = []webhook.Secret{former, o.secret}
	_, err := o.Outbox().PutEndpoint(t.Context(), "crm", func(e *store.Endpoint) error {
		e.Rotate(o.secret.Text(), o.clock(), time.Hour)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d := o.begin()
	defer d.Stop()
	o.talk("one")
	in.take(3)
	o.later(time.Hour)
	in.secrets = in.secrets[1:]
	o.talk("two")
	in.take(3)
}

// TestRetried: an event that fails is tried again in its time, and what follows of its call
// waits with it.
func TestRetried(t *testing.T) {
	o := newOffice(t)
	failures := 0
	in := &inbox{t: t, secrets: []webhook.Secret{o.secret}}
	in.answer = func(w http.ResponseWriter, a arrival) {
		if a.Call == "one" && failures < 2 {
			failures++
			w.WriteHeader(http.StatusInternalServerError)
		}
	}
	o.hook("crm", in.open())
	d := o.begin()
	defer d.Stop()
	o.talk("one")
	o.talk("another")
	var got []string
	for wakes := 0; len(got) < 5; {
		switch a := in.take(1)[0]; {
		case a.Call == "one":
			got = append(got, a.Kind)
		case a.Kind == "call.ended":
			// A commit wakes the dispatcher, which goes by the store's clock.
			o.later(time.Minute)
			o.talk(fmt.Sprint("wakes", wakes))
			wakes++
		}
	}
	if want := []string{"call.created", "call.created", "call.created", "call.ringing", "call.ended"}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// TestStopAbandons: a stop waits a moment for a receiver that hangs, and no longer. The next
// start sends again.
func TestStopAbandons(t *testing.T) {
	o := newOffice(t)
	over := make(chan struct{})
	in := &inbox{t: t, secrets: []webhook.Secret{o.secret}, answer: func(http.ResponseWriter, arrival) { <-over }}
	o.hook("crm", in.open())
	d := o.begin()
	for n := range 20 {
		o.talk(fmt.Sprint(n))
	}
	in.take(delivery.PerEndpoint)
	stopped := make(chan struct{})
	go func() { d.Stop(); close(stopped) }()
	select {
	case <-stopped:
	case <-time.After(patience):
		t.Fatal("it does not stop")
	}
	due, _, err := o.Outbox().Claim(t.Context(), "crm", 100)
	if err != nil || len(due) != 20 || o.queued() != 60 {
		t.Errorf("%d of 20 calls are due, %d of 60 events wait, %v", len(due), o.queued(), err)
	}
	var returned []store.Settlement
	for _, one := range due {
		returned = append(returned, store.Settlement{Delivery: one, Outcome: store.Returned})
		if one.Tries > 0 {
			t.Error("an abandoned try counts")
		}
	}
	if err := o.Outbox().Settle(t.Context(), returned); err != nil {
		t.Error(err)
	}
	close(over)
	d = o.begin()
	defer d.Stop()
	in.take(60)
}

// TestHangingReceiver: calls are committed while a receiver hangs, and another endpoint receives
// all of them. Nothing here takes time: the first receiver never answers.
func TestHangingReceiver(t *testing.T) {
	o := newOffice(t)
	over := make(chan struct{})
	hangs := &inbox{t: t, answer: func(http.ResponseWriter, arrival) { <-over }}
	works := &inbox{t: t, secrets: []webhook.Secret{o.secret}}
	o.hook("hangs", hangs.open())
	o.hook("works", works.open())
	d := o.begin()
	o.talk("first")
	hangs.take(1)
	const calls = 60
	for n := range calls {
		o.talk(fmt.Sprint(n))
	}
	works.take(3 * (calls + 1))
	if n := len(hangs.take(delivery.PerEndpoint-1)) + 1 + len(hangs.came); n != delivery.PerEndpoint {
		t.Errorf("%d tries at the receiver that hangs", n)
	}
	close(over)
	d.Stop()
}

func TestDisables(t *testing.T) {
	o := newOffice(t)
	in := &inbox{t: t, answer: func(w http.ResponseWriter, _ arrival) { w.WriteHeader(http.StatusGone) }}
	o.hook("crm", in.open()+"/path-with-a-secret")
	d := o.begin()
	o.talk("one")
	in.take(1)
	for deadline := time.Now().Add(patience); o.Outbox().Endpoints()[0].Enabled(); {
		select {
		case <-o.Outbox().Changed():
		case <-time.After(time.Until(deadline)):
			t.Fatal("it is not disabled")
		}
	}
	d.Stop()
	if e := o.Outbox().Endpoints()[0]; e.Disabled.Reason != delivery.EndpointGone {
		t.Errorf("%+v", e.Disabled)
	}
	log := o.log.String()
	if !strings.Contains(log, `level=ERROR msg="webhook endpoint disabled`) || strings.Contains(log, "path-with-a-secret") || strings.Contains(log, o.secret.Text()) {
		t.Errorf("the log: %s", log)
	}
}

// overtaken is an outbox to which somebody else writes just before each write of an endpoint.
type overtaken struct {
	store.Outbox
	first func()
}

func (o *overtaken) PutEndpoint(ctx context.Context, id string, change func(*store.Endpoint) error, by ...store.Audit) (store.Endpoint, error) {
	o.first()
	return o.Outbox.PutEndpoint(ctx, id, change, by...)
}

// TestMoved: an endpoint answers 410, and its operator gives it another URL before that is stored.
func TestMoved(t *testing.T) {
	o := newOffice(t)
	former := &inbox{t: t, answer: func(w http.ResponseWriter, _ arrival) { w.WriteHeader(http.StatusGone) }}
	next := &inbox{t: t, secrets: []webhook.Secret{o.secret}}
	o.hook("crm", former.open())
	url := next.open()
	moved := make(chan struct{})
	d := o.beginWith(&overtaken{o.Outbox(), sync.OnceFunc(func() { o.hook("crm", url); close(moved) })})
	defer d.Stop()
	o.talk("one")
	former.take(1)
	<-moved
	o.talk("two")
	next.take(3)
	if e := o.Outbox().Endpoints()[0]; !e.Enabled() {
		t.Errorf("the URL %s is disabled: %+v", e.URL, e.Disabled)
	}
}

// TestEnabledAgain: an operator enables an endpoint while the dispatcher stores that it is gone.
// The dispatcher sees that, although nothing else happens to the outbox.
func TestEnabledAgain(t *testing.T) {
	o := newOffice(t)
	in := &inbox{t: t, secrets: []webhook.Secret{o.secret}}
	var gone atomic.Bool
	gone.Store(true)
	in.answer = func(w http.ResponseWriter, _ arrival) {
		if gone.Load() {
			w.WriteHeader(http.StatusGone)
		}
	}
	o.hook("crm", in.open())
	late := &enabling{Outbox: o.Outbox(), looked: make(chan struct{}, 1), then: func() {
		gone.Store(false)
		_, err := o.Outbox().PutEndpoint(t.Context(), "crm", func(e *store.Endpoint) error { e.Disabled = store.Disabled{}; return nil })
		if err != nil {
			t.Error(err)
		}
		o.later(time.Minute) // The event is due again.
	}}
	d := o.beginWith(late)
	defer d.Stop()
	o.talk("one")
	in.take(4)
}

// enabling is an outbox to which somebody else writes just after each write of an endpoint. Who
// waits for a change sees it before that write returns.
type enabling struct {
	store.Outbox
	then func()
	// looked says that somebody called Endpoints.
	looked chan struct{}
}

func (e *enabling) Endpoints() []store.Endpoint {
	all := e.Outbox.Endpoints()
	select {
	case e.looked <- struct{}{}:
	default:
	}
	return all
}

func (e *enabling) PutEndpoint(ctx context.Context, id string, change func(*store.Endpoint) error, by ...store.Audit) (store.Endpoint, error) {
	stored, err := e.Outbox.PutEndpoint(ctx, id, change, by...)
	select {
	case <-e.looked:
	default:
	}
	e.then()
	<-e.looked
	return stored, err
}

// TestClocks: an endpoint whose clock is wrong is logged once.
func TestClocks(t *testing.T) {
	o := newOffice(t)
	in := &inbox{t: t, answer: func(w http.ResponseWriter, _ arrival) {
		w.Header().Set("Date", time.Now().Add(2*time.Minute).UTC().Format(http.TimeFormat))
	}}
	o.hook("crm", in.open())
	d := o.begin()
	o.talk("one")
	in.take(3)
	d.Stop()
	if n := strings.Count(o.log.String(), "the clocks of a webhook endpoint"); n != 1 {
		t.Errorf("logged %d times: %s", n, o.log.String())
	}
}
