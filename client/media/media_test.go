package media_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/peal-rtc/peal/client"
	"github.com/peal-rtc/peal/client/internal/program"
	"github.com/peal-rtc/peal/client/media"
)

const patience = 40 * time.Second

func TestMain(m *testing.M) { program.Main(m) }

// person is a client with a phone; its events are read and kept.
type person struct {
	*media.Phone
	client *client.Client
	t      *testing.T
	ctx    context.Context
	events chan client.Event
}

func login(t *testing.T, server *program.Server, account string, o media.Options, changes ...func(*client.Config)) *person {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	cfg := client.Config{Server: server.URL(), Token: server.Token(account)}
	for _, change := range changes {
		change(&cfg)
	}
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	phone, err := media.New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	p := &person{Phone: phone, client: c, t: t, ctx: ctx, events: make(chan client.Event, 1000)}
	var reading sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		_ = phone.Close()
		_ = c.Close()
		reading.Wait()
	})
	if err := c.Login(ctx); err != nil {
		t.Fatal(err)
	}
	reading.Go(func() {
		for {
			e, err := phone.Next(ctx)
			if err != nil {
				return
			}
			p.events <- e
		}
	})
	return p
}

// next waits for an event of a kind.
func next[E client.Event](p *person) E {
	p.t.Helper()
	for {
		select {
		case e := <-p.events:
			if found, ok := e.(E); ok {
				return found
			}
		case <-p.ctx.Done():
			p.t.Fatalf("%s waits for %T", p.client.Account(), *new(E))
		}
	}
}

// sees waits for a change.
func (p *person) sees(change client.Change) client.Updated {
	p.t.Helper()
	for {
		u := next[client.Updated](p)
		if slices.Contains(u.Changes, change) {
			return u
		}
	}
}

func (p *person) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// eventually polls for what happens in other goroutines.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		case <-tick.C:
		}
	}
}

// heard counts the frames that come in.
type heard struct {
	mu    sync.Mutex
	count map[media.Kind]int
	keys  int
	last  map[media.Kind]time.Duration
	wrong string
}

func (h *heard) streams() media.Streams {
	h.count, h.last = map[media.Kind]int{}, map[media.Kind]time.Duration{}
	return media.Streams{
		Tracks:  client.Tracks{Audio: true, Video: true},
		OnAudio: func(f media.Frame) { h.frame(media.Audio, f) },
		OnVideo: func(f media.Frame) { h.frame(media.Video, f) },
	}
}

func (h *heard) frame(kind media.Kind, f media.Frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count[kind] == 0 && kind == media.Video && !f.Key {
		h.wrong = "the first picture is no key frame"
	}
	if f.Time < h.last[kind] {
		h.wrong = fmt.Sprintf("%s goes back from %s to %s", kind, h.last[kind], f.Time)
	}
	h.count[kind]++
	h.last[kind] = f.Time
	if f.Key {
		h.keys++
	}
}

func (h *heard) frames(kind media.Kind) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count[kind]
}

