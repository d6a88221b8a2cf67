package call_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/peal-rtc/peal/internal/call"
)

// Transcripts are calls to read. Each command in testdata stands alone on its
// line; the indented lines below it are what came of it. The words:
//
//	invite A/D B TYPE       ring A/D [FOR]       accept A/D [GENERATION]
//	report A/D GEN up|down  restart A/D GEN [rebuild]   offer|answer A/D GEN
//	gone|back|leave|cancel|reject|hangup|stop|supersede|kick A/D
//	switch A/D TYPE         reload A/D [resume]  merge A/D TYPE       crash A/D    terminate    wait DURATION
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

// script is a transcript being played.
type script struct {
	t    *testing.T
	out  strings.Builder
	call call.Call
	now  time.Time
	conn map[string]uint64
}

func transcribe(t *testing.T, text string) string {
	s := &script{t: t, now: epoch, conn: map[string]uint64{}}
	for line := range strings.Lines(text) {
		switch line = strings.TrimRight(line, "\n"); {
		case strings.HasPrefix(line, "  "):
		case line == "" || strings.HasPrefix(line, "#"):
			fmt.Fprintln(&s.out, line)
		default:
			fmt.Fprintln(&s.out, line)
			s.play(strings.Fields(line))
		}
	}
	return s.out.String()
}

func (s *script) play(words []string) {
	arg := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	switch words[0] {
	case "invite":
		in := invitation()
		in.Caller, in.Callee, in.Type = s.device(arg(1)), call.Account(arg(2)), kind(arg(3))
		c, effects, err := call.New(in, s.now)
		s.show(call.Call{}, c, effects, err)
		return
	case "wait":
		s.wait(s.duration(arg(1)))
		return
	case "back", "reload":
		s.conn[arg(1)]++
	}
	s.step(s.input(words[0], s.device(arg(1)), arg(2), arg(3)))
}

func (s *script) input(word string, d call.Device, a, b string) call.Input {
	switch word {
	case "ring":
		return call.Ring{Device: d, For: s.duration(a)}
	case "stop":
		return call.StopRinging{Device: d}
	case "accept":
		return call.Accept{Device: d, Generation: max(s.number(a), 1), Answer: "v=0 answer"}
	case "merge":
		return call.Merge{Device: d, Type: kind(a)}
	case "reject":
		return call.Reject{Device: d}
	case "cancel":
		return call.Cancel{Device: d}
	case "hangup":
		return call.Hangup{Device: d}
	case "offer":
		return call.Offer{Device: d, Generation: s.number(a), SDP: call.SDP("v=0 offer " + a)}
	case "answer":
		return call.Answer{Device: d, Generation: s.number(a), SDP: call.SDP("v=0 answer " + a)}
	case "report":
		return call.Report{Device: d, Generation: s.number(a), Up: b == "up"}
	case "restart":
		return call.Restart{Device: d, From: s.number(a), Rebuild: b == "rebuild"}
	case "switch":
		return call.SwitchType{Device: d, Type: kind(a)}
	case "gone":
		return call.Gone{Device: d}
	case "crash":
		return call.Gone{Device: d, Crashed: true}
	case "back":
		return call.Back{Device: d}
	case "leave":
		return call.Leave{Device: d}
	case "reload":
		return call.Reload{Device: d, Resume: a == "resume"}
	case "supersede":
		return call.Supersede{Device: d}
	case "kick":
		return call.Kick{Device: d}
	case "terminate":
		return call.Terminate{}
	}
	s.t.Fatalf("unknown word %q", word)
	return nil
}

func (s *script) step(in call.Input) {
	next, effects, err := call.Step(s.call, in, s.now)
	s.show(s.call, next, effects, err)
}

// wait ticks at each deadline on the way.
func (s *script) wait(d time.Duration) {
	end := s.now.Add(d)
	for {
		at, ok := s.call.Deadline()
		if !ok || at.After(end) {
			break
		}
		s.now = at
		fmt.Fprintf(&s.out, "  at %s:\n", s.now.Sub(epoch))
		s.step(call.Tick{})
	}
	s.now = end
}

func (s *script) show(was, c call.Call, effects []call.Effect, err error) {
	if err != nil {
		fmt.Fprintf(&s.out, "  refused: %v\n", err)
		return
	}
	if c.Rev == was.Rev {
		fmt.Fprintln(&s.out, "  nothing")
		return
	}
	s.call = c
	states := []string{call.Ringing: "ringing", call.Connecting: "connecting", call.Connected: "connected", call.Ended: "ended"}
	reasons := []string{
		0: "", call.Completed: "completed", call.Cancelled: "cancelled", call.Rejected: "rejected", call.Timeout: "timeout", call.Busy: "busy",
		call.Failed: "failed", call.Lost: "lost", call.Superseded: "superseded", call.Kicked: "kicked", call.Terminated: "server",
	}
	fmt.Fprintf(&s.out, "  rev %d %s", c.Rev, states[c.State])
	if o := c.Outcome; c.State == call.Ended {
		fmt.Fprintf(&s.out, " %s by %s/%s, record %d", reasons[o.Reason], o.Actor, o.Device, o.Kind)
	} else {
		fmt.Fprintf(&s.out, ", generation %d", c.Media.Generation)
		if at, ok := c.Deadline(); ok {
			fmt.Fprintf(&s.out, ", until %s", at.Sub(epoch))
		}
	}
	fmt.Fprintln(&s.out)
	for _, e := range effects {
		device := string(e.Device)
		if device == "" {
			device = "*"
		}
		fmt.Fprintf(&s.out, "  tell %s/%s", e.Account, device)
		for i, name := range []string{"offer", "answer", "servers"} {
			if e.With&(1<<i) != 0 {
				fmt.Fprintf(&s.out, " +%s", name)
			}
		}
		fmt.Fprintln(&s.out)
	}
}

// device is NAME/DEVICE on its present connection.
func (s *script) device(name string) call.Device {
	account, id, _ := strings.Cut(name, "/")
	d := device(account, id)
	d.Conn.Seq += s.conn[name]
	return d
}

func (s *script) number(text string) uint32 {
	n, err := strconv.ParseUint(text, 10, 32)
	if text != "" && err != nil {
		s.t.Fatal(err)
	}
	return uint32(n)
}

func (s *script) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if text != "" && err != nil {
		s.t.Fatal(err)
	}
	return d
}

func kind(text string) call.Type {
	return map[string]call.Type{"audio": call.Audio, "video": call.Video, "other": call.Other}[text]
}
