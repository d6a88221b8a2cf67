package device

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Transcripts are inputs, one a line, each after so many milliseconds, and below it the
// effects. The tests of the device in TypeScript play the same files; -update rewrites
// them.
//
//	# comment; one line of = begins with a new device, of this config
//	+100 suspect
//	  send 1 ping
func TestTranscripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			var s *script
			for line := range strings.Lines(string(text)) {
				words := strings.Fields(line)
				switch {
				case strings.HasPrefix(line, "  "):
					continue
				case len(words) > 0 && words[0] == "=":
					s = newScript(words[1:])
				}
				got.WriteString(line)
				if strings.HasPrefix(line, "+") {
					for _, e := range s.play(t, words) {
						got.WriteString("  " + e + "\n")
					}
				}
			}
			golden(t, path, got.String())
		})
	}
}

var scriptEpoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// script plays the lines of a transcript.
type script struct {
	device *Device
	now    time.Time
	ids    map[string]uint32 // Of the latest frame of each kind.
}

func newScript(config []string) *script {
	c := Config{ID: "d1"}
	for _, word := range config {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "attempt":
			c.AttemptAt = scriptEpoch.Add(millisOf(value))
		}
	}
	return &script{device: New(c), now: scriptEpoch, ids: make(map[string]uint32)}
}

func millisOf(word string) time.Duration {
	n, err := strconv.Atoi(word)
	if err != nil {
		panic(err)
	}
	return time.Duration(n) * time.Millisecond
}

// memoryOf reads "1000,a:1000,b:900": the latest, and the records, in milliseconds.
func memoryOf(account, word string) RecordMemory {
	at := func(s string) int64 { return scriptEpoch.Add(millisOf(s)).UnixMilli() }
	latest, rest, _ := strings.Cut(word, ",")
	m := RecordMemory{Account: account, Latest: at(latest), Told: make(map[string]int64)}
	for _, one := range strings.FieldsFunc(rest, func(r rune) bool { return r == ',' }) {
		id, end, _ := strings.Cut(one, ":")
		m.Told[id] = at(end)
	}
	return m
}

func (s *script) play(t *testing.T, words []string) []string {
	t.Helper()
	s.now = s.now.Add(millisOf(words[0][1:]))
	in := s.input(words[1], append(words[2:], "", "", ""))
	if in == nil {
		t.Fatalf("no input is %q", words)
	}
	effects := []string{}
	for _, e := range s.device.Step(s.now, in) {
		effects = append(effects, s.effect(e))
	}
	return effects
}

func (s *script) input(kind string, args []string) Input {
	invite := &pealv1.Invite{CallId: args[0], Callee: "bob", Type: pealv1.CallType_CALL_TYPE_AUDIO}
	switch kind {
	case "login":
		return Login{}
	case "logout":
		return Logout{Ticket: 9}
	case "token":
		return GotToken{Token: args[0]}
	case "no-token":
		return GotToken{Err: errors.New("no backend")}
	case "opened":
		return Opened{s.socket(args[0])}
	case "closed":
		return Closed{s.socket(args[0])}
	case "woke":
		return Woke{}
	case "probe":
		return Probe{}
	case "suspect":
		return Suspect{}
	case "network":
		return NetworkChanged{}
	case "leaving":
		return Leaving{}
	case "remembered":
		return RecordsRemembered{memoryOf(args[0], args[1])}
	case "draft":
		return Draft{Ticket: 1, Invite: invite}
	case "invite":
		return Invite{Ticket: 2, Invite: invite}
	case "cancel":
		return Cancel{Ticket: 3, Call: args[0]}
	case "hangup":
		return Hangup{Ticket: 4, Call: args[0]}
	case "abandon":
		return Abandon{args[0]}
	case "ask":
		return Ask{Ticket: 5, Command: &pealv1.ClientFrame{Command: &pealv1.ClientFrame_Tracks{Tracks: &pealv1.TrackReport{CallId: args[0]}}}}
	}
	if f := s.frame(kind, args[1:]); f != nil {
		return Received{s.socket(args[0]), f}
	}
	return nil
}

func (s *script) socket(word string) Socket {
	n, err := strconv.Atoi(word)
	if err != nil {
		panic(err)
	}
	return Socket(n)
}

