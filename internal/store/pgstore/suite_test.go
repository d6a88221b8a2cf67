package pgstore_test

import (
	"testing"

	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t) })
}
