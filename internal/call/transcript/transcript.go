// Package transcript plays calls that are written down: internal/call's golden
// transcripts, for its own tests and for those of whoever follows a call from
// outside.
//
// Each line is a command; those below it that are indented are what came of it,
// and lines with # are remarks. The words:
//
//	invite A/D B TYPE       ring A/D [FOR]       accept A/D [GENERATION]
//	report A/D GEN up|down  restart A/D GEN [rebuild]   offer|answer A/D GEN
//	gone|back|leave|cancel|reject|hangup|stop|supersede|kick A/D
//	switch A/D TYPE         reload A/D [resume]  merge A/D TYPE       crash A/D    terminate    wait DURATION
package transcript

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/peal-rtc/peal/internal/call"
)

// Epoch is when every transcript begins.
var Epoch = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// Step is what one input came to. Input is nil for the invitation.
type Step struct {
	At      time.Time
	Tick    bool // It came of a wait.
	Input   call.Input
	Was     call.Call
	Call    call.Call
	Effects []call.Effect
	Err     error
}

// Play plays a transcript. It calls see for each line, and for each step that the line takes.
func Play(text string, line func(string), see func(Step)) error {
	p := &player{now: Epoch, conn: make(map[string]uint64), see: see}
	for l := range strings.Lines(text) {
		l = strings.TrimRight(l, "\n")
		if strings.HasPrefix(l, "  ") {
			continue
		}
		line(l)
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		if err := p.play(strings.Fields(l)); err != nil {
			return fmt.Errorf("%q: %w", l, err)
		}
	}
	return nil
}

type player struct {
	call call.Call
	now  time.Time
	conn map[string]uint64
	see  func(Step)
}

func (p *player) play(words []string) error {
	words = append(words, "", "", "")
	word, who, a, b := words[0], words[1], words[2], words[3]
	switch word {
	case "invite":
		c, effects, err := call.New(call.Invite{
			ID: "01900000-0000-7000-8000-000000000001", Caller: p.device(who), Callee: call.Account(a), Type: kind(b),
			Offer: "v=0 offer 1", Attachment: "hello", Timing: call.DefaultTiming(),
		}, p.now)
		p.took(Step{Call: c, Effects: effects, Err: err})
		return nil
	case "wait":
		d, err := time.ParseDuration(who)
		p.wait(d)
		return err
	case "back", "reload":
		p.conn[who]++
	}
	in, err := p.input(word, p.device(who), a, b)
	if err == nil {
		p.step(in, false)
	}
	return err
}

func (p *player) input(word string, d call.Device, a, b string) (call.Input, error) {
	n, err := strconv.ParseUint(a, 10, 32)
	number := uint32(n)
	switch word {
	case "report", "restart", "offer", "answer":
		if err != nil {
			return nil, err
		}
	}
	switch word {
	case "ring":
		var d2 time.Duration
		if a != "" {
			if d2, err = time.ParseDuration(a); err != nil {
				return nil, err
			}
		}
		return call.Ring{Device: d, For: d2}, nil
	case "stop":
		return call.StopRinging{Device: d}, nil
	case "accept":
		return call.Accept{Device: d, Generation: max(number, 1), Answer: "v=0 answer"}, nil
	case "merge":
		return call.Merge{Device: d, Type: kind(a)}, nil
	case "reject":
		return call.Reject{Device: d}, nil
	case "cancel":
		return call.Cancel{Device: d}, nil
	case "hangup":
		return call.Hangup{Device: d}, nil
	case "offer":
		return call.Offer{Device: d, Generation: number, SDP: call.SDP("v=0 offer " + a)}, nil
	case "answer":
		return call.Answer{Device: d, Generation: number, SDP: call.SDP("v=0 answer " + a)}, nil
	case "report":
		return call.Report{Device: d, Generation: number, Up: b == "up"}, nil
	case "restart":
		return call.Restart{Device: d, From: number, Rebuild: b == "rebuild"}, nil
	case "switch":
		return call.SwitchType{Device: d, Type: kind(a)}, nil
	case "gone":
		return call.Gone{Device: d}, nil
	case "crash":
		return call.Gone{Device: d, Finder: "another"}, nil
	case "back":
		return call.Back{Device: d}, nil
	case "leave":
		return call.Leave{Device: d}, nil
	case "reload":
		return call.Reload{Device: d, Resume: a == "resume"}, nil
	case "supersede":
		return call.Supersede{Device: d}, nil
	case "kick":
		return call.Kick{Device: d}, nil
	case "terminate":
		return call.Terminate{}, nil
	}
	return nil, fmt.Errorf("unknown word %q", word)
}

func (p *player) step(in call.Input, tick bool) {
	next, effects, err := call.Step(p.call, in, p.now)
	p.took(Step{Tick: tick, Input: in, Was: p.call, Call: next, Effects: effects, Err: err})
}

func (p *player) took(s Step) {
	s.At = p.now
	if s.Err == nil {
		p.call = s.Call
	}
	p.see(s)
}

// wait ticks at each deadline on the way.
func (p *player) wait(d time.Duration) {
	end := p.now.Add(d)
	for {
		at, ok := p.call.Deadline()
		if !ok || at.After(end) {
			break
		}
		p.now = at
		p.step(call.Tick{}, true)
	}
	p.now = end
}

// device is NAME/DEVICE on its present connection.
func (p *player) device(name string) call.Device {
	account, id, _ := strings.Cut(name, "/")
	return call.Device{
		Account: call.Account(account), ID: call.DeviceID(id), Conn: call.Connection{Incarnation: "n1", Seq: 1 + p.conn[name]},
	}
}

func kind(text string) call.Type {
	return map[string]call.Type{"audio": call.Audio, "video": call.Video, "other": call.Other}[text]
}
