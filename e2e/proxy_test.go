package e2e_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// proxy stands between pages and a server. It can go silent without closing
// anything, as a network does that is gone, be slow, and cut what goes through it.
type proxy struct {
	listener net.Listener
	server   string

	mu     sync.Mutex
	silent chan struct{} // Closed once what comes is swallowed; new on speak.
	count  int           // Connections that were made.
	delay  time.Duration // The most that anything takes longer, each way.
	// Each old text that comes from the server becomes the new one, of the same length.
	rewrites [][2]string
	conns    map[net.Conn]net.Conn // The connections of clients, with those to the server.
}

// startProxy runs a proxy for the length of a test.
func startProxy(t *testing.T, s *server) *proxy {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, server: s.addr, silent: make(chan struct{}), conns: make(map[net.Conn]net.Conn)}
	t.Cleanup(func() { l.Close() })
	go p.run()
	return p
}

func (p *proxy) url() string { return "http://" + p.listener.Addr().String() }

func (p *proxy) run() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.count++
		p.conns[client] = nil
		silent := p.silent
		p.mu.Unlock()
		go p.serve(client, silent)
	}
}

// serve passes bytes both ways until the proxy falls silent: from then on this
// connection says nothing more, whatever becomes of the others.
func (p *proxy) serve(client net.Conn, silent chan struct{}) {
	defer func() {
		client.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, client)
	}()
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	p.mu.Lock()
	p.conns[client] = server
	p.mu.Unlock()
	done := make(chan struct{}, 2)
	pass := func(to, from net.Conn, rewrite bool) {
		buffer := make([]byte, 16<<10)
		for {
			n, err := from.Read(buffer)
			select {
			case <-silent:
				_, _ = io.Copy(io.Discard, from) // Swallowed, until the other end gives up.
				err = io.EOF
			default:
			}
			if err != nil {
				break
			}
			p.mu.Lock()
			delay, rewrites := p.delay, p.rewrites
			p.mu.Unlock()
			for _, r := range rewrites {
				if rewrite {
					copy(buffer[:n], strings.ReplaceAll(string(buffer[:n]), r[0], r[1]))
				}
			}
			if delay > 0 {
				time.Sleep(time.Duration(rand.Int64N(int64(delay))))
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		done <- struct{}{}
	}
	go pass(server, client, false)
	go pass(client, server, true)
	<-done
}

// fall makes every connection there is silent. New ones are served.
func (p *proxy) fall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.silent)
	p.silent = make(chan struct{})
}

// cut closes every connection there is.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

// goAway closes every WebSocket there is by status 1001 at both ends, as a proxy does that
// ends. It must not be in the middle of a frame.
func (p *proxy) goAway() {
	const closes, masked = 0x88, 0x80
	status := []byte{1001 >> 8, 1001 & 0xff}
	p.mu.Lock()
	defer p.mu.Unlock()
	for client, server := range p.conns {
		if server == nil {
			continue
		}
		_, _ = server.Write(append([]byte{closes, masked | 2, 0, 0, 0, 0}, status...))
		_, _ = client.Write(append([]byte{closes, 2}, status...))
	}
}

// slow delays all that comes from now on by up to a while, each way.
func (p *proxy) slow(most time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = most
}

// rewrite has a server that lies: in all that comes from it from now on old is now,
// which must be as long.
func (p *proxy) rewrite(old, now string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rewrites = [][2]string{{old, now}}
}

func (p *proxy) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}
