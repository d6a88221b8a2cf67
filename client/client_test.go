package client_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peal-rtc/peal/client"
	"github.com/peal-rtc/peal/client/internal/program"
)

const patience = 10 * time.Second

func TestMain(m *testing.M) { program.Main(m) }

// bench is a running server.
type bench struct {
	*program.Server
	t *testing.T
}

func start(t *testing.T) *bench { return &bench{program.Start(t), t} }

// phone is a client with a test's words.
type phone struct {
	*client.Client
	t   *testing.T
	ctx context.Context
}

func (b *bench) phone(account string, changes ...func(*client.Config)) *phone {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	b.t.Cleanup(cancel)
	cfg := client.Config{Server: b.URL(), Token: b.Token(account)}
	for _, change := range changes {
		change(&cfg)
	}
	c, err := client.New(cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = c.Close() })
	return &phone{c, b.t, ctx}
}

func (b *bench) login(account string, changes ...func(*client.Config)) *phone {
	b.t.Helper()
	p := b.phone(account, changes...)
	if err := p.Login(p.ctx); err != nil {
		b.t.Fatal(err)
	}
	return p
}

// next waits for an event of a kind.
func next[E client.Event](p *phone) E {
	p.t.Helper()
	for {
		e, err := p.Next(p.ctx)
		if err != nil {
			p.t.Fatalf("%s waits for %T: %v", p.Account(), *new(E), err)
		}
		if found, ok := e.(E); ok {
			return found
		}
	}
}

// sees waits for a change.
func (p *phone) sees(change client.Change) client.Updated {
	p.t.Helper()
	for {
		u := next[client.Updated](p)
		if slices.Contains(u.Changes, change) {
			return u
		}
	}
}

func (p *phone) call(account string) *client.Call {
	p.t.Helper()
	c, err := p.Call(p.ctx, account, client.CallOptions{Type: client.Video, Offer: describe("offer"), Attachment: "room 7"})
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

func (p *phone) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var e *client.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v, want %s", err, code)
	}
}

const hostCandidate = "candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host"

func TestCall(t *testing.T) {
	b := start(t)
	alice, bob := b.login("alice"), b.login("bob")
	out := alice.call("bob")
	if len(out.ICEServers()) == 0 {
		t.Error("the caller got no ICE servers")
	}
	rings := next[client.Incoming](bob)
	in := rings.Call
	if p := in.Snapshot().Parties; len(p) != 2 || p[0] != in.Snapshot().Peer || p[1].Role != client.Callee || p[1].Account != "bob" {
		t.Errorf("the parties are %+v", p)
	}
	if s := in.Snapshot(); rings.Offer != describe("offer") || s.Attachment != "room 7" || s.Peer.Account != "alice" || s.Type != client.Video {
		t.Errorf("it rings with %+v, offer %q", s, rings.Offer)
	}
	bob.must(in.Accept(bob.ctx, 1, describe("answer")))
	if u := alice.sees(client.Accepted); u.Answer != describe("answer") {
		t.Errorf("the caller got the answer %q", u.Answer)
	}
	alice.must(out.SendCandidates(alice.ctx, 1, client.Candidate{Candidate: hostCandidate}))
	if c := next[client.PeerCandidates](bob); c.Candidates[0].Candidate != hostCandidate {
		t.Errorf("the callee got %v", c)
	}
	alice.must(out.ReportMedia(alice.ctx, 1, true))
	bob.must(in.ReportMedia(bob.ctx, 1, true))
	alice.sees(client.Connected)
	bob.sees(client.Connected)

	// A restart: the caller offers, the callee answers.
	bob.must(in.Restart(bob.ctx, 1, false))
	g := alice.sees(client.Generation)
	alice.must(out.Offer(alice.ctx, g.Generation, describe("second")))
	for u := next[client.Updated](bob); u.Offer != describe("second"); u = next[client.Updated](bob) {
	}
	bob.must(in.Answer(bob.ctx, g.Generation, describe("answer to it")))
	for u := next[client.Updated](alice); u.Answer != describe("answer to it"); u = next[client.Updated](alice) {
	}
	alice.must(out.SetTracks(alice.ctx, client.Tracks{Audio: true}))
	bob.sees(client.PeerTracks)
	alice.must(out.SwitchType(alice.ctx, client.Audio))
	bob.sees(client.TypeChanged)

	bob.must(in.Hangup(bob.ctx))
	<-in.Done()
	if e := next[client.Ended](alice); e.End.Reason != "completed" || e.End.Actor != "bob" || !e.End.Answered || !e.End.Final {
		t.Errorf("the caller hears %+v", e.End)
	}
	for _, p := range []*phone{alice, bob} {
		if r := next[client.RecordFiled](p).Record; r.CallID != out.ID() || r.Kind != client.RecordCompleted || r.Callee != "bob" {
			t.Errorf("the record is %+v", r)
		}
	}
	list, err := alice.Records(alice.ctx, client.RecordPage{})
	both := []client.RecordParty{{Account: "alice", Role: client.Caller}, {Account: "bob", Role: client.Callee}}
	if err != nil || len(list) != 1 || list[0].CallID != out.ID() || !slices.Equal(list[0].Parties, both) {
		t.Errorf("records: %v, %v", list, err)
	}
	alice.must(alice.Logout(alice.ctx))
	if why := next[client.LoggedOut](alice).Reason; why.Code != "logged_out" || alice.State() != client.Offline {
		t.Errorf("logged out by %v", why)
	}
}

