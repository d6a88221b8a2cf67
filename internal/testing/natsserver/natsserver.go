// Package natsserver starts NATS for tests: the real server, on loopback, which ends with the
// test and with the test's process. `make setup` builds its program.
package natsserver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// startsWithin is how long a server may take to listen.
const startsWithin = 20 * time.Second

// Server is a NATS server. One goroutine at a time uses it.
type Server struct {
	t       testing.TB
	args    []string
	addr    string
	process *exec.Cmd
	ended   chan struct{} // Closed when its output has ended.
}

// Start starts a server that ends with the test. args are further ones of its command.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, args: args, addr: "127.0.0.1:-1"}
	s.launch()
	t.Cleanup(func() {
		if s.process != nil {
			s.Kill9()
		}
	})
	return s
}

// Addr is where it listens.
func (s *Server) Addr() string { return s.addr }

// URL is nats:// with Addr.
func (s *Server) URL() string { return "nats://" + s.addr }

// Kill9 ends it at once, as a crash does.
func (s *Server) Kill9() {
	s.t.Helper()
	if err := s.process.Process.Kill(); err != nil {
		s.t.Errorf("kill nats-server: %v", err)
	}
	<-s.ended
	_ = s.process.Wait() // It says that it was killed.
	s.process = nil
}

// Restart starts it again, on its former port, and with other arguments where there are any.
func (s *Server) Restart(args ...string) {
	s.t.Helper()
	if s.process != nil {
		s.Kill9()
	}
	if len(args) > 0 {
		s.args = args
	}
	s.launch()
}

func (s *Server) launch() {
	s.t.Helper()
	path, err := program()
	if err != nil {
		s.t.Fatal(err)
	}
	host, port, _ := strings.Cut(s.addr, ":")
	s.process = exec.Command(path, append([]string{"-a", host, "-p", port}, s.args...)...)
	s.process.SysProcAttr = withParent()
	out, err := s.process.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		s.t.Fatalf("start nats-server: %v", err)
	}
	ready := make(chan string, 1)
	s.ended = make(chan struct{})
	go func() {
		defer close(s.ended)
		follow(out, ready)
	}()
	select {
	case s.addr = <-ready:
	case <-s.ended:
		s.t.Fatal("nats-server ended before it listened")
	case <-time.After(startsWithin):
		s.t.Fatalf("nats-server does not listen after %s", startsWithin)
	}
}

var listens = regexp.MustCompile(`Listening for client connections on (\S+)`)

// follow reads what the server logs, and tells where it listens once it does.
func follow(out io.Reader, ready chan<- string) {
	addr := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if m := listens.FindStringSubmatch(lines.Text()); m != nil {
			addr = m[1]
		}
		if addr != "" && strings.HasSuffix(lines.Text(), "Server is ready") {
			ready <- addr
		}
	}
}

// program finds the server's program: make puts its folder into PATH, others do not.
func program() (string, error) {
	if path, err := exec.LookPath("nats-server"); err == nil {
		return path, nil
	}
	folder, err := os.Getwd()
	for err == nil {
		path := filepath.Join(folder, "bin", "tools", "nats-server")
		if _, missing := os.Stat(path); missing == nil {
			return path, nil
		}
		above := filepath.Dir(folder)
		if above == folder {
			err = errors.New("the program nats-server is missing: run make setup")
		}
		folder = above
	}
	return "", fmt.Errorf("find nats-server: %w", err)
}
