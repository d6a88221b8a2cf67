package media

import (
	"context"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/peal-rtc/peal/client"
)

// This file brings the media of a call in step with its snapshots: which
// description this side owes, of which generation, on which peer connection.
// All of it runs in the session's goroutine. The browser's media/negotiation.ts does
// the same.

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

// invited is the caller whose invitation the server has taken.
func (s *Session) invited() {
	if s.call.Incoming() {
		// Glare: the other side's invitation is the call now. This device has
		// accepted it, and its offer comes with that news.
		s.peer.close()
		s.peer = newPeer(s)
	} else {
		s.failed("start ICE", s.peer.commit(s.call.ICEServers()))
	}
	s.released()
}

// rings is a call that came in: the answer is prepared, and nothing leaves.
func (s *Session) rings(offer string) {
	s.takeOffer(s.call.Snapshot().Generation, offer)
}

// resumed is a call that went on while the program was started again.
func (s *Session) resumed(offer string) {
	s.released()
	s.generationChanged()
	s.takeOffer(s.call.Snapshot().Generation, offer)
	s.report()
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
		for _, change := range e.Changes {
			s.changed(change)
		}
		if e.Answer != "" {
			s.failed("take the answer", s.peer.take(e.Generation, e.Answer))
		}
		s.takeOffer(e.Generation, e.Offer)
	}
}

func (s *Session) changed(change client.Change) {
	switch change {
	case client.Accepted:
		// Also where the acceptance held although its answer was lost: what went
		// with it went then, and what did not goes now.
		s.released()
		now := s.call.Snapshot()
		kept := now.ICEPolicy == client.RelayUntilAccept // What the server kept back passes now.
		if !s.call.Incoming() && (kept || len(s.peer.gathered)-len(s.peer.unsent) > int(now.CandidatesHeld)) {
			s.peer.resend()
		}
		if s.call.Incoming() {
			// The caller may have offered anew while the acceptance was on its way.
			if s.answer != "" && s.answering > s.accepting && s.answering == now.Generation {
				s.giveAnswer()
			}
			s.report()
		}
	case client.Generation:
		s.generationChanged()
	case client.PeerEpoch:
		s.peer.resend()
	case client.Reconnected:
		s.peer.resend()
		if s.mayReport() {
			s.report()
		}
		s.foundAgain()
	case client.TypeChanged:
		s.report()
	case client.VideoRequest, client.VideoAnswer, client.PeerPresence, client.PeerMedia,
		client.PeerTracks, client.Connected:
	}
}

// takeOffer answers an offer: while it rings for Accept, otherwise at once.
func (s *Session) takeOffer(generation uint32, offer string) {
	now := s.call.Snapshot()
	if !s.call.Incoming() || offer == "" || s.answering >= generation || generation < now.Generation {
		return
	}
	s.answering, s.offer = generation, offer
	rebuild := s.peer.generation > 0 && (now.Rebuild > s.peer.generation || now.State == client.Ringing)
	if s.makeAnswer(rebuild) && now.State != client.Ringing {
		s.giveAnswer()
	}
}

func (s *Session) makeAnswer(rebuild bool) bool {
	answer, err := s.peer.answer(s.answering, rebuild, s.offer, s.call.ICEServers())
	s.answer = answer
	return !s.failed("answer the offer", err)
}

func (s *Session) giveAnswer() {
	generation, answer := s.answering, s.answer
	s.tell("answer", func(ctx context.Context) error { return s.call.Answer(ctx, generation, answer) })
}

// renew: what was prepared while it rings is of no use any more. The caller
// offers anew; the callee's answer is made anew, unless it is on its way.
func (s *Session) renew() {
	switch {
	case !s.call.Incoming():
		generation := s.peer.generation
		s.tell("restart", func(ctx context.Context) error { return s.call.Restart(ctx, generation, true) })
	case s.answer != "" && s.accepting < s.answering:
		s.makeAnswer(true)
	}
}

// foundAgain is the server, perhaps from another network.
func (s *Session) foundAgain() {
	if s.unanswered() {
		s.renew()
		return
	}
	s.reportUp(s.peer.connected())
	if s.peer.open && s.peer.generation == 1 && !s.peer.connected() {
		s.stuck()
	}
}

func (s *Session) unanswered() bool {
	return s.call == nil || s.call.Snapshot().State == client.Ringing
}

// generationChanged: the caller offers each new generation, the callee waits
// for the offer.
func (s *Session) generationChanged() {
	now := s.call.Snapshot()
	if s.call.Incoming() || s.peer.generation >= now.Generation {
		return
	}
	servers := s.call.ICEServers()
	offer, err := s.peer.offer(now.Generation, now.Rebuild > s.peer.generation, servers)
	if s.failed("offer again", err) || s.failed("restart ICE", s.peer.commit(servers)) {
		return
	}
	s.tell("offer", func(ctx context.Context) error { return s.call.Offer(ctx, now.Generation, offer) })
}

// connectionChanged is news of the peer connection.
func (s *Session) connectionChanged(state webrtc.PeerConnectionState) {
	s.phone.options.Logger.Info("media changed", "call", s.call.ID(), "generation", s.peer.generation, "state", state.String())
	if !s.peer.released {
		// ICE gives up where it hears of no candidate of the other side for long.
		if state == webrtc.PeerConnectionStateFailed {
			s.renew()
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
	generation := s.peer.generation
	if generation != s.call.Snapshot().Generation {
		return
	}
	s.tell("restart", func(ctx context.Context) error { return s.call.Restart(ctx, generation, false) })
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

// failed logs what cannot be told to anybody; the other side's restart, or the
// server's time-out, follows.
func (s *Session) failed(what string, err error) bool {
	if err == nil {
		return false
	}
	s.phone.options.Logger.Error("media failed", "call", s.call.ID(), "to", what, "error", err)
	return true
}
