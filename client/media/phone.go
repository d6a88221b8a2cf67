package media

import (
	"context"
	"log/slog"
	"sync"

	"github.com/pion/webrtc/v4"

	"github.com/peal-rtc/peal/client"
)

// Options is what New takes. Its zero value is fine.
type Options struct {
	// RelayOnly has media go through the server's relay alone, so that the other
	// side sees no address of this machine.
	RelayOnly bool
	// Logger gets a line for each change of media. Nil means none.
	Logger *slog.Logger
}

// Phone carries the media of a client's calls. Make it by New.
type Phone struct {
	client  *client.Client
	options Options
	engine  *webrtc.API
	running sync.WaitGroup

	mu       sync.Mutex // Guards what follows.
	sessions map[*client.Call]*Session
	// early is what came of a call before Client.Call returned it.
	early   map[*client.Call][]client.Event
	calling int
	closed  bool
}

// New makes a phone for a client. From then on its events are to be read by
// [Phone.Next].
func New(c *client.Client, o Options) (*Phone, error) {
	engine, err := newEngine()
	if err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Phone{
		client: c, options: o, engine: engine,
		sessions: make(map[*client.Call]*Session), early: make(map[*client.Call][]client.Event),
	}, nil
}

// Next is [client.Client.Next], and keeps the media of the calls in step with
// what it tells. A program that has a phone must keep calling it.
func (p *Phone) Next(ctx context.Context) (client.Event, error) {
	e, err := p.client.Next(ctx)
	if err != nil {
		return nil, err
	}
	switch e := e.(type) {
	case client.Incoming:
		err = p.begin(e.Call, func(s *Session) { s.rings(e.Offer) })
	case client.Resumed:
		err = p.begin(e.Call, func(s *Session) { s.resumed(e.Offer) })
	case client.Updated:
		p.route(e.Call, e)
	case client.PeerCandidates:
		p.route(e.Call, e)
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Session is the media of a call that came by an event; nil once the call is
// over.
func (p *Phone) Session(call *client.Call) *Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sessions[call]
}

// Call is [client.Client.Call] with media; the offer is made here. Its events
// may be read before it returns.
func (p *Phone) Call(ctx context.Context, account string, o client.CallOptions, streams Streams) (*Session, error) {
	s, err := newSession(p)
	if err != nil {
		return nil, err
	}
	s.streams.Store(&streams)
	s.policy = o.ICEPolicy
	if o.Tracks == (client.Tracks{}) {
		o.Tracks = streams.Tracks
		o.Tracks.Video = o.Tracks.Video && o.Type == client.Video
	}
	if o.Offer, err = s.invites(); err != nil {
		s.close()
		return nil, err
	}
	p.mu.Lock()
	p.calling++
	p.mu.Unlock()
	call, err := p.client.Call(ctx, account, o)
	p.mu.Lock()
	early := p.early[call]
	if p.calling--; p.calling == 0 {
		clear(p.early)
	}
	if err == nil {
		err = p.start(s, call, func(s *Session) {
			s.invited()
			for _, e := range early {
				s.take(e)
			}
		})
	}
	p.mu.Unlock()
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// Close ends the media of all calls, without a word to anybody, and waits until
// nothing of the phone runs any more. The client is the program's to close,
// after this.
func (p *Phone) Close() error {
	p.mu.Lock()
	p.closed = true
	for _, s := range p.sessions {
		s.cancel()
	}
	p.mu.Unlock()
	p.running.Wait()
	return nil
}

// begin is a call that was not made here.
func (p *Phone) begin(call *client.Call, first func(*Session)) error {
	s, err := newSession(p)
	if err != nil {
		return err
	}
	p.mu.Lock()
	err = p.start(s, call, first)
	p.mu.Unlock()
	if err != nil {
		s.close()
	}
	return err
}

// start has a session run. p.mu is held, so that nothing comes in between.
func (p *Phone) start(s *Session, call *client.Call, first func(*Session)) error {
	if p.closed {
		return client.ErrClosed
	}
	s.call = call
	p.sessions[call] = s
	s.post(func() { first(s) })
	p.running.Go(func() {
		s.run()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.sessions, call)
	})
	return nil
}

// route gives an event to the session of its call.
func (p *Phone) route(call *client.Call, e client.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.sessions[call]; s != nil {
		s.post(func() { s.take(e) })
		return
	}
	if p.calling > 0 {
		p.early[call] = append(p.early[call], e)
	}
}
