package server

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/control"
	"github.com/peal-rtc/peal/internal/store"
)

const (
	// keysMost bounds how many keys are stored, revoked ones included.
	keysMost = 1000
	// nameBytes is how long a name of a key may be: its id may have a number more.
	nameBytes = 28
	// usedTo is how exactly the last use of a key is stored.
	usedTo = time.Minute
)

// keyring knows the API keys: those of the settings, and those that the store has. Its methods
// may be called by any goroutine.
type keyring struct {
	fixed auth.APIKeys
	store store.Store
	now   func() time.Time

	// stored are the keys of the store that are good. A map in it never changes.
	stored atomic.Pointer[map[string]storedKey]
	// changing is held while a key is made or revoked.
	changing sync.Mutex

	mu   sync.Mutex           // Guards what follows.
	used map[string]time.Time // Since the last that was stored.
	last map[string]time.Time // That was stored.
}

type storedKey struct {
	hash   []byte
	scopes []auth.Scope
}

func openKeyring(ctx context.Context, fixed auth.APIKeys, s store.Store, now func() time.Time) (*keyring, error) {
	k := &keyring{fixed: fixed, store: s, now: now, used: make(map[string]time.Time), last: make(map[string]time.Time)}
	keys, err := k.load(ctx)
	for i := range keys {
		k.last[keys[i].ID] = keys[i].Used
	}
	return k, err
}

// load takes the keys as the store has them.
func (k *keyring) load(ctx context.Context) ([]store.Key, error) {
	keys, err := k.store.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("read API keys: %w", err)
	}
	good := make(map[string]storedKey)
	for _, key := range keys {
		if key.Revoked.IsZero() {
			good[key.ID] = storedOf(&key)
		}
	}
	k.take(good)
	return keys, nil
}

// reload takes what other nodes changed.
func (k *keyring) reload(ctx context.Context) error {
	k.changing.Lock()
	defer k.changing.Unlock()
	_, err := k.load(ctx)
	return err
}

func storedOf(key *store.Key) storedKey {
	scopes := make([]auth.Scope, len(key.Scopes))
	for i, name := range key.Scopes {
		scopes[i] = auth.Scope(name)
	}
	return storedKey{key.Hash, scopes}
}

// take goes by these keys from now on. It does not read: once the store has a change, nothing may
// keep the server from going by it.
func (k *keyring) take(good map[string]storedKey) {
	k.stored.Store(&good)
	recordEvents(k.store, k.any())
}

// any says whether there is a key that is good: without one there is no server API.
func (k *keyring) any() bool { return len(k.fixed) > 0 || len(*k.stored.Load()) > 0 }

// serve serves the server API where there is a key for it, and otherwise as if there were none.
func (k *keyring) serve(api, otherwise http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if k.any() {
			api.ServeHTTP(w, r)
		} else {
			otherwise.ServeHTTP(w, r)
		}
	})
}

// Check implements api.Keyring. It compares hashes in constant time.
func (k *keyring) Check(bearer string) (auth.APIKey, bool) {
	if key, ok := k.fixed.Check(bearer); ok {
		return key, true
	}
	id, secret, shaped := auth.CutAPIKey(bearer)
	key, known := (*k.stored.Load())[id]
	if subtle.ConstantTimeCompare(auth.HashAPISecret(secret), key.hash) != 1 || !known || !shaped {
		return auth.APIKey{}, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if at := k.now().Truncate(usedTo); at.After(k.last[id]) {
		k.used[id], k.last[id] = at, at
	}
	return auth.APIKey{ID: id, Scopes: key.scopes}, true
}

// file stores when keys were used last.
func (k *keyring) file(ctx context.Context) error {
	k.mu.Lock()
	used := k.used
	k.used = make(map[string]time.Time)
	k.mu.Unlock()
	if len(used) == 0 {
		return nil
	}
	if err := k.store.UseKeys(ctx, used); err != nil {
		return fmt.Errorf("store the last use of API keys: %w", err)
	}
	return nil
}

// Make implements control.Keys.
func (k *keyring) Make(ctx context.Context, name string, scopes []string) (control.Key, error) {
	if len(name) > nameBytes || !auth.ValidAPIKeyID(name) {
		return control.Key{}, fmt.Errorf("the name %.40q is not valid: give 1 to %d of a-z, 0-9 and -", name, nameBytes)
	}
	opens, err := auth.ParseScopes(scopes)
	if err != nil {
		return control.Key{}, err
	}
	k.changing.Lock()
	defer k.changing.Unlock()
	keys, err := k.load(ctx)
	if err != nil {
		return control.Key{}, err
	}
	if len(keys) >= keysMost {
		return control.Key{}, fmt.Errorf("the server has %d keys, which is the most: revoked ones go after --keep-records", len(keys))
	}
	key := store.Key{ID: k.free(name, keys), Created: k.now()}
	for _, scope := range opens {
		key.Scopes = append(key.Scopes, string(scope))
	}
	text, hash := auth.NewAPIKey(key.ID)
	key.Hash = hash
	if err := k.store.AddKey(ctx, key, k.audit("key.new", key.ID)); err != nil {
		return control.Key{}, fmt.Errorf("store the key: %w", err)
	}
	good := maps.Clone(*k.stored.Load())
	good[key.ID] = storedOf(&key)
	k.take(good)
	made := listed(&key)
	made.Secret = text
	return made, nil
}

// free is the first id for a name that no key has.
func (k *keyring) free(name string, keys []store.Key) string {
	id := name
	for n := 2; ; n++ {
		_, fixed := k.fixed[id]
		if !fixed && !slices.ContainsFunc(keys, func(key store.Key) bool { return key.ID == id }) {
			return id
		}
		id = fmt.Sprintf("%s-%d", name, n)
	}
}

func (k *keyring) audit(action, id string) store.Audit {
	return store.Audit{At: k.now(), Key: store.CommandKey, Action: action, Target: id, Status: 200}
}

// List implements control.Keys.
func (k *keyring) List(ctx context.Context) ([]control.Key, error) {
	if err := k.file(ctx); err != nil {
		return nil, err
	}
	keys, err := k.store.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("read API keys: %w", err)
	}
	var list []control.Key
	for _, id := range slices.Sorted(maps.Keys(k.fixed)) {
		key := control.Key{ID: id, Fixed: true}
		for _, scope := range auth.AllScopes() {
			key.Scopes = append(key.Scopes, string(scope))
		}
		list = append(list, key)
	}
	for i := range keys {
		list = append(list, listed(&keys[i]))
	}
	return list, nil
}

func listed(key *store.Key) control.Key {
	return control.Key{ID: key.ID, Scopes: key.Scopes, Created: key.Created, Used: key.Used, Revoked: key.Revoked}
}

// Revoke implements control.Keys.
func (k *keyring) Revoke(ctx context.Context, id string) error {
	k.changing.Lock()
	defer k.changing.Unlock()
	err := k.store.RevokeKey(ctx, id, k.audit("key.revoke", id))
	_, fixed := k.fixed[id]
	switch {
	case errors.Is(err, store.ErrNoKey) && fixed:
		return fmt.Errorf("the key %s is one of the setting api-keys (PEAL_API_KEYS): take it out there and restart the server", id)
	case errors.Is(err, store.ErrNoKey):
		return fmt.Errorf("there is no key %.40q: peal key list shows those that there are", id)
	case err != nil:
		return fmt.Errorf("revoke the key: %w", err)
	}
	good := maps.Clone(*k.stored.Load())
	delete(good, id)
	k.take(good)
	return nil
}
