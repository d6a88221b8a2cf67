package chaos_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/client"
)

var (
	rounds = flag.Int("rounds", 5, "how often to kill the server")
	pairs  = flag.Int("pairs", 20, "how many calls are under way each time")
	seed   = flag.Uint64("seed", 1, "decides when the server is killed and who does what")
)

// patience bounds what everybody needs to agree after a kill: the longest grace,
// and time to connect.
const patience = 60 * time.Second

func TestKill(t *testing.T) {
	rng := rand.New(rand.NewPCG(*seed, 0xdead))
	s := build(t)
	s.start()
	var all []*pair
	for i := range *pairs {
		p := &pair{caller: s.login(fmt.Sprintf("caller%d", i)), callee: s.login(fmt.Sprintf("callee%d", i))}
		all = append(all, p)
	}
	outcomes := make(map[client.Reason]int)
	var worst time.Duration
	for round := range *rounds {
		var under sync.WaitGroup
		for i, p := range all {
			p.does(plans[(i+round)%len(plans)], time.Duration(rng.IntN(100))*time.Millisecond)
			under.Go(func() { p.play(t.Context()) })
		}
		// Anywhere from the first invitation to the last hang-up.
		time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
		s.kill()
		time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
		s.start()
		back := time.Now()
		under.Wait()
		for _, p := range all {
			p.agrees(t, outcomes)
		}
		worst = max(worst, time.Since(back))
		if t.Failed() {
			t.Fatalf("round %d; replay: go test ./internal/chaos -seed %d -rounds %d\n%s", round, *seed, round+1, s.log.String())
		}
	}
	t.Logf("outcomes=%v worst=%s after a kill", outcomes, worst.Round(time.Millisecond))
	fmt.Printf("kills=%d calls=%d violations=0\n", *rounds, *rounds**pairs)
}

// plan is what the two of a pair do, if they live to see it.
type plan string

const (
	callerHangsUp plan = "caller hangs up"
	calleeHangsUp plan = "callee hangs up"
	rejects       plan = "callee rejects"
	cancels       plan = "caller cancels"
	acceptCancel  plan = "accept and cancel"
	acceptReject  plan = "accept and reject"
	hangups       plan = "both hang up"
)

var plans = []plan{callerHangsUp, calleeHangsUp, rejects, cancels, acceptCancel, acceptReject, hangups}

// pair is two people who call each other again and again.
type pair struct {
	caller, callee *phone
	plan           plan
	pause          time.Duration
}

func (p *pair) does(what plan, pause time.Duration) {
	p.plan, p.pause = what, pause
	p.caller.plan(what, pause)
	p.callee.plan(what, pause)
}

// play makes the call and sees it through; errors are the point of it.
func (p *pair) play(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	call, err := p.caller.Call(ctx, p.callee.Account(), client.CallOptions{Offer: "v=0 offer"})
	if err != nil {
		return
	}
	if p.plan == cancels || p.plan == acceptCancel {
		time.Sleep(p.pause)
		_ = call.Cancel(ctx)
	}
	// Whatever has become of it, in the end somebody hangs up.
	select {
	case <-call.Done():
	case <-time.After(2*time.Second + p.pause):
		_ = call.Hangup(ctx)
	}
}

// agrees waits until both sides have the records of all calls that either was
// told of, and holds all that they were told to those.
func (p *pair) agrees(t *testing.T, outcomes map[client.Reason]int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, side := range []*phone{p.caller, p.callee} {
		if err := side.settled(ctx); err != nil {
			t.Errorf("%s: %v", side.Account(), err)
			return
		}
	}
	for id := range p.callee.told() {
		if err := p.caller.hasRecord(ctx, id); err != nil {
			t.Errorf("the caller has no record of %s: %v", id, err)
			return
		}
	}
	for id := range p.caller.told() {
		if err := p.callee.hasRecord(ctx, id); err != nil {
			t.Errorf("the callee has no record of %s: %v", id, err)
			return
		}
	}
	p.caller.mu.Lock()
	p.callee.mu.Lock()
	defer p.caller.mu.Unlock()
	defer p.callee.mu.Unlock()
	if diff := cmp.Diff(p.caller.records, p.callee.records); diff != "" {
		t.Errorf("the records differ (-caller +callee):\n%s", diff)
	}
	for _, side := range []*phone{p.caller, p.callee} {
		for _, complaint := range side.complaints {
			t.Error(complaint)
		}
		for id, e := range side.ends {
			if r := side.records[id]; e.Final && e.Reason != r.Reason {
				t.Errorf("%s was told that %s ended %s, its record says %s", side.Account(), id, e.Reason, r.Reason)
			}
		}
	}
	for id := range p.caller.ends {
		outcomes[p.caller.records[id].Reason]++
	}
	for _, side := range []*phone{p.caller, p.callee} {
		clear(side.ends)
		clear(side.records)
	}
}

// phone is a client with somebody who acts on what it tells.
type phone struct {
	*client.Client

	mu         sync.Mutex // Guards what follows.
	what       plan
	pause      time.Duration
	live       map[string]bool
	ends       map[string]client.End
	records    map[string]client.Record
	complaints []string
	news       chan struct{}
}

