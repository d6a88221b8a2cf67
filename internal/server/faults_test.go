package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

// plain writes a log without times.
func plain(out *bytes.Buffer) slog.Handler {
	return slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
}

// TestSampler: one line a second of each kind, and how many were left out.
func TestSampler(t *testing.T) {
	files := fmt.Errorf("accept: %w", &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)})
	full := fmt.Errorf("commit: %w", store.ErrFull)
	for name, test := range map[string]struct {
		play func(*slog.Logger)
		want []string
	}{
		"one": {
			func(l *slog.Logger) { l.Warn("a", "n", 1) },
			[]string{"level=WARN msg=a n=1"},
		},
		"many, then none": {
			func(l *slog.Logger) {
				for n := range 5 {
					l.Warn("a", "n", n)
				}
				time.Sleep(time.Minute)
				l.Warn("a", "n", 9)
			},
			[]string{"level=WARN msg=a n=0", "level=WARN msg=a n=4 left_out=3", "level=WARN msg=a n=9"},
		},
		"without end": {
			func(l *slog.Logger) {
				time.Sleep(5 * time.Millisecond)
				l.Error("a", "n", 0)
				time.Sleep(5 * time.Millisecond)
				for n := range 250 {
					l.Error("a", "n", n)
					time.Sleep(10 * time.Millisecond)
				}
			},
			[]string{"level=ERROR msg=a n=0", "level=ERROR msg=a n=99 left_out=99", "level=ERROR msg=a n=199 left_out=99", "level=ERROR msg=a n=249 left_out=49"},
		},
		"two kinds, through handlers made of one": {
			func(l *slog.Logger) {
				for range 2 {
					l.Warn("a")
					l.With("k", "v").Warn("b")
				}
			},
			[]string{"level=WARN msg=a", "level=WARN msg=b k=v", "level=WARN msg=a", "level=WARN msg=b k=v"},
		},
		"what is no warning": {
			func(l *slog.Logger) { l.Info("a"); l.Info("a"); l.Debug("a") },
			[]string{"level=INFO msg=a", "level=INFO msg=a", "level=DEBUG msg=a"},
		},
		"a fault has one kind, whatever fails by it": {
			func(l *slog.Logger) {
				l.Warn("cannot accept", "error", files)
				l.Warn("cannot bind", "error", files)
				l.Error("cannot commit", "error", storeError{full})
				l.Warn("cannot read", "error", storeError{full})
				l.Warn("cannot read", "error", storeError{errors.New("gone")})
			},
			[]string{
				`level=ERROR msg="too many open files" during="cannot accept" error="accept: accept: accept4: too many open files" advice="raise the limit of open files (LimitNOFILE= of systemd, ulimit -n)"`,
				`level=ERROR msg="disk full" during="cannot commit" error="commit: disk full" advice="make room on the disk of the data folder, or of the database; calls go on as soon as there is some"`,
				`level=ERROR msg="store failed" during="cannot read" error=gone advice="see the error; calls go on as soon as the store answers"`,
				`level=ERROR msg="too many open files" during="cannot bind" error="accept: accept: accept4: too many open files" advice="raise the limit of open files (LimitNOFILE= of systemd, ulimit -n)"`,
				`level=ERROR msg="disk full" during="cannot read" error="commit: disk full" advice="make room on the disk of the data folder, or of the database; calls go on as soon as there is some"`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				s := newSampler(plain(&out))
				test.play(slog.New(s))
				time.Sleep(2 * time.Second)
				s.close()
				// Lines of different kinds that follow at the same time have no order.
				got := strings.Split(strings.TrimSpace(out.String()), "\n")
				slices.Sort(got)
				slices.Sort(test.want)
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("the log (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// What was left out is written when the server stops, and nothing is left out after that.
func TestSamplerCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := newSampler(plain(&out))
		for range 3 {
			slog.New(s).Warn("a")
		}
		s.close()
		slog.New(s).Warn("a")
		time.Sleep(time.Minute)
		if want := "level=WARN msg=a\nlevel=WARN msg=a left_out=1\nlevel=WARN msg=a\n"; out.String() != want {
			t.Errorf("the log is\n%s", &out)
		}
	})
}

// awayStore is a store that can be away: nothing is read or written then.
type awayStore struct {
	store.Store
	away atomic.Pointer[error]
}

func (s *awayStore) err() error {
	if err := s.away.Load(); err != nil {
		return *err
	}
	return nil
}

func (s *awayStore) Commit(ctx context.Context, changes []store.Change) ([]store.Result, error) {
	if err := s.err(); err != nil {
		return store.Unknown(len(changes), err), err
	}
	return s.Store.Commit(ctx, changes)
}

func (s *awayStore) Beat(ctx context.Context, incarnation string, ttl time.Duration) ([]string, error) {
	if err := s.err(); err != nil {
		return nil, err
	}
	return s.Store.Beat(ctx, incarnation, ttl)
}

// TestStoreAway: while calls cannot be stored the server lives and is not ready, it says
// so by one line a second, and all is well once the store is back.
func TestStoreAway(t *testing.T) {
	kept := &awayStore{Store: store.NewMemory(time.Now)}
	b := start(t, func(c *Config) { c.Store = kept })
	alice := b.login("alice", "a")
	wantReady := func(status int, reason string) {
		t.Helper()
		for deadline := time.Now().Add(2 * patience); ; time.Sleep(20 * time.Millisecond) {
			w, text := b.get(http.MethodGet, "/readyz", nil)
			if w.StatusCode == status && strings.Contains(text, reason) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("/readyz answers %d, %s", w.StatusCode, text)
			}
		}
	}
	wantReady(http.StatusOK, "ok")
	full := fmt.Errorf("write: %w", store.ErrFull)
	kept.away.Store(&full)
	begun, before := time.Now(), len(b.log.String())
	wantError(t, alice.invite(numbered(1), "bob").GetError(), protocol.Unavailable, "")
	wantReady(http.StatusServiceUnavailable, `"store"`)
	if w, _ := b.get(http.MethodGet, "/healthz", nil); w.StatusCode != http.StatusOK {
		t.Errorf("/healthz answers %d", w.StatusCode)
	}
	said, most := b.log.String()[before:], int(time.Since(begun)/time.Second)+2
	if n := strings.Count(said, "\n"); n < 2 || n > most || strings.Count(said, `msg="disk full"`) != n || !strings.Contains(said, "left_out=") {
		t.Errorf("the log says, in %d lines where there may be %d:\n%s", n, most, said)
	}
	kept.away.Store(nil)
	wantReady(http.StatusOK, "ok")
	// None of what was refused rings, or holds anybody.
	time.Sleep(1200 * time.Millisecond)
	if calls, err := kept.Live(t.Context(), "", 100); err != nil || len(calls) != 0 {
		t.Errorf("%d calls live, %v", len(calls), err)
	}
}

