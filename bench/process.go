package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a program that was started here.
type process struct {
	name string
	cmd  *exec.Cmd
	log  *tail
	done chan struct{}
	// quit is the signal that asks it to end.
	quit syscall.Signal
}

// start starts a program, which ends with ctx at the latest.
func start(ctx context.Context, name string, command ...string) (*process, error) {
	p := &process{name: name, cmd: exec.CommandContext(ctx, command[0], command[1:]...), log: &tail{}, done: make(chan struct{}), quit: syscall.SIGTERM}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(p.quit) }
	p.cmd.WaitDelay = 5 * time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // How it ended is of interest to who waits for it.
		close(p.done)
	}()
	return p, nil
}

// stop asks a program to end, and sees to it that it does.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(p.quit) // It may have ended.
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// wait waits for a program that ends by itself.
func (p *process) wait() error {
	<-p.done
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("%s ended with code %d: %s", p.name, code, p.log)
	}
	return nil
}

// until waits for something to come true of a program that is starting.
func (p *process) until(ctx context.Context, ready func() bool) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for !ready() {
		select {
		case <-ticker.C:
		case <-p.done:
			return fmt.Errorf("%s ended: %s", p.name, p.log)
		case <-ctx.Done():
			return fmt.Errorf("%s does not start: %s", p.name, p.log)
		}
	}
	return nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// answers tells whether something answers HTTP at an address.
func answers(addr string) func() bool {
	return func() bool {
		w, err := http.Get("http://" + addr + "/")
		if err != nil {
			return false
		}
		_ = w.Body.Close()
		return true
	}
}

// tail keeps the end of what a program writes.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if most := 4 << 10; len(t.text) > most {
		t.text = t.text[len(t.text)-most:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// memory is what a process holds, and the most that it has held, in bytes.
func memory(pid int) (now, most int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		var to *int64
		switch {
		case strings.HasPrefix(line, "VmRSS:"):
			to = &now
		case strings.HasPrefix(line, "VmHWM:"):
			to = &most
		default:
			continue
		}
		kb, err := strconv.ParseInt(strings.Fields(line)[1], 10, 64)
		if err != nil {
			return 0, 0, err
		}
		*to = kb << 10
	}
	if now == 0 {
		return 0, 0, errors.New("the process has no memory: it has ended")
	}
	return now, most, nil
}

// freePort is a port that nobody has for TCP or UDP, for the time being.
func freePort() (port int, err error) {
	for range 10 {
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return 0, err
		}
		var c net.PacketConn
		if c, err = net.ListenPacket("udp", l.Addr().String()); err == nil {
			_ = c.Close()
			port = l.Addr().(*net.TCPAddr).Port
		}
		_ = l.Close()
		if err == nil {
			return port, nil
		}
	}
	return 0, err
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
