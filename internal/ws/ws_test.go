package ws

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// patience bounds every wait of a test.
const patience = 10 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// event is one call of a Handler.
type event struct {
	what  string
	conn  *Conn
	frame *pealv1.ClientFrame
	bad   *pealv1.Error
	// leaving comes with closed.
	leaving bool
}

// recorder is a Handler that notes its calls.
type recorder chan event

func (r recorder) Opened(c *Conn) { r <- event{what: "opened", conn: c} }
func (r recorder) Ponged(c *Conn) { r <- event{what: "ponged", conn: c} }
func (r recorder) Received(c *Conn, f *pealv1.ClientFrame, bad *pealv1.Error) {
	r <- event{what: "received", conn: c, frame: f, bad: bad}
}

func (r recorder) Closed(c *Conn, leaving bool) {
	r <- event{what: "closed", conn: c, leaving: leaving}
}

func (r recorder) next(t *testing.T, what string) event {
	t.Helper()
	select {
	case e := <-r:
		if e.what != what {
			t.Fatalf("the handler was told %s, want %s", e.what, what)
		}
		return e
	case <-time.After(patience):
		t.Fatalf("the handler was not told %s", what)
		return event{}
	}
}

type bench struct {
	t        *testing.T
	endpoint *Endpoint
	told     recorder
	http     *httptest.Server
	client   *http.Client
}

func (m mode) start(t *testing.T, changes ...func(*Config)) *bench {
	t.Helper()
	b := &bench{t: t, told: make(recorder, 100)}
	cfg := Config{Limits: protocol.DefaultLimits(), Handler: b.told}
	for _, change := range changes {
		change(&cfg)
	}
	stop := func() {}
	if m.polled {
		cfg.Poller, stop = pump(t, cfg.Handler)
	}
	b.endpoint = New(cfg)
	b.http = httptest.NewServer(b.endpoint)
	b.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	t.Cleanup(func() {
		b.endpoint.Close()
		b.http.Close()
		stop()
	})
	return b
}

func (b *bench) dial(header http.Header) (*websocket.Conn, *http.Response, error) {
	return b.dialBy(header, protocol.Subprotocol)
}

func (b *bench) dialBy(header http.Header, subprotocols ...string) (*websocket.Conn, *http.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	b.t.Cleanup(cancel)
	return websocket.Dial(ctx, b.http.URL, &websocket.DialOptions{
		HTTPClient: b.client, HTTPHeader: header, Subprotocols: subprotocols,
	})
}

// connect makes a connection, as both ends see it.
func (b *bench) connect() (*websocket.Conn, *Conn) {
	b.t.Helper()
	socket, _, err := b.dial(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = socket.CloseNow() })
	return socket, b.told.next(b.t, "opened").conn
}

// onDoorstep is how many addresses have connections that have not said hello.
func (b *bench) onDoorstep() int { return b.endpoint.doorstep.Addrs() }

func wantClosed(t *testing.T, socket *websocket.Conn, status int, reason string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		_, _, err := socket.Read(ctx)
		if err == nil {
			continue
		}
		var end websocket.CloseError
		if !errors.As(err, &end) || int(end.Code) != status || end.Reason != reason {
			t.Fatalf("closed by %v, want %d %s", err, status, reason)
		}
		return
	}
}

func pong() *pealv1.ServerFrame {
	return &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Pong{Pong: &pealv1.Pong{}}}
}

func (m mode) BothWays(t *testing.T) {
	b := m.start(t)
	socket, c := b.connect()
	if err := socket.Write(t.Context(), websocket.MessageText, []byte(`{"id":7,"ping":{}}`)); err != nil {
		t.Fatal(err)
	}
	if e := b.told.next(t, "received"); e.frame.GetId() != 7 || e.bad != nil || e.conn != c {
		t.Errorf("received %v", e)
	}
	c.Send(pong())
	c.Send(&pealv1.ServerFrame{ReplyTo: 7})
	for _, want := range []string{`{"pong":{}}`, `{"replyTo":7}`} {
		if _, text, err := socket.Read(t.Context()); err != nil || string(text) != want {
			t.Errorf("read %s, %v, want %s", text, err, want)
		}
	}
	if err := socket.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	b.told.next(t, "closed")
	// All of these come too late, which is no harm.
	c.Send(pong())
	c.Ping()
	c.Close(protocol.CloseFinal, "late")
}

