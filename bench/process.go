package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
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
}

// start starts a program, which ends with ctx at the latest.
func start(ctx context.Context, name string, command ...string) (*process, error) {
	p := &process{name: name, cmd: exec.CommandContext(ctx, command[0], command[1:]...), log: &tail{}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
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
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // It may have ended.
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

// cpu is what a process and its children have used so far, user and system.
func cpu(pid int) (time.Duration, error) {
	sum, err := cpuTime(pid)
	if err != nil {
		return 0, err
	}
	for _, child := range children(pid) {
		more, err := cpuTime(child)
		if err == nil { // It may have ended.
			sum += more
		}
	}
	return sum, nil
}

// switches is how often the threads of a process have waited so far: voluntary context
// switches of those that there are.
func switches(pid int) int64 {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	var sum int64
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // It has ended.
		}
		_, after, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
		first, _, _ := strings.Cut(after, "\n")
		n, _ := strconv.ParseInt(strings.TrimSpace(first), 10, 64)
		sum += n
	}
	return sum
}

// children are the processes that a process has forked, at any depth.
func children(pid int) []int {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var found []int
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for word := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				found = append(append(found, child), children(child)...)
			}
		}
	}
	return found
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
