package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/peal-rtc/peal/internal/auth"
	"github.com/peal-rtc/peal/internal/config"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/store"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

// patience bounds every wait of a test.
const patience = 10 * time.Second

const (
	secret = "0123456789abcdef0123456789abcdef"
	callID = "019a0000-0000-7000-8000-000000000001"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(withPostgres{m}) }

// withPostgres runs tests that share a database server.
type withPostgres struct{ *testing.M }

func (m withPostgres) Run() int { return postgres.Main(m.M) }

// bench is a running server.
type bench struct {
	*Server
	t    *testing.T
	cfg  Config
	log  *logBuffer
	http *http.Client
	over bool
}

// settings are the defaults with a secret, on free ports.
func settings(t *testing.T) config.Config {
	t.Helper()
	var c config.Config
	if err := kong.ApplyDefaults(&c); err != nil {
		t.Fatal(err)
	}
	c.Addr, c.TURN.Addr, c.Data, c.Auth.Secret = "127.0.0.1:0", "127.0.0.1:0", t.TempDir(), secret
	return c
}

// inMemory gives a server a store that forgets.
func inMemory(cfg *Config) { cfg.Store = store.NewMemory(time.Now) }

// start runs a server for the length of a test.
func start(t *testing.T, changes ...func(*Config)) *bench {
	t.Helper()
	b := &bench{t: t, log: &logBuffer{}, http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	b.cfg = Config{Settings: settings(t), Dev: true, Logger: slog.New(slog.NewTextHandler(b.log, nil))}
	for _, change := range changes {
		change(&b.cfg)
	}
	b.run()
	t.Cleanup(func() {
		b.stop()
		if t.Failed() {
			t.Logf("log of the server:\n%s", b.log)
		}
	})
	return b
}

func (b *bench) run() {
	b.t.Helper()
	var err error
	if b.Server, err = Start(b.t.Context(), b.cfg); err != nil {
		b.t.Fatal(err)
	}
	b.over = false
}

func (b *bench) stop() {
	b.t.Helper()
	if b.over {
		return
	}
	b.over = true
	if err := b.Shutdown(); err != nil {
		b.t.Errorf("stop: %v", err)
	}
}

func (b *bench) url(path string) string { return "http://" + b.Addr().String() + path }

// token is good for account, unless the changes spoil it.
func (b *bench) token(account string) string {
	return sign(b.t, secret, "main", account, time.Minute, time.Now())
}

func sign(t *testing.T, secret, keyID, account string, ttl time.Duration, now time.Time) string {
	t.Helper()
	s, err := auth.NewSigner(auth.Keys{keyID: auth.Secret(secret)}, keyID)
	if err != nil {
		t.Fatal(err)
	}
	token, err := s.Sign(account, ttl, now)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// client is a client made of text alone, which may say anything.
type client struct {
	t      *testing.T
	socket *websocket.Conn
	ctx    context.Context
	events []*pealv1.ServerFrame
	id     int
}

func (b *bench) dial() *client { return b.dialWith(nil) }

// dialWith opens a socket by a request with these headers.
func (b *bench) dialWith(headers http.Header) *client {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	b.t.Cleanup(cancel)
	socket, _, err := websocket.Dial(ctx, b.url(protocol.Path), &websocket.DialOptions{
		HTTPClient: b.http, HTTPHeader: headers, Subprotocols: []string{protocol.Subprotocol},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	socket.SetReadLimit(1 << 20)
	b.t.Cleanup(func() { _ = socket.CloseNow() })
	return &client{t: b.t, socket: socket, ctx: ctx}
}

// login is a client that has said hello.
func (b *bench) login(account, device string) *client {
	b.t.Helper()
	c := b.dial()
	f := c.ask("hello", map[string]any{"token": b.token(account), "deviceId": device, "fresh": true})
	if f.GetWelcome().GetAccount() != account {
		b.t.Fatalf("hello of %s: %v", account, f)
	}
	return c
}

func (c *client) write(text string) {
	c.t.Helper()
	if err := c.socket.Write(c.ctx, websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

func (c *client) read() *pealv1.ServerFrame {
	c.t.Helper()
	_, text, err := c.socket.Read(c.ctx)
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	f, err := protocol.DecodeFrame(text)
	if err != nil {
		c.t.Fatalf("decode %s: %v", text, err)
	}
	return f
}

// ask sends a command and gives its answer. Events that come before it are
// for event.
func (c *client) ask(command string, body map[string]any) *pealv1.ServerFrame {
	c.t.Helper()
	c.id++
	text, err := json.Marshal(map[string]any{"id": c.id, command: body})
	if err != nil {
		c.t.Fatal(err)
	}
	c.write(string(text))
	for {
		f := c.read()
		if f.ReplyTo == uint32(c.id) {
			return f
		}
		c.events = append(c.events, f)
	}
}

// event is the next frame that answers nothing.
func (c *client) event() *pealv1.ServerFrame {
	c.t.Helper()
	if len(c.events) > 0 {
		f := c.events[0]
		c.events = c.events[1:]
		return f
	}
	return c.read()
}

// works asks for a sign of life.
func (c *client) works() {
	c.t.Helper()
	if f := c.ask("ping", map[string]any{}); f.GetPong() == nil {
		c.t.Errorf("a ping is answered by %v", f)
	}
}

func (c *client) invite(id, callee string) *pealv1.ServerFrame {
	c.t.Helper()
	return c.ask("invite", map[string]any{
		"callId": id, "callee": callee, "type": "CALL_TYPE_VIDEO", "offer": describe("offer"),
	})
}

// wantClosed waits for the end of the connection, by a code.
func (c *client) wantClosed(status int, code protocol.Code) {
	c.t.Helper()
	for {
		_, _, err := c.socket.Read(c.ctx)
		if err == nil {
			continue
		}
		var end websocket.CloseError
		if !asCloseError(err, &end) || int(end.Code) != status || end.Reason != string(code) {
			c.t.Fatalf("closed by %v, want %d %s", err, status, code)
		}
		return
	}
}

// leave goes along when the server closes.
func (c *client) leave() {
	go func() {
		for {
			if _, _, err := c.socket.Read(c.ctx); err != nil {
				return
			}
		}
	}()
}

func wantError(t *testing.T, e *pealv1.Error, code protocol.Code, says string) {
	t.Helper()
	if e.GetCode() != string(code) || !strings.Contains(e.GetMessage(), says) {
		t.Fatalf("got %v, want %s that says %q", e, code, says)
	}
}

// logBuffer collects what a server logs.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// numbered is a call id that ends in n.
func numbered(n int) string { return fmt.Sprintf("%s%02d", callID[:34], n) }

// describe is a session description that says this text and describes nothing.
func describe(text string) string {
	return "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=mid:" + text + "\r\n"
}
