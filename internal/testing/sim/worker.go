package sim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/peal-rtc/peal/internal/device"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// Worker is a Node process that runs devices written in TypeScript: the
// bundle of web/sdk/test/device/worker.ts. Requests and answers are lines of
// JSON. One run at a time uses it.
type Worker struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	stderr  bytes.Buffer
	request bytes.Buffer // Of what is not sent yet: only steps are answered, and flush it.
	last    int          // The number of the device that was made last.
}

// StartWorker starts Node with a bundle of the worker.
func StartWorker(bundle string) (*Worker, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, errors.New("no program is called node, which the devices in TypeScript need: run make setup")
	}
	w := &Worker{command: exec.Command(node, bundle)}
	w.command.Stderr = &w.stderr
	if w.in, err = w.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := w.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.out = bufio.NewReaderSize(out, 1<<16)
	if err := w.command.Start(); err != nil {
		return nil, fmt.Errorf("start Node: %w", err)
	}
	return w, nil
}

// Close ends the process.
func (w *Worker) Close() error {
	return errors.Join(w.in.Close(), w.command.Wait())
}

// clear forgets the devices of the run before.
func (w *Worker) clear() error { return w.post(workerRequest{Kind: "clear"}) }

// workerRequest is what the worker is asked for.
type workerRequest struct {
	Kind   string        `json:"kind"`
	Device int           `json:"device"`
	Now    int64         `json:"now"`
	Config *workerConfig `json:"config,omitempty"`
	Input  *workerInput  `json:"input,omitempty"`
}

type workerConfig struct {
	ID     string `json:"id"`
	Client string `json:"client"`
	Resume bool   `json:"resume"`
	Seed   uint32 `json:"seed"`
	// RecordsSince is in milliseconds.
	RecordsSince *int64 `json:"recordsSince,omitempty"`
	// AttemptAt is in milliseconds.
	AttemptAt *int64 `json:"attemptAt,omitempty"`
}

// workerMemory is a RecordMemory.
type workerMemory struct {
	Account string           `json:"account"`
	Latest  int64            `json:"latest"`
	Told    map[string]int64 `json:"told"`
}

// workerAnswer is what came of a step.
type workerAnswer struct {
	Failure  string
	Effects  []workerEffect
	Deadline *int64
	State    string
	Account  string
	Call     json.RawMessage
	Idle     bool
}

// post adds a request to those that the next step sends.
func (w *Worker) post(r workerRequest) error {
	line, err := json.Marshal(r)
	w.request.Write(line)
	w.request.WriteByte('\n')
	return err
}

// step sends a request and waits for its answer.
func (w *Worker) step(r workerRequest) (*workerAnswer, error) {
	if err := w.post(r); err != nil {
		return nil, err
	}
	if _, err := w.request.WriteTo(w.in); err != nil {
		return nil, fmt.Errorf("the worker is gone: %w\n%s", err, w.stderr.String())
	}
	line, err := w.out.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("the worker is gone: %w\n%s", err, w.stderr.String())
	}
	a := &workerAnswer{}
	if err := json.Unmarshal(line, a); err != nil {
		return nil, fmt.Errorf("the worker answers %s: %w", line, err)
	}
	if a.Failure != "" {
		return nil, errors.New(a.Failure)
	}
	return a, nil
}

// scripted is a device in TypeScript: it has what device.Device has.
type scripted struct {
	worker *Worker
	number int
	fail   func(error)

	deadline *int64
	state    device.State
	account  string
	call     *pealv1.Call
	callText json.RawMessage // Of call, which stays the same for many steps.
	idle     bool
}

func newScripted(w *Worker, c device.Config, fail func(error)) *scripted {
	w.last++
	s := &scripted{worker: w, number: w.last, fail: fail, idle: true}
	config := &workerConfig{ID: c.ID, Client: c.Client, Resume: c.Resume, Seed: c.Seed}
	if !c.RecordsSince.IsZero() {
		since := c.RecordsSince.UnixMilli()
		config.RecordsSince = &since
	}
	if !c.AttemptAt.IsZero() {
		at := c.AttemptAt.UnixMilli()
		config.AttemptAt = &at
	}
	if err := w.post(workerRequest{Kind: "new", Device: s.number, Config: config}); err != nil {
		fail(err)
	}
	return s
}

