package store_test

import (
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/store"
)

// watched is a journal that looks whether commits have to wait for it.
type watched struct {
	*store.Volatile
	memory *store.Memory
	waits  []string
}

func (w *watched) look(doing string) {
	if !w.memory.Idle() {
		w.waits = append(w.waits, doing)
	}
}

func (w *watched) PruneBooks(ctx ctx, auditBefore, logOutsBefore time.Time) (int, error) {
	w.look("PruneBooks")
	return w.Volatile.PruneBooks(ctx, auditBefore, logOutsBefore)
}

// TestCommitsBesideBooks: no commit waits for what reads or deletes much of the books.
func TestCommitsBesideBooks(t *testing.T) {
	w := &watched{Volatile: store.NewVolatile()}
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
