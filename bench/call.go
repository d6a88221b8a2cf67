package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/peal-rtc/peal/internal/load"
)

// callOptions say how calls are measured.
type callOptions struct {
	peal       string
	rounds     int
	rate       float64
	each       time.Duration
	ring, talk time.Duration
	text       bool
	// against is another server to compare with, as a command line.
	against string
}

func benchCall(ctx context.Context, args []string) error {
	var o callOptions
	f := flags("call")
	binary := pealFlag(f)
	f.IntVar(&o.rounds, "rounds", 5, "how often each server is measured, in turn; 50 at most")
	f.Float64Var(&o.rate, "rate", 50, "calls a second, the same for all; 500 at most")
	f.DurationVar(&o.each, "each", 6*time.Second, "how long each is measured at a time; 1m at most")
	f.DurationVar(&o.ring, "ring", 100*time.Millisecond, "how long it rings")
	f.DurationVar(&o.talk, "talk", 300*time.Millisecond, "how long a call lasts")
	f.BoolVar(&o.text, "json", false, "speak JSON to Peal, as browsers do, in place of the binary encoding")
	f.StringVar(&o.against, "against", "", "another binary of Peal to measure in turn, with further flags of peal serve: 'bin/peal --loop goroutines'")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.peal = *binary; o.rounds < 1 || o.rounds > 50 || o.rate < 1 || o.rate > 500 || o.each < time.Second || o.each > time.Minute {
		return errors.New("-rounds, -rate or -each is out of bounds: see bench call -h")
	}
	frames, err := framesOfACall(ctx, &o)
	if err != nil {
		return err
	}
	printFrames(frames)
	return compareCalls(ctx, &o, frames)
}

// devices are enough for the calls that are live at a time, and to spare.
func (o *callOptions) devices() int {
	return 2*int(6*o.rate*(o.ring+o.talk).Seconds()) + 100
}

// noted is a frame of a call, by which side.
type noted struct {
	load.Frame
	caller bool
}

