package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/peal-rtc/peal/client"
	"github.com/peal-rtc/peal/client/media"
	"github.com/peal-rtc/peal/internal/doctor"
)

// What is sent where nothing else is to be: a soft tone now and then, and a
// test picture, 320 × 240. ffmpeg made them of its sources sine and testsrc2.
var (
	//go:embed tone.ogg
	tone []byte
	//go:embed picture.ivf
	picture []byte
)

const (
	// loginTime bounds logging in, and hangupTime hanging up and logging out.
	loginTime  = 15 * time.Second
	hangupTime = 5 * time.Second
)

// phoneFlags are what the commands that call and answer have in common.
type phoneFlags struct {
	Who       account       `embed:""`
	Play      []string      `placeholder:"FILE" help:"Send this: .ogg with Opus, .ivf with VP8, or one of each. Unless given: a soft tone, and a test picture."`
	Record    []string      `placeholder:"FILE" help:"Write what is received: sound to an .ogg file, the picture to an .ivf file, or one of each."`
	RelayOnly bool          `help:"Use the server's relay alone, so that the other side sees no address of this machine."`
	For       time.Duration `placeholder:"DURATION" help:"Length of the call after which to hang up, such as 30s."`
}

const phoneHelp = `
While the call lasts its path, bitrate and quality are shown, once a second on a terminal. Ctrl+C hangs
up; a second one, a second later or more, exits at once. Closing the terminal, or the pipe that reads
the output, hangs up too. At the end a line says how the call ended.

Exit codes: 0 the call was completed, 1 something failed, 2 wrong usage, 3 it was not answered: declined,
busy, nobody there, or given up.`

// phone is a client with media at a terminal.
type phone struct {
	*media.Phone
	flags      *phoneFlags
	client     *client.Client
	screen     *screen
	events     chan client.Event
	clips      map[media.Kind]*media.Clip
	recordings map[media.Kind]*media.Recording
	online     bool // The server was reached; belongs to who takes the events.
	running    sync.WaitGroup
	cancel     context.CancelFunc
}

// open opens the files and logs in. The caller closes the phone. gone is called once
// nobody reads the screen any more.
func (f *phoneFlags) open(ctx context.Context, std streams, gone func()) (*phone, error) {
	if err := f.checkFiles(); err != nil {
		return nil, err
	}
	p := &phone{
		flags: f, screen: newScreen(std.out, gone), events: make(chan client.Event),
		clips: make(map[media.Kind]*media.Clip), recordings: make(map[media.Kind]*media.Recording),
		cancel: func() {},
	}
	if err := p.begin(ctx); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *phone) begin(ctx context.Context) error {
	f := p.flags
	ctx, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	if err := f.Who.check(); err != nil {
		return err
	}
	if err := p.openFiles(); err != nil {
		return err
	}
	// A login tries again until its time is over, and cannot tell what was wrong.
	if err := doctor.Reach(ctx, f.Who.Server); err != nil {
		return err
	}
	if _, err := f.Who.token(ctx); err != nil {
		return err
	}
	cfg := client.Config{Server: f.Who.address(), Token: f.Who.token, Program: program(), RecordsSince: time.Now()}
	var err error
	if p.client, err = client.New(cfg); err != nil {
		return err
	}
	if p.Phone, err = media.New(p.client, media.Options{RelayOnly: f.RelayOnly}); err != nil {
		return err
	}
	reading, stop := context.WithCancel(context.Background())
	p.cancel = stop
	p.running.Go(func() { p.read(reading) })
	err = p.client.Login(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s does not answer: %w", f.Who.address(), err)
	}
	return err
}

func program() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "peal"
	}
	return "peal/" + info.Main.Version
}

// checkFiles refuses to record over what is played: recording empties the file first.
func (f *phoneFlags) checkFiles() error {
	for _, recorded := range f.Record {
		to, err := os.Stat(recorded)
		if err != nil {
			continue // It is yet to be made.
		}
		for _, played := range f.Play {
			if from, err := os.Stat(played); err == nil && os.SameFile(from, to) {
				return misuse{fmt.Errorf("--record: %s is the file of --play: give another one", recorded)}
			}
		}
	}
	return nil
}

// openFiles opens what is played and what is recorded, one of each kind.
func (p *phone) openFiles() error {
	for _, path := range p.flags.Play {
		clip, err := media.OpenClip(path)
		if err != nil {
			return fmt.Errorf("--play: %w", err)
		}
		if p.clips[clip.Kind()] != nil {
			_ = clip.Close() // It was only read.
			return fmt.Errorf("--play: %s is the second file of %s: give one", path, clip.Kind())
		}
		p.clips[clip.Kind()] = clip
	}
	for kind, builtIn := range map[media.Kind][]byte{media.Audio: tone, media.Video: picture} {
		if p.clips[kind] != nil {
			continue
		}
		clip, err := media.NewClip(bytes.NewReader(builtIn))
		if err != nil {
			return err
		}
		p.clips[kind] = clip
	}
	for _, path := range p.flags.Record {
		kind, ok := map[string]media.Kind{".ogg": media.Audio, ".opus": media.Audio, ".ivf": media.Video}[strings.ToLower(filepath.Ext(path))]
		if !ok {
			return fmt.Errorf("--record: %s: sound is written to an .ogg file, the picture to an .ivf file", path)
		}
		if p.recordings[kind] != nil {
			return fmt.Errorf("--record: %s is the second file of %s: give one", path, kind)
		}
		recording, err := media.Record(path, kind)
		if err != nil {
			return fmt.Errorf("--record: %w", err)
		}
		p.recordings[kind] = recording
	}
	return nil
}

