// Package ws is the WebSocket endpoint: it upgrades requests, turns what
// clients send into decoded commands, and writes what the server sends them.
//
// internal/server mounts an Endpoint and is its Handler. A Poller, on Linux, serves
// plain connections on one goroutine: the one that calls Wait. Without a Poller, and
// over TLS, each connection has a goroutine that reads, and another one while there is
// something to write. What the server calls on a Conn never blocks.
//
// github.com/gobwas/ws is the code of frames and of the upgrade. What a connection
// does is here: it never compresses, holds no buffer while it waits, and takes
// no more than the limits say.
package ws

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/peal-rtc/peal/internal/doorstep"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Handler hears of connections. For one Conn the calls come one at a time:
// Opened first, Closed last. On a connection with goroutines they may block, which slows that
// client alone; those of a Poller must not block, which would stop all of its connections.
type Handler interface {
	Opened(*Conn)
	// Received brings a command, or what was wrong with it; see protocol.Decode.
	Received(*Conn, *pealv1.ClientFrame, *pealv1.Error)
	Ponged(*Conn)
	// Closed tells by leaving that the client closed by 1001: its page goes away.
	Closed(c *Conn, leaving bool)
}

// Config is what an Endpoint is made of. Handler is required.
type Config struct {
	Limits  protocol.Limits
	Handler Handler
	// Origins are the pages that may connect, by host or scheme://host, where *
	// stands for any part of a name. None means any page.
	Origins []string
	// TrustedProxies are believed when they say by X-Forwarded-For or Forwarded for whom
	// they ask.
	TrustedProxies []netip.Prefix
	Logger         *slog.Logger
	// Poller serves the plain connections, and tells its own Handler of them. Without
	// one they have goroutines, as those over TLS.
	Poller *Poller
}

// Endpoint serves WebSockets.
type Endpoint struct {
	cfg      Config
	doorstep *doorstep.Doorstep
	last     atomic.Uint64 // The newest connection's id.
	counts   counts
	decode   func(protocol.Encoding, []byte, *protocol.Limits) (*pealv1.ClientFrame, *pealv1.Error)

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
		cfg:      cfg,
		doorstep: doorstep.New(cfg.Limits.SocketsPerAddr),
		conns:    make(map[*Conn]struct{}),
		decode:   protocol.Encoding.Decode,
	}
}

// ServeHTTP makes a connection of a request. It lives on when that is over.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.Header().Set("Upgrade", "websocket")
		refuse(w, http.StatusUpgradeRequired, protocol.BadRequest.Because("this is a WebSocket, connect by ws:// or wss://"))
		return
	}
	subprotocol, ok := spoken(r)
	if !ok {
		e.counts.refused.Add(1)
		refuse(w, http.StatusBadRequest, protocol.BadRequest.Because("ask for the subprotocol %s or %s",
			protocol.Subprotocol, protocol.BinarySubprotocol))
		return
	}
	if !mayConnect(r, e.cfg.Origins) {
		e.counts.refused.Add(1)
		refuse(w, http.StatusForbidden, protocol.BadRequest.Because("pages of %.100q may not connect: see the setting origins", r.Header.Get("Origin")))
		return
	}
	addr, err := ClientAddr(r, e.cfg.TrustedProxies)
	if err != nil {
		e.counts.refused.Add(1)
		refuse(w, http.StatusBadRequest, protocol.BadRequest.Because("no address to answer to"))
		return
	}
	if !e.doorstep.Enter(addr) {
		e.counts.refused.Add(1)
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusTooManyRequests, protocol.TooManySockets.Error())
		return
	}
	socket, early, err := upgrade(w, r, subprotocol)
	if err != nil {
		e.cfg.Logger.DebugContext(r.Context(), "upgrade refused", "error", err)
		e.doorstep.Leave(addr)
		return
	}
	c := e.connection(socket, addr, subprotocol)
	if !e.add(c) {
		c.via.abandon()
		c.greeted()
		return
	}
	// With the goroutine of the request all that it needed is given back.
	c.via.start(early)
}

// connection makes a connection of a socket, whose place on the doorstep is taken.
func (e *Endpoint) connection(socket net.Conn, addr netip.Addr, subprotocol string) *Conn {
	c := &Conn{id: e.last.Add(1), endpoint: e, handler: e.cfg.Handler, addr: addr}
	c.waits.Store(true)
	c.encoding, _ = protocol.EncodingOf(subprotocol)
	if !e.cfg.Poller.adopt(c, socket) {
		c.via = &stream{Conn: c, socket: socket}
	}
	return c
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
		c.Cut()
	}
	e.mu.Unlock()
	e.served.Wait()
}
