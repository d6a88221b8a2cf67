package started_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take.
const patience = 30 * time.Second

// output is what a process prints.
type output struct {
	mu   sync.Mutex // Guards text.
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// process is a program that runs.
type process struct {
	name    string
	command *exec.Cmd
	out     output
	ended   chan struct{}
	err     error // How it ended; to be read after that.
}

// launch starts a program, which ends by a signal with the test, and with the process of the test. Linux sends
// the signal of a parent's death when the thread ends that started the child, so that thread waits
// for the child and does nothing else.
func launch(t *testing.T, by syscall.Signal, c *exec.Cmd) *process {
	t.Helper()
	p := &process{name: filepath.Base(c.Path), command: c, ended: make(chan struct{})}
	c.Stdout, c.Stderr = &p.out, &p.out
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Pdeathsig = by
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.Start()
		started <- err
		if err == nil {
			p.err = c.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.stop(by)
		if t.Failed() {
			t.Logf("%s %s:\n%s", p.name, strings.Join(c.Args[1:], " "), p.out.String())
		}
	})
	return p
}

// stop ends a process by a signal, and waits for its end.
func (p *process) stop(by syscall.Signal) {
	_ = p.command.Process.Signal(by)
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.command.Process.Kill()
		<-p.ended
	}
}

// do runs a program to its end, which has to be a good one.
func do(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(c.Args, " "), err, out)
	}
	return string(out)
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); <-time.After(50 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// freePort is one that nothing has at the moment, for TCP and UDP.
func freePort(t *testing.T) string {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		u, err := net.ListenPacket("udp", "127.0.0.1:"+port)
		if err := errors.Join(l.Close(), err); err == nil && u.Close() == nil {
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// programs is the folder of the newest PostgreSQL. Debian keeps it out of PATH.
func programs(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	newest, folder := 0, ""
	for _, program := range found {
		of := filepath.Dir(program)
		if version, err := strconv.Atoi(filepath.Base(filepath.Dir(of))); err == nil && version > newest {
			newest, folder = version, of
		}
	}
	if err != nil || folder == "" {
		t.Fatalf("the programs of PostgreSQL are missing: run make setup (%v)", err)
	}
	return folder
}

// unprivileged makes a folder for a user that PostgreSQL runs as, which is not root.
func unprivileged(t *testing.T) (folder string, as *syscall.Credential) {
	t.Helper()
	folder, err := os.MkdirTemp("", "peal-started-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	if os.Geteuid() != 0 {
		return folder, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err, gidErr, os.Chown(folder, int(uid), int(gid))); err != nil {
		t.Fatal(err)
	}
	return folder, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
