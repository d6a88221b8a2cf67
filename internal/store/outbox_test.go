package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/storetest"
)

func TestOutbox(t *testing.T) {
	storetest.RunOutbox(t, func(t *testing.T, now func() time.Time) func() storetest.Sender {
		journal := store.NewVolatile()
		return func() storetest.Sender {
			m, err := store.Open(context.Background(), journal, now)
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
	})
}
