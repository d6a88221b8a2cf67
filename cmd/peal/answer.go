package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/peal-rtc/peal/client"
)

// answerCommand waits for one call.
type answerCommand struct {
	Auto  bool       `help:"Answer without asking."`
	Phone phoneFlags `embed:""`
}

// Help implements kong.HelpProvider.
func (answerCommand) Help() string {
	return `Waits for a call, asks whether to answer it, and exits when it is over. If the caller gives up before
you answer, it says so and waits for the next call.
` + phoneHelp + `

Examples:
  peal answer --server http://127.0.0.1:7325 --account bob
  peal answer --auto --record heard.ogg --record seen.ivf --server http://127.0.0.1:7325 --account bob`
}

// Run waits until a call was answered and is over, or was declined.
func (c *answerCommand) Run(std streams) (err error) {
	ctx, end, stop := withTerminal()
	defer stop()
	p, err := c.Phone.open(ctx, std, end)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	var typed <-chan string
	if !c.Auto {
		typed = lines(std.in)
	}
	p.screen.say("Waiting for a call to %s.", p.client.Account())
	for {
		call, err := p.rings(ctx)
		if err != nil {
			return err
		}
		peer := call.Snapshot().Peer.Account
		if typed != nil {
			switch decided, err := p.decide(ctx, call, typed); {
			case err != nil:
				return err
			case decided == givenUp:
				continue
			case decided == declined:
				return p.decline(call)
			}
		}
		s := p.Session(call)
		if s == nil {
			continue
		}
		if err := s.Accept(ctx, p.streams()); err != nil {
			p.screen.say("It cannot be answered: %v", err)
			continue
		}
		how, err := p.follow(ctx, s)
		if err != nil {
			return err
		}
		return p.outcome(how, peer)
	}
}

// lines gives what is typed, and is closed at its end. It reads for as long as
// the process lasts.
func lines(in io.Reader) <-chan string {
	typed := make(chan string)
	go func() {
		defer close(typed)
		for scanner := bufio.NewScanner(in); scanner.Scan(); {
			typed <- strings.ToLower(strings.TrimSpace(scanner.Text()))
		}
	}()
	return typed
}

// rings waits for a call.
func (p *phone) rings(ctx context.Context) (*client.Call, error) {
	for {
		select {
		case e := <-p.events:
			switch e := e.(type) {
			case client.Incoming:
				s := e.Call.Snapshot()
				p.screen.say("%s calls%s.", shown(s.Peer), map[bool]string{true: " with video"}[s.Type == client.Video])
				return e.Call, nil
			case client.LoggedOut:
				return nil, e.Reason
			default:
				p.shows(e, nil)
			}
		case <-ctx.Done():
			p.screen.say("Nobody called.")
			return nil, exit(exitUnanswered)
		}
	}
}

// shown is a person with the name that the token gives, where there is one.
func shown(p client.Party) string {
	if p.Name == "" {
		return p.Account
	}
	return fmt.Sprintf("%s (%s)", p.Name, p.Account)
}

// decision is the answer to a call that rings.
type decision uint8

const (
	accepted decision = iota
	declined
	givenUp // By the other side, or answered elsewhere.
)

// decide asks whether to answer.
func (p *phone) decide(ctx context.Context, call *client.Call, typed <-chan string) (decision, error) {
	p.screen.ask("Answer? [y/n] ")
	for {
		select {
		case answer, open := <-typed:
			switch {
			case !open:
				return 0, errors.Join(errors.New("nobody can be asked: use --auto"), p.decline(call))
			case answer == "y" || answer == "yes":
				return accepted, nil
			case answer == "n" || answer == "no":
				return declined, nil
			}
			p.screen.ask("y or n? ")
		case e := <-p.events:
			switch e := e.(type) {
			case client.Ended:
				p.screen.say("\n%s", outcomeText(e.End, call.Snapshot().Peer.Account))
				return givenUp, nil
			case client.LoggedOut:
				return 0, e.Reason
			}
		case <-ctx.Done():
			return declined, nil
		}
	}
}

// decline rejects a call.
func (p *phone) decline(call *client.Call) error {
	ctx, cancel := context.WithTimeout(context.Background(), hangupTime)
	defer cancel()
	if err := call.Reject(ctx); err != nil {
		return err
	}
	p.screen.say("Declined.")
	return exit(exitUnanswered)
}
