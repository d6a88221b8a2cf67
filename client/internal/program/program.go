// Package program runs the server that the tests of the SDK call through: a
// peal dev of this repository, in a process of its own.
package program

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long a server may take to start or to stop.
const patience = 20 * time.Second

// folder holds the program, once build was called.
var folder string

// build returns the path of the program. The first call builds it.
var build = sync.OnceValues(func() (string, error) {
	root, err := exec.Command("go", "list", "-f", "{{.Module.Dir}}", "github.com/peal-rtc/peal/client").Output()
	if err != nil {
		return "", fmt.Errorf("find the module of the SDK: %w", err)
	}
	repository := filepath.Dir(strings.TrimSpace(string(root)))
	if folder, err = os.MkdirTemp("", "peal"); err != nil {
		return "", err
	}
	path := filepath.Join(folder, "peal")
	out, err := exec.Command("go", "-C", repository, "build", "-buildvcs=false", "-o", path, "./cmd/peal").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the server: %w\n%s", err, out)
	}
	return path, nil
})

// Main runs the tests of a package, fails them if they leave a goroutine
// behind, and removes the program that they built.
func Main(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if folder != "" {
			_ = os.RemoveAll(folder)
		}
		os.Exit(code)
	}))
}

// Server is a server that runs, or was stopped.
type Server struct {
	t    testing.TB
	addr string
	data string
	env  []string
	stop func()
}

// Start runs a server until the test ends, with variables of the environment as KEY=VALUE.
func Start(t testing.TB, env ...string) *Server {
	t.Helper()
	s := &Server{t: t, addr: "127.0.0.1:0", data: t.TempDir(), env: env, stop: func() {}}
	s.Run()
	t.Cleanup(s.Stop)
	return s
}

// URL is where the server listens; a server that runs again listens there too.
func (s *Server) URL() string { return "http://" + s.addr }

// Run starts the server again, with the data that it had.
func (s *Server) Run() {
	s.t.Helper()
	path, err := build()
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	peal := exec.CommandContext(ctx, path, "dev", "--addr", s.addr, "--turn-addr", "127.0.0.1:0", "--data", s.data)
	peal.Cancel = func() error { return peal.Process.Signal(syscall.SIGTERM) }
	peal.WaitDelay = patience
	peal.Env = append(os.Environ(), s.env...)
	peal.Stderr = os.Stderr
	out, err := peal.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := peal.Start(); err != nil {
		s.t.Fatal(err)
	}
	ready, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if _, addr, ok := strings.Cut(lines.Text(), "Peal is ready: http://"); ok {
				ready <- addr
			}
		}
	}()
	s.stop = func() {
		cancel()
		<-ended
		_ = peal.Wait() // It says that it was cancelled.
		if code := peal.ProcessState.ExitCode(); code != 0 {
			s.t.Errorf("the server ends with exit code %d", code)
		}
	}
	select {
	case s.addr = <-ready:
	case <-ended:
		s.t.Fatal("the server does not start")
	case <-time.After(patience):
		s.t.Fatalf("the server does not start within %v", patience)
	}
}

// Stop stops the server, if it runs.
func (s *Server) Stop() {
	s.stop()
	s.stop = func() {}
}

// Token gets tokens for an account from the server.
func (s *Server) Token(account string) func(context.Context) (string, error) {
	return s.NamedToken(account, "", "")
}

// NamedToken is Token with a name and a picture.
func (s *Server) NamedToken(account, name, avatar string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		body, err := json.Marshal(map[string]string{"account": account, "name": name, "avatar": avatar})
		if err != nil {
			return "", err
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL()+"/dev/token", strings.NewReader(string(body)))
		if err != nil {
			return "", err
		}
		w, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			return "", err
		}
		defer func() { _ = w.Body.Close() }()
		var answer struct{ Token string }
		if err := json.NewDecoder(w.Body).Decode(&answer); err != nil {
			return "", fmt.Errorf("%s: %w", w.Status, err)
		}
		return answer.Token, nil
	}
}
