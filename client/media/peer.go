package media

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/peal-rtc/peal/client"
)

const (
	// batchPause is how long candidates are gathered into one frame.
	batchPause = 50 * time.Millisecond
	// batchMost is the most candidates in one frame.
	batchMost = 32
	// candidatesMost is how many candidates of the other side's are taken in one
	// generation, and generationsAhead how far that may be ahead of the present one.
	candidatesMost   = 64
	generationsAhead = 2
)

// peer is the peer connection of one call, over its media generations. Only
// the caller offers. Nothing of this side's candidates leaves, and nothing of
// the other side's is used, before release: the callee releases by accepting.
// It belongs to the session's goroutine. The browser's media/peer.ts does the same.
type peer struct {
	session    *Session
	pc         *webrtc.PeerConnection
	readers    *readers
	generation uint32
	offered    *webrtc.SessionDescription // What commit makes the local description.
	released   bool
	answered   bool
	open       bool // Both sides have all they need.
	held       []held
	taken      map[uint32]map[string]bool // The other side's candidates, by generation.
	gathered   []client.Candidate
	unsent     []client.Candidate
}

// held are candidates of the other side's that cannot be used yet.
type held struct {
	generation uint32
	candidate  client.Candidate
}

func newPeer(s *Session) *peer { return &peer{session: s, taken: make(map[uint32]map[string]bool)} }

// offer makes the caller's offer of a generation. ICE starts by commit.
func (p *peer) offer(generation uint32, rebuild bool, servers []client.ICEServer) (string, error) {
	if err := p.begin(generation, rebuild); err != nil {
		return "", err
	}
	// A restart of ICE gathers from here on.
	if err := p.configure(servers); err != nil {
		return "", err
	}
	restart := generation > 1 && p.pc.CurrentRemoteDescription() != nil
	offer, err := p.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: restart})
	if err != nil {
		return "", err
	}
	p.offered = &offer
	return withoutCandidates(offer.SDP), nil
}

// commit starts ICE, with servers that were not known before.
func (p *peer) commit(servers []client.ICEServer) error {
	if err := p.configure(servers); err != nil {
		return err
	}
	return p.pc.SetLocalDescription(*p.offered)
}

// answer makes the callee's answer to an offer. It starts gathering, and
// nothing else before release.
func (p *peer) answer(generation uint32, rebuild bool, offer string, servers []client.ICEServer) (string, error) {
	if err := p.begin(generation, rebuild); err != nil {
		return "", err
	}
	if err := p.configure(servers); err != nil {
		return "", err
	}
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: withoutOrders(offer)}); err != nil {
		return "", err
	}
	answer, err := p.pc.CreateAnswer(nil)
	if err != nil {
		return "", err
	}
	if err := p.pc.SetLocalDescription(answer); err != nil {
		return "", err
	}
	p.answered = true
	p.useHeld()
	return withoutCandidates(answer.SDP), nil
}

// take applies the callee's answer, at the caller: one per generation.
func (p *peer) take(generation uint32, answer string) error {
	if p.pc == nil || generation != p.generation || p.answered {
		return nil
	}
	p.answered = true
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: withoutOrders(answer)}); err != nil {
		return err
	}
	p.useHeld()
	return nil
}

// addRemote takes the other side's candidates, used as soon as they can be.
func (p *peer) addRemote(generation uint32, candidates []client.Candidate) {
	if generation > p.generation+generationsAhead {
		return
	}
	for _, c := range candidates {
		key := c.Candidate
		if c.SDPMid != nil {
			key = *c.SDPMid + " " + key
		}
		taken := p.taken[generation]
		if taken[key] || len(taken) >= candidatesMost {
			continue
		}
		if taken == nil {
			taken = make(map[string]bool)
			p.taken[generation] = taken
		}
		taken[key] = true
		p.held = append(p.held, held{generation, c})
	}
	p.useHeld()
}

func (p *peer) release() {
	p.released = true
	p.flush()
	p.useHeld()
}

// takeGathered gives the candidates so far, to be sent with the acceptance.
func (p *peer) takeGathered() []client.Candidate {
	first := p.gathered[:min(len(p.gathered), batchMost)]
	p.unsent = slices.Clone(p.gathered[len(first):])
	return slices.Clone(first)
}

// resend sends all candidates of this generation again: the other side may
// have missed them.
func (p *peer) resend() {
	p.unsent = slices.Clone(p.gathered)
	p.flush()
}

// keep has all candidates of this generation go when they may.
func (p *peer) keep() { p.unsent = slices.Clone(p.gathered) }

func (p *peer) connected() bool {
	return p.pc != nil && p.pc.ConnectionState() == webrtc.PeerConnectionStateConnected
}

func (p *peer) failed() bool {
	return p.pc != nil && p.pc.ConnectionState() == webrtc.PeerConnectionStateFailed
}

// wait has ICE started again where it takes too long.
func (p *peer) wait() {
	switch {
	case p.session.unanswered():
	case p.generation > 1:
		p.session.watch.Reset(connectMost)
	case p.open && !p.connected():
		p.session.watch.Reset(firstMost)
	}
}

// close ends the connection, and waits for what reads from it.
func (p *peer) close() {
	if p.pc == nil {
		return
	}
	readers := p.readers
	readers.close()
	_ = p.pc.GracefulClose() // There is nobody to tell.
	readers.Wait()
	p.pc = nil
}

// begin starts a generation, on a new peer connection where that is needed.
func (p *peer) begin(generation uint32, rebuild bool) error {
	s := p.session
	s.batch.Stop()
	s.watch.Stop()
	p.generation, p.answered, p.open, p.gathered, p.unsent = generation, false, false, nil, nil
	p.held = slices.DeleteFunc(p.held, func(h held) bool { return h.generation < generation })
	maps.DeleteFunc(p.taken, func(g uint32, _ map[string]bool) bool { return g < generation })
	p.wait() // A restart that leads nowhere is followed by another.
	if p.pc != nil && !rebuild {
		return nil
	}
	p.close()
	return p.build()
}