// read reads the events until the phone is closed.
func (p *phone) read(ctx context.Context) {
	for {
		e, err := p.Next(ctx)
		if err != nil {
			return
		}
		select {
		case p.events <- e:
		case <-ctx.Done():
			return
		}
	}
}

// close logs out and ends everything; the error is of the recordings.
func (p *phone) close() error {
	if p.client != nil {
		ctx, cancel := context.WithTimeout(context.Background(), hangupTime)
		_ = p.client.Logout(ctx) // The server finds out by itself otherwise.
		cancel()
	}
	p.cancel()
	if p.Phone != nil {
		_ = p.Phone.Close()
	}
	if p.client != nil {
		_ = p.client.Close()
	}
	p.running.Wait()
	for _, clip := range p.clips {
		_ = clip.Close() // It was only read.
	}
	var failed []error
	for _, recording := range p.recordings {
		failed = append(failed, recording.Close())
	}
	return errors.Join(failed...)
}

// streams are what a call sends and receives at this terminal.
func (p *phone) streams() media.Streams {
	s := media.Streams{Tracks: client.Tracks{Audio: true, Video: true}}
	if r := p.recordings[media.Audio]; r != nil {
		s.OnAudio = r.Write
	}
	if r := p.recordings[media.Video]; r != nil {
		s.OnVideo = r.Write
	}
	return s
}

// play sends the clips, over and over.
func (p *phone) play(ctx context.Context, s *media.Session) {
	for _, clip := range p.clips {
		p.running.Go(func() {
			if err := s.Play(ctx, clip, true); err != nil && ctx.Err() == nil {
				p.screen.say("Cannot play %s: %v", clip.Kind(), err)
			}
		})
	}
}

// follow shows a call until its end. A signal, or the time that was given,
// hangs up.
func (p *phone) follow(ctx context.Context, s *media.Session) (client.End, error) {
	call := s.Call()
	playing, stop := context.WithCancel(context.Background())
	defer stop()
	p.play(playing, s)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var connected time.Time
	over := time.NewTimer(0)
	over.Stop()
	defer over.Stop()
	signalled := ctx.Done()
	for {
		select {
		case e := <-p.events:
			if now, is := p.shows(e, call); is && connected.IsZero() {
				connected = now
				if p.flags.For > 0 {
					over.Reset(p.flags.For)
				}
			}
			switch e := e.(type) {
			case client.Ended:
				if e.Call == call {
					return e.End, nil
				}
			case client.LoggedOut:
				return client.End{}, e.Reason
			}
		case <-tick.C:
			if m := s.Status(); !connected.IsZero() && m.Path.Local != "" {
				p.screen.status(time.Since(connected), m)
			}
		case <-over.C:
			p.hangup(call)
		case <-signalled:
			signalled = nil
			p.hangup(call)
		}
	}
}

// hangup holds at once; telling the server of it takes a while.
func (p *phone) hangup(call *client.Call) {
	p.running.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), hangupTime)
		defer cancel()
		if err := call.Hangup(ctx); err != nil {
			p.screen.say("The server did not receive the hang-up: %v", err)
		}
	})
}

// shows tells of an event, and when the call is connected by it.
func (p *phone) shows(e client.Event, call *client.Call) (at time.Time, connected bool) {
	switch e := e.(type) {
	case client.StateChanged:
		if e.State == client.Connecting && p.online {
			p.screen.say("The server is away; connecting again.")
		}
		p.online = p.online || e.State == client.Online
	case client.Failed:
		p.screen.say("%v", e.Err)
	case client.Updated:
		if e.Call != call {
			break
		}
		for _, change := range e.Changes {
			switch change {
			case client.Accepted:
				p.screen.say("Answered.")
			case client.Connected:
				p.screen.say("Connected.")
				return time.Now(), true
			case client.VideoRequest:
				p.agree(call)
			case client.TypeChanged, client.VideoAnswer, client.Generation, client.PeerEpoch, client.PeerPresence,
				client.PeerMedia, client.PeerTracks, client.Reconnected:
			}
		}
	}
	return time.Time{}, false
}

// agree has an audio call become a video call, as the other side asks.
func (p *phone) agree(call *client.Call) {
	if call.Snapshot().VideoAskedBy == "" {
		return // It was taken back.
	}
	p.running.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), hangupTime)
		defer cancel()
		if err := call.SwitchType(ctx, client.Video); err != nil {
			p.screen.say("It stays an audio call: %v", err)
		}
	})
}

// outcome tells how a call ended, and gives what the command returns for it.
func (p *phone) outcome(end client.End, peer string) error {
	p.screen.say("%s", outcomeText(end, peer))
	switch {
	case end.Reason == "completed":
		return nil
	case end.Answered:
		return exit(exitFailed)
	}
	return exit(exitUnanswered)
}

func outcomeText(end client.End, peer string) string {
	lasted := ""
	if end.Duration > 0 {
		lasted = fmt.Sprintf(" after %s", end.Duration)
	}
	switch end.Reason {
	case "completed":
		if end.ByThisDevice {
			return "Hung up" + lasted + "."
		}
		return peer + " hung up" + lasted + "."
	case "cancelled":
		return "Given up before it was answered."
	case "rejected":
		return "Declined."
	case "busy":
		return peer + " is busy."
	case "timeout":
		return "Nobody answered."
	case "failed":
		return "Failed: media never came up on both sides."
	case "lost":
		return "Lost: a side was gone for too long" + lasted + "."
	case "answered_elsewhere":
		return "Answered on another device."
	case "kicked":
		return "Ended: a side was logged out, or logged in on another device" + lasted + "."
	case "superseded":
		return "Ended: " + peer + " called someone else" + lasted + "."
	case "server":
		return "Ended by the server" + lasted + "."
	}
	return fmt.Sprintf("Ended by the server (%s)%s.", end.Reason, lasted)
}
