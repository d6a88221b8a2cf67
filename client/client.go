// Package client is the Go SDK of Peal: programs that call and answer.
//
// A [Client] is one device of an account. It logs in, stays logged in over lost
// connections, rings, calls, and tells what happens by [Client.Next]:
//
//	c, err := client.New(client.Config{Server: "https://calls.example.org", Token: token})
//	…
//	defer c.Close()
//	if err := c.Login(ctx); err != nil { … }
//	for {
//		event, err := c.Next(ctx)
//		…
//		switch e := event.(type) {
//		case client.Incoming:
//			err = e.Call.Reject(ctx)
//		}
//	}
//
// This package does the signalling: descriptions and candidates are the text of
// whatever media stack there is. Package media, below it, is one. All methods are safe for concurrent use.
//
// A method does nothing when its context is over before it begins. When the context ends
// later, what has to arrive goes on; see the methods. Text that is not UTF-8 is refused with
// the code bad_request, and reaches nobody.
package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/peal-rtc/peal/internal/device"
	"github.com/peal-rtc/peal/internal/protocol"
	"github.com/peal-rtc/peal/internal/protocol/pealv1"
	"github.com/peal-rtc/peal/internal/socket"
)

// Config is what a client is made of. Server and Token are required.
type Config struct {
	// Server is where the server is: "https://calls.example.org".
	Server string
	// Token gives a bearer token whenever one is needed: at login, when a fifth of
	// the life of the one in use is left, and at a reconnect for which that does not
	// serve any more. It has 15 s.
	Token func(context.Context) (string, error)
	// DeviceID names this program among the devices of its account: 1 to 64 of
	// A-Z a-z 0-9 . _ -. Two that run at the same time must not share one. Empty
	// makes one up.
	DeviceID string
	// Program is name and version of the program, for the operator's eyes.
	Program string
	// Resume goes on, after the program was started again with the same
	// DeviceID, with the call that it was in. Otherwise a login ends that call.
	Resume bool
	// RecordsSince is where telling of records begins: with those of calls that
	// ended at that time. Zero means the last seven days.
	RecordsSince time.Time
	// HTTPClient makes the connections. Nil means http.DefaultClient.
	HTTPClient *http.Client
	// Logger gets a line for each change of the connection. Nil means none.
	Logger *slog.Logger
}

const (
	// eventsMost is how many events may wait for Next. A client whose events
	// nobody reads is closed.
	eventsMost = 4096
	// tokenTimeout bounds Config.Token.
	tokenTimeout = 15 * time.Second
)

// ErrClosed is what methods of a client return after Close.
var ErrClosed = errors.New("client: closed")

var deviceIDs = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Client is one device of an account. Make it by New.
type Client struct {
	cfg    Config
	dialer socket.Dialer
	inbox  chan device.Input
	// ctx ends with Close.
	ctx         context.Context
	cancel      context.CancelFunc
	workers     sync.WaitGroup
	connections map[device.Socket]*connection // Belongs to run.

	mu      sync.Mutex // Guards what follows.
	ticket  device.Ticket
	waiting map[device.Ticket]chan device.Answer
	calls   map[string]*Call
	events  []Event
	more    chan struct{} // Is closed when there is another event.
	state   State
	account string
	over    *Error        // Why the last login is over.
	changed chan struct{} // Is closed when the state changes.
}

