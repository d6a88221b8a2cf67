package bustest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
)

// Network is a service of two buses, such as two machines have. The network of the far one can
// be taken away.
type Network struct {
	Near, Far bus.Bus
	// Cut takes the network away, and Mend brings it back.
	Cut, Mend func()
	// Connected says whether the far bus takes itself for connected.
	Connected func() bool
	// Whole says that Cut takes the network from the near bus as well.
	Whole bool
}

// RunNetwork tests what comes after the network was away.
func RunNetwork(t *testing.T, n Network) {
	t.Helper()
	missed := make(chan struct{}, 10)
	heard := make(chan bus.Message, 10_000)
	far, err := n.Far.Join(func(m bus.Message) { heard <- m }, func() { missed <- struct{}{} })
	if err != nil {
		t.Fatalf("Join: %v", err)
	}
	hearer := listener{far, heard}
	subscribe(t, hearer, "alice")
	speaker := join(t, n.Near, "bob")
	hearer.reaches(t, speaker, "bob", "before")
	speaker.reaches(t, hearer, "alice", "before")
	for len(missed) > 0 {
		<-missed // Of the first connection.
	}

	n.Cut()
	published, ready := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(published)
		for range 5_000 {
			hearer.Publish(say("bob", "meanwhile"))
		}
		hearer.Subscribe("carol", func() { close(ready) })
		hearer.Unsubscribe("alice")
		hearer.Subscribe("alice", nil)
	}()
	waitFor(t, published)
	speaker.Publish(say("alice", "meanwhile"))
	until(t, "the far bus notices that the network is away", func() bool { return !n.Connected() })
	select {
	case <-ready:
		t.Error("a subscription is in effect without a network")
	default:
	}
	n.Mend()
	waitFor(t, missed)
	if n.Whole {
		speaker.reaches(t, hearer, "alice", "after")
	} else {
		// What is published once the far node knows that it missed something reaches it.
		speaker.Publish(say("alice", "after"))
		hearer.skips(t, say("alice", "after"))
	}
	waitFor(t, ready)
	speaker.Publish(say("carol", "after"))
	hearer.skips(t, say("carol", "after"))
	hearer.reaches(t, speaker, "bob", "after")
	if !n.Connected() {
		t.Error("the far bus does not take itself for connected")
	}
}

// reaches publishes until a hearer gets it.
func (l listener) reaches(t *testing.T, to listener, account call.Account, text string) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	end := time.After(patience)
	for {
		l.Publish(say(account, "%s", text))
		select {
		case m := <-to.heard:
			if cmp.Equal(m, say(account, "%s", text)) {
				return
			}
		case <-again.C:
		case <-end:
			t.Fatalf("nothing reaches %s", account)
		}
	}
}

// skips waits for a message, whatever comes before it.
func (l listener) skips(t *testing.T, want ...bus.Message) {
	t.Helper()
	for len(want) > 0 {
		got := l.next(t)
		want = slices.DeleteFunc(want, func(m bus.Message) bool { return cmp.Equal(m, got) })
	}
}

// until waits for something that sends no event.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for end := time.After(patience); !done(); {
		select {
		case <-look.C:
		case <-end:
			t.Fatal("still waiting until ", what)
		}
	}
}
