package server

import (
	"fmt"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/bus"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/store"
)

// Another node logs an account out while this one has not heard of it yet. A device that comes here
// in between with its older token is closed as soon as this node knows. One that was here before
// the log-out and one that came with a new token stay: whether they have to go is said by the bus.
func TestLogOutElsewhere(t *testing.T) {
	kept := shared{store.NewMemory(time.Now)}
	b := start(t, func(c *Config) { c.Store, c.Bus = kept, bus.NewMemory() })
	elsewhere, err := openLogOuts(t.Context(), kept)
	if err != nil {
		t.Fatal(err)
	}
	token := func(at time.Time) string { return issued(fmt.Sprintf(`,"iat":%d`, at.Unix())) }
	old := token(time.Now().Add(-time.Minute))
	come := func(device, token string) *client {
		t.Helper()
		c, f := b.hello(token, device)
		if f.GetWelcome() == nil {
			t.Fatalf("%s: %v", device, f)
		}
		return c
	}
	before := come("before", old)
	for range 2 { // It was so long ago that a look at the log-outs was in between.
		b.logOuts.admitted.revoked(nil, time.Now())
	}

	b.logOuts.adding.Lock() // The server cannot read them yet.
	notBefore, err := elsewhere.out(t.Context(), "alice", time.Now, store.Audit{})
	if err != nil {
		t.Fatal(err)
	}
	between, fresh := come("between", old), come("fresh", token(notBefore))
	b.logOuts.adding.Unlock()
	between.wantClosed(protocol.CloseFinal, protocol.LoggedOut)
	before.works()
	fresh.works()
	if _, f := b.hello(old, "after"); f.GetError().GetCode() != string(protocol.TokenRevoked) {
		t.Errorf("after that: %v", f)
	}
	b.logOuts.admitted.mu.Lock()
	defer b.logOuts.admitted.mu.Unlock()
	if n := len(b.logOuts.admitted.recent); n > 1 {
		t.Errorf("%d accounts are remembered", n)
	}
}

// What is remembered of those who were admitted does not grow.
func TestAdmissionsAreForgotten(t *testing.T) {
	a := &admissions{alias: func(a call.Account) call.Account { return a }}
	for n := range 100 {
		a.note(auth.Identity{Account: fmt.Sprint(n)}, time.Now(), time.Now())
		a.revoked(nil, time.Now())
	}
	if n := len(a.recent); n > 1 {
		t.Errorf("%d of 100 are remembered", n)
	}
}
