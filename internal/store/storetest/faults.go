package storetest

import (
	"errors"
	"testing"

	"github.com/peal-rtc/peal/internal/store"
)

// spoilt wraps a store so that its next commits have these faults, in turn.
func spoilt(s store.Store, pause func(), faults ...store.Fault) store.Store {
	return store.NewFaulty(s, func([]store.Change) store.Fault {
		if len(faults) == 0 {
			return store.NoFault
		}
		fault := faults[0]
		faults = faults[1:]
		return fault
	}, pause)
}

func testSkipped(t *testing.T, s store.Store) {
	f := spoilt(s, nil, store.Skip)
	c := ringing(t, "c1", "alice", "bob", 0)
	other := ringing(t, "c2", "carol", "dave", 0)
	results, err := f.Commit(t.Context(), []store.Change{{Call: c}, {Call: other}})
	wantUnknown(t, results, err, store.ErrInjected, 2)
	if _, err := f.Call(t.Context(), "c1"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Call = %v, want ErrNotFound", err)
	}
	// It shows that nothing was done, so it is done again.
	create(t, f, c, other)
	wantCall(t, s, c)
}

func testHidden(t *testing.T, s store.Store) {
	f := spoilt(s, nil, store.Hide, store.NoFault, store.Hide)
	c := ringing(t, "c1", "alice", "bob", 0)
	results, err := f.Commit(t.Context(), []store.Change{{Call: c}})
	wantUnknown(t, results, err, store.ErrInjected, 1)
	// Reading it back shows that it was done; to repeat it is a conflict.
	wantCall(t, f, c)
	commit(t, f, []store.Change{{Call: c}}, conflict)

	last := ended(c, 5)
	results, err = f.Commit(t.Context(), []store.Change{{Call: last, From: 1}})
	wantUnknown(t, results, err, store.ErrInjected, 1)
	wantCall(t, f, last)
	commit(t, f, []store.Change{{Call: last, From: 1}}, conflict)
	wantRecords(t, f, "alice", "c1")
	wantFree(t, f, "alice", "bob")
}

func testDelayed(t *testing.T, s store.Store) {
	c := ringing(t, "c1", "alice", "bob", 0)
	pauses := 0
	f := spoilt(s, func() {
		pauses++
		wantCall(t, s, c) // Done, though nobody has heard of it.
	}, store.Delay)
	create(t, f, c)
	if pauses != 1 {
		t.Errorf("%d pauses, want 1", pauses)
	}
}
