package server

import (
	"context"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/store"
)

// leavingStore ends a request's context once a change of its keys is stored.
type leavingStore struct {
	store.Store
	hangUp context.CancelFunc
}

func (s *leavingStore) AddKey(ctx context.Context, key store.Key, audit store.Audit) error {
	defer s.hangUp()
	return s.Store.AddKey(ctx, key, audit)
}

func (s *leavingStore) RevokeKey(ctx context.Context, id string, audit store.Audit) error {
	defer s.hangUp()
	return s.Store.RevokeKey(ctx, id, audit)
}

func (s *leavingStore) Keys(ctx context.Context) ([]store.Key, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.Store.Keys(ctx)
}

// TestKeysHangUp: a key that is stored opens the server, and one that is revoked does not, also
// where the command hung up meanwhile.
func TestKeysHangUp(t *testing.T) {
	s := &leavingStore{Store: store.NewMemory(time.Now)}
	k, err := openKeyring(t.Context(), nil, s, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	making, hangUp := context.WithCancel(t.Context())
	s.hangUp = hangUp
	made, err := k.Make(making, "app", []string{"read"})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := k.Check(made.Secret); !ok {
		t.Error("a key that was made opens nothing")
	}
	revoking, hangUp := context.WithCancel(t.Context())
	s.hangUp = hangUp
	if err := k.Revoke(revoking, "app"); err != nil {
		t.Error(err)
	}
	if _, ok := k.Check(made.Secret); ok || k.any() {
		t.Error("a key that was revoked opens the server")
	}
}
