package client

import (
	"context"
	"fmt"
	"time"

	"github.com/peal-rtc/peal/internal/device"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/socket"
)

// This file is the shell around the device: it owns the event loop and the
// sockets, and turns effects into events.

// ready says why a method must not begin: the client is closed, or its context is over.
func (c *Client) ready(ctx context.Context) error {
	switch {
	case c.ctx.Err() != nil:
		return ErrClosed
	case ctx.Err() != nil:
		return fmt.Errorf("client: nothing was done: %w", ctx.Err())
	}
	return nil
}

// post gives the loop an input.
func (c *Client) post(ctx context.Context, in device.Input) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	select {
	case c.inbox <- in:
		return nil
	case <-ctx.Done():
		return c.ready(ctx)
	case <-c.ctx.Done():
		return ErrClosed
	}
}

// ask gives the loop a wish, and waits for its answer.
func (c *Client) ask(ctx context.Context, wish func(device.Ticket) device.Input) (device.Answer, error) {
	answer := make(chan device.Answer, 1)
	c.mu.Lock()
	c.ticket++
	t := c.ticket
	c.waiting[t] = answer
	c.mu.Unlock()
	in := wish(t)
	err := checkText(in)
	if err == nil {
		err = c.post(ctx, in)
	}
	if err != nil {
		c.mu.Lock()
		delete(c.waiting, t)
		c.mu.Unlock()
		return device.Answer{}, err
	}
	select {
	case a := <-answer:
		if a.Error != nil {
			return a, readError(a.Error)
		}
		return a, nil
	case <-ctx.Done():
		// What must arrive goes on; for all else nobody waits any more.
		if err := c.post(c.ctx, device.Forget{Ticket: t}); err != nil {
			return device.Answer{}, err
		}
		return device.Answer{}, fmt.Errorf("client: no answer yet: %w", ctx.Err())
	case <-c.ctx.Done():
		return device.Answer{}, ErrClosed
	}
}

func (c *Client) command(ctx context.Context, f *pealv1.ClientFrame) (device.Answer, error) {
	return c.ask(ctx, func(t device.Ticket) device.Input { return device.Ask{Ticket: t, Command: f} })
}

// run owns the device until the client is closed.
func (c *Client) run(d *device.Device) {
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	step := func(in device.Input) {
		now := start.Add(time.Since(start))
		for _, e := range d.Step(now, in) {
			c.carryOut(d, e)
		}
		if at, ok := d.Deadline(); ok {
			timer.Reset(at.Sub(now))
		} else {
			timer.Stop()
		}
	}
	for {
		select {
		case in := <-c.inbox:
			step(in)
		case <-timer.C:
			step(device.Woke{})
		case <-c.ctx.Done():
			for _, s := range c.connections {
				s.cancel()
			}
			c.mu.Lock()
			c.state = Offline
			c.mu.Unlock()
			return
		}
	}
}

func (c *Client) carryOut(d *device.Device, effect device.Effect) {
	switch e := effect.(type) {
	case device.GetToken:
		c.workers.Go(c.getToken)
	case device.Dial:
		c.dial(e.Socket)
	case device.Send:
		if s := c.connections[e.Socket]; s != nil {
			s.send(e.Frame)
		}
	case device.Close:
		if s := c.connections[e.Socket]; s != nil {
			close(s.out)
			delete(c.connections, e.Socket)
		}
	case device.Answer:
		c.answer(e)
	default:
		c.tell(d, effect)
	}
}

func (c *Client) getToken() {
	ctx, cancel := context.WithTimeout(c.ctx, tokenTimeout)
	defer cancel()
	token, err := c.cfg.Token(ctx)
	if err == nil {
		err = checkToken(token)
	}
	_ = c.post(c.ctx, device.GotToken{Token: token, Err: err}) // Closed: nobody asks any more.
}

func (c *Client) answer(a device.Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id := a.Update.GetMergedInto(); id != "" {
		// The call that was asked for never was: it is the other side's now.
		c.merged(a.Update, id)
	}
	if w := c.waiting[a.Ticket]; w != nil {
		delete(c.waiting, a.Ticket)
		w <- a
	}
}

// merged gives a call that was made here the id of the one that it became.
func (c *Client) merged(u *pealv1.CallUpdate, id string) {
	for was, call := range c.calls {
		call.mu.Lock()
		if !call.incoming && call.end == nil && call.snapshot.Rev == 0 {
			call.id, call.incoming = id, true
			delete(c.calls, was)
			c.calls[id] = call
		}
		call.mu.Unlock()
	}
}