// hears waits for so many more frames of both kinds.
func (h *heard) hears(t *testing.T, more int) {
	t.Helper()
	audio, video := h.frames(media.Audio), h.frames(media.Video)
	eventually(t, "frames of both kinds", func() bool {
		return h.frames(media.Audio) >= audio+more && h.frames(media.Video) >= video+more
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wrong != "" {
		t.Error(h.wrong)
	}
}

// play plays both test files for the length of a test.
func (p *person) play(s *media.Session) {
	p.t.Helper()
	var playing sync.WaitGroup
	for _, name := range []string{"tone.ogg", "pattern.ivf"} {
		clip, err := media.OpenClip(filepath.Join("testdata", name))
		p.must(err)
		playing.Go(func() { _ = s.Play(p.ctx, clip, true) })
		p.t.Cleanup(func() { _ = clip.Close() })
	}
	p.t.Cleanup(func() { _ = p.Phone.Close(); playing.Wait() })
}

// talk is a call between two, with everything both ways.
type talk struct {
	alice, bob *person
	out, in    *media.Session
	atA, atB   heard
}

func newTalk(t *testing.T, server *program.Server, a, b media.Options) *talk {
	t.Helper()
	k := &talk{alice: login(t, server, "alice", a), bob: login(t, server, "bob", b)}
	k.call(client.AnyAddress)
	return k
}

func (k *talk) call(policy client.ICEPolicy) {
	var err error
	o := client.CallOptions{Type: client.Video, ICEPolicy: policy}
	k.out, err = k.alice.Call(k.alice.ctx, k.bob.client.Account(), o, k.atA.streams())
	k.alice.must(err)
	k.in = k.bob.Session(next[client.Incoming](k.bob).Call)
	k.bob.must(k.in.Accept(k.bob.ctx, k.atB.streams()))
	k.alice.play(k.out)
	k.bob.play(k.in)
	k.alice.sees(client.Connected)
	k.bob.sees(client.Connected)
}

func (k *talk) hear(more int) {
	k.alice.t.Helper()
	k.atA.hears(k.alice.t, more)
	k.atB.hears(k.bob.t, more)
}

func TestCall(t *testing.T) {
	k := newTalk(t, program.Start(t), media.Options{}, media.Options{})
	k.hear(20)
	if p := k.out.Call().Snapshot().Peer; !p.MediaUp || !p.Tracks.Video || !p.Tracks.Audio {
		t.Errorf("the other side is told to be %+v", p)
	}
	eventually(t, "path and quality", func() bool {
		for _, s := range []*media.Session{k.out, k.in} {
			m := s.Status()
			if !m.Up || m.Path.Local == "" || m.Path.Remote == "" || m.Path.Protocol != "udp" || m.Quality.BitsIn == 0 || m.Quality.BitsOut == 0 {
				return false
			}
		}
		return true
	})
	if q := k.out.Status().Quality; q.LossIn > 0.5 || q.RoundTrip > time.Second {
		t.Errorf("on one machine the quality is %+v", q)
	}

	// A key frame comes when it is asked for.
	k.atB.mu.Lock()
	keys := k.atB.keys
	k.atB.mu.Unlock()
	k.in.RequestKeyframe()
	eventually(t, "a key frame", func() bool { k.atB.mu.Lock(); defer k.atB.mu.Unlock(); return k.atB.keys > keys })

	k.bob.must(k.in.Call().Hangup(k.bob.ctx))
	if e := next[client.Ended](k.alice).End; e.Reason != "completed" || !e.Answered {
		t.Errorf("it ended %+v", e)
	}
	eventually(t, "the sessions are over", func() bool {
		return k.alice.Session(k.out.Call()) == nil && k.bob.Session(k.in.Call()) == nil && !k.out.Status().Up
	})
	if err := k.out.Send(media.Audio, media.Frame{Data: media.Silence()}); err == nil {
		t.Error("what is sent after the end is taken")
	}
}

// Either side asks for new paths, and media flows on.
func TestRestart(t *testing.T) {
	k := newTalk(t, program.Start(t), media.Options{}, media.Options{})
	k.hear(5)
	for generation, by := range []*media.Session{k.out, k.in} {
		k.alice.must(by.Restart(k.alice.ctx))
		for _, s := range []*media.Session{k.out, k.in} {
			eventually(t, "media is up in the new generation", func() bool {
				now := s.Call().Snapshot()
				return now.Generation == uint32(generation+2) && now.Peer.MediaUp && s.Status().Up
			})
		}
		k.hear(20)
	}
	// New peer connections on both sides.
	k.alice.must(k.out.Call().Restart(k.alice.ctx, 3, true))
	for _, s := range []*media.Session{k.out, k.in} {
		eventually(t, "media is up on new connections", func() bool {
			now := s.Call().Snapshot()
			return now.Rebuild == 4 && now.Peer.MediaUp && s.Status().Up
		})
	}
	k.hear(20)
}

// Nothing but the relay is used, where one side wants that.
func TestRelayOnly(t *testing.T) {
	k := newTalk(t, program.Start(t), media.Options{RelayOnly: true}, media.Options{})
	k.hear(20)
	eventually(t, "the path is known", func() bool { return k.out.Status().Path.Local != "" })
	if p := k.out.Status().Path; p.Local != "relay" {
		t.Errorf("media goes %s", p)
	}
}

// A caller can ask for that, and then both sides go by the relay.
func TestRelayOnlyByCall(t *testing.T) {
	server := program.Start(t)
	k := &talk{alice: login(t, server, "alice", media.Options{}), bob: login(t, server, "bob", media.Options{})}
	k.call(client.RelayOnly)
	k.hear(20)
	for _, s := range []*media.Session{k.out, k.in} {
		eventually(t, "the path is known", func() bool { return s.Status().Path.Local != "" })
		if p := s.Status().Path; p.Local != "relay" || p.Remote != "relay" {
			t.Errorf("media goes %+v", p)
		}
	}
}

// Both call each other: one call, with media on both ends.
func TestGlare(t *testing.T) {
	server := program.Start(t)
	alice, bob := login(t, server, "alice", media.Options{}), login(t, server, "bob", media.Options{})
	var first, second *media.Session
	var atA, atB heard
	for first == nil || second == nil { // One was rung before it dialled.
		for _, s := range []*media.Session{first, second} {
			if s != nil {
				alice.must(s.Call().Hangup(alice.ctx))
				next[client.Ended](alice)
				next[client.Ended](bob)
			}
		}
		var both sync.WaitGroup
		o := client.CallOptions{Type: client.Video}
		both.Go(func() { first, _ = alice.Call(alice.ctx, "bob", o, atA.streams()) })
		both.Go(func() { second, _ = bob.Call(bob.ctx, "alice", o, atB.streams()) })
		both.Wait()
	}
	if first.Call().ID() != second.Call().ID() {
		t.Fatalf("the calls are %s and %s", first.Call().ID(), second.Call().ID())
	}
	alice.play(first)
	bob.play(second)
	atA.hears(t, 10)
	atB.hears(t, 10)
}

// What cannot be called or answered leaves nothing behind.
func TestNoCall(t *testing.T) {
	server := program.Start(t)
	alice, bob := login(t, server, "alice", media.Options{}), login(t, server, "bob", media.Options{})
	if _, err := alice.Call(alice.ctx, "alice", client.CallOptions{}, media.Streams{}); err == nil {
		t.Error("one can call oneself")
	}
	out, err := alice.Call(alice.ctx, "bob", client.CallOptions{}, media.Streams{})
	alice.must(err)
	in := bob.Session(next[client.Incoming](bob).Call)
	alice.must(out.Call().Cancel(alice.ctx))
	next[client.Ended](bob)
	if err := in.Accept(bob.ctx, media.Streams{}); err == nil {
		t.Error("a call that was given up can be answered")
	}
	out, err = alice.Call(alice.ctx, "bob", client.CallOptions{}, media.Streams{})
	alice.must(err)
	in = bob.Session(next[client.Incoming](bob).Call)
	alice.must(alice.Phone.Close())
	if _, err := alice.Call(alice.ctx, "bob", client.CallOptions{}, media.Streams{}); err == nil {
		t.Error("a phone that is closed calls")
	}
	if out.Status().Up || in.Status().Up {
		t.Error("media is up")
	}
}

// The program that was started again goes on with its call.
func TestResume(t *testing.T) {
	server := program.Start(t)
	for _, returns := range []string{"caller", "callee"} {
		t.Run(returns, func(t *testing.T) {
			keep := func(c *client.Config) { c.DeviceID, c.Resume = returns, true }
			alice, bob := login(t, server, "alice-"+returns, media.Options{}, keep), login(t, server, "bob-"+returns, media.Options{})
			k := &talk{alice: alice, bob: bob}
			if returns == "callee" {
				k.alice, k.bob = bob, alice
			}
			k.call(client.AnyAddress)
			k.hear(5)
			_ = alice.Phone.Close()
			_ = alice.client.Close()
			again := login(t, server, "alice-"+returns, media.Options{}, keep)
			s := again.Session(next[client.Resumed](again).Call)
			var h heard
			s.SetStreams(h.streams())
			again.play(s)
			h.hears(t, 20)
			other := &k.atB
			if returns == "callee" {
				other = &k.atA
			}
			other.hears(t, 20)
		})
	}
}
