package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coder/websocket"
)

func benchIdle(ctx context.Context, args []string) error {
	f := flags("idle")
	binary := pealFlag(f)
	devices := f.Int("devices", 9000, "how many devices are logged in; 30000 at most, and each takes a file descriptor here and there")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *devices < 100 || *devices > 30_000 {
		return errors.New("-devices is out of bounds: see bench idle -h")
	}
	bare, err := idleBare(ctx, *devices)
	if err != nil {
		return fmt.Errorf("bare sockets: %w", err)
	}
	fmt.Printf("bare sockets of the same library: %.1f KB each\n", bare)
	s, err := startPeal(ctx, *binary)
	if err != nil {
		return err
	}
	defer func() { s.stop() }()
	before, err := settled(ctx, s.process)
	if err != nil {
		return err
	}
	cfg := s.load(*devices)
	cfg.Rate = 0
	begin := time.Now()
	all, err := fleet(ctx, cfg)
	if err != nil {
		return err
	}
	defer all.Close()
	login := time.Since(begin)
	_, peak, err := memory(s.pid())
	if err != nil {
		return err
	}
	after, err := settled(ctx, s.process)
	if err != nil {
		return err
	}
	ours := kilobytes(after-before) / float64(*devices)
	fmt.Printf("%d devices logged in within %.1f s, %d at a time: %.1f KB each; %.0f MB in all, %.0f MB at the most\n",
		*devices, login.Seconds(), cfg.Connects, ours, kilobytes(after)/1024, kilobytes(peak)/1024)

	// The server dies, and comes again where it was.
	_ = s.cmd.Process.Kill()
	<-s.done
	again, err := startPealAt(ctx, *binary, s.data, s.addr)
	if err != nil {
		return err
	}
	s = again
	begin = time.Now()
	if err := until(ctx, func() bool { return all.Online() == *devices }); err != nil {
		return fmt.Errorf("%d of %d devices are back: %w", all.Online(), *devices, err)
	}
	storm := time.Since(begin)
	_, peak, err = memory(s.pid())
	if err != nil {
		return err
	}
	fmt.Printf("after kill -9 and a new start all were back in %.1f s; %.0f MB at the most\n", storm.Seconds(), kilobytes(peak)/1024)
	fmt.Printf("idle_kb=%.1f bare_kb=%.1f back_s=%.1f peak_mb=%.0f\n", ours, bare, storm.Seconds(), kilobytes(peak)/1024)
	return nil
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

// settled is the memory of a process when it has stopped falling: what a login
// takes for a moment is given back by and by.
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