// tell turns what a device tells into an event.
func (c *Client) tell(d *device.Device, effect device.Effect) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.account = d.Account()
	event := c.event(effect)
	if event == nil {
		return
	}
	if len(c.events) == eventsMost {
		c.cfg.Logger.Error("nobody reads the events of the client; it is closed", "account", c.account)
		c.cancel()
		return
	}
	c.events = append(c.events, event)
	close(c.more)
	c.more = make(chan struct{})
}

func (c *Client) event(effect device.Effect) Event {
	switch e := effect.(type) {
	case device.StateChanged:
		c.state = e.State
		c.cfg.Logger.Info("connection changed", "account", c.account, "state", c.state)
		c.stateChanged()
		return StateChanged{c.state}
	case device.LoggedOut:
		c.over = readError(e.Error)
		c.cfg.Logger.Info("logged out", "account", c.account, "code", c.over.Code)
		c.stateChanged()
		return LoggedOut{c.over}
	case device.Incoming:
		return Incoming{c.begin(e.Update, true), e.Update.Offer}
	case device.Resumed:
		return Resumed{c.begin(e.Update, e.Update.Call.Role == pealv1.Role_ROLE_CALLEE), e.Update.Offer}
	case device.Updated:
		call := c.calls[e.Update.Call.CallId]
		if call == nil {
			return nil
		}
		call.take(e.Update, c.account)
		return Updated{call, e.Changes, e.Update.Call.Generation, e.Update.Offer, e.Update.Answer}
	case device.Ended:
		call := c.calls[e.Call]
		if call == nil {
			return nil
		}
		delete(c.calls, e.Call)
		end := End{
			Reason: e.End.Reason, Actor: e.End.Actor, ByThisDevice: e.End.ByThisDevice,
			Answered: e.End.Answered, Duration: e.End.Duration, Final: e.End.Final,
		}
		call.over(end)
		return Ended{call, end}
	case device.Candidates:
		if call := c.calls[e.Candidates.CallId]; call != nil {
			call.hear(e.Candidates)
			return PeerCandidates{call, e.Candidates.Generation, readCandidates(e.Candidates.Candidates)}
		}
	case device.Filed:
		return RecordFiled{readRecord(e.Record)}
	case device.Failed:
		return Failed{readError(e.Error)}
	}
	return nil
}

func (c *Client) stateChanged() {
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *Client) begin(u *pealv1.CallUpdate, incoming bool) *Call {
	call := newCall(c, u.Call.CallId, incoming)
	call.take(u, c.account)
	c.calls[u.Call.CallId] = call
	return call
}

const (
	// outMost is how many frames wait for a connection before it is given up.
	outMost = 256
	// writeTimeout bounds one write, and the closing handshake.
	writeTimeout = 5 * time.Second
)

// connection is one socket with what waits to be written: a goroutine reads, another one
// writes.
type connection struct {
	out    chan []byte
	cancel context.CancelFunc
	// socket is set, and kept, from device.Opened on.
	socket *socket.Socket
}

func (c *connection) send(f *pealv1.ClientFrame) {
	message, err := c.socket.Encode(f)
	if err != nil {
		c.cancel() // Unreachable: ask and getToken refuse the text that has no encoding.
		return
	}
	select {
	case c.out <- message:
	default:
		c.cancel()
	}
}

func (c *Client) dial(id device.Socket) {
	ctx, cancel := context.WithCancel(c.ctx)
	conn := &connection{out: make(chan []byte, outMost), cancel: cancel}
	c.connections[id] = conn
	c.workers.Go(func() {
		defer cancel()
		c.serve(ctx, id, conn)
		_ = c.post(c.ctx, device.Closed{Socket: id}) // Closed: nobody asks any more.
	})
}

func (c *Client) serve(ctx context.Context, id device.Socket, conn *connection) {
	s, err := c.dialer.Dial(ctx)
	if err != nil {
		c.cfg.Logger.Info("cannot connect", "url", c.dialer.URL, "error", err)
		return
	}
	defer s.CloseNow()
	conn.socket = s
	if c.post(ctx, device.Opened{Socket: id}) != nil {
		return
	}
	c.workers.Go(func() { conn.write(ctx) })
	_ = s.Serve(ctx, func(f *pealv1.ServerFrame, _ int) error { // However it ends, it is over.
		return c.post(ctx, device.Received{Socket: id, Frame: f})
	})
}

// write writes until the device closes the connection, or it breaks.
func (c *connection) write(ctx context.Context) {
	defer c.cancel()
	for {
		select {
		case message, open := <-c.out:
			if !open {
				timer := time.AfterFunc(writeTimeout, c.cancel)
				c.socket.Close()
				timer.Stop()
				return
			}
			timed, cancel := context.WithTimeout(ctx, writeTimeout)
			err := c.socket.Write(timed, message)
			cancel()
			if err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
