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
	// peers are what to measure beside Peal; all that can be, where it is empty.
	peers []string
	// against is another server to compare with, as a command line.
	against string
	profile bool
}

// callFlags reads the command line of bench call.
func callFlags(args []string) (*callOptions, error) {
	var o callOptions
	f := flags("call")
	binary := pealFlag(f)
	f.IntVar(&o.rounds, "rounds", 5, "number of rounds that count, each of which measures every server once; 50 at most")
	f.Float64Var(&o.rate, "rate", 200, "calls to start each second, the same for all; 500 at most")
	f.DurationVar(&o.each, "each", 6*time.Second, "time to measure one server in one round; 1m at most")
	f.DurationVar(&o.ring, "ring", 100*time.Millisecond, "time to ring")
	f.DurationVar(&o.talk, "talk", 300*time.Millisecond, "time from the answer to the hang-up")
	peers := f.String("peers", "", "servers to measure beside peal, with commas between them: "+strings.Join(peerNames(), ",")+"; the default is all whose programs are installed")
	f.StringVar(&o.against, "against", "", "command of another Peal to measure as well, with further flags of peal serve: 'bin/peal --loop goroutines'")
	f.BoolVar(&o.profile, "profile", false, "print system calls, context switches and allocations per call, from one more run of each server")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if o.peal = *binary; o.rounds < 1 || o.rounds > 50 || o.rate < 1 || o.rate > 500 || o.each < time.Second || o.each > time.Minute {
		return nil, errors.New("-rounds, -rate or -each is out of bounds: see bench call -h")
	}
	if *peers == "" {
		return &o, nil
	}
	for name := range strings.SplitSeq(*peers, ",") {
		name = strings.TrimSpace(name)
		switch {
		case name == "peal": // It is measured in any case.
		case !slices.Contains(peerNames(), name):
			return nil, fmt.Errorf("-peers: no peer is called %q: give some of %s", name, strings.Join(peerNames(), ","))
		case !slices.Contains(o.peers, name):
			o.peers = append(o.peers, name)
		}
	}
	if o.peers == nil {
		o.peers = []string{}
	}
	return &o, nil
}

func benchCall(ctx context.Context, args []string) error {
	o, err := callFlags(args)
	if err != nil {
		return err
	}
	frames, err := framesOfACall(ctx, o)
	if err != nil {
		return err
	}
	printFrames(frames)
	return compareCalls(ctx, o, script(frames, o))
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
	cfg.Rate, cfg.Duration, cfg.Ring, cfg.Talk = 1, time.Second, o.ring, o.talk
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
