package media_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/peal-rtc/peal/client"
	"github.com/peal-rtc/peal/client/internal/program"
	"github.com/peal-rtc/peal/client/media"
)

// A context that is over is obeyed: nothing is answered and nothing is played.
func TestMediaContextIsOver(t *testing.T) {
	server := program.Start(t)
	alice, bob := login(t, server, "alice", media.Options{}), login(t, server, "bob", media.Options{})
	over, cancel := context.WithCancel(context.Background())
	cancel()
	var atB heard
	if _, err := alice.Call(over, "bob", client.CallOptions{}, media.Streams{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Call: got %v", err)
	}
	out, err := alice.Call(alice.ctx, "bob", client.CallOptions{}, media.Streams{Tracks: client.Tracks{Audio: true}})
	alice.must(err)
	in := bob.Session(next[client.Incoming](bob).Call)
	for range 20 {
		if err := in.Accept(over, atB.streams()); !errors.Is(err, context.Canceled) {
			t.Fatalf("Accept: got %v", err)
		}
	}
	bob.must(in.Accept(bob.ctx, atB.streams()))
	alice.sees(client.Accepted)
	alice.sees(client.Connected)
	clip, err := media.OpenClip(filepath.Join("testdata", "tone.ogg"))
	alice.must(err)
	t.Cleanup(func() { _ = clip.Close() })
	for range 200 {
		if err := out.Play(over, clip, true); !errors.Is(err, context.Canceled) {
			t.Fatalf("Play: got %v", err)
		}
	}
	if n := atB.frames(media.Audio); n > 0 {
		t.Errorf("%d frames came, of what was not to be played", n)
	}
}