// Names and pictures come with the call, on both sides, and with its record.
func TestNames(t *testing.T) {
	b := start(t)
	named := func(account, name, avatar string) *phone {
		return b.login(account, func(c *client.Config) { c.Token = b.NamedToken(account, name, avatar) })
	}
	alice, bob := named("alice", "Alice Example", "https://example.com/alice.png"), named("bob", "小明", "")
	out, in := alice.call("bob"), next[client.Incoming](bob).Call
	if p := in.Snapshot().Peer; p.Name != "Alice Example" || p.Avatar != "https://example.com/alice.png" {
		t.Errorf("it rings from %+v", p)
	}
	if p := out.Snapshot().Peer; p.Name != "" {
		t.Errorf("while it rings the callee is %+v", p)
	}
	bob.must(in.Accept(bob.ctx, 1, describe("answer")))
	alice.sees(client.Accepted)
	for _, c := range []*client.Call{out, in} {
		if p := c.Snapshot().Parties; len(p) != 2 || p[0].Name != "Alice Example" || p[1].Name != "小明" || p[1].Avatar != "" {
			t.Errorf("the parties are %+v", p)
		}
	}
	alice.must(out.Hangup(alice.ctx))
	both := []client.RecordParty{
		{Account: "alice", Role: client.Caller, Name: "Alice Example", Avatar: "https://example.com/alice.png"},
		{Account: "bob", Role: client.Callee, Name: "小明"},
	}
	if r := next[client.RecordFiled](bob).Record; !slices.Equal(r.Parties, both) {
		t.Errorf("the record is %+v", r)
	}
	if list, err := alice.Records(alice.ctx, client.RecordPage{}); err != nil || len(list) != 1 || !slices.Equal(list[0].Parties, both) {
		t.Errorf("records: %+v, %v", list, err)
	}
}

func TestUnanswered(t *testing.T) {
	b := start(t)
	alice, bob := b.login("alice"), b.login("bob")
	for _, test := range []struct {
		reason client.Reason
		end    func(out, in *client.Call) error
	}{
		{"cancelled", func(out, _ *client.Call) error { return out.Cancel(alice.ctx) }},
		{"rejected", func(_, in *client.Call) error { return in.Reject(bob.ctx) }},
	} {
		out, in := alice.call("bob"), next[client.Incoming](bob).Call
		if err := test.end(out, in); err != nil {
			t.Fatal(err)
		}
		for _, p := range []*phone{alice, bob} {
			if e := next[client.Ended](p); e.End.Reason != test.reason || e.Call.ID() != out.ID() {
				t.Errorf("%s hears %+v, want %s", p.Account(), e.End, test.reason)
			}
		}
	}
	// A device that stops by its own time-out is done with the call. For the caller it
	// rings on, as for somebody who is offline.
	out, in := alice.call("bob"), next[client.Incoming](bob).Call
	bob.must(in.StopRinging(bob.ctx))
	if e := next[client.Ended](bob); e.End.Reason != "timeout" {
		t.Errorf("who stopped ringing hears %+v", e.End)
	}
	alice.must(out.Cancel(alice.ctx))
	if e := next[client.Ended](alice); e.End.Reason != "cancelled" {
		t.Errorf("the caller hears %+v", e.End)
	}
}

