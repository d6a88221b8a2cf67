package call_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/call"
	"github.com/peal-rtc/peal/internal/call/transcript"
)

// Transcripts are calls to read; package transcript tells how they are written.
func TestTranscripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := transcribe(t, string(want))
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got; -update rewrites it):\n%s", path, diff)
			}
		})
	}
}

func transcribe(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	err := transcript.Play(text, func(line string) { fmt.Fprintln(&out, line) }, func(s transcript.Step) { show(&out, s) })
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func show(out *strings.Builder, s transcript.Step) {
	if s.Tick {
		fmt.Fprintf(out, "  at %s:\n", s.At.Sub(transcript.Epoch))
	}
	c := s.Call
	switch {
	case s.Err != nil:
		fmt.Fprintf(out, "  refused: %v\n", s.Err)
		return
	case c.Rev == s.Was.Rev:
		fmt.Fprintln(out, "  nothing")
		return
	}
	states := []string{call.Ringing: "ringing", call.Connecting: "connecting", call.Connected: "connected", call.Ended: "ended"}
	reasons := []string{
		0: "", call.Completed: "completed", call.Cancelled: "cancelled", call.Rejected: "rejected", call.Timeout: "timeout", call.Busy: "busy",
		call.Failed: "failed", call.Lost: "lost", call.Superseded: "superseded", call.Kicked: "kicked", call.Terminated: "server",
	}
	fmt.Fprintf(out, "  rev %d %s", c.Rev, states[c.State])
	if o := c.Outcome; c.State == call.Ended {
		fmt.Fprintf(out, " %s by %s/%s, record %d", reasons[o.Reason], o.Actor, o.Device, o.Kind)
	} else {
		fmt.Fprintf(out, ", generation %d", c.Media.Generation)
		if at, ok := c.Deadline(); ok {
			fmt.Fprintf(out, ", until %s", at.Sub(transcript.Epoch))
		}
	}
	fmt.Fprintln(out)
	for _, e := range s.Effects {
		device := string(e.Device)
		if device == "" {
			device = "*"
		}
		fmt.Fprintf(out, "  tell %s/%s", e.Account, device)
		for i, name := range []string{"offer", "answer", "servers"} {
			if e.With&(1<<i) != 0 {
				fmt.Fprintf(out, " +%s", name)
			}
		}
		fmt.Fprintln(out)
	}
}
