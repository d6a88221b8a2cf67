package sqlstore_test

import (
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/sqlstore"
	"github.com/peal-rtc/peal/internal/store/storetest"
)

func TestOutbox(t *testing.T) {
	storetest.RunOutbox(t, func(t *testing.T, now func() time.Time) func() storetest.Sender {
		config := sqlstore.Config{Path: path(t), Synchronous: "off"}
		start := now()
		config.Clocks = func() (time.Time, time.Duration) { return now(), now().Sub(start) }
		var former *store.Memory
		t.Cleanup(func() { closeStore(t, former) })
		return func() storetest.Sender {
			if former != nil {
				closeStore(t, former)
			}
			var err error
			if former, err = sqlstore.Open(t.Context(), config); err != nil {
				t.Fatal(err)
			}
			return former
		}
	})
}
