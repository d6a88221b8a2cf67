package bustest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
)

// signs are accounts that a bus might take for patterns, or for several words. No two of them
// may be one.
var signs = []call.Account{
	"", ".", "*", ">", "a.b", "a.*", "a.>", "a b", "a\tb", "a\r\nPUB b 1", " a", "a ", "A", "a", "a/b", "$SYS.>", "_INBOX.a",
	"äöü", "名字", "\x00", call.Account(strings.Repeat("long", 64)),
}

// testNames: what is published about an account reaches those alone who subscribed to it.
func testNames(t *testing.T, b bus.Bus) {
	speaker := join(t, b)
	hearers := make([]listener, len(signs))
	for i, account := range signs {
		hearers[i] = join(t, b, account)
	}
	for i, account := range signs {
		speaker.Publish(say(account, "%d", i))
	}
	for i, account := range signs {
		speaker.Publish(say(account, "last"))
		hearers[i].want(t, say(account, "%d", i), say(account, "last"))
	}
}

// testSlow: a subscriber that takes its time loses messages at most. Those that it gets are in
// order, and it goes on.
func testSlow(t *testing.T, b bus.Bus) {
	const messages = 5_000
	speaker := join(t, b)
	first, free := make(chan struct{}), make(chan struct{})
	heard := make(chan int, messages+1)
	slow := joinFunc(t, b, func(m bus.Message) {
		i := -1
		if _, err := fmt.Sscan(string(m.Login.Device.ID), &i); err != nil {
			t.Errorf("read message: %v", err)
		}
		if i == 0 {
			close(first)
			<-free
		}
		heard <- i
	})
	subscribe(t, slow, "alice")
	publish := func(i int) { speaker.Publish(say("alice", "%d", i)) }
	publish(0)
	waitFor(t, first)
	for i := range messages {
		publish(i + 1)
	}
	close(free)
	// One that is published now may be dropped as well, while the others are delivered.
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	patience := time.After(patience)
	for next, last := 0, messages+1; ; {
		select {
		case i := <-heard:
			if i < next {
				t.Fatalf("message %d came after %d", i, next-1)
			}
			if next = i + 1; i > messages {
				return
			}
		case <-again.C:
			publish(last)
			last++
		case <-patience:
			t.Fatal("nothing comes any more")
		}
	}
}

// testReady: ready is called for each subscription, also one that is there already, and one of
// an account that was given up before.
func testReady(t *testing.T, b bus.Bus) {
	speaker, hearer := join(t, b), join(t, b)
	for i := range 3 {
		subscribe(t, hearer, "alice")
		subscribe(t, hearer, "alice")
		speaker.Publish(say("alice", "%d", i))
		hearer.want(t, say("alice", "%d", i))
		hearer.Unsubscribe("alice")
	}
	// Many wait at once.
	const accounts = 500
	ready := make(chan call.Account, accounts)
	for i := range accounts {
		account := call.Account(fmt.Sprint("account ", i))
		hearer.Subscribe(account, func() { ready <- account })
	}
	seen := make(map[call.Account]bool)
	for range accounts {
		select {
		case account := <-ready:
			if seen[account] {
				t.Fatalf("%s is ready twice", account)
			}
			seen[account] = true
			speaker.Publish(say(account, "hello"))
			hearer.want(t, say(account, "hello"))
		case <-time.After(patience):
			t.Fatalf("%d of %d subscriptions are ready", len(seen), accounts)
		}
	}
}
