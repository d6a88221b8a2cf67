package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

// entry is an audit entry of these tests.
func entry(action, target, other string, at time.Time) store.Audit {
	return store.Audit{
		At: at, Key: "crm", Action: action, Target: target, Other: other, Request: "r-" + target, Addr: "192.0.2.7", Status: 200,
	}
}

// wantTrail wants the audit to have these actions and targets, newest first.
func wantTrail(t *testing.T, s store.Store, want ...string) []store.Audit {
	t.Helper()
	list, err := s.Trail(t.Context(), 0, 100)
	if err != nil {
		t.Fatalf("Trail: %v", err)
	}
	var got []string
	for _, a := range list {
		got = append(got, strings.TrimSpace(a.Action+" "+a.Target+" "+a.Other))
	}
	wantSame(t, got, want)
	return list
}

func testKeys(t *testing.T, s store.Store) {
	key := store.Key{ID: "crm", Hash: []byte("hash"), Scopes: []string{"calls", "read"}, Created: after(1)}
	other := store.Key{ID: "app", Hash: []byte("other"), Scopes: []string{"read"}, Created: after(2)}
	for _, k := range []store.Key{key, other} {
		if err := s.AddKey(t.Context(), k, entry("key.new", k.ID, "", k.Created)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.AddKey(t.Context(), key, entry("key.new", "crm", "", after(3))); !errors.Is(err, store.ErrKeyExists) {
		t.Errorf("a second key of one id: %v", err)
	}
	if err := s.RevokeKey(t.Context(), "none", entry("key.revoke", "none", "", after(3))); !errors.Is(err, store.ErrNoKey) {
		t.Errorf("a key that is not there is revoked: %v", err)
	}
	for seconds := range 2 { // The second time changes nothing.
		if err := s.RevokeKey(t.Context(), "crm", entry("key.revoke", "crm", "", after(4+seconds))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.UseKeys(t.Context(), map[string]time.Time{"app": after(60), "none": after(60)}); err != nil {
		t.Fatal(err)
	}
	key.Revoked, other.Used = after(4), after(60)
	got, err := s.Keys(t.Context())
	if diff := cmp.Diff([]store.Key{other, key}, got); err != nil || diff != "" {
		t.Errorf("Keys: %v (-want +got):\n%s", err, diff)
	}
	wantTrail(t, s, "key.revoke crm", "key.new app", "key.new crm")
	// What is refused leaves the store as it was.
	create(t, s, ringing(t, "c1", "alice", "bob", 0))
}

// testEndpointTrail: a change of an endpoint is stored with its audit entry, and one that is refused
// with none.
func testEndpointTrail(o *outboxTest) {
	put := func(e *store.Endpoint) error {
		e.URL = "https://example.com"
		e.Rotate("secret", o.now, 0)
		return nil
	}
	if _, err := o.out.PutEndpoint(o.Context(), "crm", put, entry("webhook.put", "crm", "", after(1))); err != nil {
		o.Fatal(err)
	}
	refused := errors.New("refused")
	no := func(*store.Endpoint) error { return refused }
	if _, err := o.out.PutEndpoint(o.Context(), "crm", no, entry("webhook.put", "no", "", after(2))); !errors.Is(err, refused) {
		o.Errorf("PutEndpoint: %v", err)
	}
	if _, err := o.out.PutEndpoint(o.Context(), "crm", put); err != nil { // By nobody.
		o.Fatal(err)
	}
	if _, err := o.out.PutEndpoint(o.Context(), "crm", put, entry("webhook.rotate", "crm", "", after(3))); err != nil {
		o.Fatal(err)
	}
	if err := o.out.DeleteEndpoint(o.Context(), "none", entry("webhook.delete", "none", "", after(4))); !errors.Is(err, store.ErrNoEndpoint) {
		o.Errorf("DeleteEndpoint: %v", err)
	}
	if err := o.out.DeleteEndpoint(o.Context(), "crm", entry("webhook.delete", "crm", "", after(5))); err != nil {
		o.Fatal(err)
	}
	o.reopen()
	wantTrail(o.T, o.Sender, "webhook.delete crm", "webhook.rotate crm", "webhook.put crm")
}

func testTrail(t *testing.T, s store.Store) {
	for n := range 5 {
		if err := s.File(t.Context(), entry("call.end", fmt.Sprint(n), "", after(n))); err != nil {
			t.Fatal(err)
		}
	}
	list := wantTrail(t, s, "call.end 4", "call.end 3", "call.end 2", "call.end 1", "call.end 0")
	want := entry("call.end", "4", "", after(4))
	want.Seq = list[0].Seq
	if diff := cmp.Diff(want, list[0]); diff != "" {
		t.Errorf("an entry (-want +got):\n%s", diff)
	}
	page, err := s.Trail(t.Context(), list[1].Seq, 2)
	if diff := cmp.Diff(list[2:4], page); err != nil || diff != "" {
		t.Errorf("a page: %v (-want +got):\n%s", err, diff)
	}
}

func testLogOuts(t *testing.T, s store.Store) {
	alice, bob := s.Alias("alice"), s.Alias("bob")
	if alice == bob || alice == "" || alice != s.Alias("alice") || strings.Contains(string(alice), "alice") {
		t.Fatalf("aliases are %q and %q", alice, bob)
	}
	for _, x := range []struct {
		alias   call.Account
		seconds int
	}{{alice, 5}, {alice, 3}, {bob, 4}} {
		if err := s.LogOut(t.Context(), x.alias, after(x.seconds), entry("account.logout", "x", "", after(x.seconds))); err != nil {
			t.Fatal(err)
		}
	}
	want := map[call.Account]time.Time{alice: after(3), bob: after(4)}
	got, err := s.LogOuts(t.Context())
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("LogOuts: %v (-want +got):\n%s", err, diff)
	}
	wantTrail(t, s, "account.logout x", "account.logout x", "account.logout x")
}

func testPruneBooks(t *testing.T, s store.Store) {
	for _, id := range []string{"old", "kept", "good"} {
		if err := s.AddKey(t.Context(), store.Key{ID: id, Hash: []byte("h"), Scopes: []string{"read"}, Created: after(0)}, entry("key.new", id, "", after(0))); err != nil {
			t.Fatal(err)
		}
	}
	for id, seconds := range map[string]int{"old": 1, "kept": 20} {
		if err := s.RevokeKey(t.Context(), id, entry("key.revoke", id, "", after(seconds))); err != nil {
			t.Fatal(err)
		}
	}
	for account, seconds := range map[call.Account]int{"alice": 1, "bob": 20} {
		if err := s.LogOut(t.Context(), s.Alias(account), after(seconds), entry("account.logout", "y", "", after(30))); err != nil {
			t.Fatal(err)
		}
	}
	// Three entries of new keys and one of a key that was revoked, that key, and a log-out.
	if rows, err := s.PruneBooks(t.Context(), after(10), after(15)); err != nil || rows != 6 {
		t.Errorf("PruneBooks = %d, %v", rows, err)
	}
	keys, err := s.Keys(t.Context())
	if err != nil || len(keys) != 2 || keys[0].ID != "good" || keys[1].ID != "kept" {
		t.Errorf("keys are %+v, %v", keys, err)
	}
	outs, err := s.LogOuts(t.Context())
	if diff := cmp.Diff(map[call.Account]time.Time{s.Alias("bob"): after(20)}, outs); err != nil || diff != "" {
		t.Errorf("log-outs: %v, %s", err, diff)
	}
	wantTrail(t, s, "account.logout y", "account.logout y", "key.revoke kept")
}

// shown is a call in which both sides have a name and a picture.
func shown(c call.Call) call.Call {
	c = c.Clone()
	for i := range c.Legs {
		name := "Name of " + string(c.Legs[i].Account)
		c.Legs[i].Card = call.Card{Name: name, Avatar: "https://example.com/" + string(c.Legs[i].Account)}
	}
	c.Attachment = "for " + string(c.Callee().Account)
	return c
}

// testErase: of an account that is erased nothing is left, and the other side of its calls
// keeps its own.
func testErase(t *testing.T, s store.Store) {
	calls := map[call.ID][2]call.Account{
		"e1": {"alice", "bob"}, "e2": {"bob", "alice"}, "e3": {"bob", "carol"}, "e4": {"alicia", "bob"},
	}
	for i, id := range []call.ID{"e1", "e2", "e3", "e4"} {
		c := shown(ringing(t, id, calls[id][0], calls[id][1], i))
		create(t, s, c)
		c = ended(c, 10+i)
		if id == "e1" {
			c.Outcome.Kind = 0 // One that files no record.
		}
		update(t, s, c)
	}
	for _, a := range []store.Audit{
		entry("account.logout", "alice", "", after(20)), entry("account.block", "bob", "alice", after(20)), entry("key.new", "alice", "", after(20)),
	} {
		if err := s.File(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	live := ringing(t, "e5", "dave", "alice", 30)
	create(t, s, live)
	alias := s.Alias("alice")
	proof := entry("account.erase", string(alias), "", after(40))
	if err := s.Erase(t.Context(), "alice", proof); !errors.Is(err, store.ErrInCall) {
		t.Errorf("in a call: %v", err)
	}
	wantRecords(t, s, "alice", "e2")
	update(t, s, ended(live, 35))
	for range 2 { // Repeated, it finds nothing, and says so once more.
		if err := s.Erase(t.Context(), "alice", proof); err != nil {
			t.Fatal(err)
		}
	}
	wantRecords(t, s, "alice")
	wantRecords(t, s, alias)
	wantErased(t, s, alias)
	name := string(alias)
	wantTrail(t, s, "account.erase "+name, "account.erase "+name, "key.new alice", "account.block bob "+name, "account.logout "+name)
	wantAliasKept(t, s, alias)
	// The account may be somebody else's from now on.
	again := ringing(t, "e6", "alice", "bob", 50)
	create(t, s, again)
	update(t, s, ended(again, 51))
	wantRecords(t, s, "alice", "e6")
}

// wantAliasKept wants an alias to be refused where an account is erased or blocked.
func wantAliasKept(t *testing.T, s store.Store, alias call.Account) {
	t.Helper()
	audit := entry("account.erase", string(s.Alias(alias)), "", after(45))
	if err := s.Erase(t.Context(), alias, audit); !errors.Is(err, store.ErrAlias) {
		t.Errorf("the alias is erased: %v", err)
	}
	for _, pair := range [][2]call.Account{{alias, "bob"}, {"bob", alias}} {
		if _, err := s.Block(t.Context(), pair[0], pair[1], audit); !errors.Is(err, store.ErrAlias) {
			t.Errorf("%s blocks %s: %v", pair[0], pair[1], err)
		}
	}
	wantErased(t, s, alias)
	if list, err := s.Trail(t.Context(), 0, 1); err != nil || len(list) != 1 || list[0].Target != string(alias) {
		t.Errorf("the audit ends with %+v, %v", list, err)
	}
}

// wantErased looks at what the others see of the calls.
func wantErased(t *testing.T, s store.Store, alias call.Account) {
	t.Helper()
	records, err := s.Records(t.Context(), "bob", store.Newest(10))
	if err != nil || len(records) != 3 {
		t.Fatalf("bob has %d records, %v", len(records), err)
	}
	for _, r := range records {
		text := fmt.Sprint(r)
		if strings.Contains(text, "alice") || r.Call == "e2" && (r.Callee != alias || r.CalleeCard != call.Card{} || r.CallerCard.Name != "Name of bob") ||
			r.Call == "e4" && (r.Caller != "alicia" || r.CallerCard.Name != "Name of alicia") {
			t.Errorf("a record is %+v", r)
		}
	}
	for _, account := range []call.Account{"alice", alias} {
		if list, err := s.CallsOf(t.Context(), account, after(-10)); err != nil || len(list) != 0 {
			t.Errorf("%s has %d calls, %v", account, len(list), err)
		}
	}
	list, err := s.CallsOf(t.Context(), "bob", after(-10))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []call.ID{"e1", "e2", "e5"} {
		c, err := s.Call(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	for _, c := range list {
		if strings.Contains(fmt.Sprintf("%+v", c), "alice") || c.ID != "e3" && c.ID != "e4" && c.Attachment != "" {
			t.Errorf("call %s is %+v", c.ID, c)
		}
	}
}

// testEraseMany erases more than goes in one portion.
func testEraseMany(t *testing.T, s store.Store) {
	const calls = 1203
	var created []store.Change
	for n := range calls {
		c := ringing(t, call.ID(fmt.Sprintf("m%04d", n)), call.Account(fmt.Sprint("peer", n)), "alice", n)
		c = ended(c, n)
		if n%2 == 0 {
			c.Outcome.Kind = 0
		}
		created = append(created, store.Change{Call: c})
	}
	for len(created) > 0 {
		some := created[:min(100, len(created))]
		created = created[len(some):]
		if _, err := s.Commit(t.Context(), some); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Erase(t.Context(), "alice", entry("account.erase", string(s.Alias("alice")), "", after(0))); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, s, "alice")
	wantTrail(t, s, "account.erase "+string(s.Alias("alice")))
	for n := 0; n < calls; n += 67 { // Of both kinds.
		c, err := s.Call(t.Context(), call.ID(fmt.Sprintf("m%04d", n)))
		if err != nil || c.Callee().Account != s.Alias("alice") {
			t.Fatalf("call %d is of %q, %v", n, c.Callee().Account, err)
		}
	}
	records, err := s.Records(t.Context(), "peer1", store.Newest(2))
	want := []call.Record{{Call: "m0001", Callee: s.Alias("alice")}}
	if diff := cmp.Diff(want, records, cmpopts.IgnoreFields(call.Record{}, "Kind", "Type", "Caller", "Reason", "CreatedAt", "EndedAt")); err != nil || diff != "" {
		t.Errorf("a record: %v (-want +got):\n%s", err, diff)
	}
}

// testErasedEvents: of an account that is erased the feed and what waits to be delivered hold
// nothing, in the same order as before.
func testErasedEvents(o *outboxTest) {
	o.hook("crm", "call.*")
	o.talk("c1", "alice", "bob")
	o.talk("c2", "carol", "alice")
	o.talk("c3", "carol", "bob")
	before := labels(o.feed())
	former := o.claimOne("crm")
	o.wantStale(former, false)
	for range 2 {
		if err := o.Erase(o.Context(), "alice", entry("account.erase", "x", "", o.now)); err != nil {
			o.Fatal(err)
		}
	}
	wantSame(o.T, labels(o.feed()), before)
	for _, e := range o.feed() {
		text := fmt.Sprintf("%+v", *e.Call)
		if strings.Contains(text, "alice") || strings.Contains(text, string(o.Alias("alice"))) == (e.Call.ID == "c3") {
			o.Errorf("event %s is %s", label(e), text)
		}
	}
	// What was claimed before the erasure holds the name. It is delivered without it.
	o.wantStale(former, true)
	o.settle(former, store.Returned, 0)
	due, _, err := o.out.Claim(o.Context(), "crm", 10)
	o.wantStale(due, false)
	if err != nil || len(due) != 3 || strings.Contains(fmt.Sprintf("%+v", *due[0].Event.Call), "alice") {
		o.Errorf("%d deliveries are due, %v", len(due), err)
	}
}

// wantStale wants deliveries to be stale, or not to be.
func (o *outboxTest) wantStale(due []store.Delivery, want bool) {
	o.Helper()
	for i := range due {
		if stale, err := o.out.Stale(o.Context(), &due[i]); err != nil || stale != want {
			o.Errorf("delivery %d is stale: %v, %v; want %v", i, stale, err, want)
		}
	}
}
