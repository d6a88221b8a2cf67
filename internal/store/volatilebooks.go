package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// volatileSalt is the same in each run: a volatile store is deterministic.
const volatileSalt = "volatile"

// volatileBooks are the books of a volatile journal.
type volatileBooks struct {
	booksMu sync.Mutex // Guards what follows.
	keys    map[string]Key
	trail   []Audit // The oldest first.
	seq     int64
	logOuts map[call.Account]time.Time
}

// Keys implements Books.
func (v *volatileBooks) Keys(context.Context) ([]Key, error) {
	v.booksMu.Lock()
	defer v.booksMu.Unlock()
	var keys []Key
	for _, id := range slices.Sorted(maps.Keys(v.keys)) {
		keys = append(keys, v.keys[id])
	}
	return keys, nil
}

// AddKey implements Books.
func (v *volatileBooks) AddKey(_ context.Context, key Key, audit Audit) error {
	v.booksMu.Lock()
	defer v.booksMu.Unlock()
	if _, exists := v.keys[key.ID]; exists {
		return fmt.Errorf("%w: %w", ErrNotDone, ErrKeyExists)
	}
	if v.keys == nil {
		v.keys = make(map[string]Key)
	}
	key.Hash, key.Scopes = slices.Clone(key.Hash), slices.Clone(key.Scopes)
	v.keys[key.ID] = key
	v.file(audit)
	return nil
}

// RevokeKey implements Books.
func (v *volatileBooks) RevokeKey(_ context.Context, id string, audit Audit) error {
	v.booksMu.Lock()
	defer v.booksMu.Unlock()
	key, exists := v.keys[id]
	switch {
	case !exists:
		return fmt.Errorf("%w: %w", ErrNotDone, ErrNoKey)
	case key.Revoked.IsZero():
		key.Revoked = audit.At
		v.keys[id] = key
		v.file(audit)
	}
	return nil
}

// UseKeys implements Books.
func (v *volatileBooks) UseKeys(_ context.Context, used map[string]time.Time) error {
	v.booksMu.Lock()
	defer v.booksMu.Unlock()
	for id, at := range used {
		if key, exists := v.keys[id]; exists {
			key.Used = at
			v.keys[id] = key
		}
	}
	return nil
}

// File implements Books.
func (v *volatileBooks) File(_ context.Context, audit Audit) error {
	v.booksMu.Lock()
	defer v.booksMu.Unlock()
	v.file(audit)
	return nil
}

func (v *volatileBooks) fileAll(audits []Audit) {
	v.booksMu.Lock()
	defer v.booksMu.Unlock()
	for _, one := range audits {
		v.file(one)
	}
}

func (v *volatileBooks) file(audit Audit) {
	v.seq++
	audit.Seq = v.seq
	v.trail = append(v.trail, audit)
}

// Trail implements Books.
func (v *volatileBooks) Trail(_ context.Context, before int64, limit int) ([]Audit, error) {
	v.booksMu.Lock()
	defer v.booksMu.Unlock()
	var list []Audit
	for _, a := range slices.Backward(v.trail) {
		if len(list) < limit && (before == 0 || a.Seq < before) {
			list = append(list, a)
		}
	}
	return list, nil
}

// LogOut implements Books.
func (v *volatileBooks) LogOut(_ context.Context, alias call.Account, notBefore time.Time, audit Audit) error {
	v.booksMu.Lock()
	defer v.booksMu.Unlock()
	if v.logOuts == nil {
		v.logOuts = make(map[call.Account]time.Time)
	}
	v.logOuts[alias] = notBefore
	v.file(audit)
	return nil
}

// LogOuts implements Books.
func (v *volatileBooks) LogOuts(context.Context) (map[call.Account]time.Time, error) {
	v.booksMu.Lock()
	defer v.booksMu.Unlock()
	return maps.Clone(v.logOuts), nil
}

// PruneBooks implements Books.
func (v *volatileBooks) PruneBooks(_ context.Context, auditBefore, logOutsBefore time.Time) (int, error) {
	v.booksMu.Lock()
	defer v.booksMu.Unlock()
	before := len(v.trail) + len(v.keys) + len(v.logOuts)
	v.trail = slices.DeleteFunc(v.trail, func(a Audit) bool { return a.At.Before(auditBefore) })
	maps.DeleteFunc(v.keys, func(_ string, k Key) bool { return !k.Revoked.IsZero() && k.Revoked.Before(auditBefore) })
	maps.DeleteFunc(v.logOuts, func(_ call.Account, at time.Time) bool { return at.Before(logOutsBefore) })
	return before - len(v.trail) - len(v.keys) - len(v.logOuts), nil
}

// erase replaces an account in the audit, and files the entry of that.
func (v *volatileBooks) erase(e *Erasure) {
	v.booksMu.Lock()
	defer v.booksMu.Unlock()
	for i := range v.trail {
		a := &v.trail[i]
		if !strings.HasPrefix(a.Action, AccountActions) {
			continue
		}
		if a.Target == string(e.Account) {
			a.Target = string(e.Alias)
		}
		if a.Other == string(e.Account) {
			a.Other = string(e.Alias)
		}
	}
	v.file(e.Audit)
}

// Salt implements Journal.
func (v *Volatile) Salt(context.Context) ([]byte, error) { return []byte(volatileSalt), nil }

// EndedWith implements Journal.
func (v *Volatile) EndedWith(_ context.Context, account call.Account, after Ended, limit int) (ids []call.ID, next Ended, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	order := func(a, b Ended) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) }
	var places []Ended
	for id, e := range v.ended {
		if place := (Ended{e.Call.Outcome.EndedAt, id}); order(place, after) > 0 {
			places = append(places, place)
		}
	}
	slices.SortFunc(places, order)
	next = after
	for _, place := range places[:min(limit, len(places))] {
		if next = place; v.ended[place.ID].Call.Names(account) {
			ids = append(ids, place.ID)
		}
	}
	return ids, next, nil
}

// EventsWith implements Journal.
func (v *Volatile) EventsWith(_ context.Context, account call.Account, after int64, limit int) (seqs []int64, next int64, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	events := v.out.after(after)
	next = after
	for _, e := range events[:min(limit, len(events))] {
		if next = e.Seq; e.Call.Names(account) {
			seqs = append(seqs, e.Seq)
		}
	}
	return seqs, next, nil
}

// Searched implements Journal.
func (v *Volatile) Searched(_ context.Context, alias call.Account) (Searched, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.searched[alias], nil
}

// Erase implements Journal, all records in one portion.
func (v *Volatile) Erase(e Erasure) (more bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, id := range e.Ended {
		if entry, exists := v.ended[id]; exists {
			c := entry.Call.Clone()
			c.Erase(e.Account, e.Alias)
			entry.Call = &c
			v.ended[id] = entry
		}
	}
	for i, event := range v.out.events {
		if slices.Contains(e.Events, event.Seq) {
			c := event.Call.Clone()
			c.Erase(e.Account, e.Alias)
			v.out.events[i].Call = &c
		}
	}
	for id, r := range v.records {
		if r.Erase(e.Account, e.Alias) {
			v.records[id] = r
		}
	}
	if e.Searched != (Searched{}) {
		v.searched[e.Alias] = e.Searched
	}
	if e.Last {
		delete(v.searched, e.Alias)
		v.blocks.erase(e.Account)
		v.erase(&e)
	}
	return false, nil
}