// framesOfACall makes one call and notes its frames in order.
func framesOfACall(ctx context.Context, o *callOptions) ([]noted, error) {
	s, err := startPeal(ctx, o.peal)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	var (
		mu     sync.Mutex
		frames []noted
	)
	cfg := s.load(2)
	cfg.Rate, cfg.Duration, cfg.Ring, cfg.Talk, cfg.JSON = 1, time.Second, o.ring, o.talk, o.text
	cfg.Watch = func(f load.Frame) {
		mu.Lock()
		defer mu.Unlock()
		frames = append(frames, noted{f, f.Account == cfg.Prefix+"0"})
	}
	calls, err := fleet(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer calls.Close()
	mu.Lock()
	frames = nil // Of the login.
	mu.Unlock()
	r, err := calls.Run(ctx)
	if err != nil {
		return nil, err
	}
	if r.Completed != 1 {
		return nil, fmt.Errorf("the call did not go through: %v", r.Errors)
	}
	mu.Lock()
	defer mu.Unlock()
	return slices.DeleteFunc(slices.Clone(frames), func(f noted) bool {
		return slices.Contains([]string{"ping", "pong", "welcome", "hello", "list_records", "records"}, f.Kind)
	}), nil
}

func printFrames(frames []noted) {
	var in, out, bytes int
	fmt.Println("The frames of one call, as the server sees them:")
	for _, f := range frames {
		who, kind := "callee", f.Kind
		if f.caller {
			who = "caller"
		}
		if f.Answer {
			kind = "answer: " + kind
		}
		arrow := "◄"
		if f.Sent {
			arrow, in = "►", in+1
		} else {
			out++
		}
		bytes += f.Bytes
		fmt.Printf("  %s %s %-20s %5d bytes\n", who, arrow, kind, f.Bytes)
	}
	fmt.Printf("  %d to the server, %d from it, %d bytes\n\n", in, out, bytes)
}

// script is what the relay is to do for one call: the same frames.
func script(frames []noted, o *callOptions) []step {
	var (
		steps []step
		outs  []out
		bytes int
	)
	finish := func() {
		if len(steps) > 0 {
			steps[len(steps)-1].message = request(bytes, outs)
		}
		outs = nil
	}
	for _, f := range frames {
		side := 1
		if f.caller {
			side = 0
		}
		if f.Sent {
			finish()
			s := step{side: side}
			switch f.Kind {
			case "accept":
				s.wait = o.ring
			case "hangup":
				s.wait = o.talk
			}
			steps, bytes = append(steps, s), f.Bytes
			continue
		}
		last := &steps[len(steps)-1]
		last.comes[side]++
		outs = append(outs, out{peer: side != last.side, bytes: f.Bytes})
	}
	finish()
	return steps
}

// contender is one server that is compared.
type contender struct {
	name string
	pid  int
	// calls makes calls, and gives how many there were.
	calls func(context.Context) (int, error)
	us    []float64 // CPU a call, of each round.
}

// callsOf starts a server of Peal and its devices.
func callsOf(ctx context.Context, o *callOptions, name, binary string, more ...string) (c *contender, stop func(), err error) {
	s, err := startPeal(ctx, binary, more...)
	if err != nil {
		return nil, nil, err
	}
	cfg := s.load(o.devices())
	cfg.Rate, cfg.Duration, cfg.Ring, cfg.Talk, cfg.JSON = o.rate, o.each, o.ring, o.talk, o.text
	calls, err := fleet(ctx, cfg)
	if err != nil {
		s.stop()
		return nil, nil, err
	}
	return &contender{name: name, pid: s.pid(), calls: func(ctx context.Context) (int, error) {
		before := calls.Completed()
		r, err := calls.Run(ctx)
		if err == nil && r.Failed > 0 {
			err = fmt.Errorf("calls failed: %v", r.Errors)
		}
		return calls.Completed() - before, err
	}}, func() { calls.Close(); s.stop() }, nil
}

func compareCalls(ctx context.Context, o *callOptions, frames []noted) error {
	ours, stop, err := callsOf(ctx, o, "peal", o.peal)
	if err != nil {
		return err
	}
	defer stop()
	all := []*contender{ours}
	if command := strings.Fields(o.against); len(command) > 0 {
		other, stop, err := callsOf(ctx, o, "other", command[0], command[1:]...)
		if err != nil {
			return err
		}
		defer stop()
		all = append(all, other)
	}
	relay, err := startFloor(ctx, o.devices()/2, script(frames, o))
	if err != nil {
		return err
	}
	defer relay.stop()
	floor := &contender{name: "bare relay", pid: relay.pid(), calls: func(ctx context.Context) (int, error) {
		n := int(o.rate * o.each.Seconds())
		_, err := relay.run(ctx, o.rate, n)
		return n, err
	}}
	all = append(all, floor)
	sip, err := startKamailio(ctx, o)
	if err != nil {
		fmt.Printf("Without Kamailio: %v\n", err)
	} else {
		defer sip.stop()
		all = append(all, &contender{name: "Kamailio", pid: sip.pid(), calls: sip.run})
	}
	if err := measure(ctx, o.rounds, all); err != nil {
		return err
	}
	last := fmt.Sprintf("call_cpu_us=%.0f floor_ratio=%.2f", median(ours.us), ratio(ours.us, floor.us))
	if o.against != "" {
		last += fmt.Sprintf(" other_ratio=%.2f", ratio(ours.us, all[1].us))
	}
	if sip != nil {
		last += fmt.Sprintf(" kamailio_ratio=%.2f", ratio(ours.us, all[len(all)-1].us))
	} else {
		last += " kamailio_ratio=none"
	}
	fmt.Println(last)
	return nil
}

// measure measures each in turn. The first round is to warm up, and not counted.
func measure(ctx context.Context, rounds int, all []*contender) error {
	for round := range rounds + 1 {
		for _, c := range all {
			before, err := cpu(c.pid)
			if err != nil {
				return err
			}
			waited := switches(c.pid)
			calls, err := c.calls(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			after, err := cpu(c.pid)
			if err != nil {
				return err
			}
			sw := switches(c.pid) - waited
			us := float64((after - before).Microseconds()) / float64(max(calls, 1))
			if round == 0 {
				continue
			}
			c.us = append(c.us, us)
			fmt.Printf("round %d  %-10s  %6.0f µs CPU, %4.0f switches a call (%d calls)\n", round, c.name, us, float64(sw)/float64(max(calls, 1)), calls)
		}
	}
	return nil
}
