package natsbus

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
)

// TestTogether: messages about one account go together, in order, and not too many of them.
func TestTogether(t *testing.T) {
	var todo []task
	say := func(account call.Account, device int) {
		todo = append(todo, task{message: &bus.Message{Account: account, Device: call.DeviceID(fmt.Sprint(device))}})
	}
	say("alice", 0)
	todo = append(todo, task{begin: &subscription{account: "alice"}})
	say("bob", 1)
	for i := range companyMost + 1 {
		say("alice", 2+i)
	}
	say("bob", 20)
	var got []string
	for _, messages := range together(todo) {
		var line strings.Builder
		line.WriteString(string(messages[0].Account))
		for _, m := range messages {
			if m.Account != messages[0].Account {
				t.Errorf("%s goes with %s", m.Account, messages[0].Account)
			}
			line.WriteString(" " + string(m.Device))
		}
		got = append(got, line.String())
	}
	want := []string{"alice 0 2 3 4 5 6 7 8", "bob 1 20", "alice 9 10"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("together go (-want +got):\n%s", diff)
	}
}

// TestBounded: a node that publishes faster than NATS takes it loses messages, and counts them.
func TestBounded(t *testing.T) {
	b := &Bus{}
	m := newMember(b, nil, nil) // Nobody writes.
	for range queueSize + 3 {
		m.Publish(bus.Message{Account: "alice"})
	}
	if b.Lost() != 3 || len(m.todo) != queueSize {
		t.Errorf("%d messages wait and %d are lost, want %d and 3", len(m.todo), b.Lost(), queueSize)
	}
	for i := range queueSize {
		m.Subscribe(call.Account(fmt.Sprint(i)), nil) // None is lost.
	}
	if len(m.todo) != 2*queueSize {
		t.Errorf("%d of %d subscriptions wait", len(m.todo)-queueSize, queueSize)
	}
}