func memoryOf(m device.RecordMemory) *workerMemory {
	if m.Told == nil {
		m.Told = map[string]int64{}
	}
	return &workerMemory{m.Account, m.Latest, m.Told}
}

// Step is as that of a device.Device. Where the worker fails it has no effects.
func (s *scripted) Step(now time.Time, in device.Input) []device.Effect {
	effects, err := s.step(now, in)
	if err != nil {
		s.fail(fmt.Errorf("a device in TypeScript fails at %T: %w", in, err))
	}
	return effects
}

func (s *scripted) step(now time.Time, in device.Input) ([]device.Effect, error) {
	input, err := toWorker(in)
	if err != nil {
		return nil, err
	}
	a, err := s.worker.step(workerRequest{Kind: "step", Device: s.number, Now: now.UnixMilli(), Input: input})
	if err != nil {
		return nil, err
	}
	s.deadline, s.account, s.idle = a.Deadline, a.Account, a.Idle
	if s.state, err = stateFromWorker(a.State); err != nil {
		return nil, err
	}
	if !bytes.Equal(a.Call, s.callText) {
		s.callText = a.Call
		if s.call, err = read(a.Call, &pealv1.Call{}); err != nil {
			return nil, err
		}
	}
	effects := make([]device.Effect, 0, len(a.Effects))
	for i := range a.Effects {
		e, err := a.Effects[i].effect()
		if err != nil {
			return nil, fmt.Errorf("effect %+v: %w", a.Effects[i], err)
		}
		effects = append(effects, e)
	}
	return effects, nil
}

// Deadline is as that of a device.Device.
func (s *scripted) Deadline() (at time.Time, ok bool) {
	if s.deadline == nil {
		return time.Time{}, false
	}
	return time.UnixMilli(*s.deadline).UTC(), true
}

// State is as that of a device.Device.
func (s *scripted) State() device.State { return s.state }

// Account is as that of a device.Device.
func (s *scripted) Account() string { return s.account }

// Call is as that of a device.Device.
func (s *scripted) Call() *pealv1.Call { return s.call }

// Idle is as that of a device.Device.
func (s *scripted) Idle() bool { return s.idle }

// workerInput is an Input as the worker has it: io.ts says which kind has what.
type workerInput struct {
	Kind    string          `json:"kind"`
	Socket  device.Socket   `json:"socket"`
	Ticket  device.Ticket   `json:"ticket"`
	Token   string          `json:"token"`
	Error   *string         `json:"error,omitempty"`
	Call    string          `json:"call"`
	Frame   json.RawMessage `json:"frame,omitempty"`
	Invite  json.RawMessage `json:"invite,omitempty"`
	Accept  json.RawMessage `json:"accept,omitempty"`
	Command json.RawMessage `json:"command,omitempty"`
	*workerMemory
}

func toWorker(in device.Input) (*workerInput, error) {
	// A struct's name in io.go is the kind in io.ts.
	name := strings.TrimPrefix(fmt.Sprintf("%T", in), "device.")
	out := &workerInput{Kind: strings.ToLower(name[:1]) + name[1:]}
	var err error
	switch in := in.(type) {
	case device.GotToken:
		out.Token = in.Token
		if in.Err != nil {
			text := in.Err.Error()
			out.Error = &text
		}
	case device.Opened:
		out.Socket = in.Socket
	case device.Received:
		out.Socket = in.Socket
		out.Frame, err = protojson.Marshal(in.Frame)
	case device.Closed:
		out.Socket = in.Socket
	case device.Woke, device.Login, device.Stop, device.Probe, device.Suspect, device.NetworkChanged, device.Leaving:
	case device.Logout:
		out.Ticket = in.Ticket
	case device.RecordsRemembered:
		out.workerMemory = memoryOf(in.RecordMemory)
	case device.Abandon:
		out.Call = in.Call
	case device.Draft:
		out.Ticket = in.Ticket
		out.Invite, err = protojson.Marshal(in.Invite)
	case device.Invite:
		out.Ticket = in.Ticket
		out.Invite, err = protojson.Marshal(in.Invite)
	case device.Accept:
		out.Ticket = in.Ticket
		out.Accept, err = protojson.Marshal(in.Accept)
	case device.Reject:
		out.Ticket, out.Call = in.Ticket, in.Call
	case device.Cancel:
		out.Ticket, out.Call = in.Ticket, in.Call
	case device.Hangup:
		out.Ticket, out.Call = in.Ticket, in.Call
	case device.Ask:
		out.Ticket = in.Ticket
		out.Command, err = protojson.Marshal(in.Command)
	case device.Mention:
		out.Command, err = protojson.Marshal(in.Command)
	case device.Forget:
		out.Ticket = in.Ticket
	default:
		return nil, fmt.Errorf("no input of io.ts is %T", in)
	}
	return out, err
}

