package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
)

func testNotFound(t *testing.T, s store.Store) {
	if _, err := s.Call(t.Context(), "c1"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Call = %v, want ErrNotFound", err)
	}
}

func testCallsOf(t *testing.T, s store.Store) {
	// Ids in the order of neither beginnings nor ends.
	endings := map[call.ID]int{"c9": 40, "c2": 30, "c5": 20}
	begin := 0
	for _, id := range []call.ID{"c9", "c2", "c5"} {
		caller, callee := call.Account("alice"), call.Account("bob")
		if id == "c2" {
			caller, callee = callee, caller
		}
		c := ringing(t, id, caller, callee, begin)
		create(t, s, c)
		update(t, s, ended(c, endings[id]))
		begin++
	}
	// Two that began at once stand in the order of their ids.
	create(t, s, *busy(t, "c8", "alice", "carol", 50), *busy(t, "c7", "alice", "carol", 50))
	create(t, s, ringing(t, "c1", "bob", "alice", 60), ringing(t, "c3", "erin", "frank", 0))

	for _, test := range []struct {
		account call.Account
		since   time.Time
		want    []call.ID
	}{
		{"alice", time.Time{}, []call.ID{"c9", "c2", "c5", "c7", "c8", "c1"}},
		{"bob", time.Time{}, []call.ID{"c9", "c2", "c5", "c1"}},
		{"alice", after(30), []call.ID{"c9", "c2", "c7", "c8", "c1"}},
		{"alice", after(30).Add(1), []call.ID{"c9", "c7", "c8", "c1"}},
		{"alice", after(99), []call.ID{"c1"}},
		{"carol", after(99), nil},
		{"nobody", time.Time{}, nil},
	} {
		got, err := s.CallsOf(t.Context(), test.account, test.since)
		wantIDs(t, got, err, test.want...)
	}
}

func testDue(t *testing.T, s store.Store) {
	late := ringing(t, "c1", "alice", "bob", 10)
	early := ringing(t, "c2", "carol", "dave", 0)
	tie := ringing(t, "c3", "erin", "frank", 0)
	never := ringing(t, "c4", "grace", "heidi", 0)
	never.Until = time.Time{}
	over := ringing(t, "c5", "ivan", "judy", 0)
	create(t, s, late, tie, early, never, over)
	update(t, s, ended(over, 1))
	if _, ok := never.Deadline(); ok {
		t.Fatal("the call without a deadline has one")
	}
	at, _ := early.Deadline()
	lateAt, _ := late.Deadline()
	for _, test := range []struct {
		now   time.Time
		limit int
		want  []call.ID
	}{
		{at.Add(-1), 9, nil},
		{at, 9, []call.ID{"c2", "c3"}},
		{lateAt.Add(-1), 9, []call.ID{"c2", "c3"}},
		{lateAt, 9, []call.ID{"c2", "c3", "c1"}},
		{lateAt, 2, []call.ID{"c2", "c3"}},
	} {
		got, err := s.Due(t.Context(), test.now, test.limit)
		if err != nil {
			t.Fatalf("Due: %v", err)
		}
		wantSame(t, got, test.want)
	}

	// A change moves the deadline.
	moved := changed(early)
	update(t, s, moved)
	got, err := s.Due(t.Context(), at, 9)
	if err != nil {
		t.Fatalf("Due: %v", err)
	}
	wantSame(t, got, []call.ID{"c3"})
}

func testLive(t *testing.T, s store.Store) {
	over := ringing(t, "c3", "alice", "bob", 0)
	create(t, s, over)
	update(t, s, ended(over, 1))
	create(t, s,
		ringing(t, "c5", "alice", "bob", 0),
		ringing(t, "c1", "carol", "dave", 9),
		ringing(t, "c4", "erin", "frank", 5),
		ringing(t, "D2", "grace", "heidi", 5), // By bytes, upper case comes first.
	)
	for _, test := range []struct {
		after call.ID
		limit int
		want  []call.ID
	}{
		{"", 9, []call.ID{"D2", "c1", "c4", "c5"}},
		{"", 2, []call.ID{"D2", "c1"}},
		{"c1", 2, []call.ID{"c4", "c5"}},
		{"c2", 1, []call.ID{"c4"}},
		{"c5", 9, nil},
	} {
		got, err := s.Live(t.Context(), test.after, test.limit)
		wantIDs(t, got, err, test.want...)
	}
}

