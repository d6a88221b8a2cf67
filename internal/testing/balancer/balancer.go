// Package balancer is a round robin over TCP for tests: it spreads connections over several
// servers in turn, without stickiness, and passes bytes on. It stands in front of the nodes of a
// cluster; with one server it is a wire that tests can cut. A Balancer may be used by several
// goroutines.
package balancer

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// dialTimeout is how long a server may take to accept a connection before the next one is tried.
const dialTimeout = 2 * time.Second

// Balancer spreads connections over servers.
type Balancer struct {
	listener           net.Listener
	toServer, toClient gate

	mu      sync.Mutex // Guards what follows.
	servers []string
	next    int
	blind   bool
	passed  map[string]int
	open    map[net.Conn]struct{} // Nil once the balancer is closed.
	work    sync.WaitGroup
}

// Listen opens a balancer at an address, such as 127.0.0.1:0, for servers.
func Listen(addr string, servers ...string) (*Balancer, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	b := &Balancer{listener: l, servers: servers, passed: make(map[string]int), open: make(map[net.Conn]struct{})}
	b.work.Go(b.accept)
	return b, nil
}

// Addr is where the balancer listens.
func (b *Balancer) Addr() string { return b.listener.Addr().String() }

// Passed is how many connections a server was given.
func (b *Balancer) Passed(server string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.passed[server]
}

// Dial opens a connection to the next server that accepts one, and says which it is.
func (b *Balancer) Dial(ctx context.Context) (c net.Conn, server string, err error) {
	err = errors.New("no servers")
	for range b.tries() {
		server = b.turn()
		d := net.Dialer{Timeout: dialTimeout}
		if c, err = d.DialContext(ctx, "tcp", server); err == nil {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.passed[server]++
			return c, server, nil
		}
	}
	return nil, "", err
}

// Blind has a connection fail whose server does not accept it, in place of being given to the next
// one: so does what finds out late that a server is down.
func (b *Balancer) Blind(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.blind = on
}

// tries is how many servers a connection is offered to.
func (b *Balancer) tries() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.blind {
		return 1
	}
	return len(b.servers)
}

// turn is the server whose turn it is.
func (b *Balancer) turn() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	return b.servers[b.next%len(b.servers)]
}

func (b *Balancer) accept() {
	for {
		c, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.work.Go(func() { b.serve(c) })
	}
}

// keep notes an open connection, so that Close ends it. It is false once that has begun.
func (b *Balancer) keep(c net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open == nil {
		return false
	}
	b.open[c] = struct{}{}
	return true
}

func (b *Balancer) end(c net.Conn) {
	_ = c.Close() // It may be closed already.
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, c)
}

// serve passes the bytes of one connection on, both ways.
func (b *Balancer) serve(client net.Conn) {
	defer b.end(client)
	if !b.keep(client) {
		return
	}
	server, _, err := b.Dial(context.Background())
	if err != nil {
		return
	}
	defer b.end(server)
	if !b.keep(server) {
		return
	}
	var back sync.WaitGroup
	back.Go(func() { b.toClient.pass(client, server) })
	b.toServer.pass(server, client)
	back.Wait()
}

// Hold keeps all bytes back, those to the servers, those to the clients or both, until Release
// lets them pass: what a network does that loses every packet for a while. Connections stay open,
// and new ones are accepted.
func (b *Balancer) Hold(toServer, toClient bool) {
	if toServer {
		b.toServer.hold()
	}
	if toClient {
		b.toClient.hold()
	}
}

// Release ends Hold.
func (b *Balancer) Release() {
	b.toServer.release()
	b.toClient.release()
}

// Cut ends all connections. New ones pass.
func (b *Balancer) Cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.open {
		_ = c.Close()
	}
}

// Close ends the balancer and all connections.
func (b *Balancer) Close() error {
	err := b.listener.Close()
	b.mu.Lock()
	for c := range b.open {
		_ = c.Close()
	}
	b.open = nil
	b.mu.Unlock()
	b.Release()
	b.work.Wait()
	return err
}
