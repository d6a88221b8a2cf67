package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/peal-rtc/peal/client"
	"github.com/peal-rtc/peal/client/media"
)

// says waits for a text.
func (o *output) says(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(o.String(), text) {
		select {
		case <-deadline:
			t.Fatalf("it does not say %q: %s", text, o)
		case <-tick.C:
		}
	}
}

// Two terminals: one asks whether to answer, and does what is typed.
func TestAnswerAsks(t *testing.T) {
	p := dev(t, t.TempDir())
	for _, test := range []struct {
		typed      string
		call, answ int
		callSays   string
	}{
		{"n\n", exitUnanswered, exitUnanswered, "Declined."},
		{"perhaps\ny\n", exitOK, exitOK, "Hung up after 1s."},
	} {
		name := fmt.Sprintf("bob%d", len(test.typed))
		var screen, caller output
		typed, typing := io.Pipe()
		answered := make(chan int, 1)
		go func() {
			answered <- run([]string{"answer", "--server", p.url, "--account", name}, streams{typed, &screen, &screen})
		}()
		screen.says(t, "Waiting for a call to "+name)
		called := make(chan int, 1)
		go func() {
			called <- run([]string{"call", name, "--video", "--for", "1s", "--server", p.url, "--account", "alice-" + name}, streams{strings.NewReader(""), &caller, &caller})
		}()
		screen.says(t, "calls with video.\nAnswer? [y/n] ")
		if _, err := io.WriteString(typing, test.typed); err != nil {
			t.Fatal(err)
		}
		if got := <-called; got != test.call || !strings.Contains(caller.String(), test.callSays) {
			t.Errorf("%q: the caller exits with %d, having said %s", test.typed, got, caller.String())
		}
		if got := <-answered; got != test.answ {
			t.Errorf("%q: the other one exits with %d, having said %s", test.typed, got, screen.String())
		}
		_ = typing.Close()
	}
}

func TestStatusText(t *testing.T) {
	m := media.Status{
		Up: true, Path: media.Path{Local: "relay", Remote: "srflx", Protocol: "udp", RelayProtocol: "tls"},
		Quality: media.Quality{RoundTrip: 42 * time.Millisecond, Jitter: 3 * time.Millisecond, LossIn: 0.012, BitsIn: 512_900, BitsOut: 64_000},
	}
	want := "1m5s  relay → srflx, udp by tls  in 512 kbit/s, lost 1.2 %, jitter 3 ms  out 64 kbit/s, lost 0.0 %  round trip 42 ms"
	if got := statusText(65*time.Second+time.Millisecond, m); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	// Before anything was measured there is nothing to tell of it.
	m.Quality = media.Quality{Jitter: time.Millisecond}
	if got, want := statusText(time.Second, m), "1s  relay → srflx, udp by tls"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := statusText(3*time.Second, m); !strings.Contains(got, "in 0 kbit/s") {
		t.Errorf("of a call in which nothing comes: %q", got)
	}
	// On a terminal one line is written over, and taken away before the next that stays.
	var out bytes.Buffer
	s := screen{out: &out, terminal: true, gone: func() {}}
	s.status(time.Second, media.Status{})
	s.status(2*time.Second, media.Status{})
	s.say("Done.")
	if got, want := out.String(), "\r\x1b[K1s  reconnecting\r\x1b[K2s  reconnecting\r\x1b[KDone.\n"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Every ending has its words and its exit code.
func TestOutcome(t *testing.T) {
	for _, test := range []struct {
		end  client.End
		says string
		code error
	}{
		{client.End{Reason: "completed", Answered: true, Duration: 3 * time.Second}, "bob hung up after 3s.", nil},
		{client.End{Reason: "completed", Answered: true, ByThisDevice: true}, "Hung up.", nil},
		{client.End{Reason: "busy"}, "bob is busy.", exit(exitUnanswered)},
		{client.End{Reason: "timeout"}, "Nobody answered.", exit(exitUnanswered)},
		{client.End{Reason: "failed", Answered: true}, "Failed: media never came up on both sides.", exit(exitFailed)},
		{client.End{Reason: "lost", Answered: true, Duration: time.Minute}, "Lost: a side was gone for too long after 1m0s.", exit(exitFailed)},
		{client.End{Reason: "server", Answered: true}, "Ended by the server.", exit(exitFailed)},
		{client.End{Reason: "kicked", Answered: true}, "Ended: a side was logged out, or logged in on another device.", exit(exitFailed)},
		{client.End{Reason: "news", Answered: true}, "Ended by the server (news).", exit(exitFailed)},
	} {
		var out bytes.Buffer
		p := phone{screen: newScreen(&out, func() {})}
		if code := p.outcome(test.end, "bob"); code != test.code || out.String() != test.says+"\n" {
			t.Errorf("%s gives %v, %q", test.end.Reason, code, out.String())
		}
	}
}