func (s *server) login(account string) *phone {
	s.t.Helper()
	c, err := client.New(client.Config{Server: s.url(), Token: func(ctx context.Context) (string, error) {
		return s.token(ctx, account)
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := c.Login(ctx); err != nil {
		s.t.Fatal(err)
	}
	p := &phone{
		Client: c, live: make(map[string]bool), ends: make(map[string]client.End),
		records: make(map[string]client.Record), news: make(chan struct{}),
	}
	go p.watch(s.t.Context())
	return p
}

func (p *phone) plan(what plan, pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what, p.pause = what, pause
}

func (p *phone) watch(ctx context.Context) {
	for {
		e, err := p.Next(ctx)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.note(ctx, e)
		close(p.news)
		p.news = make(chan struct{})
		p.mu.Unlock()
	}
}

func (p *phone) note(ctx context.Context, event client.Event) {
	switch e := event.(type) {
	case client.Incoming:
		p.live[e.Call.ID()] = true
		go answer(ctx, e.Call, p.what, p.pause)
	case client.Updated:
		p.live[e.Call.ID()] = true
		for _, c := range e.Changes {
			switch c {
			case client.Accepted, client.Generation, client.Reconnected:
				go func() { _ = e.Call.ReportMedia(ctx, e.Call.Snapshot().Generation, true) }()
			case client.Connected:
				mine := p.what == hangups || p.what == callerHangsUp && !e.Call.Incoming() || p.what == calleeHangsUp && e.Call.Incoming()
				if mine {
					go func() { _ = e.Call.Hangup(ctx) }()
				}
			}
		}
	case client.Ended:
		if was, twice := p.ends[e.Call.ID()]; twice {
			p.complaints = append(p.complaints, fmt.Sprintf("%s ended twice: %v, %v", e.Call.ID(), was, e.End))
		}
		delete(p.live, e.Call.ID())
		p.ends[e.Call.ID()] = e.End
	case client.RecordFiled:
		if _, twice := p.records[e.Record.CallID]; twice {
			p.complaints = append(p.complaints, "two records of "+e.Record.CallID)
		}
		p.records[e.Record.CallID] = e.Record
	case client.LoggedOut:
		p.complaints = append(p.complaints, p.Account()+" was logged out: "+e.Reason.Error())
	}
}

func answer(ctx context.Context, call *client.Call, what plan, pause time.Duration) {
	time.Sleep(pause)
	if what == rejects || what == acceptReject {
		go func() { _ = call.Reject(ctx) }()
	}
	if what != rejects {
		_ = call.Accept(ctx, call.Snapshot().Generation, "v=0 answer")
	}
}

// told are the calls that this side was told the end of.
func (p *phone) told() map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := make(map[string]bool)
	for id := range p.ends {
		ids[id] = true
	}
	for id := range p.records {
		ids[id] = true
	}
	return ids
}

// wait waits until something holds.
func (p *phone) wait(ctx context.Context, what string, holds func() bool) error {
	for {
		p.mu.Lock()
		done, news := holds(), p.news
		p.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		}
	}
}

func (p *phone) settled(ctx context.Context) error {
	return p.wait(ctx, "still in a call", func() bool { return len(p.live) == 0 })
}

func (p *phone) hasRecord(ctx context.Context, id string) error {
	return p.wait(ctx, "no record", func() bool { _, filed := p.records[id]; return filed })
}

// ------------------------------------------------------------------ the server

// server is the built command in a process of its own.
type server struct {
	t            *testing.T
	binary       string
	addr, data   string
	process      *exec.Cmd
	log          log
	tokenRequest http.Client
}

func build(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, binary: filepath.Join(t.TempDir(), "peal"), data: t.TempDir()}
	if out, err := exec.Command("go", "build", "-o", s.binary, "../../cmd/peal").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.process != nil {
			s.kill()
		}
	})
	return s
}

func (s *server) url() string { return "http://" + s.addr }

func (s *server) start() {
	s.t.Helper()
	s.process = exec.Command(s.binary, "dev", "--addr", s.addr, "--data", s.data)
	s.process.Stdout, s.process.Stderr = &s.log, &s.log
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if r, err := http.Get(s.url() + "/healthz"); err == nil {
			_ = r.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the server does not start:\n%s", s.log.String())
		}
	}
}

// kill is a kill -9.
func (s *server) kill() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	s.process = nil
}

func (s *server) token(ctx context.Context, account string) (string, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url()+"/dev/token", strings.NewReader(fmt.Sprintf(`{"account":%q}`, account)))
	if err != nil {
		return "", err
	}
	q.Header.Set("Content-Type", "application/json")
	r, err := s.tokenRequest.Do(q)
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Body.Close() }()
	var body struct{ Token string }
	err = json.NewDecoder(r.Body).Decode(&body)
	return body.Token, err
}

// log collects what the server says.
type log struct {
	mu   sync.Mutex // Guards what follows.
	text strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