func testOrphaned(t *testing.T, s store.Store) {
	at := func(c call.Call, caller, callee, ringer string) call.Call {
		c.Legs[0].Device.Conn.Incarnation = caller
		if callee != "" {
			c.Legs[1].Device = call.Device{Account: c.Legs[1].Account, ID: "tab", Conn: call.Connection{Incarnation: callee, Seq: 1}}
		}
		if ringer != "" {
			c.Legs[1].Ringers = []call.Ringer{{Device: call.Device{Account: c.Legs[1].Account, ID: "tab", Conn: call.Connection{Incarnation: ringer, Seq: 1}}}}
		}
		return c
	}
	over := at(ringing(t, "c3", "alice", "bob", 0), "n1", "n2", "")
	nobody := ringing(t, "c8", "kate", "liam", 0)
	nobody.Legs[0].Device = call.Device{}
	create(t, s, over)
	update(t, s, ended(over, 1))
	create(t, s,
		at(ringing(t, "c5", "alice", "bob", 0), "n1", "n2", ""),
		at(ringing(t, "c1", "carol", "dave", 9), "n1", "", "n3"),
		at(ringing(t, "c4", "erin", "frank", 5), "n3", "n1", ""),
		at(ringing(t, "c6", "grace", "heidi", 5), "n1", "n1", ""),
		nobody,
	)
	for _, test := range []struct {
		alive []string
		after call.ID
		limit int
		want  []call.ID
	}{
		{nil, "", 9, []call.ID{"c1", "c4", "c5", "c6"}},
		{[]string{"n1", "n2", "n3"}, "", 9, nil},
		{[]string{"n1", "n2", "n4"}, "", 9, []call.ID{"c1", "c4"}},
		{[]string{"n1", "n3"}, "", 9, []call.ID{"c5"}},
		{[]string{"n2", "n3"}, "", 9, []call.ID{"c1", "c4", "c5", "c6"}},
		{[]string{"n2", "n3"}, "c1", 2, []call.ID{"c4", "c5"}},
	} {
		got, err := s.Orphaned(t.Context(), test.alive, test.after, test.limit)
		wantIDs(t, got, err, test.want...)
	}
	// The nodes of a call change with its devices.
	moved := changed(at(ringing(t, "c4", "erin", "frank", 5), "n3", "n1", ""))
	moved.Legs[0].Device.Conn.Incarnation = "n1"
	update(t, s, moved)
	got, err := s.Orphaned(t.Context(), []string{"n1"}, "", 9)
	wantIDs(t, got, err, "c1", "c5")
}

func testChanged(t *testing.T, s store.Store) {
	since := func(from time.Time, after call.ID, limit int) []store.Mark {
		t.Helper()
		marks, err := s.Changed(t.Context(), from, after, limit)
		if err != nil {
			t.Fatalf("Changed: %v", err)
		}
		return marks
	}
	// tick waits until the store's clock has moved on.
	tick := func() time.Time {
		t.Helper()
		start, err := s.Now(t.Context())
		if err != nil {
			t.Fatalf("Now: %v", err)
		}
		for now := start; !now.After(start); {
			if now, err = s.Now(t.Context()); err != nil {
				t.Fatalf("Now: %v", err)
			}
		}
		return start
	}
	begin := tick()
	first := ringing(t, "c1", "alice", "bob", 0)
	create(t, s, first)
	tick()
	create(t, s, ringing(t, "c2", "carol", "dave", 1))
	tick()
	update(t, s, changed(first))
	tick()
	create(t, s, ended(changed(ringing(t, "c3", "erin", "frank", 2)), 3))

	all := since(begin, "", 10)
	want := []store.Mark{
		{Call: "c2", Rev: 1, Caller: "carol", Callee: "dave"},
		{Call: "c1", Rev: 2, Caller: "alice", Callee: "bob"},
		{Call: "c3", Rev: 3, Caller: "erin", Callee: "frank"},
	}
	last := begin
	for i, m := range all {
		if m.At.Before(last) {
			t.Errorf("mark %d is of %v, before %v", i, m.At, last)
		}
		last = m.At
		all[i].At = time.Time{}
	}
	wantSame(t, all, want)
	// Page by page.
	page := since(begin, "", 1)
	for range 2 {
		m := page[len(page)-1]
		page = append(page, since(m.At, m.Call, 1)...)
	}
	if m := page[2]; len(since(m.At, m.Call, 1)) != 0 {
		t.Error("there is more after the last page")
	}
	for i := range page {
		page[i].At = time.Time{}
	}
	wantSame(t, page, want)
	if late := since(last.Add(time.Hour), "", 10); len(late) != 0 {
		t.Errorf("changed in the future: %v", late)
	}
}