// New makes a client that is offline.
func New(cfg Config) (*Client, error) {
	if cfg.Token == nil {
		return nil, errors.New("client: Config.Token is required: a function that gives a bearer token")
	}
	u, err := url.Parse(cfg.Server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("client: Config.Server %q is not an address such as https://calls.example.org", cfg.Server)
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + protocol.Path
	if cfg.DeviceID == "" {
		cfg.DeviceID = "go-" + strings.ToLower(rand.Text())
	}
	if !deviceIDs.MatchString(cfg.DeviceID) {
		return nil, fmt.Errorf("client: Config.DeviceID %q must be 1 to 64 of A-Z a-z 0-9 . _ -", cfg.DeviceID)
	}
	if cfg.Program == "" {
		cfg.Program = "peal-go"
	}
	if !utf8.ValidString(cfg.Program) {
		return nil, errors.New("client: Config.Program is not UTF-8")
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = http.DefaultClient
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{
		cfg:    cfg,
		dialer: socket.Dialer{URL: u.String(), Client: cfg.HTTPClient, Subprotocols: protocol.Subprotocols()},
		inbox:  make(chan device.Input, 64), connections: make(map[device.Socket]*connection),
		waiting: make(map[device.Ticket]chan device.Answer), calls: make(map[string]*Call),
		more: make(chan struct{}), changed: make(chan struct{}),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	d := device.New(device.Config{
		ID: cfg.DeviceID, Client: cfg.Program, Resume: cfg.Resume, RecordsSince: cfg.RecordsSince,
		Seed: mathrand.Uint32(),
	})
	c.workers.Go(func() { c.run(d) })
	return c, nil
}

// Login logs in, and returns when the server has welcomed this device or
// refused it. The login lasts, over lost connections, until Logout, or until
// [LoggedOut] tells otherwise. When ctx ends first the login goes on; Logout
// or Close ends it.
func (c *Client) Login(ctx context.Context) error {
	if err := c.ready(ctx); err != nil {
		return err // The login that there may be stays as it is.
	}
	c.mu.Lock()
	c.over = nil
	c.mu.Unlock()
	if err := c.post(ctx, device.Login{}); err != nil {
		return err
	}
	for {
		c.mu.Lock()
		state, over, changed := c.state, c.over, c.changed
		c.mu.Unlock()
		switch {
		case state == Online:
			return nil
		case over != nil:
			return over
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("client: login: %w", ctx.Err())
		case <-c.ctx.Done():
			return ErrClosed
		}
	}
}

// Logout ends the call that this device is in, and the login. It waits for the
// server at most 2 s.
func (c *Client) Logout(ctx context.Context) error {
	_, err := c.ask(ctx, func(t device.Ticket) device.Input { return device.Logout{Ticket: t} })
	return err
}

// Close ends the client without a word to the server, which takes it for a lost
// connection; to leave in order call Logout before. It waits until nothing of
// the client runs any more.
func (c *Client) Close() error {
	c.cancel()
	c.workers.Wait()
	return nil
}

// State says whether the server can be reached now. Calls go on without it.
func (c *Client) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Account is the account that the token named; empty before the first login.
func (c *Client) Account() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.account
}

// DeviceID is what Config gave, or what was made up.
func (c *Client) DeviceID() string { return c.cfg.DeviceID }

// Next waits for the next event. A program that logs in must read the events.
func (c *Client) Next(ctx context.Context) (Event, error) {
	for {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		c.mu.Lock()
		more := c.more
		if len(c.events) > 0 {
			e := c.events[0]
			c.events = c.events[1:]
			c.mu.Unlock()
			return e, nil
		}
		c.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.ctx.Done():
			return nil, ErrClosed
		}
	}
}

// CallOptions is what Call takes. Its zero value is an audio call.
type CallOptions struct {
	// Type is Audio where it is zero.
	Type CallType
	// Offer is the session description, without candidates.
	Offer string
	// Attachment comes to the other side as it is; 4 KiB at most.
	Attachment string
	// Tracks are what this side sends from the start.
	Tracks Tracks
	// ICEPolicy keeps addresses from the other side. Zero means the server's.
	ICEPolicy ICEPolicy
	// RingTimeout is 1 s to 120 s, in whole milliseconds; zero means the server's default.
	RingTimeout time.Duration
}

// Call invites an account, and returns when the server has taken the
// invitation. The events say how the call goes on: a callee that is busy,
// offline or unknown is no error. When both sides call each other the call that
// is returned may be the other side's, accepted: [Call.Incoming] tells, and the
// answer to its offer is for [Call.Answer].
func (c *Client) Call(ctx context.Context, account string, o CallOptions) (*Call, error) {
	if o.Type == 0 {
		o.Type = Audio
	}
	id := newCallID(time.Now())
	call := newCall(c, id, false)
	c.mu.Lock()
	c.calls[id] = call
	c.mu.Unlock()
	a, err := c.ask(ctx, func(t device.Ticket) device.Input {
		return device.Invite{Ticket: t, Invite: &pealv1.Invite{
			CallId: id, Callee: account, Type: pealv1.CallType(o.Type), Offer: o.Offer, Attachment: o.Attachment,
			IcePolicy: pealv1.IcePolicy(o.ICEPolicy), Tracks: o.Tracks.wire(), RingTimeoutMs: protocol.Millis(o.RingTimeout),
		}}
	})
	if err != nil {
		c.mu.Lock()
		delete(c.calls, id)
		c.mu.Unlock()
		return nil, err
	}
	call.take(a.Update, c.Account())
	return call, nil
}

// RecordPage says which records to list.
type RecordPage struct {
	// Before lists calls that ended before this time; zero means the newest.
	Before time.Time
	// BeforeCall, where it is set, replaces Before: the CallID of the last record of the
	// previous page.
	BeforeCall string
	// Limit is 100 at most, and where it is zero.
	Limit int
}

// Records lists records of the account's calls, newest first.
func (c *Client) Records(ctx context.Context, page RecordPage) ([]Record, error) {
	q := &pealv1.ListRecords{Limit: uint32(max(page.Limit, 0))}
	switch {
	case page.BeforeCall != "":
		q.From = &pealv1.ListRecords_BeforeCall{BeforeCall: page.BeforeCall}
	case !page.Before.IsZero():
		q.From = &pealv1.ListRecords_Before{Before: timestamppb.New(page.Before)}
	}
	a, err := c.command(ctx, &pealv1.ClientFrame{Command: &pealv1.ClientFrame_ListRecords{ListRecords: q}})
	if err != nil {
		return nil, err
	}
	var records []Record
	for _, r := range a.Records.GetRecords() {
		records = append(records, readRecord(r))
	}
	return records, nil
}

// newCallID makes a UUIDv7.
func newCallID(now time.Time) string {
	var chance [10]byte
	_, _ = rand.Read(chance[:]) // It never fails.
	return protocol.CallID(now, chance)
}
