package relay_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/pion/stun/v4"

	"github.com/peal-rtc/peal/internal/relay"
)

// greedy takes relayed addresses until it has had so many refusals: each device asks
// as often as it may, as one account that says hello under many device ids.
func greedy(t *testing.T, r *relay.Relay, call, account string, devices int) (held []net.PacketConn) {
	t.Helper()
	for i := range devices {
		user := r.User(call, account, fmt.Sprint("device", i))
		for range relay.AllocationsPerUser + 1 {
			conn, err := login(t, r, user).Allocate()
			var refusal *stun.TurnError
			if errors.As(err, &refusal) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			held = append(held, conn)
		}
	}
	return held
}

// One account under many device ids leaves room for the others.
func TestOneAccountLeavesRoom(t *testing.T) {
	var log journal
	r := start(t, func(c *relay.Config) {
		c.MaxAllocations, c.Logger = 48, logTo(&log)
	})
	held := greedy(t, r, "call", "mallory", 40)
	if len(held) < relay.AllocationsPerUser || len(held) > 36 {
		t.Errorf("one account holds %d of 48 relayed addresses", len(held))
	}
	for _, name := range []string{"alice", "bob"} {
		if _, err := login(t, r, r.User("another", name, "phone")).Allocate(); err != nil {
			t.Errorf("%s, who holds none: %v", name, err)
		}
	}
	if got := strings.Count(log.String(), "level=WARN"); got != 1 || !strings.Contains(log.String(), "relay is full") {
		t.Errorf("%d warnings in\n%s", got, log.String())
	}
	if got := r.Refusals(); got.Full == 0 {
		t.Errorf("no refusal is counted: %+v", got)
	}
	for _, name := range []string{"mallory", "device", "127.0.0.1", r.User("call", "mallory", "d").Account} {
		if strings.Contains(log.String(), name) {
			t.Errorf("%q is in\n%s", name, log.String())
		}
	}
}

func TestAllocationsPerAccount(t *testing.T) {
	r := start(t, nil)
	held := greedy(t, r, "one", "mallory", 3)
	held = append(held, greedy(t, r, "two", "mallory", 3)...)
	if len(held) != relay.AllocationsPerAccount {
		t.Errorf("one account holds %d relayed addresses, want %d", len(held), relay.AllocationsPerAccount)
	}
	_, err := login(t, r, r.User("three", "mallory", "fresh")).Allocate()
	refused(t, "one more for the account", err, stun.CodeAllocQuotaReached)
	if got := r.Refusals(); got.Account == 0 || got.Full != 0 {
		t.Errorf("refusals are %+v", got)
	}
	login(t, r, r.User("one", "alice", "phone")).allocate()
	login(t, r, r.User("one", "mallory", "fresh")).release(held[0])
}
