// Package postgres starts PostgreSQL for tests: a server of its own in a temporary folder, on
// loopback, which ends with the test and with the test's process.
//
// It needs the programs of PostgreSQL, which `make setup` installs. The data is not flushed to
// the disk (fsync is off): it survives the kill of a server, and not a crash of the machine.
package postgres

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/peal-rtc/peal/internal/testing/ports"
)

// startsWithin is how long a server may take until it answers.
const startsWithin = 30 * time.Second

// Server is a PostgreSQL server. One goroutine at a time may kill and restart it; all else is safe
// for concurrent use.
type Server struct {
	folder   string
	programs string
	port     int
	password string
	settings []string
	process  *process
	log      *logs
}

// Start starts a server that ends with the test. Settings are such as "max_connections=50".
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s, err := start(t.Context(), settings)
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("stop PostgreSQL: %v", err)
		}
	})
	return s
}

// shared is the server that all tests of a process have in common.
var shared struct {
	sync.Mutex
	begun  bool // Main runs.
	server *Server
}

// Main is for TestMain: it runs the tests, and then stops the server that Shared started.
func Main(m *testing.M) int {
	shared.Lock()
	shared.begun = true
	shared.Unlock()
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	shared.begun = false
	if shared.server == nil {
		return code
	}
	if err := shared.server.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
		return max(code, 1)
	}
	return code
}

// Shared gives the server that the tests of a process have in common; none of them may kill it.
// The package's TestMain must call Main.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if !shared.begun {
		t.Fatal("postgres.Shared needs a TestMain that calls postgres.Main")
	}
	if shared.server == nil {
		s, err := start(t.Context(), nil)
		if err != nil {
			t.Fatalf("start PostgreSQL: %v", err)
		}
		shared.server = s
	}
	return shared.server
}

func start(ctx context.Context, settings []string) (*Server, error) {
	programs, err := findPrograms()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "peal-postgres-")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	s := &Server{folder: folder, programs: programs, password: rand.Text(), settings: settings, log: &logs{}}
	err = s.initialize(ctx)
	if err == nil {
		err = s.launch(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	return s, nil
}

// findPrograms finds the folder of the newest programs. Debian keeps them out of PATH.
func findPrograms() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	newest, folder := 0, ""
	for _, program := range found {
		of := filepath.Dir(program)
		version, err := strconv.Atoi(filepath.Base(filepath.Dir(of)))
		if err == nil && version > newest {
			newest, folder = version, of
		}
	}
	if folder != "" {
		return folder, nil
	}
	program, err := exec.LookPath("initdb")
	if err != nil {
		return "", errors.New("the programs of PostgreSQL are missing: run make setup")
	}
	return filepath.Dir(program), nil
}

// initialize makes the data folder.
func (s *Server) initialize(ctx context.Context) error {
	secret := filepath.Join(s.folder, "password")
	if err := os.WriteFile(secret, []byte(s.password), 0o600); err != nil {
		return err
	}
	as, err := unprivileged(s.folder, secret)
	if err != nil {
		return err
	}
	initdb := exec.CommandContext(ctx, filepath.Join(s.programs, "initdb"), "--pgdata="+s.data(), "--username=peal",
		"--auth=scram-sha-256", "--pwfile="+secret, "--encoding=UTF8", "--locale=C", "--no-sync")
	initdb.Dir = s.folder
	initdb.SysProcAttr = as
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

// launch starts the server and waits until it answers. Another process may take the port that was
// free a moment ago, so a first start tries others.
func (s *Server) launch(ctx context.Context) (err error) {
	tries := 1
	if s.port == 0 {
		tries = 5
	}
	for range tries {
		if tries > 1 {
			if s.port, err = ports.Free(); err != nil {
				return err
			}
		}
		if err = s.run(ctx); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%w\n%s", err, s.log)
}

// run starts the server at its port.
func (s *Server) run(ctx context.Context) error {
	as, err := unprivileged()
	if err != nil {
		return err
	}
	args := []string{"-D", s.data()}
	for _, setting := range append([]string{
		"port=" + strconv.Itoa(s.port), "listen_addresses=127.0.0.1", "unix_socket_directories=",
		"fsync=off", "full_page_writes=off", "shared_buffers=64MB", "max_connections=200", "logging_collector=off",
		"deadlock_timeout=100ms", // Before the lock_timeout of a second, so that a deadlock is counted as that.
	}, s.settings...) {
		args = append(args, "-c", setting)
	}
	server := exec.Command(filepath.Join(s.programs, "postgres"), args...)
	server.Dir, server.SysProcAttr = s.folder, as
	server.Stdout, server.Stderr = s.log, s.log
	if s.process, err = launch(server); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	if err := s.answers(ctx); err != nil {
		return errors.Join(err, s.process.end(syscall.SIGQUIT))
	}
	return nil
}

// answers waits until the server takes connections.
func (s *Server) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startsWithin)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.process.ended:
			return errors.New("postgres ended at its start")
		case <-ctx.Done():
			return fmt.Errorf("postgres does not answer: %w", err)
		case <-tick.C:
		}
	}
}

// Address is the host and port of the server.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL is that of a database, for its owner, who may do everything.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword("peal", s.password), Host: s.Address(), Path: "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// NewDatabase makes an empty database that is dropped with the test, and returns its URL.
func (s *Server) NewDatabase(t testing.TB) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	if err := s.do(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("make database: %v", err)
	}
	t.Cleanup(func() {
		if s.process.alive() { // Otherwise the test has killed it.
			if err := s.do(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
				t.Errorf("drop database: %v", err)
			}
		}
	})
	return s.URL(name)
}

// do runs a statement in the database postgres.
func (s *Server) do(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

// PID is that of the server's first process.
func (s *Server) PID() int { return s.process.command.Process.Pid }

// Kill9 kills the server, as a crash does. What was committed is there after Restart.
func (s *Server) Kill9(t testing.TB) {
	t.Helper()
	if err := s.process.end(syscall.SIGKILL); err != nil {
		t.Fatalf("kill PostgreSQL: %v", err)
	}
}

// Restart starts the server again at the same address, after Kill9 or in place of what runs.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.process.end(syscall.SIGINT); err != nil {
		t.Fatalf("stop PostgreSQL: %v", err)
	}
	// Children of a server that was killed hold its memory for a moment.
	ctx, cancel := context.WithTimeout(t.Context(), startsWithin)
	defer cancel()
	for {
		err := s.launch(ctx)
		if err == nil {
			return
		}
		if ctx.Err() != nil || !strings.Contains(err.Error(), "pre-existing shared memory block") {
			t.Fatalf("restart PostgreSQL: %v", err)
		}
	}
}

// stop ends the server and deletes its data.
func (s *Server) stop() error {
	return errors.Join(s.process.end(syscall.SIGQUIT), os.RemoveAll(s.folder))
}

// logs keep the newest lines of a server.
type logs struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

// logsMost is how many bytes are kept.
const logsMost = 1 << 16

var _ io.Writer = (*logs)(nil)

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines.Write(p)
	l.lines.Next(max(0, l.lines.Len()-logsMost))
	return len(p), nil
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.String()
}
