package session_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/session"
)

// wire is a line that keeps what was said.
type wire struct {
	frames []*pealv1.ServerFrame
	pings  int
	status int
	reason string
}

func (w *wire) Send(f *pealv1.ServerFrame) { w.frames = append(w.frames, f) }
func (w *wire) Ping()                      { w.pings++ }
func (w *wire) Close(status int, reason string) {
	w.status, w.reason = status, reason
}

// tester is a session with a clock.
type tester struct {
	t      *testing.T
	wire   *wire
	s      *session.Session
	now    time.Time
	limits protocol.Limits
	id     uint32
}

func begin(t *testing.T) *tester {
	b := &tester{t: t, wire: &wire{}, now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), limits: protocol.DefaultLimits()}
	verified := 0
	verify := func(token string, now time.Time) (auth.Identity, error) {
		switch token {
		case "bad":
			return auth.Identity{}, auth.ErrInvalid
		case "old":
			return auth.Identity{}, auth.ErrExpired
		}
		verified++
		card := auth.Card{Name: fmt.Sprint(token, " ", verified)}
		return auth.Identity{Account: token, ExpiresAt: now.Add(time.Hour), Card: card}, nil
	}
	b.s = session.New(b.wire, &b.limits, verify, b.now)
	return b
}

func (b *tester) receive(f *pealv1.ClientFrame) (passed bool) {
	b.id++
	f.Id = b.id
	return b.s.Receive(f, nil, b.now) != nil
}

func (b *tester) hello(token string) bool {
	return b.receive(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Hello{Hello: &pealv1.Hello{Token: token, DeviceId: "d"}}})
}

func (b *tester) ping() bool {
	return b.receive(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Ping{Ping: &pealv1.Ping{}}})
}

func (b *tester) hangup() bool {
	return b.receive(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Hangup{Hangup: &pealv1.Hangup{}}})
}

// ready logs in.
func ready(t *testing.T) *tester {
	b := begin(t)
	if !b.hello("alice") {
		t.Fatal("the hello does not reach the node")
	}
	b.s.Welcome(&pealv1.Welcome{}, b.now)
	b.wire.frames = nil
	return b
}

// wait lets time pass, with Expire at each deadline; a living client answers pings.
func (b *tester) wait(d time.Duration, alive bool) {
	b.t.Helper()
	end := b.now.Add(d)
	for range 1000 {
		at, ok := b.s.Deadline()
		if !ok || at.After(end) {
			b.now = end
			return
		}
		if at.After(b.now) {
			b.now = at
		}
		pings := b.wire.pings
		b.s.Expire(b.now)
		if alive && b.wire.pings > pings {
			b.s.Ponged(b.now)
		}
	}
	b.t.Fatal("its deadlines never end")
}

// answer is the code of the error that the last frame carries.
func (b *tester) answer() string {
	if len(b.wire.frames) == 0 {
		return ""
	}
	return b.wire.frames[len(b.wire.frames)-1].GetError().GetCode()
}

func TestHelloComesFirst(t *testing.T) {
	b := begin(t)
	if b.hangup() || b.answer() != string(protocol.HelloRequired) {
		t.Errorf("a command before the hello is answered %q", b.answer())
	}
	if !b.hello("alice") || !b.s.Greeting() {
		t.Fatal("the hello is not taken")
	}
	if b.hangup() || b.answer() != string(protocol.HelloRequired) {
		t.Errorf("a command before the welcome is answered %q", b.answer())
	}
	if b.hello("alice") || b.answer() != string(protocol.BadRequest) {
		t.Errorf("a second hello is answered %q", b.answer())
	}
	if b.s.Hello().Token != "" {
		t.Error("the token is kept")
	}
	b.s.Welcome(&pealv1.Welcome{}, b.now)
	if !b.hangup() {
		t.Error("a command after the welcome does not pass")
	}
}

func TestHelloIsDue(t *testing.T) {
	b := begin(t)
	b.wait(4*time.Second, false)
	b.ping() // Talking is no excuse.
	b.wait(time.Second, false)
	if b.wire.reason != string(protocol.HelloTimeout) || b.wire.status != protocol.CloseRetry {
		t.Errorf("closed as %q %d", b.wire.reason, b.wire.status)
	}
}

func TestRefusedTokens(t *testing.T) {
	for token, code := range map[string]protocol.Code{"bad": protocol.BadToken, "old": protocol.TokenExpired, " x ": protocol.BadToken} {
		b := begin(t)
		if b.hello(token) || b.answer() != string(code) || b.wire.status != protocol.CloseFinal {
			t.Errorf("%q is answered %q and closed with %d", token, b.answer(), b.wire.status)
		}
		if b.ping(); !b.s.Closed() {
			t.Errorf("%q: the session goes on", token)
		}
	}
}

