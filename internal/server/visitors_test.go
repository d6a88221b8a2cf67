package server

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// One address holds so many HTTP connections and no more. Those that became
// WebSockets, and those that are closed, make room.
func TestVisitorsPerAddr(t *testing.T) {
	b := start(t, inMemory, func(c *Config) { c.Settings.Limits.SocketsPerAddr = 3 })
	most := visitorsPerPlace * 3
	ask := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", b.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_, _ = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") // It may be closed already.
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return nil
		}
		_ = r.Body.Close()
		return c
	}
	// Clients that are logged in take no place.
	for _, device := range []string{"a", "b", "c", "d"} {
		b.login("alice", device)
	}
	var inside []net.Conn
	for range 5 * most {
		if c := ask(); c != nil {
			inside = append(inside, c)
		}
	}
	if len(inside) != most {
		t.Errorf("%d idle connections are served at once, want %d", len(inside), most)
	}
	for _, c := range inside {
		_ = c.Close()
	}
	// The server learns of the closing a moment later.
	for began := time.Now(); ask() == nil; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatal("those who leave make no room")
		}
	}
}
