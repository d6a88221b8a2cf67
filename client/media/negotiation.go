package media

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/peal-rtc/peal/client"
	"github.com/peal-rtc/peal/client/media/internal/plan"
)

// This file carries out the plan of a call's media: on the peer connection, and at the
// server. All of it runs in the session's goroutine. The browser's media/negotiation.ts
// does the same.

const (
	// disconnectedMost is how long a disconnection may last before ICE is
	// restarted, connectMost how long a restart may take, and firstMost how long
	// the first connection may take until a restart helps.
	disconnectedMost = 3 * time.Second
	connectMost      = 10 * time.Second
	firstMost        = 5 * time.Second
	// restartAgain is how soon another generation is asked for again: nobody may
	// have heard it.
	restartAgain = 5 * time.Second
)

// invites makes the offer that goes with an invitation.
func (s *Session) invites() (offer string, err error) {
	s.plan = plan.New(plan.Call{Caller: true, Ringing: true, Generation: 1, Rebuild: 1})
	for _, o := range s.plan.Step(plan.Calls{}) {
		err = errors.Join(err, s.carryOut(o))
	}
	return s.offer, err
}

// invited is the caller whose invitation the server has taken, or merged with the other
// side's: glare. Its offer comes with that news.
func (s *Session) invited() {
	if s.call.Incoming() {
		s.step(plan.Merged{})
	} else {
		s.step(plan.Invited{})
	}
}

// rings is a call that came in: the answer is prepared, and nothing leaves.
func (s *Session) rings(offer string) {
	s.plan = plan.New(s.facts())
	s.step(plan.Rings{Call: s.facts(), Offer: offer})
}

// resumed is a call that went on while the program was started again.
func (s *Session) resumed(offer string) {
	s.plan = plan.New(s.facts())
	s.step(plan.Resumed{Call: s.facts(), Offer: offer})
	s.report()
}

// facts are what the plan goes by.
func (s *Session) facts() plan.Call {
	now := s.call.Snapshot()
	return plan.Call{
		Caller: !s.call.Incoming(), Ringing: now.State == client.Ringing, Generation: now.Generation, Rebuild: now.Rebuild,
		KeptBack: now.ICEPolicy == client.RelayUntilAccept, Held: int(now.CandidatesHeld),
	}
}

// step gives the plan an input, and does what it orders.
func (s *Session) step(in plan.Input) {
	for _, o := range s.plan.Step(in) {
		s.failed(fmt.Sprintf("carry out %T", o), s.carryOut(o))
	}
}

func (s *Session) carryOut(o plan.Order) error {
	switch o := o.(type) {
	case plan.Offer:
		return s.makeOffer(o)
	case plan.Commit:
		return s.peer.commit(s.call.ICEServers())
	case plan.Answer:
		var err error
		if s.answer, err = s.peer.answer(o.Generation, o.Rebuild, o.Offer, s.call.ICEServers()); err != nil {
			return err
		}
		if o.Give {
			s.giveAnswer(o.Generation)
		}
	case plan.Give:
		s.giveAnswer(o.Generation)
	case plan.Apply:
		return s.peer.take(o.Generation, o.Answer)
	case plan.Release:
		s.released()
	case plan.Replace:
		s.peer.close()
		s.peer = newPeer(s)
	case plan.Resend:
		if len(s.peer.gathered)-len(s.peer.unsent) > o.Beyond {
			s.peer.resend()
		}
	case plan.Tracks:
		s.report()
	case plan.Report:
		s.reportUp(s.peer.connected())
	case plan.Look:
		if s.peer.open && s.peer.generation == 1 && !s.peer.connected() {
			s.stuck()
		}
	case plan.Restart:
		s.tell("restart", func(ctx context.Context) error { return s.call.Restart(ctx, o.FromGeneration, o.Rebuild) })
	}
	return nil
}

func (s *Session) makeOffer(o plan.Offer) error {
	var servers []client.ICEServer
	if o.Send { // Those of an invitation come with the server's answer to it.
		servers = s.call.ICEServers()
	}
	offer, err := s.peer.offer(o.Generation, o.Rebuild, servers)
	if err != nil || !o.Send {
		s.offer = offer
		return err
	}
	if err := s.peer.commit(servers); err != nil {
		return err
	}
	s.tell("offer", func(ctx context.Context) error { return s.call.Offer(ctx, o.Generation, offer) })
	return nil
}

