package media

import (
	"context"
	"errors"
	"io"
	"time"
)

// rewindPause is how soon after a key frame a picture goes back for another one.
const rewindPause = time.Second

// Play sends a clip, in its time, from when media is up until its end or that
// of the call, whichever is first; with loop it starts again at its end. Sound
// and picture are two clips, played by two goroutines. Where the other side asks
// for a key frame the picture goes back to the latest one.
func (s *Session) Play(ctx context.Context, clip *Clip, loop bool) error {
	select {
	case <-s.up:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ctx.Done():
		return nil
	}
	p := playback{clip: clip, loop: loop, shift: time.Since(s.made)}
	timer := stopped()
	defer timer.Stop()
	wanted := s.keyframes()
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f, err := p.next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		timer.Reset(time.Until(s.made.Add(f.Time)))
		select {
		case <-timer.C:
			if s.Send(clip.kind, f) != nil {
				return nil // The call is over.
			}
			p.sent(f)
		case <-wanted:
			wanted = s.keyframes()
			if err := p.back(); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ctx.Done():
			return nil
		}
	}
}

// keyframes gives what is closed when a key frame is asked for.
func (s *Session) keyframes() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wanted
}

// playback is where the playing of a clip is.
type playback struct {
	clip    *Clip
	loop    bool
	shift   time.Duration // How much later than in the clip a frame is sent.
	waiting *Frame        // Was read, and is to be sent still.
	at      time.Duration // In the clip: the latest frame, …
	step    time.Duration // … how long after the one before, …
	key     time.Duration // … and the latest key frame.
	any     bool          // The clip has a frame.
	keySent time.Time
}

func (p *playback) next() (Frame, error) {
	if p.waiting != nil {
		return *p.waiting, nil
	}
	f, err := p.clip.next()
	if errors.Is(err, io.EOF) && p.loop && p.any {
		if err := p.clip.rewind(); err != nil {
			return Frame{}, err
		}
		p.shift += p.at + p.step
		p.at = 0
		f, err = p.clip.next()
	}
	if err != nil {
		return Frame{}, err
	}
	p.any, p.step, p.at = true, max(f.Time-p.at, 0), f.Time
	if f.Key {
		p.key = f.Time
	}
	f.Time += p.shift
	p.waiting = &f
	return f, nil
}

func (p *playback) sent(f Frame) {
	p.waiting = nil
	if f.Key {
		p.keySent = time.Now()
	}
}

// back has the latest key frame sent in the place of the frame that waits,
// unless it went out just now.
func (p *playback) back() error {
	if p.clip.kind == Audio || p.waiting.Key || time.Since(p.keySent) < rewindPause {
		return nil
	}
	p.waiting = nil
	p.shift += p.at - p.key
	p.at = p.key
	return p.clip.ivf.back()
}
