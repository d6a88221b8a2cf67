package sqlstore_test

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/sqlstore"
)

// Descriptions are written when they change and lie beside the call, which has
// them whenever it is read; they go with its end, and what was undone is not
// taken for written.
func TestDescriptions(t *testing.T) {
	config := sqlstore.Config{Path: filepath.Join(t.TempDir(), "peal.db")}
	s, err := sqlstore.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	// Another process may look.
	look, err := sql.Open("sqlite", config.Path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { look.Close() })
	rows := func() (n int) {
		t.Helper()
		if err := look.QueryRowContext(t.Context(), `SELECT count(*) FROM descriptions`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	long := func() (n int) {
		t.Helper()
		if err := look.QueryRowContext(t.Context(), `SELECT max(length(body)) FROM calls`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	same := func(s *sqlstore.Store, want call.Call) {
		t.Helper()
		got, err := s.Call(t.Context(), want.ID)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("read back: %v\n%s", err, diff)
		}
	}
	step := func(c call.Call, in call.Input) call.Call {
		t.Helper()
		next, _, err := call.Step(c, in, time.Unix(1_800_000_001, 0))
		if err != nil || next.Rev != c.Rev+1 {
			t.Fatalf("step %T: %v", in, err)
		}
		commit(t, s, store.Change{Call: next, From: c.Rev})
		same(s, next)
		return next
	}
	c := ringing(t, 1)
	commit(t, s, store.Change{Call: c})
	same(s, c)
	bob := call.Device{Account: "bob1", ID: "b"}
	c = step(c, call.Ring{Device: bob})
	c = step(c, call.Accept{Device: bob, Generation: 1, Answer: "v=0 answer"})
	if rows() != 1 || long() > 1500 {
		t.Errorf("%d rows of descriptions, and a call of %d bytes", rows(), long())
	}
	// What is behind this process's back in the row of another generation counts
	// for nothing.
	c = step(c, call.Restart{Device: bob, From: 1})
	if _, err := look.ExecContext(t.Context(), `INSERT INTO descriptions VALUES ('c1', 1, 'old', 'old') ON CONFLICT (call_id) DO UPDATE SET offer = 'old', generation = 1`); err != nil {
		t.Fatal(err)
	}
	same(s, c)
	c = step(c, call.Offer{Device: c.Caller().Device, Generation: 2, SDP: "v=0 second"})

	// A change that came too late is undone, with all that it wrote.
	late := c
	late.Rev, late.Media.Offer = c.Rev+1, "v=0 never"
	results, err := s.Commit(t.Context(), []store.Change{{Call: late, From: c.Rev - 1}})
	if err != nil || results[0].Verdict != store.Conflict {
		t.Fatalf("a late change: %v, %v", results, err)
	}
	same(s, c)
	c = step(c, call.Answer{Device: bob, Generation: 2, SDP: "v=0 never"})

	// Another start knows nothing of what was written.
	closeStore(t, s)
	s, err = sqlstore.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	same(s, c)
	c = step(c, call.Report{Device: bob, Generation: 2, Up: true})
	c = step(c, call.Hangup{Device: bob})
	if c.Media.Offer != "" || rows() != 0 {
		t.Errorf("after the end there are %d rows of descriptions", rows())
	}
}
