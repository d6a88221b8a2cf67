// Package cutter stands between a client and a server on TCP, and takes the network away: all of
// it, or one direction. Only tests use it.
package cutter

import (
	"errors"
	"net"
	"sync"
	"testing"
)

// Direction is a set of the ways that bytes go.
type Direction uint8

// The directions.
const (
	ToServer Direction = 1 << iota
	ToClient
	Both = ToServer | ToClient
)

// Proxy passes connections on to a server. Its methods may be called from any goroutine.
type Proxy struct {
	listener net.Listener
	server   string
	work     sync.WaitGroup
	quit     chan struct{}

	mu    sync.Mutex // Guards what follows.
	cut   Direction
	mends chan struct{} // Closed when something passes again.
	conns map[net.Conn]struct{}
	ended bool
}

// Start starts a proxy on a port of its own, on loopback, that ends with the test.
func Start(t testing.TB, server string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	p := &Proxy{
		listener: l, server: server, quit: make(chan struct{}), mends: make(chan struct{}), conns: make(map[net.Conn]struct{}),
	}
	p.work.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Addr is where clients connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Cut has nothing pass in these directions until Mend, as where packets are lost: connections
// stay, and what is sent waits. A new connection is taken and not passed on.
func (p *Proxy) Cut(d Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = d
	close(p.mends) // Who waits looks again.
	p.mends = make(chan struct{})
}

// Mend has everything pass again.
func (p *Proxy) Mend() { p.Cut(0) }

// Sever ends all connections. New ones are passed on.
func (p *Proxy) Sever() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close() // What it had to send is lost in any case.
	}
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	close(p.quit)
	_ = p.listener.Close()
	p.Sever()
	p.work.Wait()
}

// pass waits until bytes pass in a direction; false is the end of the proxy.
func (p *Proxy) pass(d Direction) bool {
	for {
		p.mu.Lock()
		cut, mends := p.cut, p.mends
		p.mu.Unlock()
		if cut&d == 0 {
			return true
		}
		select {
		case <-mends:
		case <-p.quit:
			return false
		}
	}
}

// keep notes a connection for Sever; false where it is too late.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		_ = c.Close()
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	_ = c.Close()
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil && p.keep(c) {
			p.work.Go(func() { p.serve(c) })
		}
	}
}

// serve passes one connection on until either side ends it.
func (p *Proxy) serve(client net.Conn) {
	defer p.drop(client)
	if !p.pass(Both) {
		return
	}
	server, err := net.Dial("tcp", p.server)
	if err != nil || !p.keep(server) {
		return
	}
	defer p.drop(server)
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, client, ToServer) })
	both.Go(func() { p.copy(client, server, ToClient) })
	both.Wait()
}

// copy moves bytes in one direction, and ends both connections with either.
func (p *Proxy) copy(to, from net.Conn, d Direction) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if !p.pass(d) {
			return
		}
		if _, failed := to.Write(buffer[:n]); failed != nil || err != nil {
			return
		}
	}
}
