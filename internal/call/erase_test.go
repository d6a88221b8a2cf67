package call_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/peal-rtc/peal/internal/call"
)

// TestErase: of an account nothing is left in a call, and the call that others read stays.
func TestErase(t *testing.T) {
	for name, end := range map[string]call.Input{
		"by the erased": call.Hangup{Device: alice}, "by the other": call.Hangup{Device: bob},
	} {
		was := connected(t).do(end).call
		was.Attachment, was.Legs[0].Card = "hello", call.Card{Name: "Alice"}
		before := fmt.Sprintf("%+v", was)
		now := was
		now.Erase(alice.Account, "gone")
		text := fmt.Sprintf("%+v", now)
		if strings.Contains(text, string(alice.Account)) || strings.Contains(text, "Alice") || now.Attachment != "" ||
			now.Caller().Account != "gone" || now.Callee().Account != bob.Account || now.Callee().Device != bob {
			t.Errorf("%s: %s", name, text)
		}
		if mine := now.Caller().UID; mine == was.Caller().UID || mine == now.Callee().UID || now.Callee().UID != was.Callee().UID {
			t.Errorf("%s: the numbers are %d and %d, and before %d and %d", name, mine, now.Callee().UID, was.Caller().UID, was.Callee().UID)
		}
		if got := fmt.Sprintf("%+v", was); got != before {
			t.Errorf("%s: the call that others read is %s", name, got)
		}
		other := was
		if other.Erase("nobody", "gone"); fmt.Sprintf("%+v", other) != before {
			t.Errorf("%s: a call of others is %+v", name, other)
		}
	}
}

// TestEraseSameNumber: the number of an erased account is that of its alias, and not its peer's.
func TestEraseSameNumber(t *testing.T) {
	c := connected(t).do(call.Hangup{Device: alice}).call
	c.Callee().Account = "gone" // Stands for an account that has the number of the alias.
	if c.Erase(alice.Account, "gone"); c.Caller().UID == c.Callee().UID {
		t.Errorf("both have the number %d", c.Caller().UID)
	}
}
