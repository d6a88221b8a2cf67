package media_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/peal-rtc/peal/client"
	"github.com/peal-rtc/peal/client/media"
)

// A bot that answers every call and repeats what it hears and sees.
func Example() {
	c, err := client.New(client.Config{
		Server: "https://calls.example.org",
		Token: func(context.Context) (string, error) {
			return os.Getenv("PEAL_TOKEN"), nil // Or ask your backend.
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	phone, err := media.New(c, media.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = phone.Close() }()
	ctx := context.Background()
	if err := c.Login(ctx); err != nil {
		log.Fatal(err)
	}
	for {
		event, err := phone.Next(ctx)
		if err != nil {
			log.Fatal(err)
		}
		switch e := event.(type) {
		case client.Incoming:
			s := phone.Session(e.Call)
			err := s.Accept(ctx, media.Streams{
				Tracks:            client.Tracks{Audio: true, Video: true},
				OnAudio:           func(f media.Frame) { _ = s.Send(media.Audio, f) },
				OnVideo:           func(f media.Frame) { _ = s.Send(media.Video, f) },
				OnKeyframeRequest: s.RequestKeyframe,
			})
			if err != nil {
				log.Print(err) // Given up, or answered elsewhere.
			}
		case client.LoggedOut:
			log.Fatal(e.Reason)
		}
	}
}

// An announcement: it calls, plays a file to its end, records the answer and
// hangs up.
func ExamplePhone_Call() {
	ctx := context.Background()
	announce := func(phone *media.Phone) error {
		clip, err := media.OpenClip("announcement.ogg")
		if err != nil {
			return err
		}
		defer func() { _ = clip.Close() }()
		recording, err := media.Record("answer.ogg", media.Audio)
		if err != nil {
			return err
		}
		s, err := phone.Call(ctx, "alice", client.CallOptions{}, media.Streams{
			Tracks: client.Tracks{Audio: true}, OnAudio: recording.Write,
		})
		if err != nil {
			return err
		}
		if err := s.Play(ctx, clip, false); err != nil {
			return err
		}
		if err := s.Call().Hangup(ctx); err != nil {
			return err
		}
		return recording.Close()
	}
	_ = announce // Another goroutine reads phone.Next meanwhile.
}

// Frames from anywhere make a file.
func ExampleRecord() {
	path := filepath.Join(os.TempDir(), "example-silence.ogg")
	recording, err := media.Record(path, media.Audio)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.Remove(path) }()
	for i := range 50 {
		recording.Write(media.Frame{Data: media.Silence(), Time: time.Duration(i) * 20 * time.Millisecond})
	}
	if err := recording.Close(); err != nil {
		log.Fatal(err)
	}
	clip, err := media.OpenClip(path)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = clip.Close() }()
	fmt.Println(recording.Frames(), "frames of", clip.Kind())
	// Output: 50 frames of audio
}

// Sound and picture are two clips, played by two goroutines.
func ExampleSession_Play() {
	play := func(ctx context.Context, s *media.Session, sound, picture *media.Clip) {
		var playing sync.WaitGroup
		for _, clip := range []*media.Clip{sound, picture} {
			playing.Go(func() {
				if err := s.Play(ctx, clip, true); err != nil {
					log.Print(err)
				}
			})
		}
		playing.Wait()
	}
	_ = play
}
