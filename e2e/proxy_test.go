package e2e_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// proxy stands between pages and a server. It can go silent without closing
// anything, as a network does that is gone.
type proxy struct {
	listener net.Listener
	server   string

	mu     sync.Mutex
	silent chan struct{} // Closed once what comes is swallowed; new on speak.
	count  int           // Connections that were made.
}

// startProxy runs a proxy for the length of a test.
func startProxy(t *testing.T, s *server) *proxy {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, server: s.addr, silent: make(chan struct{})}
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
		silent := p.silent
		p.mu.Unlock()
		go p.serve(client, silent)
	}
}

// serve passes bytes both ways until the proxy falls silent: from then on this
// connection says nothing more, whatever becomes of the others.
func (p *proxy) serve(client net.Conn, silent chan struct{}) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	done := make(chan struct{}, 2)
	pass := func(to, from net.Conn) {
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
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		done <- struct{}{}
	}
	go pass(server, client)
	go pass(client, server)
	<-done
}

// fall makes every connection there is silent. New ones are served.
func (p *proxy) fall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.silent)
	p.silent = make(chan struct{})
}

func (p *proxy) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}