func TestAuthenticate(t *testing.T) {
	b := ready(t)
	fresh := func(token string) string {
		b.receive(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Authenticate{Authenticate: &pealv1.Authenticate{Token: token}}})
		return b.answer()
	}
	if code := fresh("alice"); code != "" {
		t.Errorf("a fresh token is answered %q", code)
	}
	if code := fresh("bob"); code != string(protocol.OtherAccount) {
		t.Errorf("another account's token is answered %q", code)
	}
	if code := fresh("old"); code != string(protocol.TokenExpired) {
		t.Errorf("an expired token is answered %q", code)
	}
	if got := b.s.Card(); got != (auth.Card{Name: "alice 2"}) {
		t.Errorf("after a fresh token, and others that were refused, it is shown as %+v", got)
	}
	if b.s.Account() != "alice" || !b.s.Ready() {
		t.Error("a token that is refused harms the session")
	}
}

// News that comes while a client is greeted waits for its welcome.
func TestNothingBeforeTheWelcome(t *testing.T) {
	b := begin(t)
	news := &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Call{Call: &pealv1.CallUpdate{}}}
	b.s.Tell(news)
	b.hello("alice")
	b.s.Tell(news)
	if len(b.wire.frames) != 0 {
		t.Fatalf("said before the welcome: %v", b.wire.frames)
	}
	b.s.Welcome(&pealv1.Welcome{}, b.now)
	if len(b.wire.frames) != 2 || b.wire.frames[0].GetWelcome() == nil || b.wire.frames[1] != news {
		t.Errorf("said: %v", b.wire.frames)
	}
	// What the welcome has overtaken is not sent after it.
	state := func(id string, rev uint32) *pealv1.CallUpdate {
		return &pealv1.CallUpdate{Call: &pealv1.Call{CallId: id, Rev: rev}}
	}
	b = begin(t)
	b.hello("alice")
	for _, u := range []*pealv1.CallUpdate{state("one", 1), state("one", 3), state("two", 1)} {
		b.s.Tell(&pealv1.ServerFrame{Body: &pealv1.ServerFrame_Call{Call: u}})
	}
	b.s.Welcome(&pealv1.Welcome{Calls: []*pealv1.CallUpdate{state("one", 2)}}, b.now)
	if f := b.wire.frames; len(f) != 3 || f[1].GetCall().Call.Rev != 3 || f[2].GetCall().Call.CallId != "two" {
		t.Errorf("said: %v", f)
	}
	// What waits is bounded.
	b = begin(t)
	b.hello("alice")
	for range b.limits.QueueMessages + 1 {
		b.s.Tell(news)
	}
	if b.wire.reason != string(protocol.SlowConsumer) {
		t.Errorf("closed as %q", b.wire.reason)
	}
}

func TestSilenceIsFound(t *testing.T) {
	b := ready(t)
	b.wait(10*time.Minute, true)
	if b.wire.pings < 29 || b.wire.pings > 31 || b.s.Closed() {
		t.Errorf("%d pings in ten minutes", b.wire.pings)
	}
	b.wait(29*time.Second, false)
	if b.s.Closed() {
		t.Error("closed too early")
	}
	b.wait(2*time.Second, false)
	if b.wire.reason != "silent" || b.wire.status != protocol.CloseSilent {
		t.Errorf("closed as %q", b.wire.reason)
	}
}

// With a live call silence is found sooner, and what was silent before has its
// chance to answer.
func TestSilenceInACall(t *testing.T) {
	b := ready(t)
	b.wait(15*time.Second, false)
	b.s.Active(true, b.now)
	pings := b.wire.pings
	b.wait(0, false)
	if b.wire.pings != pings+1 || b.s.Closed() {
		t.Fatalf("%d pings at once, closed %v", b.wire.pings-pings, b.s.Closed())
	}
	b.s.Ponged(b.now)
	b.wait(9*time.Second, false)
	if b.s.Closed() {
		t.Error("closed too early")
	}
	b.wait(2*time.Second, false)
	if !b.s.Closed() {
		t.Error("not closed after 10 s of silence")
	}
}

func TestRate(t *testing.T) {
	b := ready(t)
	passed := 0
	for range 100 {
		if b.hangup() {
			passed++
		}
	}
	if passed != b.limits.MessageBurst-1 { // The hello was one.
		t.Errorf("%d of a burst of 100 passed", passed)
	}
	last := b.wire.frames[len(b.wire.frames)-1]
	if b.answer() != string(protocol.RateLimited) || last.Error.RetryAfterMs == 0 || last.ReplyTo != b.id {
		t.Errorf("too many are answered %v", last)
	}
	b.now = b.now.Add(time.Second)
	if !b.hangup() || b.s.Closed() {
		t.Error("a second later it does not go on")
	}
}