func (p *peer) build() error {
	s := p.session
	pc, err := s.phone.engine.NewPeerConnection(p.configuration(nil))
	if err != nil {
		return err
	}
	p.pc, p.readers = pc, &readers{}
	// What these tell may come late, of a connection that was replaced.
	mine := func(task func()) {
		s.post(func() {
			if p.pc == pc && s.peer == p {
				task()
			}
		})
	}
	pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		if c != nil { // That there are no more is nothing that the other side waits for.
			mine(func() { p.found(c.ToJSON()) })
		}
	})
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		mine(func() { s.connectionChanged(state) })
	})
	readers := p.readers
	pc.OnTrack(func(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
		in := s.in[Audio]
		if track.Kind() == webrtc.RTPCodecTypeVideo {
			in = s.in[Video]
		}
		readers.run(func() { in.read(track, pc) })
		readers.run(func() { drain(receiver) })
	})
	for _, kind := range []Kind{Audio, Video} {
		t, err := pc.AddTransceiverFromTrack(s.out[kind].track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendrecv})
		if err != nil {
			return err
		}
		readers.run(func() { s.out[kind].listen(t.Sender(), s.keyframeWanted) })
	}
	return nil
}

// configure sets the servers that are gathered from next. While candidates are
// being gathered those in use are new enough, and must be left alone: pion/ice
// reads them without a lock.
func (p *peer) configure(servers []client.ICEServer) error {
	if p.pc.ICEGatheringState() == webrtc.ICEGatheringStateGathering {
		return nil
	}
	return p.pc.SetConfiguration(p.configuration(servers))
}

func (p *peer) configuration(servers []client.ICEServer) webrtc.Configuration {
	c := webrtc.Configuration{BundlePolicy: webrtc.BundlePolicyMaxBundle}
	if p.session.relayOnly() {
		c.ICETransportPolicy = webrtc.ICETransportPolicyRelay
	}
	for _, s := range servers {
		server := webrtc.ICEServer{URLs: s.URLs}
		if s.Username != "" {
			server.Username, server.Credential = s.Username, s.Credential
		}
		c.ICEServers = append(c.ICEServers, server)
	}
	return c
}

// found is a candidate of this side's.
func (p *peer) found(c webrtc.ICECandidateInit) {
	found := client.Candidate{Candidate: c.Candidate, SDPMid: c.SDPMid, UsernameFragment: c.UsernameFragment}
	if c.SDPMLineIndex != nil {
		line := uint32(*c.SDPMLineIndex)
		found.SDPMLineIndex = &line
	}
	if len(p.unsent) == 0 {
		p.session.batch.Reset(batchPause)
	}
	p.gathered = append(p.gathered, found)
	p.unsent = append(p.unsent, found)
}

// flush sends what was gathered.
func (p *peer) flush() {
	p.session.batch.Stop()
	if !p.released {
		return
	}
	s, generation := p.session, p.generation
	for batch := range slices.Chunk(p.unsent, batchMost) {
		s.tell("candidates", func(ctx context.Context) error { return s.call.SendCandidates(ctx, generation, batch...) })
	}
	p.unsent = nil
}

func (p *peer) useHeld() {
	if !p.released || !p.answered || p.pc == nil {
		return
	}
	if !p.open {
		p.open = true
		p.wait()
	}
	var later []held
	for _, h := range p.held {
		switch {
		case h.generation > p.generation:
			later = append(later, h)
		case h.generation == p.generation && h.candidate.Candidate != "":
			c := webrtc.ICECandidateInit{Candidate: h.candidate.Candidate, SDPMid: h.candidate.SDPMid}
			if h.candidate.SDPMLineIndex != nil {
				line := uint16(*h.candidate.SDPMLineIndex)
				c.SDPMLineIndex = &line
			}
			// One that does not fit, as of a protocol that is not spoken here, harms nobody.
			_ = p.pc.AddICECandidate(c)
		}
	}
	p.held = later
}

// drain reads the other side's reports of what it sends, for the same.
func drain(receiver *webrtc.RTPReceiver) {
	for {
		if _, _, err := receiver.ReadRTCP(); err != nil {
			return
		}
	}
}

// readers are the goroutines that read from one peer connection.
type readers struct {
	sync.WaitGroup
	mu     sync.Mutex
	closed bool
}

// run starts one, unless the connection is being closed.
func (r *readers) run(read func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.Go(read)
	}
}

func (r *readers) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// withoutOrders is the other side's description without what would have ICE send
// to an address, or begin by itself. The server lets nothing of that pass; this
// holds where it does. Neither case nor blanks count: the browser's media/privacy.ts
// does the same.
func withoutOrders(sdp string) string {
	lines := strings.FieldsFunc(sdp, func(r rune) bool { return r == '\r' || r == '\n' })
	lines = slices.DeleteFunc(lines, func(line string) bool {
		name, _, _ := strings.Cut(strings.ToLower(strings.Join(strings.Fields(line), "")), ":")
		return slices.Contains([]string{"a=candidate", "a=remote-candidates", "a=end-of-candidates", "a=ice-lite", "a=rtcp"}, name)
	})
	return strings.Join(lines, "\r\n") + "\r\n"
}

// withoutCandidates is a description whose candidates travel by themselves,
// when they may.
func withoutCandidates(sdp string) string {
	lines := strings.Split(sdp, "\r\n")
	lines = slices.DeleteFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, "a=candidate:") || line == "a=end-of-candidates"
	})
	return strings.Join(lines, "\r\n")
}
