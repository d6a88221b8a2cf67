package pgstore_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy passes the messages of PostgreSQL's protocol on, counts them, and can break the connections
// before any of them.
type proxy struct {
	listener net.Listener
	server   string
	running  sync.WaitGroup

	mu    sync.Mutex // Guards what follows.
	conns []net.Conn
	// armed says that messages are counted, and cut is before which of them to break everything; -1
	// for none.
	armed bool
	cut   int
	seen  []byte // The types of the messages counted: of a client as they are, of the server as '<'.
}

// newProxy starts a proxy to the server of a URL and returns the URL by way of it.
func newProxy(t *testing.T, to string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, server: u.Host, cut: -1}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		p.mu.Lock()
		p.breakAll()
		p.mu.Unlock()
		p.running.Wait()
	})
	u.Host = l.Addr().String()
	return p, u.String()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		p.running.Go(func() { p.pass(server, client, true) })
		p.running.Go(func() { p.pass(client, server, false) })
	}
}

// pass passes messages on in one direction until a connection breaks.
func (p *proxy) pass(to, from net.Conn, client bool) {
	defer to.Close()
	defer from.Close()
	for first := client; ; first = false {
		message, err := read(from, first)
		if err != nil || !p.admit(message, client, first) {
			return
		}
		if _, err := to.Write(message); err != nil {
			return
		}
	}
}

// read reads a message. The first one of a client has no type.
func read(from io.Reader, first bool) ([]byte, error) {
	head := make([]byte, 5)
	if first {
		head = head[:4]
	}
	if _, err := io.ReadFull(from, head); err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint32(head[len(head)-4:])) - 4
	if length < 0 || length > 1<<26 {
		return nil, errors.New("no message of PostgreSQL")
	}
	message := append(head, make([]byte, length)...)
	_, err := io.ReadFull(from, message[len(head):])
	return message, err
}

// admit counts a message, and breaks everything where it is its turn.
func (p *proxy) admit(message []byte, client, first bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.armed || first {
		return true
	}
	if len(p.seen) == p.cut {
		p.armed = false
		p.breakAll()
		return false
	}
	kind := byte('<')
	if client {
		kind = message[0]
	}
	p.seen = append(p.seen, kind)
	return true
}

// breakAll closes all connections. The caller holds mu.
func (p *proxy) breakAll() {
	for _, c := range p.conns {
		_ = c.Close() // It may be closed already.
	}
	p.conns = nil
}

// count runs do and returns the messages that it led to. Cut is before which of them all
// connections break; -1 for none.
func (p *proxy) count(cut int, do func()) []byte {
	p.mu.Lock()
	p.armed, p.cut, p.seen = true, cut, nil
	p.mu.Unlock()
	do()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = false
	return p.seen
}
