package server

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/metrics"
	"github.com/peal-rtc/peal/internal/node"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
)

func counted(cfg *Config) { cfg.Settings.MetricsAddr = "127.0.0.1:0" }

// page reads a page.
func (b *bench) page(url string) (status int, body string) {
	b.t.Helper()
	r, err := b.http.Get(url)
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

// scrape waits until a scrape has some lines.
func (b *bench) scrape(lines ...string) string {
	b.t.Helper()
	var body string
	for range 100 {
		var status int
		if status, body = b.page("http://" + b.MetricsAddr().String() + "/metrics"); status != http.StatusOK {
			b.t.Fatalf("scrape: %d %s", status, body)
		}
		all := strings.Split(body, "\n")
		if !slices.ContainsFunc(lines, func(line string) bool { return !slices.Contains(all, line) }) {
			return body
		}
		<-time.After(20 * time.Millisecond)
	}
	all := strings.Split(body, "\n")
	for _, line := range lines {
		if !slices.Contains(all, line) {
			b.t.Errorf("no line %s", line)
		}
	}
	b.t.Fatal(body)
	return ""
}

// TestMetrics counts a call, a refused login and what clients send, and names nobody.
func TestMetrics(t *testing.T) {
	for name, kept := range map[string]func(*Config){"memory": inMemory, "sqlite": func(*Config) {}} {
		t.Run(name, func(t *testing.T) {
			b := start(t, kept, counted)
			alice, bob := b.login("alice-account", "alice-device"), b.login("bob-account", "bob-device")
			stranger := b.dial()
			stranger.ask("hello", map[string]any{"token": "open sesame", "deviceId": "d", "fresh": true})
			stranger.wantClosed(protocol.CloseFinal, protocol.BadToken)
			alice.invite(callID, "bob-account")
			bob.event()
			bob.ask("ringing", map[string]any{"callId": callID})
			b.scrape(`peal_calls_live{state="ringing"} 1`, `peal_devices 2`, `peal_accounts 2`, `peal_call_rings_total{type="video"} 1`)
			bob.ask("accept", map[string]any{"callId": callID, "answer": describe("answer"), "generation": 1})
			alice.event()
			b.scrape(`peal_calls_live{state="connecting"} 1`, `peal_calls_live{state="ringing"} 0`, `peal_call_answer_seconds_count{type="video"} 1`)
			for _, c := range []*client{alice, bob} {
				c.ask("media", map[string]any{"callId": callID, "generation": 1, "up": true, "path": "MEDIA_PATH_HOST"})
			}
			b.scrape(`peal_calls_live{state="connected"} 1`, `peal_call_setup_seconds_count{type="video"} 1`, `peal_media_path_total{path="host",type="video"} 2`)
			bob.ask("hangup", map[string]any{"callId": callID})
			body := b.scrape(
				`peal_ready 1`,
				`peal_calls_live{state="connected"} 0`,
				`peal_calls_total{kind="completed",reason="completed",type="video"} 1`,
				`peal_call_seconds_count{type="video"} 1`,
				`peal_commands_total{code="ok",command="hello"} 2`,
				`peal_commands_total{code="bad_token",command="hello"} 1`,
				`peal_commands_total{code="ok",command="hangup"} 1`,
				`peal_connections 2`,
				`peal_connections_total{event="open"} 3`,
				`peal_messages_total{direction="in"} 9`,
				`peal_commit_unknown_total 0`,
				`peal_relay_allocations 0`,
				`peal_relay_allocations_limit 5000`,
			)
			for _, secret := range []string{"-account", "-device", callID, "127.0.0.1", "eyJ"} {
				if strings.Contains(body, secret) {
					t.Errorf("a scrape holds %q", secret)
				}
			}
		})
	}
}

// TestMetricsAreApart: the public address serves no metrics, and that of metrics nothing else.
func TestMetricsAreApart(t *testing.T) {
	b := start(t, inMemory, counted)
	if _, body := b.page(b.url("/metrics")); strings.Contains(body, "peal_ready") {
		t.Error("metrics are public")
	}
	own := "http://" + b.MetricsAddr().String()
	for path, want := range map[string]int{"/": 404, "/ws": 404, "/dev/token": 404, "/debug/pprof/": 404, "/healthz": 200} {
		if status, _ := b.page(own + path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	if off := start(t, inMemory); off.MetricsAddr() != nil {
		t.Errorf("metrics at %s that nobody wanted", off.MetricsAddr())
	}
}

// TestMetricsAddr: an address that cannot be listened on keeps the server from starting.
func TestMetricsAddr(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for addr, says := range map[string]string{
		taken.Addr().String(): "is in use: stop what listens there or give another --metrics-addr",
		"192.0.2.1:9326":      "give an address of this machine",
	} {
		cfg := Config{Settings: settings(t), Dev: true}
		inMemory(&cfg)
		cfg.Settings.MetricsAddr = addr
		s, err := Start(t.Context(), cfg)
		if err == nil {
			t.Errorf("%s: started: %v", addr, s.Shutdown())
		} else if !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "metrics-addr") {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

// BenchmarkFrame is what the loop does for a ping and its answer, without and with metrics.
func BenchmarkFrame(b *testing.B) {
	for name, m := range map[string]*metrics.Metrics{"uncounted": nil, "counted": metrics.New(false)} {
		b.Run(name, func(b *testing.B) {
			n, err := node.New(node.Config{
				Incarnation: "n", Limits: unlimited(), Timing: call.DefaultTiming(), Logger: slog.New(slog.DiscardHandler),
				Verify:  func(string, time.Time) (auth.Identity, error) { return auth.Identity{}, auth.ErrInvalid },
				Servers: func(call.ID, call.Device, time.Time) []*pealv1.IceServer { return nil },
			})
			if err != nil {
				b.Fatal(err)
			}
			l := &loop{node: n, clock: newClock(), store: store.NewMemory(time.Now), metrics: m}
			l.step(node.Opened{Conn: 1})
			ping := &pealv1.ClientFrame{Id: 1, Command: &pealv1.ClientFrame_Ping{Ping: &pealv1.Ping{}}}
			inbox := make(chan arrival, 1)
			b.ReportAllocs()
			for b.Loop() {
				a := arrival{in: node.Received{Conn: 1, Frame: ping}}
				if m != nil {
					a.at = time.Now()
				}
				inbox <- a
				if a = <-inbox; m != nil {
					m.Waited(a.at)
				}
				l.step(a.in)
			}
		})
	}
}

// unlimited are limits that no benchmark meets.
func unlimited() protocol.Limits {
	l := protocol.DefaultLimits()
	l.MessageRate, l.MessageBurst = 1e12, 1e12
	return l
}
