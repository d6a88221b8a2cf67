package nets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Namespace is a network namespace without a name, held by a thread of its own:
// it ends with Close or with the process, and so do its interfaces.
type Namespace struct {
	path  string // By which other processes find it.
	tasks chan func()
	done  chan struct{}
}

// NewNamespace makes one in which only loopback is up.
func NewNamespace() (*Namespace, error) {
	ns := &Namespace{tasks: make(chan func()), done: make(chan struct{})}
	started := make(chan error)
	go ns.run(started)
	if err := <-started; err != nil {
		return nil, err
	}
	if err := ns.IP("link", "set", "lo", "up"); err != nil {
		ns.Close()
		return nil, err
	}
	return ns, nil
}

// run is the thread. It is never unlocked, so that it ends with the function and
// no other goroutine gets into the namespace.
func (ns *Namespace) run(started chan<- error) {
	defer close(ns.done)
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		started <- fmt.Errorf("make a network namespace: %w; run this as root", err)
		return
	}
	ns.path = fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
	started <- nil
	for task := range ns.tasks {
		task()
	}
}

// Close lets go of the namespace. Processes in it keep it, those are for who started them.
func (ns *Namespace) Close() {
	close(ns.tasks)
	<-ns.done
}

// do runs something on the thread that is in the namespace.
func (ns *Namespace) do(task func() error) error {
	result := make(chan error)
	ns.tasks <- func() { result <- task() }
	return <-result
}

// Command has a command run in the namespace. The process that is started
// becomes the command's, and dies when this one does.
func (ns *Namespace) Command(c *exec.Cmd) {
	c.Args = append([]string{"nsenter", "--net=" + ns.path, "--", c.Path}, c.Args[1:]...)
	c.Path, c.Err = exec.LookPath("nsenter")
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// IP runs iproute2's ip in the namespace.
func (ns *Namespace) IP(args ...string) error {
	c := exec.Command("ip", args...)
	if c.Err != nil {
		return fmt.Errorf("%w: install iproute2", c.Err)
	}
	ns.Command(c)
	// The thread that starts it may end before it does, which is no reason to kill it.
	c.SysProcAttr = nil
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// Listen listens for TCP in the namespace.
func (ns *Namespace) Listen(addr string) (l net.Listener, err error) {
	err = ns.do(func() error {
		l, err = new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
		return err
	})
	return l, err
}

// Dial connects from within the namespace to a literal address: a name would be
// looked up by other threads. It fits http.Transport.
func (ns *Namespace) Dial(ctx context.Context, network, addr string) (conn net.Conn, err error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if net.ParseIP(host) == nil {
		return nil, errors.New("dial in a namespace: give an IP address")
	}
	err = ns.do(func() error {
		conn, err = new(net.Dialer).DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}
