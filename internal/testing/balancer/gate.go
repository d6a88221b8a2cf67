package balancer

import (
	"errors"
	"io"
	"net"
	"sync"
)

// gate is what bytes of one direction pass through; it may be held.
type gate struct {
	mu   sync.Mutex    // Guards open.
	open chan struct{} // Closed when the gate is released; nil while it is not held.
}

func (g *gate) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == nil {
		g.open = make(chan struct{})
	}
}

func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open != nil {
		close(g.open)
		g.open = nil
	}
}

// wait waits while the gate is held.
func (g *gate) wait() {
	for {
		g.mu.Lock()
		open := g.open
		g.mu.Unlock()
		if open == nil {
			return
		}
		<-open
	}
}

// pass copies until one side ends. A half that ends in order ends that half of the other side
// alone; after an error nothing more passes either way.
func (g *gate) pass(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		g.wait()
		if n > 0 {
			if _, failed := to.Write(buffer[:n]); failed != nil {
				err = failed
			}
		}
		half, ok := to.(*net.TCPConn)
		switch {
		case err == nil:
			continue
		case errors.Is(err, io.EOF) && ok:
			_ = half.CloseWrite()
		default:
			_, _ = to.Close(), from.Close()
		}
		return
	}
}
