package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/peal-rtc/peal/client"
)

// How long a call may ring, as the protocol has it.
const (
	shortestRing = time.Second
	longestRing  = 2 * time.Minute
)

// callCommand calls an account.
type callCommand struct {
	Callee      string        `arg:"" name:"callee" help:"Account to call."`
	Video       bool          `help:"Make it a video call."`
	RingTimeout time.Duration `placeholder:"DURATION" help:"Time after which to give up when nobody answers: 1s to 2m. Set by the server, unless given."`
	Phone       phoneFlags    `embed:""`
}

// Help implements kong.HelpProvider.
func (callCommand) Help() string {
	return `Sends a soft tone and, in a video call, a test picture, or files instead. What it receives it can record.
` + phoneHelp + `

Examples:
  peal call bob --video --server http://127.0.0.1:7325 --account alice
  PEAL_TOKEN=$(peal token --account alice) peal call bob --play hello.ogg --record bob.ogg --for 10s --server https://calls.example.com`
}

// Run calls, and follows the call to its end.
func (c *callCommand) Run(std streams) (err error) {
	if c.RingTimeout != 0 && (c.RingTimeout < shortestRing || c.RingTimeout > longestRing) {
		return misuse{fmt.Errorf("--ring-timeout is %s: give 1s to 2m", c.RingTimeout)}
	}
	ctx, end, stop := withTerminal()
	defer stop()
	p, err := c.Phone.open(ctx, std, end)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	o := client.CallOptions{RingTimeout: c.RingTimeout}
	if c.Video {
		o.Type = client.Video
	}
	p.screen.say("Calling %s.", c.Callee)
	s, err := p.Call(ctx, c.Callee, o, p.streams())
	switch {
	case errors.Is(err, context.Canceled):
		p.screen.say("Given up.")
		return exit(exitUnanswered)
	case err != nil:
		return err
	}
	how, err := p.follow(ctx, s)
	if err != nil {
		return err
	}
	return p.outcome(how, c.Callee)
}
