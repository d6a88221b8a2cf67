package e2e_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
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

	"github.com/peal-rtc/peal/internal/testing/ports"
	"github.com/peal-rtc/peal/internal/testing/postgres"
)

// binary is the built command; TestMain makes it.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "peal-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "peal")
		build := exec.Command("go", "build", "-o", binary, "../cmd/peal")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "cannot build peal:", err)
			return 1
		}
		return postgres.Main(m)
	}())
}

// server is a `peal dev` in a process of its own.
type server struct {
	t       *testing.T
	addr    string
	data    string
	flags   []string
	process *exec.Cmd
	log     *buffer
	// wrap has the process run elsewhere, and client is how it is reached there;
	// nil means here.
	wrap   func(*exec.Cmd)
	client *http.Client
	// cluster is nil where the server is one node.
	cluster *cluster
}

// toStart is how long a server may take until it is ready. It takes well under a second;
// a busy machine may take seconds to run a process at all.
const toStart = 30 * time.Second

// startServer runs a server for the length of a test.
func startServer(t *testing.T, flags ...string) *server {
	t.Helper()
	s := &server{t: t, addr: freeAddr(t), data: t.TempDir(), flags: flags, log: &buffer{}}
	if n := nodesFor(t); n > 1 {
		s.spread(n)
	}
	s.startForTest()
	return s
}

// startForTest runs a server that is described, for the length of a test.
func (s *server) startForTest() {
	t := s.t
	t.Helper()
	s.start()
	t.Cleanup(func() {
		s.stop(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("server log:\n%s", s.log)
		}
	})
}

func (s *server) start() {
	s.t.Helper()
	if s.log == nil {
		s.log = &buffer{}
	}
	addr := s.addr
	if s.cluster != nil {
		addr = s.cluster.first
	}
	s.process = exec.Command(binary, append([]string{"dev", "--addr", addr, "--data", s.data}, s.flags...)...)
	s.process.Stdout, s.process.Stderr = s.log, s.log
	if s.wrap != nil {
		s.wrap(s.process)
	}
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, toStart, "the server is ready", func() bool {
		r, err := s.http().Get(s.urlOf(addr) + "/readyz")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	s.startOthers()
}

// stop ends the process by its own pid and waits for it.
func (s *server) stop(sig os.Signal) {
	s.stopOthers(sig)
	if s.process == nil {
		return
	}
	_ = s.process.Process.Signal(sig)
	done := make(chan struct{})
	go func() { _ = s.process.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second): // Its clients alone may take 5 s of that to leave.
		_ = s.process.Process.Kill()
		<-done
		s.t.Error("the server did not stop within 20 s")
	}
	s.process = nil
}

func (s *server) url() string { return s.urlOf(s.addr) }

// urlOf is that of a node at an address.
func (s *server) urlOf(addr string) string {
	if slices.Contains(s.flags, "--tls") {
		return "https://" + addr
	}
	return "http://" + addr
}

func (s *server) http() *http.Client {
	if s.client != nil {
		return s.client
	}
	return trusting
}

// trusting takes the self-made certificate of a server.
var trusting = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}

// token is what an application's backend would hand to its page.
func (s *server) token(account string) string {
	s.t.Helper()
	return s.namedToken(account, "", "")
}

// namedToken is a token with the name and the picture of the person.
func (s *server) namedToken(account, name, avatar string) string {
	s.t.Helper()
	wanted, err := json.Marshal(map[string]string{"account": account, "name": name, "avatar": avatar})
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := s.http().Post(s.url()+"/dev/token", "application/json", bytes.NewReader(wanted))
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	var body struct{ Token string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Token == "" {
		rest, _ := io.ReadAll(r.Body)
		s.t.Fatalf("no token: %v %s", err, rest)
	}
	return body.Token
}

func freeAddr(t *testing.T) string {
	t.Helper()
	port, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// eventually polls, for what happens in other processes. It looks once more at the end: on
// a machine that stood still for longer than the wait, the first look after that counts.
func eventually(t *testing.T, most time.Duration, what string, done func() bool) {
	t.Helper()
	if !within(most, done) {
		t.Fatalf("not within %s: %s", most, what)
	}
}

// within polls a condition and says whether it held in time.
func within(most time.Duration, done func() bool) bool {
	deadline := time.After(most)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			return done()
		case <-tick.C:
		}
	}
	return true
}

// buffer collects a process's output.
type buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
