package pgstore_test

import (
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/store/pgstore"
	"github.com/peal-rtc/peal/internal/store/storetest"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

func TestOutbox(t *testing.T) {
	storetest.RunOutbox(t, func(t *testing.T, now func() time.Time) func() storetest.Sender {
		config := pgstore.Config{URL: postgres.Shared(t).NewDatabase(t)}
		var former *pgstore.Store
		closeFormer := func() {
			if former != nil {
				if err := former.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}
		}
		t.Cleanup(closeFormer)
		return func() storetest.Sender {
			closeFormer()
			former = pgstore.OpenClocked(t, config, now)
			return former
		}
	})
}