func (m mode) Ping(t *testing.T) {
	b := m.start(t)
	socket, c := b.connect()
	answering := socket.CloseRead(t.Context())
	for range 2 {
		c.Ping()
		b.told.next(t, "ponged")
	}
	c.Close(protocol.CloseRetry, "enough")
	b.told.next(t, "closed")
	<-answering.Done()
}

func (m mode) CloseComesAfterWhatWasSent(t *testing.T) {
	b := m.start(t)
	socket, c := b.connect()
	for range 50 {
		c.Send(pong())
	}
	c.Close(protocol.CloseFinal, "first")
	c.Close(protocol.CloseRetry, "second")
	c.Send(pong())
	for range 50 {
		if _, _, err := socket.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wantClosed(t, socket, protocol.CloseFinal, "first")
	b.told.next(t, "closed")
}

// SlowConsumer: what waits for a reader that does not read is bounded, by number and by size, and
// it gets the error when it reads on.
func (m mode) SlowConsumer(t *testing.T) {
	large := &pealv1.ServerFrame{Error: &pealv1.Error{Message: strings.Repeat("x", 32<<10)}}
	for name, change := range map[string]func(*Config){
		"by number": func(c *Config) { c.Limits.QueueMessages, c.Limits.QueueBytes = 4, 1<<30 },
		"by size":   func(c *Config) { c.Limits.QueueMessages, c.Limits.QueueBytes = 1<<30, 256<<10 },
	} {
		t.Run(name, func(t *testing.T) {
			b := m.start(t, change)
			socket, c := b.connect()
			socket.SetReadLimit(1 << 20)
			closing := func() bool {
				c.mu.Lock()
				defer c.mu.Unlock()
				if c.bytes > 256<<10 && name == "by size" {
					t.Fatalf("%d bytes wait", c.bytes)
				}
				return c.closing != nil
			}
			for range 10_000 {
				if closing() {
					break
				}
				c.Send(large)
			}
			if !closing() {
				t.Fatal("queues without end")
			}
			wantClosed(t, socket, protocol.CloseRetry, string(protocol.SlowConsumer))
			b.told.next(t, "closed")
		})
	}
}

// StuckConsumer: one that never reads on is cut off when a message has
// waited for too long, though there is room for more.
func (m mode) StuckConsumer(t *testing.T) {
	b := m.start(t, func(c *Config) {
		c.Limits.Write, c.Limits.QueueMessages, c.Limits.QueueBytes = 50*time.Millisecond, 1<<20, 1<<30
	})
	_, c := b.connect()
	large := &pealv1.ServerFrame{Error: &pealv1.Error{Message: strings.Repeat("x", 32<<10)}}
	for range 1000 { // More than the system's buffers take.
		c.Send(large)
	}
	b.told.next(t, "closed")
}

// QueueEmpties: what was read takes no room any more.
func (m mode) QueueEmpties(t *testing.T) {
	b := m.start(t, func(c *Config) { c.Limits.QueueMessages, c.Limits.QueueBytes = 2, 100 })
	socket, c := b.connect()
	for range 50 {
		c.Send(pong())
		if _, text, err := socket.Read(t.Context()); err != nil || string(text) != `{"pong":{}}` {
			t.Fatalf("read %s, %v", text, err)
		}
	}
}

func (m mode) TooLarge(t *testing.T) {
	b := m.start(t, func(c *Config) { c.Limits.MessageBytes = 100 })
	socket, _ := b.connect()
	fits := `{"id":1,"ping":{}}` + strings.Repeat(" ", 82)
	if err := socket.Write(t.Context(), websocket.MessageText, []byte(fits)); err != nil {
		t.Fatal(err)
	}
	if e := b.told.next(t, "received"); e.bad != nil {
		t.Errorf("100 bytes: %v", e.bad)
	}
	if err := socket.Write(t.Context(), websocket.MessageText, []byte(fits+" ")); err != nil {
		t.Fatal(err)
	}
	_, text, err := socket.Read(t.Context())
	if err != nil || !strings.Contains(string(text), `"goodbye":{"error":{"code":"message_too_large"`) {
		t.Errorf("read %s, %v", text, err)
	}
	wantClosed(t, socket, protocol.CloseFinal, string(protocol.MessageTooLarge))
	b.told.next(t, "closed")
}

func (m mode) Requests(t *testing.T) {
	upgrade := map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": "chat, " + protocol.Subprotocol,
	}
	tests := []struct {
		name    string
		header  map[string]string
		origins []string
		status  int
	}{
		{"plain", map[string]string{"Upgrade": ""}, nil, http.StatusUpgradeRequired},
		{"another subprotocol", map[string]string{"Sec-WebSocket-Protocol": "peal.v0.json"}, nil, http.StatusBadRequest},
		{"another version", map[string]string{"Sec-WebSocket-Version": "8"}, nil, http.StatusUpgradeRequired},
		{"no key", map[string]string{"Sec-WebSocket-Key": ""}, nil, http.StatusBadRequest},
		{"a short key", map[string]string{"Sec-WebSocket-Key": "AAAA"}, nil, http.StatusBadRequest},
		{"a connection that stays", map[string]string{"Connection": "keep-alive"}, nil, http.StatusBadRequest},
		{"any origin", map[string]string{"Origin": "https://elsewhere.example"}, nil, http.StatusSwitchingProtocols},
		{"no origin", nil, []string{"app.example"}, http.StatusSwitchingProtocols},
		{"listed origin", map[string]string{"Origin": "https://app.example"}, []string{"app.example"}, http.StatusSwitchingProtocols},
		{"origin by pattern", map[string]string{"Origin": "https://a.app.example"}, []string{"https://*.app.example"}, http.StatusSwitchingProtocols},
		{"its own origin", map[string]string{"Origin": "https://x.example"}, []string{"app.example"}, http.StatusSwitchingProtocols},
		{"an origin by another scheme", map[string]string{"Origin": "http://app.example"}, []string{"https://app.example"}, http.StatusForbidden},
		{"an origin that is none", map[string]string{"Origin": "null"}, []string{"app.example"}, http.StatusForbidden},
		{"a pattern that is none", map[string]string{"Origin": "https://app.example"}, []string{"[app.example"}, http.StatusForbidden},
		{"another origin", map[string]string{"Origin": "https://elsewhere.example"}, []string{"app.example"}, http.StatusForbidden},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := m.start(t, func(c *Config) { c.Origins = test.origins })
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", b.http.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.http.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Host = "x.example"
			for _, header := range []map[string]string{upgrade, test.header} {
				for key, value := range header {
					request.Header.Set(key, value)
				}
			}
			if err := request.Write(conn); err != nil {
				t.Fatal(err)
			}
			w, err := http.ReadResponse(bufio.NewReader(conn), request)
			if err != nil || w.StatusCode != test.status {
				t.Fatalf("got %v, %v, want %d", w, err, test.status)
			}
			if w.Header.Get("Sec-WebSocket-Extensions") != "" {
				t.Error("compresses")
			}
			if test.status == http.StatusSwitchingProtocols {
				return
			}
			// The place is given up after the answer.
			for deadline := time.Now().Add(patience); b.onDoorstep() > 0; runtime.Gosched() {
				if time.Now().After(deadline) {
					t.Fatal("a request that was refused keeps its place on the doorstep")
				}
			}
		})
	}
}

