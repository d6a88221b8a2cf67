package media

import (
	"context"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/peal-rtc/peal/client"
)

// This file brings the media of a call in step with its snapshots: which
// description this side owes, of which generation, on which peer connection.
// All of it runs in the session's goroutine. The browser's negotiation.ts does
// the same.

const (
	// disconnectedMost is how long a disconnection may last before ICE is
	// restarted, and connectMost how long a restart may take.
	disconnectedMost = 3 * time.Second
	connectMost      = 10 * time.Second
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
func (s *Session) released() { s.peer.release() }

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
		if s.call.Snapshot().State != client.Ringing {
			s.reportUp(s.peer.connected())
		}
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
	s.answering, s.answer = generation, ""
	rebuild := s.peer.generation > 0 && (now.Rebuild > s.peer.generation || now.State == client.Ringing)
	answer, err := s.peer.answer(generation, rebuild, offer, s.call.ICEServers())
	if s.failed("answer the offer", err) {
		return
	}
	s.answer = answer
	if now.State != client.Ringing {
		s.tell("answer", func(ctx context.Context) error { return s.call.Answer(ctx, generation, answer) })
	}
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
		if s.peer.generation > 1 {
			s.watch.Reset(connectMost)
		}
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