// workerEffect is an Effect as the worker has it.
type workerEffect struct {
	Kind       string
	Socket     device.Socket
	Ticket     device.Ticket
	State      string
	Call       string
	Changes    []device.Change
	End        workerEnd
	Frame      json.RawMessage
	Update     json.RawMessage
	Records    json.RawMessage
	Error      json.RawMessage
	Candidates json.RawMessage
	Record     json.RawMessage
	workerMemory
}

type workerEnd struct {
	Reason       device.Reason
	Actor        string
	ByThisDevice bool
	Answered     bool
	DurationMs   int64
	Final        bool
	Record       json.RawMessage
}

func (e *workerEffect) effect() (device.Effect, error) {
	switch e.Kind {
	case "getToken":
		return device.GetToken{}, nil
	case "dial":
		return device.Dial{Socket: e.Socket}, nil
	case "send":
		frame, err := read(e.Frame, &pealv1.ClientFrame{})
		return device.Send{Socket: e.Socket, Frame: frame}, err
	case "close":
		return device.Close{Socket: e.Socket}, nil
	case "stateChanged":
		state, err := stateFromWorker(e.State)
		return device.StateChanged{State: state}, err
	case "ended":
		x := e.End
		record, err := read(x.Record, &pealv1.Record{})
		return device.Ended{Call: e.Call, End: device.End{
			Reason: x.Reason, Actor: x.Actor, ByThisDevice: x.ByThisDevice, Answered: x.Answered,
			Duration: time.Duration(x.DurationMs) * time.Millisecond, Final: x.Final,
			Record: record,
		}}, err
	case "candidates":
		candidates, err := read(e.Candidates, &pealv1.Candidates{})
		return device.Candidates{Candidates: candidates}, err
	case "rememberRecords":
		return device.RememberRecords{RecordMemory: device.RecordMemory(e.workerMemory)}, nil
	case "filed":
		record, err := read(e.Record, &pealv1.Record{})
		return device.Filed{Record: record}, err
	}
	return e.news()
}

// news are the effects with an update or an error.
func (e *workerEffect) news() (device.Effect, error) {
	update, err := read(e.Update, &pealv1.CallUpdate{})
	if err != nil {
		return nil, err
	}
	failure, err := read(e.Error, &pealv1.Error{})
	if err != nil {
		return nil, err
	}
	switch e.Kind {
	case "answer":
		records, err := read(e.Records, &pealv1.RecordList{})
		return device.Answer{Ticket: e.Ticket, Update: update, Records: records, Error: failure}, err
	case "loggedOut":
		return device.LoggedOut{Error: failure}, nil
	case "incoming":
		return device.Incoming{Update: update}, nil
	case "resumed":
		return device.Resumed{Update: update}, nil
	case "updated":
		return device.Updated{Update: update, Changes: e.Changes}, nil
	case "failed":
		return device.Failed{Error: failure}, nil
	}
	return nil, fmt.Errorf("no effect of io.go is %q", e.Kind)
}

// read reads a message, if there is one.
func read[M proto.Message](text json.RawMessage, into M) (M, error) {
	if text == nil {
		var none M
		return none, nil
	}
	return into, protojson.Unmarshal(text, into)
}

func stateFromWorker(s string) (device.State, error) {
	switch s {
	case "offline":
		return device.Offline, nil
	case "connecting":
		return device.Connecting, nil
	case "online":
		return device.Online, nil
	}
	return device.Offline, fmt.Errorf("no state is %q", s)
}