// TestFlood: a client that sends ten bursts above the limit is asked to connect again later, and
// one that sends twice the limit for a minute has half of it refused.
func TestFlood(t *testing.T) {
	b := ready(t)
	for range 11*b.limits.MessageBurst - 1 { // The hello was one.
		b.hangup()
	}
	if b.s.Closed() {
		t.Fatal("closed for ten bursts above the limit")
	}
	b.hangup()
	last := b.wire.frames[len(b.wire.frames)-1].GetGoodbye()
	if !b.s.Closed() || b.wire.status != protocol.CloseRetry || !last.GetReconnect() || last.GetError().GetCode() != string(protocol.RateLimited) {
		t.Errorf("a flood ends by %v, status %d", last, b.wire.status)
	}

	b = ready(t)
	for range 60 {
		b.now = b.now.Add(time.Second)
		for range 2 * int(b.limits.MessageRate) {
			b.hangup()
		}
	}
	if b.s.Closed() {
		t.Error("closed for twice what may be")
	}
}

func TestPingIsAnsweredAndUndecodableToo(t *testing.T) {
	b := ready(t)
	if b.ping() || b.wire.frames[0].GetPong() == nil || b.wire.frames[0].ReplyTo != b.id {
		t.Errorf("a ping is answered %v", b.wire.frames)
	}
	b.s.Receive(&pealv1.ClientFrame{Id: 77}, protocol.UnknownCommand.Error(), b.now)
	if last := b.wire.frames[len(b.wire.frames)-1]; last.ReplyTo != 77 || last.Error.GetCode() != string(protocol.UnknownCommand) || b.s.Closed() {
		t.Errorf("what cannot be decoded is answered %v", last)
	}
}

func TestGoodbye(t *testing.T) {
	b := ready(t)
	b.s.Close(protocol.Replaced)
	b.s.Close(protocol.Kicked)
	if len(b.wire.frames) != 1 || b.wire.frames[0].GetGoodbye().GetReconnect() || b.wire.status != protocol.CloseFinal || b.wire.reason != string(protocol.Replaced) {
		t.Errorf("said %v, closed as %q %d", b.wire.frames, b.wire.reason, b.wire.status)
	}
	if _, ok := b.s.Deadline(); ok {
		t.Error("a closed session has a deadline")
	}
}

// Where both rhythms are configured alike a live call is a live call all the same.
func TestExpiryWithEqualPulses(t *testing.T) {
	b := ready(t)
	b.limits.PingActive = b.limits.PingIdle
	b.s.Active(true, b.now)
	b.wait(2*time.Hour, true)
	if b.s.Closed() {
		t.Errorf("a connection with a live call is closed as %q", b.wire.reason)
	}
}

// A token is good until its end and a little longer. After that the connection
// begins nothing new: a call that is live goes on, an idle connection is closed so
// that the client comes back with a fresh token.
func TestExpiry(t *testing.T) {
	invite := func(b *tester) string {
		b.wire.frames = nil
		if b.receive(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Invite{Invite: &pealv1.Invite{}}}) {
			return "passes"
		}
		return b.answer()
	}
	const life = time.Hour
	grace := protocol.DefaultLimits().TokenGrace

	b := ready(t)
	b.wait(life+grace-time.Second, true)
	if got := invite(b); got != "passes" {
		t.Errorf("within the grace an invitation is answered %q", got)
	}
	b.wait(2*time.Second, true)
	bye := b.wire.frames[len(b.wire.frames)-1].GetGoodbye()
	if !b.s.Closed() || !bye.GetReconnect() || bye.GetError().GetCode() != string(protocol.TokenExpired) ||
		b.wire.status != protocol.CloseRetry || b.wire.reason != string(protocol.TokenExpired) {
		t.Errorf("an idle connection is closed as %q %d, with %v", b.wire.reason, b.wire.status, bye)
	}

	b = ready(t)
	b.s.Active(true, b.now)
	b.wait(life+10*time.Minute, true)
	if b.s.Closed() {
		t.Fatal("a connection with a live call is closed")
	}
	if got := invite(b); got != string(protocol.TokenExpired) {
		t.Errorf("after the expiry an invitation is answered %q", got)
	}
	b.receive(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_ListRecords{ListRecords: &pealv1.ListRecords{}}})
	if b.answer() != string(protocol.TokenExpired) {
		t.Errorf("after the expiry records are answered %q", b.answer())
	}
	// What a live call needs passes.
	if !b.hangup() || !b.receive(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Restart{Restart: &pealv1.Restart{}}}) {
		t.Error("after the expiry a live call does not go on")
	}
	// A fresh token makes all good again.
	b.receive(&pealv1.ClientFrame{Command: &pealv1.ClientFrame_Authenticate{Authenticate: &pealv1.Authenticate{Token: "alice"}}})
	if got := invite(b); got != "passes" {
		t.Errorf("with a fresh token an invitation is answered %q", got)
	}
	// The call ends long after the token did.
	b.wait(life+10*time.Minute, true)
	b.s.Active(false, b.now)
	if b.wait(0, true); b.wire.reason != string(protocol.TokenExpired) {
		t.Errorf("once the call is over the connection is closed as %q", b.wire.reason)
	}
}
