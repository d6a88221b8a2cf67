package pgstore_test

import (
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/pgstore"
)

// TestRenewedClaim: a claim lasts while its node lives, and is free soon after that.
func TestRenewedClaim(t *testing.T) {
	a, b, now := clocked(t)
	hook(t, a, "crm")
	commit(t, a, invited(t, "c1", "alice", "bob"))
	due, _ := claim(t, a, 1)
	for range 3 {
		*now = now.Add(pgstore.LeaseTime - time.Second)
		if err := a.Hurry(t.Context()); err != nil {
			t.Fatal(err)
		}
		claim(t, b, 0)
	}
	*now = now.Add(pgstore.LeaseTime + time.Second)
	taken, _ := claim(t, b, 1)
	if taken[0].Event.Seq != due[0].Event.Seq {
		t.Errorf("event %d is due, and not %d of the node that died", taken[0].Event.Seq, due[0].Event.Seq)
	}
	// What another node has is not renewed.
	if err := a.Hurry(t.Context()); err != nil {
		t.Fatal(err)
	}
	settle(t, b, taken, store.Delivered)
	if pgstore.LeaseTime > 30*time.Second {
		t.Errorf("the deliveries of a dead node wait %s", pgstore.LeaseTime)
	}
}
