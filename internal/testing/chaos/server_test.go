package chaos_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/peal-rtc/peal/internal/control"
	"github.com/peal-rtc/peal/internal/testing/ports"
)

const secret = "the secret of servers that are killed"

// The timing of calls, and how long a server may take to start.
const (
	callerGrace = time.Second
	grace       = 2 * time.Second
	connect     = 2 * time.Second
	startup     = 30 * time.Second
)

// settings have calls end soon, and let the same people call again and again.
var settings = []string{
	"--turn-addr=off", "--drain=2s", "--webhook-allow=127.0.0.0/8", "--secret=" + secret, "--log-level=debug",
	"--timing-caller-grace=" + callerGrace.String(), "--timing-leaving-grace=" + callerGrace.String(),
	"--timing-grace=" + grace.String(), "--timing-grace-hold=" + grace.String(), "--timing-connect=" + connect.String(),
	"--limits-invites-per-min=100000", "--limits-pair-per-min=100000", "--limits-sockets-per-addr=10000",
	"--limits-message-rate=100000", "--limits-message-burst=100000",
	"--limits-rings-per-min=100000", "--limits-hellos-per-min=100000", "--limits-declined-pause=0s",
}

// server is the victim in a process of its own.
type server struct {
	t      *testing.T
	binary string
	addr   string
	// metrics is where it serves those.
	metrics string
	data    string
	// more are settings of its own.
	more []string
	// env is its environment beside that of the test.
	env []string
	log log

	mu      sync.Mutex // Guards what follows.
	process *exec.Cmd
	orders  io.WriteCloser
	died    chan struct{} // Closed when the process is no more.
}

// build makes the program that is killed.
func build(t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "victim")
	if out, err := exec.Command("go", "build", "-o", binary, "./victim").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// newServer describes a server that is to be started.
func newServer(t *testing.T, binary string, more ...string) *server {
	t.Helper()
	s := &server{t: t, binary: binary, data: t.TempDir(), more: more}
	for _, addr := range []*string{&s.addr, &s.metrics} {
		port, err := ports.Free()
		if err != nil {
			t.Fatal(err)
		}
		*addr = fmt.Sprintf("127.0.0.1:%d", port)
	}
	t.Cleanup(s.kill)
	return s
}

func (s *server) start() {
	s.t.Helper()
	p := exec.Command(s.binary, slices.Concat(settings, s.more, []string{"--addr=" + s.addr, "--metrics-addr=" + s.metrics, "--data=" + s.data})...)
	p.Env = append(os.Environ(), s.env...)
	p.Stdout, p.Stderr = &s.log, &s.log
	orders, err := p.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		s.t.Fatal(err)
	}
	died := make(chan struct{})
	go func() {
		_ = p.Wait() // It is killed; how else it went its log says.
		close(died)
	}()
	s.mu.Lock()
	s.process, s.orders, s.died = p, orders, died
	s.mu.Unlock()
	for deadline := time.Now().Add(startup); ; time.Sleep(5 * time.Millisecond) {
		if r, err := http.Get("http://" + s.addr + "/healthz"); err == nil {
			_ = r.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the server does not start:\n%s", s.log.tail())
		}
	}
}

// order tells the server when to die.
func (s *server) order(when, what string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := fmt.Fprintln(s.orders, when, what, n); err != nil {
		s.t.Fatal(err)
	}
}

// death is closed when the running server is no more.
func (s *server) death() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.died
}

// kill is a kill -9 of whatever runs.
func (s *server) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		_ = s.process.Process.Kill() // Where it is dead already that is what is wanted.
		<-s.died
	}
}

// signal sends a signal to the process, which runs.
func (s *server) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.process.Process.Signal(sig); err != nil {
		s.t.Errorf("signal %v: %v", sig, err)
	}
}

// stop has the server end in order.
func (s *server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.orders.Close(); err != nil {
		s.t.Errorf("stop: %v", err)
	}
	<-s.died
	if code := s.process.ProcessState.ExitCode(); code != 0 {
		s.t.Errorf("it ended with code %d:\n%s", code, s.log.tail())
	}
}

// alive says whether the process runs. One that was killed may run for a moment.
func (s *server) alive() bool {
	select {
	case <-s.death():
		return false
	case <-time.After(10 * time.Millisecond):
		return true
	}
}

// inspect says what the server holds.
func (s *server) inspect(ctx context.Context) (string, error) {
	state, err := control.Client{Data: s.data, Database: s.data}.Inspect(ctx, "")
	return string(state), err
}

// how says how the server died, which has.
func (s *server) how() syscall.WaitStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.ProcessState.Sys().(syscall.WaitStatus)
}

// log collects what the server says.
type log struct {
	mu   sync.Mutex // Guards what follows.
	text strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// tail is what it said last.
func (l *log) tail() string {
	text := l.String()
	return text[max(0, len(text)-64<<10):]
}
