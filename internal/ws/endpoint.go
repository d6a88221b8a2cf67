// Package ws is the WebSocket endpoint: it upgrades requests, turns what
// clients send into decoded commands, and writes what they are told.
//
// internal/server mounts an Endpoint and is its Handler. Each connection has
// two goroutines: the request's own reads, another writes. What the server
// calls on a Conn only queues and never blocks.
package ws

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/coder/websocket"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Handler hears of connections. For one Conn the calls come one at a time:
// Opened first, Closed last. They may block, which slows that client alone.
// Ponged may come in between from another goroutine.
type Handler interface {
	Opened(*Conn)
	// Received brings a command, or what was wrong with it; see protocol.Decode.
	Received(*Conn, *pealv1.ClientFrame, *pealv1.Error)
	Ponged(*Conn)
	Closed(*Conn)
}

// Config is what an Endpoint is made of. Handler is required.
type Config struct {
	Limits  protocol.Limits
	Handler Handler
	// Origins are the pages that may connect, by host or scheme://host, where *
	// stands for any part of a name. None means any page.
	Origins []string
	// TrustedProxies are believed when they say by X-Forwarded-For for whom
	// they ask.
	TrustedProxies []netip.Prefix
	Logger         *slog.Logger
}

// Endpoint serves WebSockets.
type Endpoint struct {
	cfg      Config
	accept   websocket.AcceptOptions
	doorstep doorstep
	last     atomic.Uint64 // The newest connection's id.

	mu     sync.Mutex // Guards what follows.
	closed bool
	conns  map[*Conn]struct{}
	served sync.WaitGroup
}

// New makes an endpoint.
func New(cfg Config) *Endpoint {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return &Endpoint{
		cfg: cfg,
		accept: websocket.AcceptOptions{
			Subprotocols:       protocol.Subprotocols(),
			InsecureSkipVerify: len(cfg.Origins) == 0,
			OriginPatterns:     cfg.Origins,
			CompressionMode:    websocket.CompressionDisabled,
		},
		doorstep: doorstep{limit: cfg.Limits.SocketsPerAddr, waiting: make(map[netip.Addr]int)},
		conns:    make(map[*Conn]struct{}),
	}
}

// ServeHTTP serves one connection until it is closed.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.Header().Set("Upgrade", "websocket")
		refuse(w, http.StatusUpgradeRequired, protocol.BadRequest.Because("this is a WebSocket, connect by ws:// or wss://"))
		return
	}
	if !understands(r) {
		refuse(w, http.StatusBadRequest, protocol.BadRequest.Because("ask for the subprotocol %s or %s",
			protocol.Subprotocol, protocol.BinarySubprotocol))
		return
	}
	addr, err := clientAddr(r, e.cfg.TrustedProxies)
	if err != nil {
		refuse(w, http.StatusBadRequest, protocol.BadRequest.Because("no address to answer to"))
		return
	}
	leave, ok := e.doorstep.enter(addr)
	if !ok {
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusTooManyRequests, protocol.TooManySockets.Error())
		return
	}
	defer leave()
	tapped := &tap{ResponseWriter: w}
	socket, err := websocket.Accept(tapped, r, &e.accept)
	if err != nil {
		// It has answered the request.
		e.cfg.Logger.DebugContext(r.Context(), "upgrade refused", "error", err)
		return
	}
	// Conn measures messages itself, to tell the client what was too large.
	socket.SetReadLimit(-1)
	encoding, _ := protocol.EncodingOf(socket.Subprotocol())
	c := newConn(e.last.Add(1), socket, encoding, tapped.conn, &e.cfg, leave)
	if !e.add(c) {
		_ = socket.CloseNow()
		return
	}
	defer e.remove(c)
	c.serve()
}

// tap keeps the connection that a WebSocket is made of.
type tap struct {
	http.ResponseWriter
	conn net.Conn
}

// Hijack implements http.Hijacker.
func (t *tap) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(t.ResponseWriter).Hijack()
	t.conn = conn
	return conn, buffers, err
}

func (e *Endpoint) add(c *Conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.conns[c] = struct{}{}
	e.served.Add(1)
	return true
}

func (e *Endpoint) remove(c *Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, c)
	e.served.Done()
}

// Close cuts every connection, takes no new one, and waits until the Handler
// has heard of the last.
func (e *Endpoint) Close() {
	e.mu.Lock()
	e.closed = true
	for c := range e.conns {
		c.cut()
	}
	e.mu.Unlock()
	e.served.Wait()
}

// understands tells whether a client offers a subprotocol that is spoken here.
func understands(r *http.Request) bool {
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		offered := strings.Split(line, ",")
		spoken := func(s string) bool {
			_, ok := protocol.EncodingOf(strings.TrimSpace(s))
			return ok
		}
		if slices.ContainsFunc(offered, spoken) {
			return true
		}
	}
	return false
}

// refuse answers a request that does not become a connection, in the form that
// errors have on one.
func refuse(w http.ResponseWriter, status int, e *pealv1.Error) {
	text, err := protocol.Encode(&pealv1.ServerFrame{Error: e})
	if err != nil {
		http.Error(w, e.Message, status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}
