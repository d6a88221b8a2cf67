package load

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/server"
)

const (
	secret   = "0123456789abcdef0123456789abcdef"
	patience = 30 * time.Second
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start starts a server and gives a load for it.
func start(t *testing.T, changes ...func(*config.Config)) Config {
	t.Helper()
	var c config.Config
	if err := kong.ApplyDefaults(&c); err != nil {
		t.Fatal(err)
	}
	c.Addr, c.TURN.Addr, c.Data, c.Auth.Secret = "127.0.0.1:0", "off", t.TempDir(), secret
	for _, change := range changes {
		change(&c)
	}
	s, err := server.Start(context.Background(), server.Config{Settings: c, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Shutdown(); err != nil {
			t.Error(err)
		}
	})
	return Config{
		Server: "http://" + s.Addr().String(), Token: sign, Prefix: "bench-", Devices: 20, Connects: 10,
		Rate: 10, Duration: time.Second, Ring: 10 * time.Millisecond, Talk: 20 * time.Millisecond,
	}
}

func sign(_ context.Context, account string) (string, error) {
	s, err := auth.NewSigner(auth.Keys{"main": auth.Secret(secret)}, "main")
	if err != nil {
		return "", err
	}
	return s.Sign(account, time.Hour, time.Now())
}

func connect(t *testing.T, cfg Config) (*Fleet, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	if err := f.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	return f, ctx
}

// TestRun: whole calls by both encodings, each frame of which is seen.
func TestRun(t *testing.T) {
	for name, text := range map[string]bool{"binary": false, "JSON": true} {
		t.Run(name, func(t *testing.T) {
			cfg := start(t)
			var mu sync.Mutex
			frames := map[string]int{}
			cfg.JSON = text
			cfg.Watch = func(f Frame) {
				mu.Lock()
				defer mu.Unlock()
				if f.Sent && f.Bytes > 0 {
					frames[f.Kind]++
				}
			}
			f, ctx := connect(t, cfg)
			if f.Online() != cfg.Devices {
				t.Errorf("%d devices are online", f.Online())
			}
			r, err := f.Run(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if r.Calls != 10 || r.Completed != 10 || r.Failed != 0 || len(r.Errors) != 0 {
				t.Errorf("got %+v", r)
			}
			for what, s := range map[string]Spread{"ring": r.Ring, "accept": r.Accept, "hangup": r.Hangup} {
				if s.P50 <= 0 || s.P50 > s.P95 || s.P95 > s.P99 || s.P99 > s.Max || s.Max > 10_000 {
					t.Errorf("%s spreads as %+v", what, s)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for kind, want := range map[string]int{
				"invite": 10, "ringing": 10, "accept": 10, "candidates": 30, "tracks": 10, "media": 20, "hangup": 10,
			} {
				if frames[kind] != want {
					t.Errorf("%d frames %s, want %d", frames[kind], kind, want)
				}
			}
		})
	}
}

// TestNothingIsOmitted: a call that this program, or the server, comes to late
// has waited since it was due.
func TestNothingIsOmitted(t *testing.T) {
	f, ctx := connect(t, start(t))
	f.begin(time.Now().Add(-3 * time.Second))
	f.drain(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.tally.result(f.cfg, 0); r.Completed != 1 || r.Ring.Max < 3000 || r.Accept.Max > 3000 {
		t.Errorf("got %+v", r)
	}
}

// TestFailures: what a server refuses is counted by its code, and the devices
// are of use again.
func TestFailures(t *testing.T) {
	cfg := start(t, func(c *config.Config) { c.Limits.InvitesPerMin = 1 })
	cfg.Devices, cfg.Rate = 2, 4
	cfg.Ring, cfg.Talk = 0, 0
	f, ctx := connect(t, cfg)
	r, err := f.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if r.Completed != 1 || r.Failed != 3 || r.Errors["rate_limited"] == 0 {
		t.Errorf("got %+v", r)
	}
	var text strings.Builder
	if err := r.Write(&text); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "limits-invites-per-min") {
		t.Errorf("says\n%s", text.String())
	}
}

func TestConnectTells(t *testing.T) {
	cfg := start(t)
	cfg.Token = func(context.Context, string) (string, error) { return "x", nil }
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "bad_token") {
		t.Errorf("got %v", err)
	}
}

func TestCheck(t *testing.T) {
	good := Config{Server: "http://127.0.0.1:1", Token: sign, Prefix: "b", Devices: 2, Connects: 1, Rate: 1, Duration: time.Second}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for says, change := range map[string]func(*Config){
		"server":         func(c *Config) { c.Server = "ws://x" },
		"account-prefix": func(c *Config) { c.Prefix = "a\nb" },
		"tokens":         func(c *Config) { c.Token = nil },
		"devices":        func(c *Config) { c.Devices = MaxDevices + 1 },
		"connects":       func(c *Config) { c.Connects = 0 },
		"rate":           func(c *Config) { c.Rate = -1 },
		"duration":       func(c *Config) { c.Duration = MaxDuration + 1 },
		"calls in all":   func(c *Config) { c.Rate, c.Duration = MaxRate, MaxDuration },
		"ring":           func(c *Config) { c.Ring = -1 },
		"talk":           func(c *Config) { c.Talk = MaxPause + 1 },
	} {
		c := good
		change(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v", says, err)
		}
	}
}

func TestAdvice(t *testing.T) {
	quiet := Config{Devices: 1000, Connects: 40, Rate: 10, Talk: time.Second}
	if advice := quiet.Advice(true); advice != "" {
		t.Errorf("says %q", advice)
	}
	loud := Config{Devices: 20, Connects: 100, Rate: 20, Talk: time.Second}
	for _, says := range []string{"--devices 241", "limits-invites-per-min", "limits-pair-per-min", "limits-rings-per-min", "limits-sockets-per-addr", "live at a time"} {
		if !strings.Contains(loud.Advice(true), says) {
			t.Errorf("does not say %s:\n%s", says, loud.Advice(true))
		}
	}
	if advice := loud.Advice(false); strings.Contains(advice, "limits") || !strings.Contains(advice, "live at a time") {
		t.Errorf("of a server without such limits it says\n%s", advice)
	}
}

func TestSpread(t *testing.T) {
	var d []time.Duration
	for i := range 1000 {
		d = append(d, time.Duration(1000-i)*time.Millisecond)
	}
	if got, want := spread(d), (Spread{500, 950, 990, 1000}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := spread(nil); got != (Spread{}) {
		t.Errorf("of nothing: %+v", got)
	}
}

// The fixed texts are as large as those of browsers, and no larger than a server takes.
func TestTexts(t *testing.T) {
	for _, d := range []string{offer, answer} {
		if len(d) < 5000 || len(d) > 6500 || !strings.HasPrefix(d, "v=0\r\n") {
			t.Errorf("a description has %d bytes", len(d))
		}
	}
	if n := len(candidates()); n < 5 || n > 8 || firstBatch >= n {
		t.Errorf("%d candidates", n)
	}
}
