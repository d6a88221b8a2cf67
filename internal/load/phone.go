package load

import (
	"context"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/peal-rtc/peal/internal/device"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/socket"
)

// phone is one device. Its part in a call is in part.go.
type phone struct {
	fleet   *Fleet
	account string
	online  atomic.Bool
	// settled is closed when the first login has come to an end, good or bad.
	settled chan struct{}

	mu     sync.Mutex // Guards what follows. What it calls never waits for another phone.
	device *device.Device
	timer  *time.Timer
	inbox  []device.Input
	link   *link
	closed device.Socket // The newest that the device has closed.
	err    *pealv1.Error // Why the first login failed.
	part   part
	// over says that the fleet is being closed.
	over bool
}

// link is one connection.
type link struct {
	id     device.Socket
	socket *socket.Socket
	cancel context.CancelFunc
}

func newPhone(f *Fleet, account string) *phone {
	p := &phone{fleet: f, account: account, settled: make(chan struct{})}
	p.device = device.New(device.Config{
		ID: account, Client: "peal-bench", RecordsSince: time.Now(), Seed: mathrand.Uint32(),
	})
	p.timer = time.AfterFunc(time.Hour, func() { p.step(device.Woke{}) })
	return p
}

// step gives the device an input, and all that follows from it.
func (p *phone) step(in device.Input) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.inbox = append(p.inbox, in)
	for len(p.inbox) > 0 {
		in, p.inbox = p.inbox[0], p.inbox[1:]
		for _, e := range p.device.Step(p.fleet.now(), in) {
			p.carryOut(e)
		}
	}
	p.inbox = nil
	if at, ok := p.device.Deadline(); ok {
		p.timer.Reset(at.Sub(p.fleet.now()))
	} else {
		p.timer.Stop()
	}
}

// post adds an input to those of the step that is under way. The caller holds mu.
func (p *phone) post(in device.Input) { p.inbox = append(p.inbox, in) }

func (p *phone) carryOut(effect device.Effect) {
	switch e := effect.(type) {
	case device.GetToken:
		p.fleet.work.Go(func() {
			token, err := p.fleet.cfg.Token(p.fleet.ctx, p.account)
			p.step(device.GotToken{Token: token, Err: err})
		})
	case device.Dial:
		p.fleet.work.Go(func() {
			p.serve(e.Socket)
			p.step(device.Closed(e))
		})
	case device.Send:
		p.send(e)
	case device.Close:
		p.closed = e.Socket
		if l := p.link; l != nil && l.id == e.Socket {
			p.link = nil
			p.fleet.work.Go(func() {
				l.socket.Close()
				l.cancel()
			})
		}
	case device.StateChanged:
		now := e.State == device.Online
		if p.online.Swap(now) != now {
			p.fleet.count(now)
		}
		if now {
			p.settle(nil)
		}
	case device.LoggedOut:
		p.settle(e.Error)
	default:
		p.part.hears(p, effect)
	}
}

func (p *phone) settle(err *pealv1.Error) {
	select {
	case <-p.settled:
	default:
		p.err = err
		close(p.settled)
	}
}

// send writes at once: a server that does not read holds up this phone alone.
func (p *phone) send(e device.Send) {
	l := p.link
	if l == nil || l.id != e.Socket {
		return
	}
	message, err := l.socket.Encode(e.Frame)
	if err != nil {
		l.cancel() // Seen as a connection that is lost.
		return
	}
	if watch := p.fleet.cfg.Watch; watch != nil {
		watch(Frame{Account: p.account, Sent: true, Kind: kindOf(e.Frame.ProtoReflect(), "command"), Bytes: len(message)})
	}
	if l.socket.Write(p.fleet.ctx, message) != nil {
		l.cancel()
	}
}

// serve lives through one connection.
func (p *phone) serve(id device.Socket) {
	ctx, cancel := context.WithCancel(p.fleet.ctx)
	defer cancel()
	s, err := p.fleet.dialer.Dial(ctx)
	if err != nil {
		p.fleet.cannotConnect(err)
		return
	}
	defer s.CloseNow()
	p.mu.Lock()
	late := id <= p.closed || p.link != nil && p.link.id > id
	if !late {
		p.link = &link{id, s, cancel}
	}
	p.mu.Unlock()
	if late {
		return
	}
	p.step(device.Opened{Socket: id})
	_ = s.Serve(ctx, func(f *pealv1.ServerFrame, bytes int) error { // However it ends, it is over.
		if watch := p.fleet.cfg.Watch; watch != nil {
			watch(Frame{Account: p.account, Kind: kindOf(f.ProtoReflect(), "body"), Answer: f.ReplyTo != 0, Bytes: bytes})
		}
		p.step(device.Received{Socket: id, Frame: f})
		return nil
	})
}

// kindOf is the name of what a frame holds.
func kindOf(f protoreflect.Message, oneof protoreflect.Name) string {
	if field := f.WhichOneof(f.Descriptor().Oneofs().ByName(oneof)); field != nil {
		return string(field.Name())
	}
	return "error"
}

// login logs in and waits for what comes of it.
func (p *phone) login(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	p.step(device.Login{})
	select {
	case <-p.settled:
	case <-ctx.Done():
		reason := p.fleet.why()
		if reason == nil {
			reason = errNotInTime
		}
		return fmt.Errorf("log in %s at %s: %w", p.account, p.fleet.dialer.URL, reason)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return fmt.Errorf("log in %s at %s: %s: %s", p.account, p.fleet.dialer.URL, p.err.Code, p.err.Message)
	}
	return nil
}

// leave has a phone leave a call that went wrong.
func (p *phone) leave(c *call) {
	p.mu.Lock()
	if p.part.call == c {
		p.part = part{}
	}
	p.mu.Unlock()
	p.step(device.Hangup{Ticket: otherTicket, Call: c.id})
}