func (s *Session) giveAnswer(generation uint32) {
	answer := s.answer
	if answer == "" {
		return // It could not be made, and the failure is reported already.
	}
	s.tell("answer", func(ctx context.Context) error { return s.call.Answer(ctx, generation, answer) })
}

// released: from here on candidates flow, both ways.
func (s *Session) released() {
	s.sends.Store(true)
	s.peer.release()
	if s.peer.failed() {
		s.connectionChanged(webrtc.PeerConnectionStateFailed)
	}
}

// take goes by an event of the call.
func (s *Session) take(e client.Event) {
	switch e := e.(type) {
	case client.PeerCandidates:
		s.peer.addRemote(e.Generation, e.Candidates)
	case client.Updated:
		if s.accepts && slices.Contains(e.Changes, client.Accepted) {
			s.step(plan.Accepted{}) // The same word as what Accept waits for.
		}
		s.step(plan.Updated{
			Call: s.facts(), Begun: s.peer.generation, Changes: e.Changes, Generation: e.Generation, Offer: e.Offer, Answer: e.Answer,
		})
		if slices.Contains(e.Changes, client.TypeChanged) {
			s.report()
		}
	}
}

func (s *Session) unanswered() bool {
	return s.call == nil || s.call.Snapshot().State == client.Ringing
}

// connectionChanged is news of the peer connection.
func (s *Session) connectionChanged(state webrtc.PeerConnectionState) {
	s.phone.options.Logger.Info("media changed", "call", s.call.ID(), "generation", s.peer.generation, "state", state.String())
	if !s.peer.released {
		// ICE gives up where it hears of no candidate of the other side for long.
		if state == webrtc.PeerConnectionStateFailed {
			s.step(plan.Lapsed{Begun: s.peer.generation})
		}
		return
	}
	s.watch.Stop()
	switch state {
	case webrtc.PeerConnectionStateConnected:
		s.isUp(true)
	case webrtc.PeerConnectionStateDisconnected:
		s.isUp(false)
		s.watch.Reset(disconnectedMost)
	case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
		s.isUp(false)
		s.stuck()
	case webrtc.PeerConnectionStateUnknown, webrtc.PeerConnectionStateNew, webrtc.PeerConnectionStateConnecting:
		s.peer.wait()
	}
}

// stuck asks for another generation until there is one, or this one comes back.
func (s *Session) stuck() {
	if s.peer.connected() {
		s.isUp(true) // It has been all the time: a restart that changed nothing.
		return
	}
	s.watch.Reset(restartAgain)
	s.step(plan.Lost{Begun: s.peer.generation})
}

func (s *Session) isUp(up bool) {
	s.mu.Lock()
	s.status.Up = up
	s.mu.Unlock()
	if up {
		select {
		case <-s.up:
		default:
			close(s.up)
		}
	}
	s.reportUp(up)
}

func (s *Session) reportUp(up bool) {
	generation := s.peer.generation
	s.tell("media", func(ctx context.Context) error { return s.call.ReportMedia(ctx, generation, up) })
}

// mayReport: the caller tells what it sends from the start, the callee once it
// has answered.
func (s *Session) mayReport() bool {
	return s.call.Snapshot().State != client.Ringing || !s.call.Incoming()
}

// report tells the other side what this one sends.
func (s *Session) report() {
	if !s.mayReport() {
		return
	}
	tracks := s.streams.Load().Tracks
	tracks.Video = tracks.Video && s.call.Snapshot().Type != client.Audio
	s.tell("tracks", func(ctx context.Context) error { return s.call.SetTracks(ctx, tracks) })
}

// failed logs a failure that has no caller to return to; the other side's restart, or the
// server's time-out, follows.
func (s *Session) failed(what string, err error) {
	if err != nil {
		s.phone.options.Logger.Error("media failed", "call", s.call.ID(), "to", what, "error", err)
	}
}
