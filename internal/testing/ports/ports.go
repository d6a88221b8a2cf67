// Package ports finds ports for servers of tests that die and start again at the same address.
// Only tests use it.
package ports

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// The system gives ports from 32768 on to connections that go out, and to those who listen at any
// port. One of these may be taken while its server is dead.
const (
	least = 10_000
	most  = 32_000
	tries = 100
)

// Free is a port of 127.0.0.1 at which nobody listens, and that the system gives to nobody.
func Free() (int, error) {
	var all error
	for range tries {
		port := least + rand.IntN(most-least)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
		all = errors.Join(all, err)
	}
	return 0, fmt.Errorf("no port of %d is free: %w", tries, all)
}
