package media

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peal-rtc/peal/client"
	"github.com/peal-rtc/peal/client/media/internal/plan"
)

// Streams says what a side of a call sends and what it does with what it
// receives. Its zero value sends nothing and listens to nobody.
//
// The functions are called one at a time for each kind, from the session's
// goroutines: none may block for long, or close the phone.
type Streams struct {
	// Tracks is what this side announces to the other side as sent: in an audio call without the
	// picture.
	Tracks client.Tracks
	// OnAudio and OnVideo get each frame that arrives. Nil drops them.
	OnAudio, OnVideo func(Frame)
	// OnKeyframeRequest tells that the other side cannot decode the picture that
	// it gets. [Session.Play] answers that by itself.
	OnKeyframeRequest func()
}

// Session is the media of one call. It ends with the call.
type Session struct {
	phone   *Phone
	call    *client.Call // Does not change once the session runs.
	ctx     context.Context
	cancel  context.CancelFunc
	streams atomic.Pointer[Streams]
	sends   atomic.Bool // The server has confirmed the invitation, or the acceptance.
	out     map[Kind]*outlet
	in      map[Kind]*inlet
	work    *tasks // What run does.
	told    *tasks // What tell sends to the server, in order.
	epoch   epoch
	made    time.Time     // Where the times of what is sent begin.
	up      chan struct{} // Is closed when media is up for the first time.

	// These belong to the goroutine that makes the session, and then to run.
	policy  client.ICEPolicy // What the caller asks for.
	plan    *plan.Plan
	peer    *peer
	offer   string // The one that goes with the invitation.
	answer  string // The newest.
	accepts bool   // Accept waits for the server's word.
	watch   *time.Timer
	batch   *time.Timer
	meter   meter

	mu     sync.Mutex // Guards what follows.
	status Status
	wanted chan struct{} // Is closed when a key frame is asked for.
}

// epoch is when the first frame of a call came in.
type epoch struct {
	once  sync.Once
	start time.Time
}

func (e *epoch) since() time.Duration {
	e.once.Do(func() { e.start = time.Now() })
	return time.Since(e.start)
}

func newSession(p *Phone) (*Session, error) {
	s := &Session{
		phone: p, made: time.Now(), out: make(map[Kind]*outlet), in: make(map[Kind]*inlet), up: make(chan struct{}),
		work: newTasks(), told: newTasks(), watch: stopped(), batch: stopped(), wanted: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.streams.Store(&Streams{})
	for _, kind := range []Kind{Audio, Video} {
		out, err := newOutlet(kind)
		if err != nil {
			return nil, err
		}
		s.out[kind] = out
		s.in[kind] = newInlet(kind, s.epoch.since, func(f Frame) { s.received(kind, f) })
	}
	s.peer = newPeer(s)
	return s, nil
}

func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// Call is the call whose media this is.
func (s *Session) Call() *client.Call { return s.call }

// Accept answers a call that rings.
func (s *Session) Accept(ctx context.Context, streams Streams) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.streams.Store(&streams)
	type prepared struct {
		generation uint32
		answer     string
		candidates []client.Candidate
	}
	ready := make(chan prepared, 1)
	s.post(func() {
		s.step(plan.Accepts{Failed: s.peer.failed()})
		s.step(plan.Accepting{})
		s.accepts = true
		ready <- prepared{s.plan.Answering(), s.answer, s.peer.takeGathered()}
	})
	select {
	case p := <-ready:
		if p.answer == "" {
			return errNoOffer
		}
		if err := s.call.Accept(ctx, p.generation, p.answer, p.candidates...); err != nil {
			s.post(s.unaccept)
			return err
		}
		s.post(func() { s.step(plan.Accepted{}) })
		return nil
	case <-ctx.Done():
		s.post(s.unaccept)
		return ctx.Err()
	case <-s.ctx.Done():
		return errOver
	}
}

// unaccept takes back what Accept did here, where the server may not have heard of it.
func (s *Session) unaccept() {
	s.accepts = false
	s.peer.keep() // The candidates may not have gone.
}

// relayOnly says that media goes by the relay alone: for this program, or in
// this call.
func (s *Session) relayOnly() bool {
	policy := s.policy
	if s.call != nil {
		policy = max(policy, s.call.Snapshot().ICEPolicy)
	}
	return s.phone.options.RelayOnly || policy == client.RelayOnly
}

var (
	errNoOffer = errors.New("media: there is no offer that could be answered")
	errOver    = errors.New("media: the call is over")
)

// SetStreams changes what is sent and received, and tells the other side.
func (s *Session) SetStreams(streams Streams) {
	s.streams.Store(&streams)
	s.post(s.report)
}

// Send sends a frame. While there is no connection, or the call is not answered, it
// goes nowhere, and so does a picture in an audio call: its type takes both sides'
// consent.
func (s *Session) Send(kind Kind, f Frame) error {
	if s.ctx.Err() != nil {
		return errOver
	}
	if !s.sends.Load() {
		return nil
	}
	if kind == Video && s.call.Snapshot().Type == client.Audio {
		return nil
	}
	return s.out[kind].send(f)
}

// RequestKeyframe asks the other side for a picture that can be decoded without
// those before it. At the start and after a loss that is done by itself.
func (s *Session) RequestKeyframe() { s.in[Video].requestKeyframe() }

// Restart asks for new paths; the call goes on meanwhile. When a path is lost
// that is done by itself.
func (s *Session) Restart(ctx context.Context) error {
	return s.call.Restart(ctx, s.call.Snapshot().Generation, false)
}

// Up is closed when media is up for the first time.
func (s *Session) Up() <-chan struct{} { return s.up }

// Status is how media is now.
func (s *Session) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// received gives a frame to the program.
func (s *Session) received(kind Kind, f Frame) {
	streams := s.streams.Load()
	to := streams.OnAudio
	if kind == Video {
		to = streams.OnVideo
	}
	if to != nil {
		to(f)
	}
}

// keyframeWanted is the other side that cannot decode what it gets.
func (s *Session) keyframeWanted() {
	s.mu.Lock()
	close(s.wanted)
	s.wanted = make(chan struct{})
	s.mu.Unlock()
	if on := s.streams.Load().OnKeyframeRequest; on != nil {
		on()
	}
}

// post has run do something.
func (s *Session) post(task func()) { s.work.add(task) }

// tell queues a message to the server behind the earlier ones. A message that the server refuses is
// out of date.
func (s *Session) tell(what string, command func(context.Context) error) {
	s.told.add(func() {
		if err := command(s.ctx); err != nil && s.ctx.Err() == nil {
			s.phone.options.Logger.Info("the server refused", "call", s.call.ID(), "command", what, "error", err)
		}
	})
}

// run owns the peer connection until the call is over.
func (s *Session) run() {
	var telling sync.WaitGroup
	telling.Go(func() { s.told.run(s.ctx) })
	tick := time.NewTicker(meterPause)
	defer func() {
		tick.Stop()
		s.close()
		telling.Wait()
	}()
	for {
		select {
		case <-s.work.more:
			s.work.do()
		case <-s.batch.C:
			s.peer.flush()
		case <-s.watch.C:
			s.stuck()
		case <-tick.C:
			s.measure()
		case <-s.call.Done():
			return
		case <-s.ctx.Done():
			return
		}
	}
}

// close ends what a session holds, when nothing of it runs but its connection.
func (s *Session) close() {
	s.cancel()
	s.watch.Stop()
	s.batch.Stop()
	s.peer.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Up = false
}
