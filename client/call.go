package client

import (
	"context"
	"sync"
	"time"

	"github.com/peal-rtc/peal/internal/device"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Call is one call of this device. It keeps the newest snapshot; the events
// tell of each change.
type Call struct {
	client *Client
	done   chan struct{}

	mu       sync.Mutex // Guards what follows.
	id       string
	incoming bool
	snapshot Snapshot
	ice      []ICEServer
	// heard are the other side's candidates of a generation, the newest.
	heard   map[string]struct{}
	heardOf uint32
	end     *End
}

func newCall(c *Client, id string, incoming bool) *Call {
	return &Call{client: c, id: id, incoming: incoming, done: make(chan struct{})}
}

// ID names the call, for both sides and in its record.
func (c *Call) ID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id
}

// Incoming says that the other side made the call.
func (c *Call) Incoming() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.incoming
}

// Snapshot is what is known of the call.
func (c *Call) Snapshot() Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.snapshot
}

// ICEServers are for this call, and good for a limited time.
func (c *Call) ICEServers() []ICEServer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ice
}

// Done is closed when the call is over for this device; End tells how.
func (c *Call) Done() <-chan struct{} { return c.done }

// End is how the call is over for this device; ok is false while it is not.
func (c *Call) End() (end End, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end == nil {
		return End{}, false
	}
	return *c.end, true
}

// Accept answers a call that rings, by the answer to its offer of a media
// generation; see [Snapshot.Generation]. The candidates that there are already
// go with it, and save their own way.
func (c *Call) Accept(ctx context.Context, generation uint32, answer string, candidates ...Candidate) error {
	c.mu.Lock()
	held := 0
	if c.heardOf == generation {
		held = len(c.heard)
	}
	c.mu.Unlock()
	accept := &pealv1.Accept{
		CallId: c.ID(), Generation: generation, Answer: answer, Candidates: wireCandidates(candidates), CandidatesHeld: uint32(held),
	}
	_, err := c.client.ask(ctx, func(t device.Ticket) device.Input {
		return device.Accept{Ticket: t, Accept: accept}
	})
	return err
}

// Reject declines a call that rings, for all devices of the account. It holds
// at once; the error says whether the server has heard of it yet.
func (c *Call) Reject(ctx context.Context) error {
	id := c.ID()
	_, err := c.client.ask(ctx, func(t device.Ticket) device.Input { return device.Reject{Ticket: t, Call: id} })
	return err
}

// Cancel gives up an invitation. Where it was answered at the last moment the
// error is already_accepted and the call goes on; Hangup ends it all the same.
func (c *Call) Cancel(ctx context.Context) error {
	id := c.ID()
	_, err := c.client.ask(ctx, func(t device.Ticket) device.Input { return device.Cancel{Ticket: t, Call: id} })
	return err
}

// Hangup ends the call whatever it is. It holds at once, also without a connection, and the device
// retries until the server confirms it; the error says whether the server has confirmed it yet.
func (c *Call) Hangup(ctx context.Context) error {
	id := c.ID()
	_, err := c.client.ask(ctx, func(t device.Ticket) device.Input { return device.Hangup{Ticket: t, Call: id} })
	return err
}

// SetRingTimeout has this device stop ringing by itself after a while; other
// devices of the account ring on.
func (c *Call) SetRingTimeout(ctx context.Context, after time.Duration) error {
	return c.command(ctx, &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Ringing{Ringing: &pealv1.Ringing{
		CallId: c.ID(), RingTimeoutMs: protocol.Millis(after),
	}}})
}

// StopRinging has this device stop ringing now; other devices ring on.
func (c *Call) StopRinging(ctx context.Context) error {
	return c.command(ctx, &pealv1.ClientFrame{Command: &pealv1.ClientFrame_RingTimeout{RingTimeout: &pealv1.RingTimeout{CallId: c.ID()}}})
}