// brokenJournal is a journal whose flushes can fail.
type brokenJournal struct {
	*store.Volatile
	broken atomic.Bool
}

var errFlush = errors.New("fsync: input/output error")

func (j *brokenJournal) Append(batch []store.Entry) error {
	if j.broken.Load() {
		return errFlush
	}
	return j.Volatile.Append(batch)
}

// TestFlushFails: once a flush has failed the server tells nobody anything but that it
// is not available, and ends with the reason. The next start goes on with what was stored.
func TestFlushFails(t *testing.T) {
	journal := &brokenJournal{Volatile: store.NewVolatile()}
	kept, err := store.Open(t.Context(), journal, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	b := start(t, func(c *Config) { c.Store = kept })
	alice, bob := b.login("alice", "a"), b.login("bob", "b")
	first := alice.invite(numbered(1), "bob").GetCall().GetCall()
	if first.GetState() != pealv1.CallState_CALL_STATE_RINGING {
		t.Fatalf("the call is %v", first)
	}
	bob.until(numbered(1), pealv1.CallState_CALL_STATE_RINGING)
	journal.broken.Store(true)
	wantError(t, bob.ask("reject", map[string]any{"callId": numbered(1)}).GetError(), protocol.Unavailable, "")
	select {
	case err := <-b.Failed():
		if !errors.Is(err, store.ErrFailed) || !errors.Is(err, errFlush) || !strings.Contains(err.Error(), "start the server again") {
			t.Errorf("the server ends with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the server does not end")
	}
	if said := b.log.String(); !strings.Contains(said, `msg="database failed"`) || strings.Contains(said, `msg="store failed"`) {
		t.Errorf("the log says\n%s", said)
	}
	b.stop()
	if b.cfg.Store, err = store.Open(t.Context(), journal.Volatile, time.Now); err != nil {
		t.Fatal(err)
	}
	b.run()
	_, calls := (&old{bench: b}).back("bob", "b")
	if u := of(t, calls, numbered(1)); u.Call.State != pealv1.CallState_CALL_STATE_RINGING {
		t.Errorf("after a start the call is %v", u.Call)
	}
}