func TestRefusals(t *testing.T) {
	b := start(t)
	alice := b.phone("alice")
	_, err := alice.Call(alice.ctx, "bob", client.CallOptions{Offer: describe("nothing")})
	wantCode(t, err, "not_logged_in")
	alice.must(alice.Login(alice.ctx))
	_, err = alice.Call(alice.ctx, "alice", client.CallOptions{Offer: describe("nothing")})
	wantCode(t, err, "self_call")
	_, err = alice.Call(alice.ctx, "bob", client.CallOptions{})
	wantCode(t, err, "bad_request")
	out := alice.call("nobody")
	_, err = alice.Call(alice.ctx, "bob", client.CallOptions{Offer: describe("nothing")})
	wantCode(t, err, "wrong_state")
	alice.must(out.Hangup(alice.ctx))
	alice.must(out.Hangup(alice.ctx)) // It is over already.
	wantCode(t, out.Accept(alice.ctx, 1, describe("nothing")), "wrong_state")

	stranger := b.phone("eve", func(c *client.Config) {
		c.Token = func(context.Context) (string, error) { return "not a token", nil }
	})
	wantCode(t, stranger.Login(stranger.ctx), "bad_token")
	broken := b.phone("eve", func(c *client.Config) {
		c.Token = func(context.Context) (string, error) { return "", errors.New("the backend is away") }
	})
	wantCode(t, broken.Login(broken.ctx), "token_failed")

	for _, cfg := range []client.Config{
		{},
		{Token: func(context.Context) (string, error) { return "", nil }, Server: "calls.example.org"},
		{Token: func(context.Context) (string, error) { return "", nil }, Server: "http://x", DeviceID: "no good"},
	} {
		if _, err := client.New(cfg); err == nil || !strings.HasPrefix(err.Error(), "client: Config.") {
			t.Errorf("New(%+v) = %v", cfg, err)
		}
	}
}

// A server that is started again: the call goes on, and what was done meanwhile
// holds.
func TestServerAway(t *testing.T) {
	b := start(t)
	alice, bob := b.login("alice"), b.login("bob")
	out, in := alice.call("bob"), next[client.Incoming](bob).Call
	bob.must(in.Accept(bob.ctx, 1, describe("answer")))
	alice.sees(client.Accepted)
	b.Stop()
	for alice.State() == client.Online || bob.State() == client.Online {
		next[client.StateChanged](alice)
		next[client.StateChanged](bob)
	}
	hungUp := make(chan error, 1)
	go func() { hungUp <- out.Hangup(alice.ctx) }()
	if e := next[client.Ended](alice); e.End.Reason != "completed" || e.End.Final {
		t.Errorf("a hang-up without a server is %+v", e.End)
	}
	b.Run()
	alice.must(<-hungUp)
	if e := next[client.Ended](bob); e.End.Reason != "completed" || e.End.Actor != "alice" {
		t.Errorf("the other side hears %+v", e.End)
	}
}

// Both call each other: one call, and both have it.
func TestGlare(t *testing.T) {
	b := start(t)
	alice, bob := b.login("alice"), b.login("bob")
	first, second := dialBoth(alice, bob)
	for first == nil || second == nil { // One was rung before it dialled.
		for _, c := range []*client.Call{first, second} {
			if c != nil {
				alice.must(c.Hangup(alice.ctx))
				next[client.Ended](alice)
				next[client.Ended](bob)
			}
		}
		first, second = dialBoth(alice, bob)
	}
	alice.sees(client.Accepted)
	bob.sees(client.Accepted)
	if first.ID() != second.ID() || first.Incoming() == second.Incoming() {
		t.Errorf("the calls are %s and %s, incoming %v and %v", first.ID(), second.ID(), first.Incoming(), second.Incoming())
	}
	alice.must(first.Hangup(alice.ctx))
}

// dialBoth has two accounts call each other, and returns the calls that the server created.
func dialBoth(alice, bob *phone) (out, in *client.Call) {
	var both sync.WaitGroup
	both.Go(func() { out, _ = alice.Call(alice.ctx, "bob", client.CallOptions{Offer: describe("offer")}) })
	both.Go(func() { in, _ = bob.Call(bob.ctx, "alice", client.CallOptions{Offer: describe("offer")}) })
	both.Wait()
	return out, in
}

func TestClose(t *testing.T) {
	b := start(t)
	alice := b.login("alice")
	if err := alice.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Records(alice.ctx, client.RecordPage{}); !errors.Is(err, client.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := alice.Login(alice.ctx); !errors.Is(err, client.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestContext(t *testing.T) {
	b := start(t)
	alice := b.login("alice")
	ctx, cancel := context.WithCancel(alice.ctx)
	cancel()
	if _, err := alice.Records(ctx, client.RecordPage{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := alice.Records(alice.ctx, client.RecordPage{}); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// describe is a session description that says this text and describes nothing.
func describe(text string) string {
	return "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=mid:" + text + "\r\n"
}
