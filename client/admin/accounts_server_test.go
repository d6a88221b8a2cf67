package admin_test

import (
	"context"
	"errors"
	"testing"
	"time"

	sdk "github.com/peal-rtc/peal/client"
	"github.com/peal-rtc/peal/client/admin"
)

// TestAccountsOfAServer sees who is there, logs it out, erases it, and reads of that in the audit.
func TestAccountsOfAServer(t *testing.T) {
	b := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	id := b.ring("alice", "bob")
	a, err := b.api.Account(ctx, "alice")
	if err != nil || len(a.Devices) != 1 || a.Devices[0].CallID != id || a.Devices[0].Since.IsZero() || a.Call == nil || a.Call.ID != id || a.Scope != admin.ScopeService {
		t.Fatalf("alice is %+v, %v", a, err)
	}
	if nobody, err := b.api.Account(ctx, ".."); err != nil || nobody.Account != ".." || len(nobody.Devices) != 0 || nobody.Call != nil {
		t.Errorf("nobody is %+v, %v", nobody, err)
	}
	if nodes, err := b.api.Nodes(ctx); err != nil || len(nodes) != 1 || !nodes[0].Alive || nodes[0].Address != b.URL() || !nodes[0].LeaseUntil.IsZero() ||
		nodes[0].Release == "" || nodes[0].Relay == "" || time.Since(nodes[0].BegunAt) > time.Minute {
		t.Errorf("the nodes are %+v, %v", nodes, err)
	}
	var e *admin.Error
	if _, err := b.api.Erase(ctx, "alice", false); !errors.As(err, &e) || e.Code != admin.Conflict || e.Retry {
		t.Errorf("erased in a call: %v", err)
	}
	out, err := b.api.LogOut(ctx, "alice", a.Devices[0].ID)
	if err != nil || out.Devices != 1 || out.NotBefore.IsZero() {
		t.Errorf("logged out as %+v, %v", out, err)
	}
	if c, err := b.api.Call(ctx, id); err != nil || c.Reason != admin.ReasonKicked {
		t.Errorf("the call is %+v, %v", c, err)
	}
	alias, err := b.api.Erase(ctx, "alice", true)
	if err != nil || len(alias) != len("deleted:")+32 {
		t.Errorf("erased as %q, %v", alias, err)
	}
	if again, err := b.api.Erase(ctx, "alice", false); err != nil || again != alias {
		t.Errorf("erased again as %q, %v", again, err)
	}
	for r, err := range b.api.Records(ctx, admin.RecordFilter{Account: "bob"}) {
		if err != nil || r.Parties[0].Account != alias || r.Parties[0].Name != "" {
			t.Errorf("the record is %+v, %v", r, err)
		}
	}
	erased := false
	for entry, err := range b.api.Audit(ctx) {
		if err != nil || entry.Key != "crm" || entry.RequestID == "" || entry.Target == "alice" {
			t.Errorf("the entry is %+v, %v", entry, err)
		}
		erased = erased || entry.Action == "account.erase" && entry.Target == alias
	}
	if !erased {
		t.Error("the audit has no erasure")
	}
}

// TestBlocksOfAServer blocks somebody, whose call then rings nobody.
func TestBlocksOfAServer(t *testing.T) {
	b := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 2 {
		if made, err := b.api.Block(ctx, "bob", "alice"); err != nil || made.Account != "alice" || made.Since.IsZero() {
			t.Fatalf("blocked as %+v, %v", made, err)
		}
	}
	if _, err := b.api.Block(ctx, "bob", ".."); err != nil {
		t.Error(err)
	}
	var names []string
	for one, err := range b.api.Blocks(ctx, "bob") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, one.Account)
	}
	if len(names) != 2 || names[1] != "alice" {
		t.Errorf("bob blocks %q", names)
	}
	b.login(ctx, "bob")
	id := b.ring("alice", "bob")
	if bob, err := b.api.Call(ctx, id); err != nil || bob.State != admin.Ringing {
		t.Errorf("the call is %+v, %v", bob, err)
	}
	if err := errors.Join(b.api.Unblock(ctx, "bob", "alice"), b.api.Unblock(ctx, "bob", "alice")); err != nil {
		t.Error(err)
	}
	_ = sdk.Video
}
