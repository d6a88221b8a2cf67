package server

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// sampler lets one line a second through of each kind of warning and error, and of those
// that others can cause at will. Lines are of one kind when they have the same message, or
// complain of the same fault. The latest of those left out follows a second later, with
// how many there were.
type sampler struct {
	inner  slog.Handler
	shared *sampling
}

// sampling is what handlers that were made of one another share.
type sampling struct {
	mu     sync.Mutex // Guards what follows.
	kinds  map[string]*lines
	closed bool
}

// lines are those of one kind.
type lines struct {
	// until is when the next one may be written.
	until time.Time
	// left counts those left out since the last one; latest is the last of them, for a handler.
	left   int
	latest slog.Record
	inner  slog.Handler
}

func newSampler(inner slog.Handler) *sampler {
	return &sampler{inner, &sampling{kinds: make(map[string]*lines)}}
}

// Enabled implements slog.Handler.
func (s *sampler) Enabled(ctx context.Context, level slog.Level) bool {
	return s.inner.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (s *sampler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &sampler{s.inner.WithAttrs(attrs), s.shared}
}

// WithGroup implements slog.Handler.
func (s *sampler) WithGroup(name string) slog.Handler {
	return &sampler{s.inner.WithGroup(name), s.shared}
}

// Handle implements slog.Handler.
func (s *sampler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		r = named(r)
	} else if r.Message != loginRefused {
		return s.inner.Handle(ctx, r)
	}
	if s.shared.leaves(r, s.inner) {
		return nil
	}
	return s.inner.Handle(ctx, r)
}

// leaves says whether to leave a line out, which it keeps then.
func (s *sampling) leaves(r slog.Record, inner slog.Handler) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	k := s.kinds[r.Message]
	if k == nil {
		k = &lines{}
		s.kinds[r.Message] = k
	}
	now := time.Now()
	if k.left == 0 && !now.Before(k.until) {
		k.until = now.Add(lineEvery)
		return false
	}
	k.left++
	k.latest, k.inner = r.Clone(), inner
	if k.left == 1 {
		time.AfterFunc(k.until.Sub(now), func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			k.write()
		})
	}
	return true
}

// write writes the latest line that was left out. The caller holds the lock.
func (k *lines) write() {
	if k.left == 0 {
		return
	}
	if k.left > 1 {
		k.latest.AddAttrs(slog.Int("left_out", k.left-1))
	}
	_ = k.inner.Handle(context.Background(), k.latest) // There is no other log to complain to.
	k.left, k.latest, k.until = 0, slog.Record{}, time.Now().Add(lineEvery)
}

// close writes what was left out. From then on nothing is.
func (s *sampler) close() {
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	s.shared.closed = true
	for _, k := range s.shared.kinds {
		k.write()
	}
}
