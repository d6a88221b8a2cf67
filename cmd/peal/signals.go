package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// secondSignal is how long after the first signal a second one counts. Supervisors and
// terminals often send a signal twice: that is meant once.
const secondSignal = time.Second

// interrupted gives a context that ends at the first SIGINT or SIGTERM, or by end. For
// secondSignal after the first signal others are ignored, from then on they end the
// process. stop gives up all of this.
func interrupted() (ctx context.Context, end, stop func()) {
	// A write to a pipe that nobody reads fails, and does not end the process.
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := context.WithCancel(context.Background())
	signals, stopped := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer signal.Stop(signals)
		select {
		case <-signals:
			cancel()
		case <-stopped:
			return
		}
		select {
		case <-time.After(secondSignal):
		case <-stopped:
		}
	}()
	return ctx, cancel, sync.OnceFunc(func() {
		close(stopped)
		cancel()
	})
}

// interruptedAgain gives a context that ends at the next SIGINT or SIGTERM, in place of the process.
// first is when the first signal came: for secondSignal after that others are ignored. stop gives up
// all of this.
func interruptedAgain(first time.Time) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-signals:
				if time.Since(first) >= secondSignal {
					cancel()
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, cancel
}

// withTerminal is interrupted that ends with the terminal as well, unless the program was
// started to outlive it, as by nohup.
func withTerminal() (ctx context.Context, end, stop func()) {
	ctx, end, stop = interrupted()
	if signal.Ignored(syscall.SIGHUP) {
		return ctx, end, stop
	}
	// It is never given up: a second SIGHUP must not cut short what the first one began.
	closed := make(chan os.Signal, 1)
	signal.Notify(closed, syscall.SIGHUP)
	go func() {
		select {
		case <-closed:
			end()
		case <-ctx.Done():
		}
	}()
	return ctx, end, stop
}

// reloads gets a signal whenever the settings are to be read again. It stays so until the
// process ends: SIGHUP never ends it.
func reloads() <-chan os.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	return signals
}
