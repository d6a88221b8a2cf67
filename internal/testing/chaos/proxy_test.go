package chaos_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// nameHeader tells the proxy who connects.
const nameHeader = "X-Phone"

// proxy stands between the phones and the server, message by message. It has the
// server die before or after a certain message is sent: where it dies before,
// nobody sees that message. And it takes the network from a phone.
type proxy struct {
	t      *testing.T
	place  place
	issuer *issuer
	http   *httptest.Server

	mu      sync.Mutex // Guards what follows.
	what    string
	before  bool
	left    int                  // How many such messages pass, this one included, until it dies.
	away    map[string]time.Time // Until when a phone has no network.
	hangups map[string]func()    // Cuts a phone's connection.
	lost    map[string]time.Time // When a phone lost its server, until it is welcomed again.
	back    []time.Duration      // How long that took, each time.
}

func startProxy(t *testing.T, at place) *proxy {
	t.Helper()
	p := &proxy{t: t, place: at, issuer: newIssuer(t), away: make(map[string]time.Time), hangups: make(map[string]func()), lost: make(map[string]time.Time)}
	p.http = httptest.NewServer(p)
	t.Cleanup(p.http.Close)
	return p
}

// arm has the server die at the nth message of a kind from now on.
func (p *proxy) arm(when, what string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before, p.what, p.left = when == "before", what, n
}

func (p *proxy) disarm() { p.arm("", "", 0) }

// vanish takes the network from a phone for a while.
func (p *proxy) vanish(name string, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away[name] = time.Now().Add(d)
	delete(p.lost, name)
	if cut := p.hangups[name]; cut != nil {
		cut()
	}
}

// ServeHTTP passes one connection on.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.Header.Get(nameHeader)
	ctx, cut := context.WithCancel(r.Context())
	defer cut()
	p.mu.Lock()
	away := time.Now().Before(p.away[name])
	p.hangups[name] = cut
	p.mu.Unlock()
	if away {
		http.Error(w, "no network", http.StatusBadGateway)
		return
	}
	var victim *server
	dial := func(ctx context.Context, _, _ string) (c net.Conn, err error) {
		c, victim, err = p.place.dial(ctx)
		return c, err
	}
	server, _, err := websocket.Dial(ctx, "ws://peal"+r.URL.RequestURI(), &websocket.DialOptions{
		Subprotocols: strings.Split(r.Header.Get("Sec-WebSocket-Protocol"), ","),
		HTTPClient:   &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}},
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = server.CloseNow() }()
	phone, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{server.Subprotocol()}})
	if err != nil {
		return
	}
	defer func() { _ = phone.CloseNow() }()
	server.SetReadLimit(1 << 20)
	phone.SetReadLimit(1 << 20)
	go func() {
		defer cut()
		p.pass(ctx, server, phone, nil, "")
	}()
	p.pass(ctx, phone, server, victim, name)
	if ctx.Err() == nil && !victim.alive() {
		p.mu.Lock()
		p.lost[name] = time.Now()
		p.mu.Unlock()
	}
}

// welcomed notes that a phone has a server again.
func (p *proxy) welcomed(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, ok := p.lost[name]; ok {
		p.back = append(p.back, time.Since(at))
		delete(p.lost, name)
	}
}

// waits are how long phones were without a server since the last look.
func (p *proxy) waits() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	back := p.back
	p.back = nil
	return back
}

// pass passes messages on until something fails, or one that the server which sent it dies of.
// Victim is nil for those of phones; name is whom that of a server is for.
func (p *proxy) pass(ctx context.Context, to, from *websocket.Conn, victim *server, name string) {
	encoding, _ := protocol.EncodingOf(from.Subprotocol())
	for {
		kind, message, err := from.Read(ctx)
		if status := websocket.CloseStatus(err); status != -1 {
			_ = to.Close(status, "") // The other end may be gone as well.
			return
		}
		if err != nil {
			return
		}
		before, after := false, false
		if victim != nil {
			if f, err := encoding.DecodeFrame(message); err == nil {
				before, after = p.dies(f)
				if f.GetWelcome() != nil {
					p.welcomed(name)
				}
			}
		}
		if before {
			victim.kill()
			return
		}
		if err := to.Write(ctx, kind, message); after {
			victim.kill()
			return
		} else if err != nil {
			return
		}
	}
}

// dies says whether the server dies of a message, and when.
func (p *proxy) dies(f *pealv1.ServerFrame) (before, after bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 || kindOf(f) != p.what {
		return false, false
	}
	p.left--
	return p.left == 0 && p.before, p.left == 0 && !p.before
}

// kindOf is a word for what a message of the server is.
func kindOf(f *pealv1.ServerFrame) string {
	c := f.GetCall().GetCall()
	caller := c.GetRole() == pealv1.Role_ROLE_CALLER
	switch c.GetState() {
	case pealv1.CallState_CALL_STATE_RINGING:
		if caller {
			return "made"
		}
		return "rings"
	case pealv1.CallState_CALL_STATE_CONNECTING:
		switch {
		case caller:
			return "answered"
		case c.GetRole() == pealv1.Role_ROLE_OBSERVER:
			return "elsewhere"
		}
		return "accepted"
	case pealv1.CallState_CALL_STATE_CONNECTED:
		return "connected"
	case pealv1.CallState_CALL_STATE_ENDED:
		return "ended"
	case pealv1.CallState_CALL_STATE_UNSPECIFIED:
	}
	return ""
}
