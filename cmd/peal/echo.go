package main

import (
	"context"
	"errors"

	"github.com/peal-rtc/peal/client"
	"github.com/peal-rtc/peal/client/media"
)

// echoCommand is an account that answers calls and sends back the media it receives.
type echoCommand struct {
	Who       account `embed:""`
	RelayOnly bool    `help:"Use the server's relay alone."`
}

// Help implements kong.HelpProvider.
func (echoCommand) Help() string {
	return `Call it to find out whether microphone, camera and network do what they should. Ctrl+C ends it; exit code
0 then, 1 where something failed.

Examples:
  peal echo --server http://127.0.0.1:7325 --account echo`
}

// Run answers until a signal comes.
func (c *echoCommand) Run(std streams) (err error) {
	ctx, end, stop := withTerminal()
	defer stop()
	flags := phoneFlags{Who: c.Who, RelayOnly: c.RelayOnly}
	p, err := flags.open(ctx, std, end)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	p.screen.say("%s answers every call. Ctrl+C ends it.", p.client.Account())
	for {
		select {
		case e := <-p.events:
			switch e := e.(type) {
			case client.Incoming:
				p.echo(ctx, e.Call)
			case client.Ended:
				p.screen.say("%s: %s", e.Call.Snapshot().Peer.Account, outcomeText(e.End, e.Call.Snapshot().Peer.Account))
			case client.LoggedOut:
				return e.Reason
			case client.Updated:
				p.shows(e, e.Call)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// echo answers a call, and sends back whatever comes.
func (p *phone) echo(ctx context.Context, call *client.Call) {
	s := p.Session(call)
	if s == nil {
		return
	}
	peer := call.Snapshot().Peer.Account
	p.screen.say("%s calls.", peer)
	repeat := func(kind media.Kind) func(media.Frame) {
		return func(f media.Frame) { _ = s.Send(kind, f) } // The call is over.
	}
	err := s.Accept(ctx, media.Streams{
		Tracks:            client.Tracks{Audio: true, Video: true},
		OnAudio:           repeat(media.Audio),
		OnVideo:           repeat(media.Video),
		OnKeyframeRequest: s.RequestKeyframe,
	})
	if err != nil {
		p.screen.say("%s: it cannot be answered: %v", peer, err)
	}
}
