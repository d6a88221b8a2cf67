package pgstore_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/peal-rtc/peal/internal/store/pgstore"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

// TestOpenedAtOnce: several nodes start on an empty database.
func TestOpenedAtOnce(t *testing.T) {
	url := postgres.Shared(t).NewDatabase(t)
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			s, err := pgstore.Open(t.Context(), pgstore.Config{URL: url})
			if err != nil {
				t.Errorf("Open: %v", err)
				return
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	all.Wait()
}

func TestRefusedSettings(t *testing.T) {
	url := postgres.Shared(t).NewDatabase(t)
	for _, test := range []struct{ setting, reason string }{
		{"default_query_exec_mode=simple_protocol", "must not be simple_protocol"},
		{"default_query_exec_mode=exec", "must not be simple_protocol or exec"},
		{"default_transaction_isolation=serializable", `"serializable" and must be "read committed"`},
		{"synchronous_commit=off", "synchronous_commit is off"},
	} {
		_, err := pgstore.Open(t.Context(), pgstore.Config{URL: url + "&" + test.setting})
		if err == nil || !strings.Contains(err.Error(), test.reason) {
			t.Errorf("%s: %v", test.setting, err)
		}
	}
}
