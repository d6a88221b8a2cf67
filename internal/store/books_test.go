package store_test

import (
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/store"
)

// commitsBeside is a journal that looks whether commits have to wait for it.
type commitsBeside struct {
	*store.Volatile
	memory *store.Memory
	waits  []string
	// erased is how many calls and events were given to Erase, and held how many of them while
	// commits waited.
	erased, held int
}

func (w *commitsBeside) Erase(e store.Erasure) (bool, error) {
	n := len(e.Ended) + len(e.Events)
	if w.erased += n; !w.memory.Idle() {
		w.held += n
	}
	return w.Volatile.Erase(e)
}

func (w *commitsBeside) look(doing string) {
	if !w.memory.Idle() {
		w.waits = append(w.waits, doing)
	}
}

func (w *commitsBeside) PruneBooks(ctx ctx, auditBefore, logOutsBefore time.Time) (int, error) {
	w.look("PruneBooks")
	return w.Volatile.PruneBooks(ctx, auditBefore, logOutsBefore)
}

// TestCommitsBesideBooks: no commit waits for what reads or deletes much of the books.
func TestCommitsBesideBooks(t *testing.T) {
	w := &commitsBeside{Volatile: store.NewVolatile()}
	var err error
	if w.memory, err = store.Open(t.Context(), w, time.Now); err != nil {
		t.Fatal(err)
	}
	if _, err := w.memory.PruneBooks(t.Context(), time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if len(w.waits) > 0 {
		t.Errorf("commits wait for %v", w.waits)
	}
}

// TestCommitsBesideErase: an erasure gives each call to the journal once, and no commit waits for
// those that were there when it began.
func TestCommitsBesideErase(t *testing.T) {
	w := &commitsBeside{Volatile: store.NewVolatile()}
	var err error
	if w.memory, err = store.Open(t.Context(), w, time.Now); err != nil {
		t.Fatal(err)
	}
	const calls = 1203
	w.memory.RecordEvents(true)
	talks(t, w.memory, 0, calls)
	if err := w.memory.Erase(t.Context(), "bob", store.Audit{}); err != nil {
		t.Fatal(err)
	}
	if w.erased != 3*calls || w.held > 0 { // Each has two events.
		t.Errorf("of %d calls %d calls and events were erased, %d of them while commits waited", calls, w.erased, w.held)
	}
}