// Doorstep: only so many connections of an address may be without a hello.
func (m mode) Doorstep(t *testing.T) {
	b := m.start(t, func(c *Config) { c.Limits.SocketsPerAddr = 2 })
	_, first := b.connect()
	b.connect()
	if _, w, err := b.dial(nil); err == nil || w.StatusCode != http.StatusTooManyRequests {
		t.Fatalf("the third: %v", err)
	} else if body, err := io.ReadAll(w.Body); err != nil || !strings.Contains(string(body), "too_many_sockets") {
		t.Errorf("is told %s, %v", body, err)
	}
	first.Send(&pealv1.ServerFrame{Body: &pealv1.ServerFrame_Welcome{Welcome: &pealv1.Welcome{}}})
	third, _ := b.connect()
	if _, _, err := b.dial(nil); err == nil {
		t.Fatal("the one that was welcomed is still free")
	}
	if err := third.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	b.told.next(t, "closed")
	// Its place is given up after the handler has heard of its end.
	for attempt := 0; ; attempt++ {
		if _, _, err := b.dial(nil); err == nil {
			break
		} else if attempt == 1000 {
			t.Fatal("the place of one that closed is not given up")
		}
	}
}

func TestClientAddr(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, test := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:5", "", "192.0.2.1"},
		{"[::ffff:192.0.2.1]:5", "", "192.0.2.1"},
		{"[2001:db8:1:2:3:4:5:6]:5", "", "2001:db8:1:2::"},
		{"[fe80::1%eth0]:5", "", "fe80::"},
		{"192.0.2.1:5", "198.51.100.7", "192.0.2.1"},
		{"10.0.0.1:5", "198.51.100.7", "198.51.100.7"},
		{"10.0.0.1:5", "203.0.113.9, 198.51.100.7", "198.51.100.7"},
		{"10.0.0.1:5", "203.0.113.9, 198.51.100.7, 10.0.0.2", "198.51.100.7"},
		{"[fd00::1]:5", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
		{"10.0.0.1:5", "198.51.100.7, unknown", "10.0.0.1"},
		{"10.0.0.1:5", "", "10.0.0.1"},
	} {
		r := &http.Request{RemoteAddr: test.remote, Header: http.Header{}}
		if test.forwarded != "" {
			r.Header.Set("X-Forwarded-For", test.forwarded)
		}
		if got, err := ClientAddr(r, trusted); err != nil || got.String() != test.want {
			t.Errorf("%s for %q: got %v, %v, want %s", test.remote, test.forwarded, got, err, test.want)
		}
	}
	if _, err := ClientAddr(&http.Request{RemoteAddr: "pipe"}, nil); err == nil {
		t.Error("takes an address that is none")
	}
}

// Close: closing the endpoint cuts all, and lets no one in after.
func (m mode) Close(t *testing.T) {
	b := m.start(t)
	for range 3 {
		b.connect()
	}
	b.endpoint.Close()
	for range 3 {
		b.told.next(t, "closed")
	}
	if socket, _, err := b.dial(nil); err == nil {
		if _, _, err := socket.Read(t.Context()); err == nil {
			t.Error("lets someone in")
		}
	}
	select {
	case e := <-b.told:
		t.Errorf("the handler was told %s", e.what)
	default:
	}
}

func (m mode) Counts(t *testing.T) {
	b := m.start(t, func(c *Config) { c.Origins = []string{"good.example.com"} })
	if _, _, err := b.dial(http.Header{"Origin": {"https://evil.example.com"}}); err == nil {
		t.Fatal("connected")
	}
	socket, conn := b.connect()
	text := `{"id":1,"ping":{}}`
	if err := socket.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
	b.told.next(t, "received")
	conn.Send(pong())
	_, answer, err := socket.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn.Ping() // No message.
	want := Counts{Received: 1, ReceivedBytes: uint64(len(text)), Sent: 1, SentBytes: uint64(len(answer)), Refused: 1}
	if got := b.endpoint.Counts(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
