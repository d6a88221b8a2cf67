package relay_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"github.com/peal-rtc/peal/internal/relay"
)

// A secret that is dropped makes no more credentials. Those that were made until then go on, and
// nobody who has the secret can make others.
func TestRekey(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	var passed atomic.Int64
	now := func() time.Time { return at.Add(time.Duration(passed.Load())) }
	next, third := []byte("the second secret"), []byte("a third secret of them")
	r := start(t, func(c *relay.Config) { c.Now = now })
	other := start(t, func(c *relay.Config) { c.Secrets, c.Now = [][]byte{next}, now })
	made := r.Servers(named(r, "u"), now())[1]
	held := connect(t, r, made.Username, made.Credential)
	held.allocate()
	rekey := func(keys ...[]byte) {
		t.Helper()
		if err := r.Rekey(keys...); err != nil {
			t.Fatal(err)
		}
	}
	allocates := func(name string, by *relay.Relay, madeAt time.Time, want bool) {
		t.Helper()
		s := by.Servers(named(by, name), madeAt)[1]
		conn, err := connect(t, r, s.Username, s.Credential).Allocate()
		if (err == nil) != want {
			t.Errorf("%s: got %v", name, err)
		}
		if err == nil {
			_ = conn.Close()
		} else if !want {
			refused(t, name, err, stun.CodeUnauthorized)
		}
	}
	allocates("not-yet", other, now(), false)
	rekey(secret(), next)
	allocates("both", other, now(), true)
	rekey(next, third)
	if got := r.Servers(named(r, "u"), now())[1].Username; got == made.Username {
		t.Error("the secret that was dropped makes credentials")
	}
	old := start(t, func(c *relay.Config) { c.Now = now })
	allocates("made-before", old, at, true)
	allocates("made-later", old, at.Add(time.Second), false)
	passed.Store(int64(2 * time.Hour))
	if got := held.ask(stun.MethodRefresh); got != 0 {
		t.Errorf("a refresh long after: got %d", got)
	}
	rekey(third, secret())
	allocates("taken-again", old, now(), true)
	// A relay does not remember everything.
	for n := range 20 {
		rekey(fmt.Appendf(nil, "another secret %d", n))
	}
	if got := held.ask(stun.MethodRefresh); got != stun.CodeUnauthorized {
		t.Errorf("a refresh by a secret that was forgotten: got %d", got)
	}
	if r.Rekey() == nil || r.Rekey(secret(), []byte("short")) == nil {
		t.Error("takes no secret, or a short one")
	}
}