func testRecords(t *testing.T, s store.Store) {
	for i, id := range []call.ID{"c9", "c3", "c5"} {
		c := ringing(t, id, "alice", "bob", i)
		create(t, s, c)
		update(t, s, ended(c, 10*(i+1)))
	}
	c := ringing(t, "c4", "bob", "carol", 0)
	create(t, s, c)
	update(t, s, ended(c, 30)) // At once with c5.
	create(t, s, ringing(t, "c6", "alice", "bob", 0))
	forward := func(t time.Time, limit int) store.Page { return store.Page{Forward: true, Time: t, Limit: limit} }
	for _, test := range []struct {
		account call.Account
		page    store.Page
		want    []call.ID
	}{
		{"bob", store.Newest(9), []call.ID{"c5", "c4", "c3", "c9"}},
		{"alice", store.Newest(9), []call.ID{"c5", "c3", "c9"}},
		{"bob", store.Newest(3), []call.ID{"c5", "c4", "c3"}},
		{"bob", store.Page{Time: after(30), Limit: 9}, []call.ID{"c3", "c9"}},
		{"bob", store.Page{Time: after(30).Add(1), Limit: 9}, []call.ID{"c5", "c4", "c3", "c9"}},
		{"bob", store.Page{Time: after(10), Limit: 9}, nil},
		{"bob", store.Page{Call: "c5", Limit: 1}, []call.ID{"c4"}},
		{"bob", store.Page{Call: "c4", Limit: 9}, []call.ID{"c3", "c9"}},
		{"bob", store.Page{Call: "c9", Limit: 9}, nil},
		{"bob", forward(time.Time{}, 9), []call.ID{"c9", "c3", "c4", "c5"}},
		{"bob", forward(after(30), 9), []call.ID{"c4", "c5"}},
		{"bob", forward(after(20), 2), []call.ID{"c3", "c4"}},
		{"bob", forward(after(30).Add(1), 9), nil},
		{"bob", store.Page{Forward: true, Call: "c3", Limit: 1}, []call.ID{"c4"}},
		{"bob", store.Page{Forward: true, Call: "c4", Limit: 9}, []call.ID{"c5"}},
		{"bob", store.Page{Call: "c6", Limit: 9}, nil}, // It has not ended.
		{"alice", store.Page{Call: "c4", Limit: 9}, nil},
		{"alice", store.Page{Forward: true, Call: "c4", Limit: 9}, nil}, // Not hers to know when.
		{"nobody", store.Newest(9), nil},
	} {
		got, err := s.Records(t.Context(), test.account, test.page)
		if err != nil {
			t.Fatalf("Records: %v", err)
		}
		var ids []call.ID
		for _, r := range got {
			ids = append(ids, r.Call)
		}
		wantSame(t, ids, test.want)
	}
}

func testRecordFields(t *testing.T, s store.Store) {
	c := ringing(t, "c1", "alice", "bob", 0)
	create(t, s, c)
	last := ended(c, 100)
	last.ConnectedAt = after(9).Add(time.Millisecond)
	last.Outcome.Reason, last.Outcome.Kind = call.Completed, call.KindCompleted
	update(t, s, last)
	want := call.Record{
		Call: "c1", Kind: call.KindCompleted, Type: call.Video, Caller: "alice", Callee: "bob",
		Reason: call.Completed, CreatedAt: after(0), EndedAt: after(100), Duration: 90 * time.Second,
	}
	got, err := s.Records(t.Context(), "bob", store.Newest(9))
	if err != nil {
		t.Fatalf("Records: %v", err)
	}
	wantSame(t, got, []call.Record{want})
}

