package pgstore_test

import (
	"os"
	"testing"

	"github.com/peal-rtc/peal/internal/store/pgstore"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

func TestMain(m *testing.M) { os.Exit(postgres.Main(m)) }

// open opens a store in a database of its own.
func open(t testing.TB) *pgstore.Store {
	t.Helper()
	return openAt(t, postgres.Shared(t).NewDatabase(t))
}

func openAt(t testing.TB, url string) *pgstore.Store {
	t.Helper()
	s, err := pgstore.Open(t.Context(), pgstore.Config{URL: url})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}
