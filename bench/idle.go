package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// idleOptions say how idle devices are measured.
type idleOptions struct {
	peal    string
	devices int
	// against is another server to compare with, as a command line.
	against string
	tls     bool
}

func benchIdle(ctx context.Context, args []string) error {
	var o idleOptions
	f := flags("idle")
	binary := pealFlag(f)
	f.IntVar(&o.devices, "devices", 9000, "number of devices to log in; 30000 at most, and each takes a file descriptor here and there")
	f.StringVar(&o.against, "against", "", "command of another Peal to measure as well, with further flags of peal serve: 'bin/peal --loop goroutines'")
	f.BoolVar(&o.tls, "tls", true, "measure devices over TLS as well")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.peal = *binary; o.devices < 100 || o.devices > 30_000 {
		return errors.New("-devices is out of bounds: see bench idle -h")
	}
	printLoad("at the beginning")
	bare, err := idleBare(ctx, o.devices)
	if err != nil {
		return fmt.Errorf("bare sockets: %w", err)
	}
	fmt.Printf("bare sockets of the same library: %.1f KB each\n", bare)
	last := []string{fmt.Sprintf("bare_kb=%.1f", bare)}
	servers := map[string][]string{"": {o.peal}, "other_": strings.Fields(o.against)}
	var certified []string
	if o.tls {
		folder, err := os.MkdirTemp("", "peal-bench-tls-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(folder) }()
		if certified, err = certify(folder); err != nil {
			return err
		}
	}
	var back returned
	for _, prefix := range []string{"", "other_"} {
		command := servers[prefix]
		if len(command) == 0 {
			continue
		}
		kb, r, err := o.idle(ctx, prefix+"peal", command, nil, prefix == "")
		if err != nil {
			return err
		}
		if prefix == "" {
			back = r
		}
		last = append(last, fmt.Sprintf("%sidle_kb=%.1f", prefix, kb))
		if certified == nil {
			continue
		}
		if kb, _, err = o.idle(ctx, prefix+"peal over TLS", command, certified, false); err != nil {
			return err
		}
		last = append(last, fmt.Sprintf("%sidle_tls_kb=%.1f", prefix, kb))
	}
	fmt.Printf("%s back_s=%.1f peak_mb=%.0f\n", strings.Join(last, " "), back.within.Seconds(), kilobytes(back.peak)/1024)
	return nil
}

// returned is how all devices came back to a server that had died.
type returned struct {
	within time.Duration
	peak   int64 // The most memory, in bytes.
}

// idle is the memory of one device, in KB, over TLS where it gets the flags for that. With
// kill the server dies at the end, and all devices come back to the next one.
func (o *idleOptions) idle(ctx context.Context, name string, command, certified []string, kill bool) (kb float64, r returned, err error) {
	more := append(slices.Clone(command[1:]), certified...)
	s, err := startPeal(ctx, command[0], more...)
	if err != nil {
		return 0, r, err
	}
	defer func() { s.stop() }()
	if certified != nil {
		s.scheme = "https"
	}
	before, err := settled(ctx, s.process)
	if err != nil {
		return 0, r, err
	}
	cfg := s.load(o.devices)
	cfg.Rate = 0
	begin := time.Now()
	all, err := fleet(ctx, cfg)
	if err != nil {
		return 0, r, err
	}
	defer all.Close()
	login := time.Since(begin)
	_, peak, err := memory(s.pid())
	if err != nil {
		return 0, r, err
	}
	after, err := settled(ctx, s.process)
	if err != nil {
		return 0, r, err
	}
	kb = kilobytes(after-before) / float64(o.devices)
	fmt.Printf("%s: %d devices logged in within %.1f s, %d at a time: %.1f KB each; %.0f MB in all, %.0f MB at the most\n",
		name, o.devices, login.Seconds(), cfg.Connects, kb, kilobytes(after)/1024, kilobytes(peak)/1024)
	if !kill {
		return kb, r, nil
	}
	_ = s.cmd.Process.Kill()
	<-s.done
	again, err := startPealAt(ctx, command[0], s.data, s.addr, more...)
	if err != nil {
		return 0, r, err
	}
	s = again
	begin = time.Now()
	if err := until(ctx, func() bool { return all.Online() == o.devices }); err != nil {
		return 0, r, fmt.Errorf("%d of %d devices are back: %w", all.Online(), o.devices, err)
	}
	r.within = time.Since(begin)
	if _, r.peak, err = memory(s.pid()); err != nil {
		return 0, r, err
	}
	fmt.Printf("after kill -9 and a new start all were back in %.1f s; %.0f MB at the most\n", r.within.Seconds(), kilobytes(r.peak)/1024)
	return kb, r, nil
}

func kilobytes(bytes int64) float64 { return float64(bytes) / 1024 }

// idleBare is the memory for one socket of a server that does nothing with it.
func idleBare(ctx context.Context, n int) (float64, error) {
	p, addr, err := startRelay(ctx, "relay")
	if err != nil {
		return 0, err
	}
	defer p.stop()
	before, err := settled(ctx, p)
	if err != nil {
		return 0, err
	}
	var (
		work   sync.WaitGroup
		places = make(chan struct{}, 64)
		mu     sync.Mutex
		conns  []*websocket.Conn
		failed error
	)
	defer func() {
		for _, c := range conns {
			_ = c.CloseNow()
		}
	}()
	for i := range n {
		places <- struct{}{}
		work.Go(func() {
			defer func() { <-places }()
			c, _, err := websocket.Dial(ctx, fmt.Sprintf("ws://%s/?pair=%d&side=%d", addr, i/2, i%2), nil)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
				return
			}
			conns = append(conns, c)
		})
	}
	work.Wait()
	if failed != nil {
		return 0, failed
	}
	after, err := settled(ctx, p)
	return kilobytes(after-before) / float64(n), err
}

// settled is the memory of a process when it has stopped falling: the garbage collector returns the
// memory of a login with a delay.
func settled(ctx context.Context, p *process) (int64, error) {
	least, _, err := memory(p.pid())
	if err != nil {
		return 0, err
	}
	for calm := 0; calm < 5; calm++ {
		if err := pause(ctx, 2*time.Second); err != nil {
			return 0, err
		}
		now, _, err := memory(p.pid())
		if err != nil {
			return 0, err
		}
		if now < least-least/100 {
			calm = -1
		}
		least = min(least, now)
	}
	return least, nil
}

// until waits for something to come true; 3 minutes at most.
func until(ctx context.Context, holds func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
