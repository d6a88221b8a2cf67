// Package bustest is the suite that every bus passes.
//
// It has no state of its own. Each test opens a fresh bus.
package bustest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Run tests the buses that open makes. Each is closed by open's own cleanup,
// if the test has not done that.
func Run(t *testing.T, open func(t *testing.T) bus.Bus) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, bus.Bus)
	}{
		{"a message arrives whole", testWhole},
		{"only subscribers hear", testSubscribe},
		{"a member does not hear itself", testNoEcho},
		{"an unsubscribed account is silent", testUnsubscribe},
		{"order is kept per publisher and account", testOrder},
		{"one who has left is deaf and mute", testLeave},
		{"a closed bus", testClose},
		{"publishing never blocks", testStuck},
		{"a slow subscriber", testSlow},
		{"publishing while delivering", testAnswer},
		{"names with signs", testNames},
		{"readiness", testReady},
		{"all at once", testConcurrent},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// listener is a member that keeps what it hears.
type listener struct {
	bus.Member
	heard chan bus.Message
}

// join makes a member that hears about these accounts.
func join(t *testing.T, b bus.Bus, accounts ...call.Account) listener {
	t.Helper()
	heard := make(chan bus.Message, 10_000)
	l := listener{Member: joinFunc(t, b, func(m bus.Message) { heard <- m }), heard: heard}
	for _, account := range accounts {
		subscribe(t, l, account)
	}
	return l
}

// subscribe subscribes, and waits until that is in effect.
func subscribe(t *testing.T, m bus.Member, account call.Account) {
	t.Helper()
	ready := make(chan struct{})
	m.Subscribe(account, func() { close(ready) })
	waitFor(t, ready)
}

func joinFunc(t *testing.T, b bus.Bus, deliver func(bus.Message)) bus.Member {
	t.Helper()
	m, err := b.Join(deliver, nil)
	if err != nil {
		t.Fatalf("Join: %v", err)
	}
	return m
}

// next waits for the next message.
func (l listener) next(t *testing.T) bus.Message {
	t.Helper()
	select {
	case m := <-l.heard:
		return m
	case <-time.After(patience):
		t.Fatal("no message came")
		return bus.Message{}
	}
}

// want waits for these messages in this order. It cannot wait for silence: so
// a test that wants silence has a later message follow what must not come.
func (l listener) want(t *testing.T, want ...bus.Message) {
	t.Helper()
	for _, w := range want {
		if diff := cmp.Diff(w, l.next(t)); diff != "" {
			t.Fatalf("message (-want +got):\n%s", diff)
		}
	}
}

// say is a message about an account that differs from all others.
func say(account call.Account, format string, args ...any) bus.Message {
	return bus.Message{Account: account, Login: &bus.Login{Device: call.Device{
		Account: account, ID: call.DeviceID(fmt.Sprintf(format, args...)),
	}}}
}

func testWhole(t *testing.T, b bus.Bus) {
	speaker, hearer := join(t, b), join(t, b, "alice")
	start := time.Date(2026, 3, 4, 5, 6, 7, 89_012_345, time.UTC)
	c, _, err := call.New(call.Invite{
		ID: "c1", Callee: "alice", Type: call.Video, Offer: "v=0\r\n", Timing: call.DefaultTiming(),
		Caller: call.Device{Account: "bob", ID: "phone", Conn: call.Connection{Incarnation: "n1", Seq: 7}},
	}, start)
	if err != nil {
		t.Fatalf("make call: %v", err)
	}
	bare := c
	bare.Media.Offer = ""
	login := bus.Login{
		Device: call.Device{Account: "alice", ID: "tab", Conn: call.Connection{Incarnation: "n2", Seq: 8}},
		At:     start, Connected: start.Add(time.Second), Attempt: start.Add(-time.Second), Single: true, Asks: true,
	}
	messages := []bus.Message{
		{Account: "alice", Call: &c, With: call.WithOffer | call.WithServers},
		{Account: "alice", Device: "tab", Call: &c},
		{Account: "alice", Call: &bare, With: call.WithServers, Without: call.WithOffer},
		{Account: "alice", Device: "tab", LoggedOut: true},
		{Account: "alice", Login: &login},
	}
	for _, m := range messages {
		speaker.Publish(m)
	}
	hearer.want(t, messages...)

	// Frames compare by their own rules.
	frame := &pealv1.ServerFrame{ReplyTo: 9}
	speaker.Publish(bus.Message{Account: "alice", Device: "tab", Signal: frame})
	got := hearer.next(t)
	if got.Device != "tab" || got.Call != nil || got.Login != nil || got.Signal.String() != frame.String() {
		t.Errorf("signal %+v, want %v", got, frame)
	}
}

func testSubscribe(t *testing.T, b bus.Bus) {
	speaker := join(t, b)
	alice, both, nobody := join(t, b, "alice"), join(t, b, "alice", "bob"), join(t, b)
	subscribe(t, both, "alice") // Once more is no more.
	speaker.Publish(say("bob", "1"))
	speaker.Publish(say("alice", "2"))
	speaker.Publish(say("carol", "3"))
	speaker.Publish(say("alice", "4"))
	alice.want(t, say("alice", "2"), say("alice", "4"))
	got := []bus.Message{both.next(t), both.next(t), both.next(t)}
	count := map[string]int{}
	for _, m := range got {
		count[string(m.Login.Device.ID)]++
	}
	if diff := cmp.Diff(map[string]int{"1": 1, "2": 1, "4": 1}, count); diff != "" {
		t.Errorf("heard (-want +got):\n%s", diff)
	}
	subscribe(t, nobody, "dave")
	speaker.Publish(say("dave", "5"))
	nobody.want(t, say("dave", "5"))
}

func testNoEcho(t *testing.T, b bus.Bus) {
	one, other := join(t, b, "alice"), join(t, b, "alice")
	one.Publish(say("alice", "from one"))
	other.want(t, say("alice", "from one"))
	other.Publish(say("alice", "from other"))
	one.want(t, say("alice", "from other"))
	one.Publish(say("alice", "from one again"))
	other.want(t, say("alice", "from one again"))
}

func testUnsubscribe(t *testing.T, b bus.Bus) {
	speaker, hearer := join(t, b), join(t, b, "alice", "bob")
	hearer.Unsubscribe("alice")
	hearer.Unsubscribe("alice")
	hearer.Unsubscribe("carol")
	speaker.Publish(say("alice", "1"))
	speaker.Publish(say("bob", "2"))
	hearer.want(t, say("bob", "2"))
	subscribe(t, hearer, "alice")
	speaker.Publish(say("alice", "3"))
	hearer.want(t, say("alice", "3"))
}

func testOrder(t *testing.T, b bus.Bus) {
	// Few enough for any queue.
	const speakers, messages = 4, 100
	accounts := []call.Account{"alice", "bob"}
	hearer := join(t, b, accounts...)
	var wg sync.WaitGroup
	for s := range speakers {
		speaker := join(t, b)
		wg.Go(func() {
			for i := range messages {
				for _, account := range accounts {
					speaker.Publish(say(account, "%d %d", s, i))
				}
			}
		})
	}
	wg.Wait()
	type stream struct {
		account call.Account
		speaker int
	}
	next := make(map[stream]int)
	for range speakers * messages * len(accounts) {
		m := hearer.next(t)
		var from stream
		var i int
		if _, err := fmt.Sscan(string(m.Login.Device.ID), &from.speaker, &i); err != nil {
			t.Fatalf("read message: %v", err)
		}
		from.account = m.Account
		if i != next[from] {
			t.Fatalf("message %d of %+v came in place of %d", i, from, next[from])
		}
		next[from]++
	}
}

func testLeave(t *testing.T, b bus.Bus) {
	speaker, hearer, witness := join(t, b), join(t, b, "alice"), join(t, b, "alice")
	hearer.Leave()
	hearer.Leave()
	hearer.Subscribe("alice", func() { t.Error("a member that has left is ready") })
	hearer.Unsubscribe("alice")
	hearer.Publish(say("alice", "from the left"))
	speaker.Publish(say("alice", "1"))
	witness.want(t, say("alice", "1"))
	if len(hearer.heard) != 0 {
		t.Errorf("a member that has left hears %+v", <-hearer.heard)
	}
	// One may leave while a message is delivered to it.
	left := make(chan struct{})
	var member bus.Member
	var once sync.Once
	member = joinFunc(t, b, func(bus.Message) { once.Do(func() { member.Leave(); close(left) }) })
	subscribe(t, member, "bob")
	speaker.Publish(say("bob", "2"))
	waitFor(t, left)
}

func testClose(t *testing.T, b bus.Bus) {
	speaker, hearer := join(t, b), join(t, b, "alice")
	for range 2 {
		if err := b.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	speaker.Publish(say("alice", "1"))
	hearer.Subscribe("bob", nil)
	hearer.Leave()
	if len(hearer.heard) != 0 {
		t.Error("a closed bus delivers")
	}
	if _, err := b.Join(func(bus.Message) {}, nil); err == nil {
		t.Error("a closed bus lets join")
	}
}

func testStuck(t *testing.T, b bus.Bus) {
	speaker, hearer := join(t, b), join(t, b, "alice")
	free := make(chan struct{})
	stuck := joinFunc(t, b, func(bus.Message) { <-free })
	subscribe(t, stuck, "alice")
	defer close(free)
	// Far more than may wait for one member; the others do not suffer.
	published := make(chan struct{})
	go func() {
		defer close(published)
		for i := range 5_000 {
			m := say("alice", "%d", i)
			speaker.Publish(m)
			select {
			case got := <-hearer.heard:
				if got.Login.Device.ID != m.Login.Device.ID {
					t.Errorf("heard %s, want %s", got.Login.Device.ID, m.Login.Device.ID)
				}
			case <-time.After(patience):
				t.Errorf("message %d did not come", i)
				return
			}
		}
	}()
	waitFor(t, published)
}

func testAnswer(t *testing.T, b bus.Bus) {
	// Two members answer each other while being delivered to.
	const turns = 1000
	done := make(chan struct{})
	var one, other bus.Member
	one = joinFunc(t, b, func(m bus.Message) {
		var i int
		if _, err := fmt.Sscan(string(m.Login.Device.ID), &i); err != nil || i >= turns {
			close(done)
			return
		}
		one.Publish(say("bob", "%d", i+1))
	})
	other = joinFunc(t, b, func(m bus.Message) {
		other.Publish(bus.Message{Account: "alice", Login: m.Login})
	})
	subscribe(t, one, "alice")
	subscribe(t, other, "bob")
	join(t, b).Publish(say("alice", "0"))
	waitFor(t, done)
}

func testConcurrent(t *testing.T, b bus.Bus) {
	// What arrives is not determined; that nothing races, hangs or arrives at
	// a stranger is.
	const workers, rounds = 8, 200
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			mine := call.Account(fmt.Sprint("a", w%3))
			for i := range rounds {
				m, err := b.Join(func(got bus.Message) {
					if got.Account != mine {
						t.Errorf("heard about %s, subscribed to %s", got.Account, mine)
					}
				}, nil)
				if err != nil {
					t.Errorf("Join: %v", err)
					return
				}
				m.Subscribe(mine, nil)
				m.Publish(say(call.Account(fmt.Sprint("a", i%3)), "%d", i))
				if i%2 == 0 {
					m.Unsubscribe(mine)
				}
				if i%5 != 0 {
					m.Leave()
				}
			}
		})
	}
	wg.Wait()
	if err := b.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func waitFor(t *testing.T, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("still not done")
	}
}