// Offer is for the caller, at each new media generation.
func (c *Call) Offer(ctx context.Context, generation uint32, sdp string) error {
	return c.command(ctx, &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Offer{Offer: &pealv1.Offer{
		CallId: c.ID(), Generation: generation, Sdp: sdp,
	}}})
}

// Answer is for the callee, at each offer after the one that was accepted.
func (c *Call) Answer(ctx context.Context, generation uint32, sdp string) error {
	return c.command(ctx, &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Answer{Answer: &pealv1.Answer{
		CallId: c.ID(), Generation: generation, Sdp: sdp,
	}}})
}

// SendCandidates sends ICE candidates of a media generation. At [Reconnected]
// and [PeerEpoch] all of the present generation are to be sent again.
func (c *Call) SendCandidates(ctx context.Context, generation uint32, candidates ...Candidate) error {
	f := &pealv1.Candidates{CallId: c.ID(), Generation: generation, Candidates: wireCandidates(candidates)}
	return c.command(ctx, &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Candidates{Candidates: f}})
}

// ReportMedia tells whether this side's media is up: DTLS connected and ICE
// consent fresh. A call is connected when both sides have reported so.
func (c *Call) ReportMedia(ctx context.Context, generation uint32, up bool) error {
	return c.command(ctx, &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Media{Media: &pealv1.MediaReport{
		CallId: c.ID(), Generation: generation, Up: up,
	}}})
}

// ReportPath tells, while media is up, what it flows by, for the operator's eyes.
func (c *Call) ReportPath(ctx context.Context, generation uint32, path MediaPath) error {
	return c.command(ctx, &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Media{Media: &pealv1.MediaReport{
		CallId: c.ID(), Generation: generation, Up: true, Path: pealv1.MediaPath(path),
	}}})
}

// Restart asks for the media generation after one that failed. With rebuild
// both sides make new peer connections.
func (c *Call) Restart(ctx context.Context, from uint32, rebuild bool) error {
	return c.command(ctx, &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Restart{Restart: &pealv1.Restart{
		CallId: c.ID(), FromGeneration: from, Rebuild: rebuild,
	}}})
}

// SetTracks tells the other side what this one sends.
func (c *Call) SetTracks(ctx context.Context, tracks Tracks) error {
	return c.command(ctx, &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Tracks{Tracks: &pealv1.TrackReport{
		CallId: c.ID(), Tracks: tracks.wire(),
	}}})
}

// SwitchType makes it an audio call at once, or asks the other side for video;
// asking for what the other side asks for agrees to it.
func (c *Call) SwitchType(ctx context.Context, to CallType) error {
	return c.command(ctx, &pealv1.ClientFrame{Command: &pealv1.ClientFrame_SwitchType{SwitchType: &pealv1.SwitchType{
		CallId: c.ID(), Type: pealv1.CallType(to),
	}}})
}

func (c *Call) command(ctx context.Context, f *pealv1.ClientFrame) error {
	_, err := c.client.command(ctx, f)
	return err
}

// take keeps what the server tells.
func (c *Call) take(u *pealv1.CallUpdate, account string) {
	c.mu.Lock()
	if u.GetCall().GetRev() >= c.snapshot.Rev {
		c.snapshot = readSnapshot(u.GetCall(), account)
	}
	c.mu.Unlock()
	c.servers(u)
}

// heardMost is how many candidates a side may send of one generation.
const heardMost = 64

// hear counts candidates of the other side's, each once.
func (c *Call) hear(list *pealv1.Candidates) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heard == nil || list.GetGeneration() > c.heardOf {
		c.heard, c.heardOf = make(map[string]struct{}), list.GetGeneration()
	}
	for _, x := range list.GetCandidates() {
		if list.GetGeneration() == c.heardOf && len(c.heard) < heardMost {
			c.heard[x.GetSdpMid()+" "+x.GetCandidate()] = struct{}{}
		}
	}
}

func (c *Call) servers(u *pealv1.CallUpdate) {
	if len(u.GetIceServers()) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ice = readServers(u.IceServers)
}

func (c *Call) over(e End) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end = &e
	c.snapshot.State = Over
	close(c.done)
}
