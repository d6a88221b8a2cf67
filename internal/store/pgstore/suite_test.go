package pgstore_test

import (
	"context"
	"testing"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/store/pgstore"
	"github.com/peal-rtc/peal/internal/store/storetest"
)

// partial is the store without what is to come.
type partial struct {
	*pgstore.Store
	store.Books
}

func (partial) Alias(a call.Account) call.Account                            { return a }
func (partial) Erase(_ context.Context, _ call.Account, _ store.Audit) error { return nil }

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return partial{Store: open(t)} })
}