func testPrune(t *testing.T, s store.Store) {
	for i := 1; i <= 3; i++ {
		c := ringing(t, call.ID(fmt.Sprint("c", i)), "alice", "bob", 0)
		create(t, s, c)
		update(t, s, ended(c, i))
	}
	create(t, s, ringing(t, "c4", "alice", "bob", 0))
	prune := func(callsBefore, recordsBefore time.Time, want int) {
		t.Helper()
		got, err := s.Prune(t.Context(), callsBefore, recordsBefore)
		if err != nil || got != want {
			t.Fatalf("Prune = %d, %v; want %d", got, err, want)
		}
	}
	prune(time.Time{}, time.Time{}, 0)
	prune(after(1), after(1), 0)
	prune(after(3), after(2), 3)
	calls, err := s.CallsOf(t.Context(), "alice", time.Time{})
	wantIDs(t, calls, err, "c3", "c4")
	wantRecords(t, s, "alice", "c3", "c2")
	prune(after(99), after(99), 3)
	calls, err = s.CallsOf(t.Context(), "alice", time.Time{})
	wantIDs(t, calls, err, "c4")
	wantClaimed(t, s, "c4", "alice", "bob")
}

func testPruneMany(t *testing.T, s store.Store) {
	const n = 1201
	changes := make([]store.Change, n)
	want := make([]store.Result, n)
	for i := range changes {
		changes[i].Call = *busy(t, call.ID(fmt.Sprint("c", i)), "alice", "bob", i)
		want[i] = done
	}
	commit(t, s, changes, want...)
	got, err := s.Prune(t.Context(), after(n-1), after(n-1))
	if err != nil || got != 2*(n-1) {
		t.Fatalf("Prune = %d, %v; want %d", got, err, 2*(n-1))
	}
	wantRecords(t, s, "alice", call.ID(fmt.Sprint("c", n-1)))
}

func testBeat(t *testing.T, s store.Store) {
	beat := func(incarnation string, ttl time.Duration, want ...string) {
		t.Helper()
		got, err := s.Beat(t.Context(), incarnation, ttl)
		if err != nil {
			t.Fatalf("Beat: %v", err)
		}
		wantSame(t, got, want)
	}
	beat("n2", time.Hour, "n2")
	beat("n1", time.Hour, "n1", "n2")
	beat("n2", time.Hour, "n1", "n2")
	beat("n2", 0, "n1")
	beat("n3", 0, "n1")
	beat("n1", 0)
	beat("n2", time.Hour, "n2")
}

func testLeaseRunsOut(t *testing.T, s store.Store) {
	const ttl = 20 * time.Millisecond
	if _, err := s.Beat(t.Context(), "n1", ttl); err != nil {
		t.Fatalf("Beat: %v", err)
	}
	start, err := s.Now(t.Context())
	if err != nil {
		t.Fatalf("Now: %v", err)
	}
	for now := start; now.Sub(start) <= ttl; {
		if now, err = s.Now(t.Context()); err != nil {
			t.Fatalf("Now: %v", err)
		}
	}
	alive, err := s.Beat(t.Context(), "n2", time.Hour)
	if err != nil {
		t.Fatalf("Beat: %v", err)
	}
	wantSame(t, alive, []string{"n2"})
	// One that was thought dead may come back.
	alive, err = s.Beat(t.Context(), "n1", time.Hour)
	if err != nil {
		t.Fatalf("Beat: %v", err)
	}
	wantSame(t, alive, []string{"n1", "n2"})
}

func testNow(t *testing.T, s store.Store) {
	first, err := s.Now(t.Context())
	if err != nil {
		t.Fatalf("Now: %v", err)
	}
	second, err := s.Now(t.Context())
	if err != nil {
		t.Fatalf("Now: %v", err)
	}
	if first.IsZero() || second.Before(first) {
		t.Errorf("Now = %v, then %v", first, second)
	}
}
