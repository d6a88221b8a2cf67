package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

// erasure is the audit entry of an erasure.
func erasure(alias call.Account) store.Audit {
	return store.Audit{At: time.Now(), Key: "crm", Action: "account.erase", Target: string(alias), Status: 204}
}

// TestEraseShutsOut: while the last portion of an erasure is made, a call of the account waits on all
// nodes. It is made after that.
func TestEraseShutsOut(t *testing.T) {
	url := postgres.Shared(t).NewDatabase(t) + "&lock_timeout=20s&statement_timeout=20s"
	a, b := openAt(t, url), openAt(t, url)
	if _, err := a.Block(t.Context(), "alice", "mallory", store.Audit{At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	held, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held.Exec(t.Context(), `SELECT FROM blocks FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	erased, made := make(chan error, 1), make(chan struct{})
	go func() { erased <- a.Erase(t.Context(), "alice", erasure(a.Alias("alice"))) }()
	waitForLocks(t, a, 1)
	go func() {
		defer close(made)
		commitAll(t, b, invited(t, "c1", "alice", "bob"))
	}()
	waitForLocks(t, a, 2)
	select {
	case <-made:
		t.Error("a call begins meanwhile")
	default:
	}
	if err := held.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-erased; err != nil {
		t.Errorf("Erase: %v", err)
	}
	<-made
	if c, err := a.Call(t.Context(), "c1"); err != nil || c.Caller().Account != "alice" {
		t.Errorf("the call is of %q, %v", c.Caller().Account, err)
	}
	if err := a.Erase(t.Context(), "alice", erasure(a.Alias("alice"))); !errors.Is(err, store.ErrInCall) {
		t.Errorf("in a call: %v", err)
	}
}

// TestEraseBesideCalls: an account is erased again and again while it calls by another node. Each
// erasure is done or refused. Nothing is left of the account when it is erased for the last time, and
// the proof is there as often as an erasure was done.
func TestEraseBesideCalls(t *testing.T) {
	const calls = 40
	a, b := pair(t)
	a.RecordEvents(true)
	b.RecordEvents(true)
	alias := a.Alias("alice")
	var callers sync.WaitGroup
	done := make(chan struct{})
	callers.Go(func() {
		defer close(done)
		for n := range calls {
			change := invited(t, call.ID(fmt.Sprintf("c%d", n)), "alice", call.Account(fmt.Sprintf("peer%d", n)))
			commitAll(t, b, change)
			commitAll(t, b, stepped(t, &change.Call, call.Cancel{Device: change.Call.Caller().Device}))
		}
	})
	erasures := 0
	erase := func() error {
		err := a.Erase(t.Context(), "alice", erasure(alias))
		if err == nil {
			erasures++
		} else if !errors.Is(err, store.ErrInCall) {
			t.Errorf("Erase: %v", err)
		}
		return err
	}
	for busy := true; busy; {
		select {
		case <-done:
			busy = false
		default:
			_ = erase() // Refused or not.
		}
	}
	callers.Wait()
	if err := erase(); err != nil {
		t.Error("refused when no call goes on")
	}
	for _, table := range []string{"calls", "records", "parties", "events", "claims", "blocks", "audit"} {
		var named int
		a.Query(t, &named, `SELECT count(*) FROM `+table+` AS t WHERE strpos(t::text, 'alice') > 0 OR strpos(t::text, encode('alice', 'hex')) > 0`)
		if named != 0 {
			t.Errorf("%d rows of %s have the name", named, table)
		}
	}
	events, _, err := b.Outbox().Events(t.Context(), 0, allKinds, 1000)
	if err != nil || len(events) != 2*calls {
		t.Errorf("%d events, %v", len(events), err)
	}
	for _, e := range events {
		if e.Call.Caller().Account != alias || strings.Contains(fmt.Sprintf("%+v", *e.Call), "alice") {
			t.Errorf("an event is of %+v", *e.Call)
		}
	}
	trail, err := a.Trail(t.Context(), 0, 10_000)
	if err != nil || len(trail) != erasures {
		t.Errorf("%d proofs of %d erasures, %v", len(trail), erasures, err)
	}
}
