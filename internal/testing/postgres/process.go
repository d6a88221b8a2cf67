package postgres

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// endsWithin is how long a process may take to end by a signal before it is killed.
const endsWithin = 10 * time.Second

// process is a program that was started.
type process struct {
	command *exec.Cmd
	ended   chan struct{} // Closed at its end.
}

// launch starts a program. Linux sends the signal of a parent's death when the thread ends that
// started the child, so that thread waits for the child and does nothing else.
func launch(command *exec.Cmd) (*process, error) {
	p := &process{command: command, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait() // That it was killed is no news.
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// end ends the process by a signal, where it has not ended yet.
func (p *process) end(by syscall.Signal) error {
	err := p.command.Process.Signal(by)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	timer := time.NewTimer(endsWithin)
	defer timer.Stop()
	select {
	case <-p.ended:
		return err
	case <-timer.C:
		return errors.Join(err, errors.New("it did not end by a signal"), p.command.Process.Kill())
	}
}