// frame is what comes by a socket.
func (s *script) frame(kind string, args []string) *pealv1.ServerFrame {
	call := func(state pealv1.CallState, rev uint32) *pealv1.CallUpdate {
		return &pealv1.CallUpdate{Call: &pealv1.Call{
			CallId: args[0], Rev: rev, State: state, Role: pealv1.Role_ROLE_CALLEE, Generation: 1,
			Caller: &pealv1.Party{Account: "bob"}, Callee: &pealv1.Party{Account: "alice"},
		}}
	}
	switch kind {
	case "welcome":
		w := &pealv1.Welcome{Account: cmp.Or(args[1], "alice"), LoginAt: timestamppb.New(s.now)}
		if args[0] != "" && args[0] != "-" {
			w.TokenExpiresInMs = uint32(millisOf(args[0]).Milliseconds())
		}
		return &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Welcome{Welcome: w}}
	case "pong":
		return &pealv1.ServerFrame{ReplyTo: s.ids["ping"], Body: &pealv1.ServerFrame_Pong{Pong: &pealv1.Pong{}}}
	case "refused":
		return &pealv1.ServerFrame{ReplyTo: s.ids["hello"], Error: &pealv1.Error{Code: args[0]}}
	case "goodbye":
		return &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Goodbye{Goodbye: &pealv1.Goodbye{
			Error: &pealv1.Error{Code: args[0]}, Reconnect: args[1] == "reconnect",
		}}}
	case "rings":
		return &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Call{Call: call(pealv1.CallState_CALL_STATE_RINGING, 1)}}
	case "ends":
		u := call(pealv1.CallState_CALL_STATE_ENDED, 2)
		u.Call.Reason = pealv1.Reason_REASON_CANCELLED
		u.Call.Record = &pealv1.Record{CallId: args[0], EndedAt: timestamppb.New(s.now)}
		return &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Call{Call: u}}
	case "records":
		return &pealv1.ServerFrame{ReplyTo: s.ids["listRecords"], Body: &pealv1.ServerFrame_Records{Records: &pealv1.RecordList{}}}
	case "noise":
		return &pealv1.ServerFrame{Body: &pealv1.ServerFrame_Candidates{Candidates: &pealv1.Candidates{CallId: "none"}}}
	}
	return nil
}

// effect is a line for an effect.
func (s *script) effect(e Effect) string {
	sinceEpoch := func(at time.Time) int64 { return at.Sub(scriptEpoch).Milliseconds() }
	switch e := e.(type) {
	case GetToken:
		return "getToken"
	case Dial:
		return fmt.Sprint("dial ", e.Socket)
	case Close:
		return fmt.Sprint("close ", e.Socket)
	case Send:
		f := e.Frame.ProtoReflect()
		kind := string(f.WhichOneof(f.Descriptor().Oneofs().ByName("command")).JSONName())
		s.ids[kind] = e.Frame.Id
		line := fmt.Sprintf("send %d %s", e.Socket, kind)
		switch c := e.Frame.Command.(type) {
		case *pealv1.ClientFrame_Hello:
			line += fmt.Sprintf(" %s at %d", c.Hello.Token, sinceEpoch(c.Hello.AttemptAt.AsTime()))
		case *pealv1.ClientFrame_Authenticate:
			line += " " + c.Authenticate.Token
		case *pealv1.ClientFrame_ListRecords:
			line += fmt.Sprintf(" since %d", sinceEpoch(c.ListRecords.GetSince().AsTime()))
		}
		if e.Frame.Quiet {
			line += " quietly"
		}
		return line
	case StateChanged:
		return "state " + [...]string{"offline", "connecting", "online"}[e.State]
	case LoggedOut:
		return "logged out " + e.Error.GetCode()
	case Answer:
		return strings.TrimSpace(fmt.Sprintf("answer %d %s", e.Ticket, e.Error.GetCode()))
	case Incoming:
		return "incoming " + e.Update.Call.CallId
	case Ended:
		return fmt.Sprintf("ended %s %s record=%t", e.Call, e.End.Reason, e.End.Record != nil)
	case Filed:
		return "filed " + e.Record.CallId
	case RememberRecords:
		line := "remember " + e.Account + " none"
		if e.Latest != 0 {
			line = fmt.Sprintf("remember %s %d", e.Account, e.Latest-scriptEpoch.UnixMilli())
		}
		for _, id := range slices.Sorted(maps.Keys(e.Told)) {
			line += fmt.Sprintf(" %s:%d", id, e.Told[id]-scriptEpoch.UnixMilli())
		}
		return line
	}
	return fmt.Sprintf("%T", e)
}
